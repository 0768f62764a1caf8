//! What a switch says of itself: `ofctl-dump TARGET ports|show`.

use std::io::Write;

use super::Error;
use crate::cli::client::Client;
use crate::cli::switch_text;
use crate::openflow::features::{self, FeaturesReply, SwitchConfig};
use crate::openflow::multipart::MultipartType;
use crate::openflow::port::Port;
use crate::openflow::{Entries, MessageType};

/// Prints the descriptions of the ports.
pub(super) fn ports(client: &mut Client, out: &mut impl Write) -> Result<(), Error> {
    let mut text = String::new();
    client.multipart(
        MultipartType::PORT_DESC,
        |_| Ok(()),
        |xid, part| {
            let mut ports = Entries::<Port>::new(part.body.reader()).collect::<Result<Vec<_>, _>>()?;
            switch_text::ports(&mut text, xid, part.more(), &mut ports);
            Ok(())
        },
    )?;
    Ok(out.write_all(text.as_bytes())?)
}

/// Prints features, ports and configuration.
pub(super) fn show(client: &mut Client, out: &mut impl Write) -> Result<(), Error> {
    let decode = FeaturesReply::decode;
    let reply = client.transact("OFPT_FEATURES_REQUEST", MessageType::FEATURES_REPLY, features::encode_request, decode);
    let (xid, features) = reply?;
    let mut text = String::new();
    switch_text::features(&mut text, xid, &features);
    out.write_all(text.as_bytes())?;
    ports(client, out)?;
    let encode = features::encode_config_request;
    let reply = client.transact("OFPT_GET_CONFIG_REQUEST", MessageType::GET_CONFIG_REPLY, encode, SwitchConfig::decode);
    let (xid, config) = reply?;
    text.clear();
    switch_text::config(&mut text, xid, &config);
    Ok(out.write_all(text.as_bytes())?)
}

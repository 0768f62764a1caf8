//! A database server that says anything.

use std::sync::{Arc, LazyLock};

use heddle::agent::host::Host;
use heddle::config::Config;
use heddle::ovsdb::Database;
use heddle::ovsdb::database::decode_table_updates;
use heddle::ovsdb::jsonrpc::{Frame, Framer, Message};
use heddle::topology::Topology;
use serde_json::Value;

const TOPOLOGY: &str = r#"
    nodes.here.tunnel_ip = "192.0.2.1"
    nodes.there.tunnel_ip = "192.0.2.2"
    networks.blue = { type = "vxlan", segmentation_id = 1001 }
    networks.green = { type = "vlan", segmentation_id = 100, physical_network = "physnet" }
    [ports]
    web1 = { network = "blue", node = "here", mac_address = "fa:16:3e:00:00:01", fixed_ips = [] }
    web2 = { network = "green", node = "here", mac_address = "fa:16:3e:00:00:02", port_security = false }
    web3 = { network = "blue", node = "there", mac_address = "fa:16:3e:00:00:03" }
"#;

static WANTED: LazyLock<Arc<Topology>> = LazyLock::new(|| {
    Arc::new(Topology::parse(TOPOLOGY, "topology").unwrap_or_else(|refused| panic!("{refused}")))
});

/// A stream from the server: its first rows are the snapshot, those after it what changed. A host is made of them,
/// and says what it would write.
pub fn database(stream: &[u8]) {
    let mut framer = Framer::with_limit(1 << 16);
    framer.push(stream);
    let mut host = Host::new(Config::defaults("here"), WANTED.clone());
    let mut known = false;
    while let Ok(Frame::Message(bytes)) = framer.next_frame() {
        let Some(updates) = Message::parse(&bytes).ok().and_then(updates) else { continue };
        let Ok(changes) = decode_table_updates(updates.as_object().unwrap_or(&serde_json::Map::new())) else { break };
        let _ = if known { host.on_changes(changes) } else { host.on_snapshot(Database::from_rows(changes)) };
        known = true;
        for operation in host.take_operations() {
            let _ = operation.to_json();
        }
        let _ = host.on_tick();
    }
}

/// The `<table-updates>` of a message (RFC 7047 §4.1.5, §4.1.6).
fn updates(message: Message) -> Option<Value> {
    match message {
        Message::Notification { method, mut params } if method == "update" && params.len() == 2 => params.pop(),
        Message::Response { result, .. } => Some(result),
        _ => None,
    }
}

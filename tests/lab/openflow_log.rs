//! OpenFlow messages as the switch received them, to show what Heddle did and did not send.

use std::fs;

use super::host::Host;

/// What the host's `ovs-vswitchd` receives from now on; over when that restarts.
#[derive(Debug)]
pub struct OpenflowLog<'a> {
    host: &'a Host,
    /// Length of the switch's log when this began.
    offset: usize,
}

impl<'a> OpenflowLog<'a> {
    pub(super) fn start(host: &'a Host) -> Self {
        host.appctl(&["vlog/disable-rate-limit", "vconn"]);
        host.appctl(&["vlog/set", "vconn:file:dbg"]);
        let log = Self { host, offset: 0 };
        Self { offset: log.text().len(), ..log }
    }

    /// Messages from Heddle so far whose text contains `text`, for instance `OFPT_FLOW_MOD`, be it in a bundle or not.
    pub fn sent_by_controller(&self, text: &str) -> Vec<String> {
        self.received("tcp:", text)
    }

    /// The same from `ovs-ofctl` and others at the management socket.
    pub fn sent_by_tools(&self, text: &str) -> Vec<String> {
        self.received("unix#", text)
    }

    fn received(&self, peer: &str, text: &str) -> Vec<String> {
        let log = self.text();
        let messages = messages(log.get(self.offset..).unwrap_or_default());
        let from = |m: &&String| m.contains(&format!("|vconn|DBG|{peer}")) && m.contains(": received: ");
        messages.iter().filter(from).filter(|m| m.contains(text)).cloned().collect()
    }

    /// The log, with what the switch had still in its buffer.
    fn text(&self) -> String {
        self.host.appctl(&["vlog/reopen"]);
        fs::read_to_string(self.host.dir().join("ovs-vswitchd.log")).unwrap_or_default()
    }
}

/// Entries of the log; the further lines of an entry do not begin with a date.
fn messages(log: &str) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    for line in log.lines() {
        match messages.last_mut() {
            Some(last) if !line.contains("Z|") => *last += &format!("\n{line}"),
            _ => messages.push(line.to_owned()),
        }
    }
    messages
}

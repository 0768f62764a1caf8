//! `heddle status` for people.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::agent::refusal_status::RefusalStatus;
use crate::agent::status::{BridgeStatus, NetworkStatus, PortState, PortStatus, Status};
use crate::responder::learning;
use crate::switch::RefusedChange;

/// So many refused flows of one table are shown.
const REFUSALS_SHOWN: usize = 5;

/// Prints what is there, and first of all what is wrong.
pub(super) fn print_status(status: &Status, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "node      {}", status.node)?;
    match &status.topology {
        Some(topology) => {
            let connected = match (status.ovsdb_connected, status.standing_by) {
                (true, true) => "STANDING BY: another heddle serves it",
                (true, false) => "connected",
                (false, _) => "NOT CONNECTED",
            };
            writeln!(out, "topology  {topology}")?;
            writeln!(out, "database  {} ({connected})", status.ovsdb)?;
        }
        None => writeln!(out, "topology  none: only learning bridges are served")?,
    }
    let refused = [
        ("topology file", &status.topology_problem),
        ("file heddle.toml", &status.config_problem),
        ("certificate or key of [tls]", &status.tls_problem),
    ];
    for (file, problem) in refused {
        let Some(problem) = problem else { continue };
        writeln!(out, "\nThe {file} is refused; the last good one is in force:")?;
        for line in problem.lines() {
            writeln!(out, "  {line}")?;
        }
    }
    if !status.problems.is_empty() {
        writeln!(out, "\nProblems:")?;
        for problem in &status.problems {
            writeln!(out, "  {problem}")?;
        }
    }
    writeln!(out, "\nBridges:")?;
    let rows = status.bridges.iter().map(|bridge| {
        let flows = format!("{} of {} flows", bridge.installed.min(bridge.wanted), bridge.wanted);
        [bridge.name.clone(), bridge.role.clone(), flows, connection(bridge)]
    });
    table(rows, out)?;
    for bridge in &status.bridges {
        if let Some(learning) = bridge.learning.filter(|learning| learning.flaps + learning.copies > 0) {
            let learning::Counters { copies, flaps, .. } = learning;
            writeln!(
                out,
                "  {}: {copies} frames came back through a loop, {flaps} times a station flapped",
                bridge.name
            )?;
        }
        if let Some(why) = &bridge.without_bundles {
            writeln!(out, "  {}: refuses bundles ({why}): its flows change one by one", bridge.name)?;
        }
        print_refusals(bridge, out)?;
    }
    if !status.networks.is_empty() {
        writeln!(out, "\nNetworks:")?;
        table(status.networks.iter().map(network), out)?;
    }
    writeln!(out, "\nPorts:{}", if status.ports.is_empty() { " none" } else { "" })?;
    table(status.ports.iter().map(port), out)?;
    if !status.unserved.is_empty() {
        writeln!(out, "\nNot served, dropped:")?;
        table(status.unserved.iter().map(|row| [row.interface.clone(), row.reason.clone()]), out)?;
    }
    if !status.refused_connections.is_empty() {
        writeln!(out, "\nConnections that were refused or given up, by reason, and the latest (the log says more):")?;
        let latest = |reason| status.latest_refused.get(reason).map_or("-", String::as_str);
        let rows = status.refused_connections.iter();
        table(
            rows.map(|(reason, count)| [reason.replace('_', " "), count.to_string(), latest(reason).to_owned()]),
            out,
        )?;
    }
    Ok(())
}

/// The flows that a bridge refuses, by table and reason.
fn print_refusals(bridge: &BridgeStatus, out: &mut impl Write) -> io::Result<()> {
    let mut groups: BTreeMap<_, Vec<&RefusalStatus>> = BTreeMap::new();
    for refusal in &bridge.rejected {
        groups.entry((refusal.table, refusal.refused, &refusal.error)).or_default().push(refusal);
    }
    for ((table, refused, error), refusals) in groups {
        let what = match refused {
            RefusedChange::Addition => "refuses",
            RefusedChange::Deletion => "keeps, though told to delete,",
        };
        let flows = if refusals.len() == 1 { "1 flow".to_owned() } else { format!("{} flows", refusals.len()) };
        writeln!(out, "  {}: {what} {flows} of table {table} with {error}:", bridge.name)?;
        for refusal in refusals.iter().take(REFUSALS_SHOWN) {
            let owner = refusal.owner.as_deref().unwrap_or(&bridge.name);
            writeln!(out, "    {owner}, {}: {}: {}", refusal.pace(), refusal.purpose, refusal.flow)?;
        }
        if let Some(more) = refusals.len().checked_sub(REFUSALS_SHOWN).filter(|more| *more > 0) {
            writeln!(out, "    and {more} more, see --json")?;
        }
    }
    Ok(())
}

fn connection(bridge: &BridgeStatus) -> String {
    let Some(peer) = &bridge.connected_from else { return not_connected(bridge) };
    let mut text = format!("connected from {peer}");
    if bridge.repaired > 0 {
        text += &format!(", {} flows repaired", bridge.repaired);
    }
    if let Some(learning) = bridge.learning {
        text += &format!(", {} addresses", learning.addresses);
    }
    text
}

fn not_connected(bridge: &BridgeStatus) -> String {
    let lasts = bridge.disconnected_seconds.map(|seconds| format!(" for {}", duration(seconds)));
    let reason = bridge.disconnected_reason.as_ref().map(|reason| format!(": {reason}"));
    ["NOT CONNECTED".to_owned(), lasts.unwrap_or_default(), reason.unwrap_or_default()].concat()
}

/// `59 s`, `59 min 59 s`, `1 h 0 min`: as exact as it needs to be.
fn duration(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

fn port(port: &PortStatus) -> [String; 5] {
    let state = match port.state {
        PortState::Installed => "installed",
        PortState::Programming => "programming",
        PortState::Refused => "REFUSED",
        PortState::Waiting => "waiting",
    };
    let warning = port.warning.as_ref().map_or_else(String::new, |warning| format!("; {warning}"));
    let state = port.reason.as_ref().map_or_else(|| state.to_owned(), |reason| format!("{state}: {reason}"));
    let number = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    [
        port.name.clone(),
        port.network.clone(),
        port.interface.clone().unwrap_or_else(|| "-".to_owned()),
        format!("ofport {} vlan {}", number(port.ofport), number(port.local_vlan.map(u32::from))),
        format!("{state}{warning}"),
    ]
}

fn network(network: &NetworkStatus) -> [String; 4] {
    let mtu = network.mtu.map_or_else(|| "-".to_owned(), |mtu| mtu.to_string());
    let answers = network.answers.words();
    let answers = if answers.is_empty() { answers } else { format!("answers {answers}") };
    [network.name.clone(), format!("vlan {}", network.local_vlan), format!("mtu {mtu}"), answers]
}

/// Columns as wide as their widest cell, two spaces between.
fn table<const N: usize>(rows: impl Iterator<Item = [String; N]>, out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<[String; N]> = rows.collect();
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str("  ");
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

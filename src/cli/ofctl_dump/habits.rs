//! What people type who come from `ovs-ofctl`, and what to type here.

use std::ffi::OsString;

/// Commands that may stand behind their first target, as flows and ports do.
const COMMANDS_ON_TARGETS: [&str; 4] = ["diff", "snoop", "monitor", "trace"];

/// Commands of `ovs-ofctl(8)`, and the words for them here.
const OF_OVS_OFCTL: [(&str, &str); 19] = [
    ("dump-flows", "TARGET flows"),
    ("dump-aggregate", "TARGET aggregate"),
    ("dump-ports", "TARGET ports --stats"),
    ("dump-ports-desc", "TARGET ports"),
    ("dump-tables", "TARGET tables"),
    ("dump-table-features", "TARGET tables"),
    ("dump-groups", "TARGET groups"),
    ("dump-group-stats", "TARGET groups --stats"),
    ("dump-meter", "TARGET meters"),
    ("dump-meters", "TARGET meters"),
    ("meter-stats", "TARGET meters --stats"),
    ("dump-desc", "TARGET desc"),
    ("queue-stats", "TARGET queues"),
    ("diff-flows", "diff TARGET TARGET"),
    ("parse-flow", "parse"),
    ("parse-flows", "parse"),
    ("parse-group", "parse --as group"),
    ("ofp-print", "decode"),
    ("ofp-parse", "decode --stream"),
];

/// The command line with its command in front, where clap looks for it: `br-int snoop` as `snoop br-int`. `words`
/// begin with the name of the program.
pub(super) fn command_first(words: impl Iterator<Item = OsString>, is_command: impl Fn(&str) -> bool) -> Vec<OsString> {
    let mut words: Vec<_> = words.collect();
    if let [_, target, command, ..] = words.as_mut_slice()
        && let (Some(first), Some(second)) = (target.to_str(), command.to_str())
        && !first.starts_with('-')
        && !is_command(first)
        && first != "help"
        && COMMANDS_ON_TARGETS.contains(&second)
    {
        std::mem::swap(target, command);
    }
    words
}

/// What to type instead of `words`, the target and what stands behind it, if one of them is a command of `ovs-ofctl` or
/// if `what`, the words for what there is to print, comes first. With it the word that stands wrong.
pub(super) fn instead<'w>(words: &[&'w str], what: &[&str]) -> Option<(&'w str, String)> {
    let of_ovs_ofctl = |word: &str| OF_OVS_OFCTL.iter().find(|(name, _)| *name == word).map(|(_, here)| *here);
    let (first, second) = (*words.first()?, words.get(1).copied());
    let (found, here, target) = match (of_ovs_ofctl(first), second, second.and_then(of_ovs_ofctl)) {
        (Some(here), second, _) => (first, here.to_owned(), second),
        (None, Some(second), Some(here)) => (second, here.to_owned(), Some(first)),
        (None, Some(second), None) if COMMANDS_ON_TARGETS.contains(&second) => {
            (second, format!("{second} TARGET"), Some(first))
        }
        (None, Some(second), None) if what.contains(&first) => (first, format!("TARGET {first}"), Some(second)),
        _ => return None,
    };
    let here = target.map_or_else(|| here.clone(), |target| here.replacen("TARGET", target, 1));
    Some((found, here))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_may_stand_behind_its_target() {
        let cases = [
            ("br0 snoop --json", "snoop br0 --json"),
            ("br0 trace in_port=1", "trace br0 in_port=1"),
            ("snoop monitor", "snoop monitor"),
            ("help trace", "help trace"),
            ("br0 flows", "br0 flows"),
            ("--json snoop", "--json snoop"),
            ("br0", "br0"),
        ];
        for (typed, expected) in cases {
            let words = format!("ofctl-dump {typed}");
            let ordered = command_first(words.split(' ').map(OsString::from), |word| word == "snoop");
            let expected: Vec<_> = format!("ofctl-dump {expected}").split(' ').map(OsString::from).collect();
            assert_eq!(ordered, expected, "{typed}");
        }
    }

    #[test]
    fn commands_of_ovs_ofctl_lead_to_those_here() {
        let cases = [
            ("dump-flows br0", Some("br0 flows")),
            ("br0 dump-ports", Some("br0 ports --stats")),
            ("show br0", Some("br0 show")),
            ("dump-flows", Some("TARGET flows")),
            ("diff-flows br0 br1", Some("diff br0 TARGET")),
            ("br0 snoop", Some("snoop br0")),
            ("show", None),
            ("br0 tcp", None),
        ];
        for (typed, expected) in cases {
            let words: Vec<_> = typed.split(' ').collect();
            assert_eq!(instead(&words, &["show"]).map(|(_, here)| here).as_deref(), expected, "{typed}");
        }
    }
}

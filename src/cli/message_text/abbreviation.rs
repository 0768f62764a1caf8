//! Lists of names in few words: `eth_{src,dst,type}` and `reg0...reg7`.

use super::Out;

/// The names with blanks between them, those next to each other that begin or go on alike put together.
pub(super) fn list(out: &mut Out, names: &[&str]) {
    shortened(out, names, 0);
}

/// Names without their first `prefix` bytes, which are the same in all: `eth_{src,dst}`, `reg0...reg7`.
fn shortened(out: &mut Out, names: &[&str], prefix: usize) {
    let mut rest = names;
    let mut first = true;
    while let [name, ..] = rest {
        if !std::mem::take(&mut first) {
            out.push(if prefix > 0 { b',' } else { b' ' });
        }
        let (common, shared) = common_prefix_run(rest, prefix);
        let numbered = sequential_run(rest);
        let run = common.max(numbered);
        let (these, others) = rest.split_at(run.min(rest.len()));
        let short = |name: &str| name.get(prefix..).unwrap_or_default().to_owned();
        if numbered >= common {
            put!(out, "{}", short(name));
            if let (true, Some(last)) = (run > 1, these.last()) {
                put!(out, "...{}", short(last));
            }
        } else {
            put!(out, "{}{{", short(name).get(..shared).unwrap_or_default());
            shortened(out, these, prefix + shared);
            out.push(b'}');
        }
        rest = others;
    }
}

/// How many names follow each other in number; two are too few to say so.
fn sequential_run(names: &[&str]) -> usize {
    let number = |name: &str| {
        let family = name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        Some((name.get(..family)?.to_owned(), name.get(family..)?.parse::<u32>().ok()?))
    };
    let follows = |pair: &[&str]| match pair {
        [a, b] => number(a).zip(number(b)).is_some_and(|((a, low), (b, high))| a == b && low + 1 == high),
        _ => false,
    };
    let run = 1 + names.windows(2).take_while(|pair| follows(pair)).count();
    if run == 2 { 1 } else { run }
}

/// How many names begin with the same words as the first two, behind `prefix` bytes, and how long those are.
fn common_prefix_run(names: &[&str], prefix: usize) -> (usize, usize) {
    let common = |a: &str, b: &str| {
        let same = a.bytes().zip(b.bytes()).skip(prefix).take_while(|(a, b)| a == b).map(|(byte, _)| byte);
        same.enumerate().filter(|(_, byte)| *byte == b'_').last().map_or(0, |(place, _)| place + 1)
    };
    let [first, second, rest @ ..] = names else { return (names.len(), 0) };
    let shared = common(first, second);
    if shared == 0 {
        return (1, 0);
    }
    (2 + rest.iter().take_while(|name| common(first, name) > 0).count(), shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_that_are_alike_are_put_together() {
        for (names, expected) in [
            ("eth_src eth_dst eth_type vlan_tci", "eth_{src,dst,type} vlan_tci"),
            ("reg0 reg1 reg2 reg3", "reg0...reg3"),
            ("reg0 reg1", "reg0 reg1"),
            ("reg0 reg2 reg3 reg4", "reg0 reg2...reg4"),
            ("ct_state ct_nw_src ct_nw_dst", "ct_{state,nw_{src,dst}}"),
            ("tcp_src udp_src", "tcp_src udp_src"),
            ("metadata", "metadata"),
        ] {
            let names: Vec<&str> = names.split(' ').collect();
            let mut out = Vec::new();
            list(&mut out, &names);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}

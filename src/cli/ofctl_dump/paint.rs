//! Colours for a printed flow, put where `ovs-ofctl --color` puts them.
//!
//! Painting reads the text again instead of printing in colours, so that the printer of flows stays as fast
//! and as simple as it is without.

use super::color::{END, Palette, Part};

/// Appends `line`, one flow as text, in colours.
pub fn paint(line: &str, palette: &Palette, out: &mut Vec<u8>) {
    let mut painter = Painter { rest: line, palette, out };
    painter.head();
    if painter.rest.starts_with(ACTIONS) {
        painter.paint(Part::Actions, ACTIONS.len());
        painter.list(Within::Actions);
    }
    painter.plain(painter.rest.len());
}

const ACTIONS: &str = "actions=";

/// Match fields whose names `ovs-ofctl` leaves without colour.
const PLAIN_FIELDS: [&str; 10] = [
    "tun_gbp_flags",
    "tun_tos",
    "tun_ttl",
    "tun_erspan_ver",
    "tun_erspan_idx",
    "tun_erspan_dir",
    "tun_erspan_hwid",
    "gtpu_flags",
    "gtpu_msgtype",
    "packet_type",
];

/// Words of a match that say a protocol.
const PROTOCOLS: [&str; 14] =
    ["ip", "icmp", "tcp", "udp", "sctp", "ipv6", "icmp6", "tcp6", "udp6", "sctp6", "arp", "rarp", "mpls", "mplsm"];

/// What a list is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Actions,
    Learn,
    Nat,
    /// Arguments of any other action.
    Arguments,
    /// Without colour.
    Plain,
}

struct Painter<'a> {
    rest: &'a str,
    palette: &'a Palette,
    out: &'a mut Vec<u8>,
}

impl<'a> Painter<'a> {
    /// Takes `length` bytes as they are.
    fn plain(&mut self, length: usize) {
        let (text, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.out.extend_from_slice(text.as_bytes());
        self.rest = rest;
    }

    /// Takes `length` bytes in the colour of `part`.
    fn paint(&mut self, part: Part, length: usize) {
        self.out.extend_from_slice(self.palette.start(part).as_bytes());
        self.plain(length);
        self.out.extend_from_slice(END.as_bytes());
    }

    fn paint_if(&mut self, part: Option<Part>, length: usize) {
        match part {
            Some(part) => self.paint(part, length),
            None => self.plain(length),
        }
    }

    fn next(&self) -> Option<u8> {
        self.rest.bytes().next()
    }

    /// The next word, and the byte behind it.
    fn word(&self) -> (&'a str, Option<u8>) {
        let end = self.rest.find([',', ' ', ':', '=', '(', ')', '\n']).unwrap_or(self.rest.len());
        (&self.rest[..end], self.rest.as_bytes().get(end).copied())
    }

    /// Statistics, attributes and match.
    fn head(&mut self) {
        while !self.rest.is_empty() && !self.rest.starts_with(ACTIONS) {
            let (word, delimiter) = self.word();
            match (word, delimiter) {
                ("", _) => self.plain(1),
                ("conj_id", Some(b'=')) => {
                    self.paint(Part::Param, word.len());
                    self.value();
                }
                (_, Some(b'=')) => {
                    self.paint_if(field_part(word), word.len() + 1);
                    self.value();
                }
                _ => self.paint_if(PROTOCOLS.contains(&word).then_some(Part::Value), word.len()),
            }
        }
    }

    /// Takes the rest of an item: up to a comma, a blank or the end of the list that it stands in.
    fn value(&mut self) {
        let mut level = 0_usize;
        let mut quoted = false;
        let mut escaped = false;
        let end = self.rest.bytes().position(|byte| {
            let in_quotes = quoted;
            match byte {
                b'"' if !escaped => quoted = !quoted,
                b'(' if !in_quotes => level += 1,
                b')' if !in_quotes && level > 0 => level -= 1,
                b',' | b' ' | b')' | b'\n' if !in_quotes && level == 0 => return true,
                _ => {}
            }
            escaped = in_quotes && byte == b'\\' && !escaped;
            false
        });
        self.plain(end.unwrap_or(self.rest.len()));
    }

    /// Takes the rest of an item that may lead to a field behind an arrow.
    fn arrow_value(&mut self) {
        let end = self.rest.find([',', ')', '\n']).unwrap_or(self.rest.len());
        if let Some(arrow) = self.rest[..end].find("->") {
            self.plain(arrow);
            self.paint(Part::Special, 2);
        }
        self.value();
    }

    /// Takes items up to the parenthesis that ends them.
    fn list(&mut self, within: Within) {
        while let Some(byte) = self.next() {
            match byte {
                b')' | b'\n' => return,
                b',' if within == Within::Learn && self.rest.starts_with(",priority=") => {
                    self.paint(Part::Special, ",priority=".len());
                    self.value();
                }
                b',' if within == Within::Learn && self.rest.starts_with(",fin_hard_timeout=") => {
                    self.paint(Part::Param, ",fin_hard_timeout=".len());
                    self.value();
                }
                b',' | b' ' => self.plain(1),
                _ => self.item(within),
            }
        }
    }

    fn item(&mut self, within: Within) {
        let before = self.rest.len();
        let (word, delimiter) = self.word();
        match within {
            Within::Actions => self.action(word, delimiter),
            Within::Learn => self.learn_argument(word, delimiter),
            Within::Nat => self.nat_argument(word, delimiter),
            Within::Arguments => self.argument(word, delimiter),
            Within::Plain => self.value(),
        }
        if self.rest.len() == before {
            self.plain(1);
        }
    }

    fn action(&mut self, word: &str, delimiter: Option<u8>) {
        match (word, delimiter) {
            ("set_field" | "load" | "move", Some(b':')) => {
                self.paint(Part::Special, word.len() + 1);
                self.arrow_value();
            }
            ("output" | "group" | "resubmit", Some(b':')) => {
                self.paint(Part::Special, word.len() + 1);
                self.value();
            }
            ("CONTROLLER", _) => self.value(),
            (_, Some(b':')) => {
                self.paint(Part::Param, word.len() + 1);
                self.value();
            }
            (_, Some(b'(')) => self.parenthesised(word),
            ("drop", _) => self.paint(Part::Drop, word.len()),
            ("exit" | "dec_nsh_ttl", _) => self.paint(Part::Special, word.len()),
            ("dec_ttl" | "nat", _) => self.paint(Part::Paren, word.len()),
            (
                "strip_vlan" | "pop_vlan" | "dec_mpls_ttl" | "pop_queue" | "ct_clear" | "clear_actions"
                | "debug_recirc" | "debug_slow",
                _,
            ) => self.paint(Part::Value, word.len()),
            _ => self.value(),
        }
    }

    /// An action or an argument with parentheses.
    fn parenthesised(&mut self, word: &str) {
        let length = word.len();
        match word {
            "learn" => self.enclosed(Part::Learn, length + 1, Within::Learn),
            "dec_ttl" | "nat" => {
                self.paint(Part::Paren, length);
                self.enclosed(Part::Paren, 1, if word == "nat" { Within::Nat } else { Within::Plain });
            }
            "clone" | "write_actions" | "exec" => self.enclosed(Part::Paren, length + 1, Within::Actions),
            "nsh" => {
                self.plain(length);
                self.enclosed(Part::Paren, 1, Within::Plain);
            }
            "output" => {
                self.paint(Part::Special, length);
                self.value();
            }
            "packet_type" => self.value(),
            "check_pkt_larger" => {
                self.paint(Part::Paren, length + 1);
                self.list(Within::Plain);
                self.plain(1);
                self.value();
            }
            _ => self.enclosed(Part::Paren, length + 1, Within::Arguments),
        }
    }

    /// Takes an opening of `length` bytes, a list, and the parenthesis that closes it.
    fn enclosed(&mut self, part: Part, length: usize, within: Within) {
        self.paint(part, length);
        self.list(within);
        if self.next() == Some(b')') {
            self.paint(part, 1);
        }
    }

    fn argument(&mut self, word: &str, delimiter: Option<u8>) {
        match (word, delimiter) {
            (_, Some(b'(')) => self.parenthesised(word),
            ("table", Some(b'=')) => {
                self.paint(Part::Special, word.len() + 1);
                self.value();
            }
            (_, Some(b'=')) | ("members", Some(b':')) => {
                self.paint(Part::Param, word.len() + 1);
                self.value();
            }
            ("commit" | "force" | "pause", _) => self.paint(Part::Value, word.len()),
            ("ingress" | "egress", _) => self.paint(Part::Param, word.len()),
            _ => self.value(),
        }
    }

    fn nat_argument(&mut self, word: &str, delimiter: Option<u8>) {
        match word {
            "src" | "dst" => {
                self.paint(Part::Param, word.len());
                if delimiter == Some(b'=') {
                    self.paint(Part::Param, 1);
                }
                self.value();
            }
            "persistent" | "hash" | "random" => self.paint(Part::Value, word.len()),
            _ => self.value(),
        }
    }

    fn learn_argument(&mut self, word: &str, delimiter: Option<u8>) {
        match (word, delimiter) {
            ("table", Some(b'=')) => {
                self.paint(Part::Special, word.len() + 1);
                self.value();
            }
            ("load", Some(b':')) => {
                self.paint(Part::Special, word.len() + 1);
                self.arrow_value();
            }
            ("output", Some(b':')) => {
                self.paint(Part::Special, word.len() + 1);
                self.value();
            }
            ("send_flow_rem" | "delete_learned", _) => self.paint(Part::Value, word.len()),
            (_, Some(b'=')) if word.ends_with(']') && !self.rest[word.len() + 1..].starts_with("0x") => {
                self.paint(Part::Param, word.len());
                self.paint(Part::Param, 1);
                self.value();
            }
            (_, Some(b'=')) => {
                self.paint(Part::Param, word.len() + 1);
                self.value();
            }
            _ => self.paint(Part::Param, word.len()),
        }
    }
}

fn field_part(name: &str) -> Option<Part> {
    match name {
        "table" | "priority" => Some(Part::Special),
        _ if PLAIN_FIELDS.contains(&name) || name.starts_with("tun_metadata") => None,
        _ => Some(Part::Param),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with the colour of each part in front of it, as `<pm cookie=>`.
    fn marked(line: &str) -> String {
        const NAMES: [&str; 7] = ["ac", "dr", "le", "pm", "pr", "sp", "vl"];
        let palette = Palette::new("");
        let mut out = Vec::new();
        paint(line, &palette, &mut out);
        let mut text = String::from_utf8(out).unwrap().replace(END, ">");
        let parts = [Part::Actions, Part::Drop, Part::Learn, Part::Param, Part::Paren, Part::Special, Part::Value];
        for (name, part) in NAMES.into_iter().zip(parts) {
            text = text.replace(palette.start(part), &format!("<{name} "));
        }
        text
    }

    #[test]
    fn every_part_of_a_flow_has_its_colour() {
        let cases = [
            (
                " cookie=0x0, table=1, priority=2,ip,in_port=\"a,b\" actions=drop\n",
                " <pm cookie=>0x0, <sp table=>1, <sp priority=>2,<vl ip>,<pm in_port=>\"a,b\" <ac actions=><dr drop>\n",
            ),
            ("conj_id=3,tun_ttl=4 actions=NORMAL", "<pm conj_id>=3,tun_ttl=4 <ac actions=>NORMAL"),
            (
                "actions=ct(commit,table=3,nat(src=1.1.1.1-1.1.1.2:7,random),exec(load:0x1->NXM_NX_CT_MARK[]))",
                "<ac actions=><pr ct(><vl commit>,<sp table=>3,<pr nat><pr (><pm src><pm =>1.1.1.1-1.1.1.2:7,<vl \
                 random><pr )>,<pr exec(><sp load:>0x1<sp ->>NXM_NX_CT_MARK[]<pr )><pr )>",
            ),
            (
                "actions=learn(table=2,priority=9,NXM_OF_VLAN_TCI[0..11],eth_dst=NXM_OF_ETH_SRC[],NXM_OF_ETH_DST[]=\
                 NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],output:NXM_OF_IN_PORT[]),resubmit(,3),check_pkt_larger(9)\
                 ->NXM_NX_REG0[0]",
                "<ac actions=><le learn(><sp table=>2<sp ,priority=>9,<pm NXM_OF_VLAN_TCI[0..11]>,<pm eth_dst=>\
                 NXM_OF_ETH_SRC[],<pm NXM_OF_ETH_DST[]><pm =>NXM_OF_ETH_SRC[],<sp load:>0<sp ->>NXM_OF_VLAN_TCI[],<sp \
                 output:>NXM_OF_IN_PORT[]<le )>,<pr resubmit(>,3<pr )>,<pr check_pkt_larger(>9)->NXM_NX_REG0[0]",
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(marked(line), expected);
        }
    }

    #[test]
    fn colours_change_nothing_of_any_text() {
        for line in ["actions=((", "))", "actions=a(b(c,\"d", "=,:(\n", "actions=learn(,)(", "", "é=é actions=é(é"]
        {
            let mut out = Vec::new();
            paint(line, &Palette::new("ac=:dr=:le=:pm=:pr=:sp=:vl="), &mut out);
            assert_eq!(String::from_utf8(out).unwrap().replace(END, ""), line);
        }
    }
}

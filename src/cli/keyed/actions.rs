//! Actions and instructions by the names that they print with (`ovs-actions(7)`).

use super::shape::Keys;
use super::{Node, Shape, Visitor, field, known_field};
use crate::flow::parse;

/// Every name that may stand behind `actions=`, with what its arguments are.
pub static ACTIONS: Keys = &[
    ("drop", Shape::Flag),
    ("output", Shape::Output),
    ("controller", Shape::Controller),
    ("enqueue", Shape::Placed(&[("port", Shape::Port), ("queue", Shape::Number)], ",:")),
    ("bundle", Shape::Bundle),
    ("bundle_load", Shape::Bundle),
    ("group", Shape::Word),
    ("pop_vlan", Shape::Flag),
    ("strip_vlan", Shape::Flag),
    ("push_vlan", Shape::Word),
    ("pop_mpls", Shape::Number),
    ("push_mpls", Shape::Number),
    ("encap", Shape::Encap),
    ("decap", Shape::Keyed(&[("packet_type", Shape::Keyed(&[("ns", Shape::Number), ("type", Shape::Number)]))])),
    ("set_field", Shape::SetField),
    ("load", Shape::Load),
    ("move", Shape::Move),
    ("push", Shape::Field),
    ("pop", Shape::Field),
    ("mod_dl_src", Shape::Text),
    ("mod_dl_dst", Shape::Text),
    ("mod_nw_src", Shape::Text),
    ("mod_nw_dst", Shape::Text),
    ("mod_nw_tos", Shape::Word),
    ("mod_nw_ecn", Shape::Word),
    ("mod_nw_ttl", Shape::Number),
    ("mod_tp_src", Shape::Word),
    ("mod_tp_dst", Shape::Word),
    ("mod_vlan_vid", Shape::Number),
    ("mod_vlan_pcp", Shape::Number),
    ("set_vlan_vid", Shape::Number),
    ("set_vlan_pcp", Shape::Number),
    ("set_mpls_label", Shape::Word),
    ("set_mpls_tc", Shape::Word),
    ("set_mpls_ttl", Shape::Word),
    ("dec_ttl", Shape::Numbers),
    ("dec_mpls_ttl", Shape::Flag),
    ("dec_nsh_ttl", Shape::Flag),
    ("delete_field", Shape::Field),
    ("check_pkt_larger", Shape::CheckPktLarger),
    ("set_tunnel", Shape::Word),
    ("set_tunnel64", Shape::Word),
    ("set_queue", Shape::Word),
    ("pop_queue", Shape::Flag),
    ("ct", Shape::Keyed(CT)),
    ("ct_clear", Shape::Flag),
    ("fin_timeout", Shape::Keyed(&[("idle_timeout", Shape::Seconds), ("hard_timeout", Shape::Seconds)])),
    ("learn", Shape::Learn),
    ("resubmit", Shape::Placed(&[("port", Shape::Port), ("table", Shape::Table), ("ct", Shape::Flag)], ",")),
    ("exit", Shape::Flag),
    ("multipath", Shape::Placed(MULTIPATH, ",")),
    ("clone", Shape::Actions),
    ("conjunction", Shape::Placed(&[("id", Shape::Number), ("k", Shape::Number), ("n", Shape::Number)], ",/")),
    ("note", Shape::Text),
    ("sample", Shape::Keyed(SAMPLE)),
    ("debug_recirc", Shape::Flag),
    ("debug_slow", Shape::Flag),
    ("unroll_xlate", Shape::Keyed(&[("table", Shape::Table), ("cookie", Shape::Number)])),
    ("meter", Shape::Number),
    ("clear_actions", Shape::Flag),
    ("write_actions", Shape::Actions),
    ("write_metadata", Shape::Masked(64)),
    ("goto_table", Shape::Table),
    ("instruction", Shape::Text),
];

const CT: Keys = &[
    ("commit", Shape::Flag),
    ("force", Shape::Flag),
    ("table", Shape::Table),
    ("zone", Shape::FieldOrNumber),
    ("nat", Shape::Nat),
    ("exec", Shape::Actions),
    ("alg", Shape::Word),
];

const MULTIPATH: Keys = &[
    ("fields", Shape::Word),
    ("basis", Shape::Number),
    ("algorithm", Shape::Word),
    ("n_links", Shape::Number),
    ("arg", Shape::Number),
    ("dst", Shape::Field),
];

const SAMPLE: Keys = &[
    ("probability", Shape::Number),
    ("collector_set_id", Shape::Number),
    ("obs_domain_id", Shape::FieldOrNumber),
    ("obs_point_id", Shape::FieldOrNumber),
    ("sampling_port", Shape::Port),
    ("ingress", Shape::Flag),
    ("egress", Shape::Flag),
];

/// What `learn` says of the flow that it makes, beside fields and actions.
const LEARN: Keys = &[
    ("idle_timeout", Shape::Seconds),
    ("hard_timeout", Shape::Seconds),
    ("fin_idle_timeout", Shape::Seconds),
    ("fin_hard_timeout", Shape::Seconds),
    ("priority", Shape::Number),
    ("cookie", Shape::Number),
    ("send_flow_rem", Shape::Flag),
    ("table", Shape::Table),
    ("delete_learned", Shape::Flag),
    ("limit", Shape::Number),
    ("result_dst", Shape::Field),
];

/// What the arguments of an action are; upper or lower case.
pub fn action_shape(name: &str) -> Option<Shape> {
    ACTIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, shape)| *shape)
}

/// Tells the actions in `text`. A port that stands alone is one that is output to.
pub(super) fn list<'t>(text: &'t str, visit: Visitor<'_, 't>) {
    for (key, value) in parse::pairs(text) {
        tell(key, value, visit);
    }
}

fn tell<'t>(key: &'t str, value: &'t str, visit: Visitor<'_, 't>) {
    match action_shape(key) {
        Some(Shape::Controller) if value.is_empty() => visit("output", Node::new(Shape::Output, key)),
        Some(Shape::Numbers) if value.is_empty() => visit(key, Node::new(Shape::Flag, "")),
        Some(shape) => visit(key, Node::new(shape, value)),
        None if value.is_empty() => visit("output", Node::new(Shape::Output, key)),
        None => visit(key, Node::new(Shape::Text, value)),
    }
}

/// Tells the arguments of `learn` in `text`. A field without a value is the packet's own.
pub(super) fn learn<'t>(text: &'t str, visit: Visitor<'_, 't>) {
    for (key, value) in parse::pairs(text) {
        let name = key.split_once('[').map_or(key, |(name, _)| name);
        if let Some((_, shape)) = LEARN.iter().find(|(known, _)| *known == key) {
            visit(key, Node::new(if value.is_empty() { Shape::Flag } else { *shape }, value));
        } else if known_field(name).is_none() {
            tell(key, value, visit);
        } else if value.is_empty() {
            visit(key, Node::new(Shape::Field, key));
        } else if value.contains('[') {
            visit(key, Node::new(Shape::Field, value));
        } else {
            visit(key, field(name, value));
        }
    }
}

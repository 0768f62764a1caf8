//! What a session makes of a switch that refuses: what is tried again when, and what that costs.

use super::super::batch::BundleRefusal;
use super::super::session::Event;
use super::super::simulator::{BAD_AT_ADD, BAD_AT_COMMIT, Simulator};
use super::super::testing::{Pair, add, bad, delete, flow, guard, wanted};
use super::*;
use crate::openflow::bundle::BundleControlType;

const SECOND: Duration = Duration::from_secs(1);

/// A switch with room for so many flows.
fn with_room(capacity: usize) -> Simulator {
    let mut switch = Simulator::new();
    switch.capacity = capacity;
    switch
}

/// FLOW_MODs that the switch has got since the last call.
fn flow_mods(pair: &mut Pair) -> usize {
    pair.log().iter().filter(|line| line.starts_with("add ") || line.starts_with("delete ")).count()
}

fn flows(count: u16) -> impl Iterator<Item = Arc<Flow>> {
    (1..=count).map(|priority| flow(priority, 1))
}

#[test]
fn one_bad_flow_among_ten_thousand_costs_one_more_bundle() {
    for (how, sent) in [(BAD_AT_ADD, 10_000), (BAD_AT_COMMIT, 19_999)] {
        let mut pair = Pair::adopted(Simulator::new(), wanted(flows(9_999).chain([bad(20_000, how)])));
        pair.holds(flows(9_999));
        assert_eq!((pair.progress.installed, pair.progress.rejected.len()), (9_999, 1));
        assert_eq!((flow_mods(&mut pair), pair.progress.refusals), (sent, 1));
    }
}

#[test]
fn what_is_refused_is_tried_again_by_itself_and_holds_up_nothing_that_is_wanted_meanwhile() {
    let mut pair = Pair::adopted(Simulator::new(), wanted([flow(1, 1), bad(2, BAD_AT_COMMIT), bad(3, BAD_AT_COMMIT)]));
    pair.log();
    pair.update(2, add([flow(4, 1), flow(5, 1)]));
    pair.settle_after(SECOND);
    assert_eq!(pair.log(), ["add 4", "add 5", "commit", "add 3", "add 2"]);
    assert_eq!(pair.progress.generation, 2);
}

#[test]
fn a_full_table_is_found_out_by_a_few_flows_and_filled_as_soon_as_it_has_room() {
    let mut pair = Pair::adopted(with_room(100), wanted(flows(1000)));
    assert_eq!((pair.progress.installed, pair.progress.rejected.len()), (100, 900));
    assert!(pair.progress.rejected.iter().all(|rejected| rejected.code == ErrorCode::FMFC_TABLE_FULL));
    let first = flow_mods(&mut pair);
    assert!(first <= 4 * 1000, "{first} FLOW_MODs");
    let mut sent = 0;
    for _ in 0..3600 {
        pair.settle_after(SECOND);
        sent += flow_mods(&mut pair);
    }
    let (tries, hour) = (sent / SCOUTS, 3600 / 60);
    assert!((hour..hour + 8).contains(&tries), "{sent} FLOW_MODs in an hour");
    pair.switch.capacity = usize::MAX;
    pair.settle_after(LONGEST_WAIT);
    pair.holds(flows(1000));
    assert_eq!((pair.progress.rejected.len(), flow_mods(&mut pair)), (0, 900));
}

#[test]
fn a_flow_that_leaves_a_full_table_makes_room_at_once() {
    let mut pair = Pair::adopted(with_room(3), wanted(flows(5)));
    pair.settle_after(SECOND);
    pair.log();
    let there = pair.switch.flows.sorted();
    pair.update(2, delete([there[0].clone()]));
    pair.settle();
    assert_eq!((pair.switch.flows.len(), pair.progress.rejected.len()), (3, 1));
    // What takes another's place gets in, though adds go before deletes.
    let leaves = pair.switch.flows.sorted()[0].clone();
    let mut changes = add([flow(77, 1)]);
    changes.delete = vec![leaves];
    pair.update(3, changes);
    pair.settle();
    assert_eq!((pair.switch.flows.len(), pair.progress.wanted - pair.progress.installed), (3, 1));
    // A flow that others take out is told by the monitor.
    pair.switch.capacity = 4;
    let other = flow(99, 9);
    pair.switch.others_add(&other);
    pair.settle();
    pair.settle_after(SECOND);
    assert!(pair.switch.flows.get(&other.key()).is_none());
    assert_eq!((pair.switch.flows.len(), pair.progress.rejected.len()), (4, 0));
}

#[test]
fn without_room_for_all_those_come_first_without_which_others_would_open_something() {
    let all = || flows(50).chain([guard(51, 0), guard(52, 0)]);
    let mut pair = Pair::adopted(with_room(0), wanted(all()));
    while pair.progress.held {
        pair.session.proceed();
        pair.settle();
    }
    assert_eq!(pair.progress.rejected.len(), 52);
    pair.switch.capacity = 2;
    pair.settle_after(LONGEST_WAIT);
    pair.holds([guard(51, 0), guard(52, 0)]);
    pair.switch.capacity = 3;
    pair.settle_after(LONGEST_WAIT);
    assert!(pair.switch.flows.get(&flow(50, 1).key()).is_some(), "then those of higher priority");
}

#[test]
fn a_flow_that_the_switch_does_not_let_go_is_shown_and_deleted_later() {
    let mut switch = Simulator::new();
    switch.flows = flows(2).collect();
    switch.keeps = true;
    let mut pair = Pair::adopted(switch, wanted([flow(1, 1), flow(3, 1)]));
    pair.holds(flows(3));
    let [rejected] = &pair.progress.rejected[..] else { panic!("{:?}", pair.progress.rejected) };
    assert_eq!((rejected.refused, &rejected.flow), (RefusedChange::Deletion, &flow(2, 1)));
    assert_eq!((rejected.code, pair.progress.installed), (ErrorCode::FMFC_EPERM, 2));
    pair.log();
    let mut sent = Vec::new();
    for _ in 0..15 {
        pair.settle_after(SECOND);
        sent.push(flow_mods(&mut pair));
    }
    assert_eq!(sent, [1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    // Audits find it, and bring it back no sooner.
    pair.switch.pause();
    pair.switch.resume();
    pair.settle();
    assert_eq!((pair.log(), pair.progress.rejected.len()), (vec!["dump".into()], 1));
    pair.switch.keeps = false;
    pair.settle_after(LONGEST_WAIT);
    pair.holds([flow(1, 1), flow(3, 1)]);
    assert!(pair.progress.rejected.is_empty());
}

#[test]
fn a_flow_that_is_wanted_again_or_gone_is_no_more_one_that_the_switch_keeps() {
    for gone in [true, false] {
        let mut switch = Simulator::new();
        switch.flows = flows(2).collect();
        switch.keeps = true;
        let mut pair = Pair::adopted(switch, wanted([flow(1, 1)]));
        assert_eq!(pair.progress.rejected.len(), 1);
        if gone {
            pair.switch.others_delete(&flow(2, 1).key());
        } else {
            pair.update(2, add([flow(2, 1)]));
        }
        pair.settle();
        assert!(pair.progress.rejected.is_empty());
    }
}

#[test]
fn a_flow_that_others_have_put_in_is_refused_no_more() {
    let mut pair = Pair::adopted(Simulator::new(), wanted([bad(1, BAD_AT_ADD)]));
    pair.switch.pause();
    pair.switch.others_add(&bad(1, BAD_AT_ADD));
    pair.switch.resume();
    pair.settle();
    assert_eq!((pair.progress.rejected.len(), pair.progress.installed), (0, 1));
    pair.log();
    pair.settle_after(LONGEST_WAIT);
    assert_eq!(pair.log(), [""; 0]);
}

#[test]
fn a_switch_that_has_no_bundle_left_gets_its_flows_one_by_one_and_another_bundle_later() {
    for (refused, code) in [
        (BundleControlType::OPEN_REQUEST, ErrorCode::BFC_OUT_OF_BUNDLES),
        (BundleControlType::COMMIT_REQUEST, ErrorCode::BFC_TIMEOUT),
        (BundleControlType::COMMIT_REQUEST, ErrorCode::BFC_UNKNOWN),
    ] {
        let mut switch = Simulator::new();
        switch.bundle_error = Some((refused, code));
        let mut pair = Pair::adopted(switch, wanted(flows(3).chain([bad(9, BAD_AT_COMMIT)])));
        pair.holds(flows(3));
        let refusal = BundleRefusal::Error(code);
        assert_eq!((pair.progress.without_bundles, pair.progress.rejected.len()), (Some(refusal), 1));
        assert!(pair.events.contains(&Event::WithoutBundles(refusal)));
        pair.log();
        pair.update(2, add([flow(4, 1)]));
        pair.settle();
        assert_eq!(pair.log(), ["add 4"], "none is tried with each change");
        pair.switch.bundle_error = None;
        pair.settle_after(60 * SECOND);
        assert_eq!(pair.progress.without_bundles, None);
        pair.log();
        pair.update(3, add([flow(5, 1)]));
        pair.settle();
        assert_eq!(pair.log(), ["add 5", "commit"]);
    }
}

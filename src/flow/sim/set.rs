//! The action set: what of it is executed, and in which order (OpenFlow 1.3.5 §5.10; Open vSwitch adds Nicira's
//! actions).

use crate::openflow::Action;

/// Where an action of the set has its place.
enum Place {
    /// Once, in this position.
    Once(u8),
    /// Any number of times, in the order in which they were written.
    Set,
    /// Once, as the last; of several the one that outranks the others.
    Final(u8),
}

const fn place(action: &Action) -> Option<Place> {
    Some(match action {
        Action::PopVlan => Place::Once(0),
        Action::PopMpls(_) => Place::Once(1),
        Action::Decap(_) => Place::Once(2),
        Action::Encap(_) => Place::Once(3),
        Action::PushMpls(_) => Place::Once(4),
        Action::PushVlan(_) => Place::Once(5),
        Action::DecNwTtl | Action::DecTtlCntIds(_) => Place::Once(6),
        Action::DecMplsTtl => Place::Once(7),
        Action::DecNshTtl => Place::Once(8),
        Action::Ct(_) => Place::Final(0),
        Action::CtClear => Place::Final(1),
        Action::ResubmitPort(_) | Action::Resubmit { .. } | Action::ResubmitCt { .. } => Place::Final(2),
        Action::Output { .. } => Place::Final(3),
        Action::Group(_) => Place::Final(4),
        Action::SetField(_) | Action::Load2(_) | Action::Move { .. } | Action::CopyField { .. } => Place::Set,
        Action::Load { .. } | Action::SetQueue(_) | Action::SetTunnel(_) | Action::SetTunnel64(_) => Place::Set,
        Action::SetVlanVid(_) | Action::SetVlanPcp(_) | Action::SetEthSrc(_) | Action::SetEthDst(_) => Place::Set,
        Action::SetNwSrc(_) | Action::SetNwDst(_) | Action::SetNwTos(_) | Action::SetNwEcn(_) => Place::Set,
        Action::SetNwTtl(_) | Action::SetTpSrc(_) | Action::SetTpDst(_) => Place::Set,
        Action::SetMplsLabel(_) | Action::SetMplsTc(_) | Action::SetMplsTtl(_) => Place::Set,
        _ => return None,
    })
}

/// The actions of a set as a list: nothing without one that sends the packet on.
pub(super) fn order(written: &[Action]) -> Vec<Action> {
    let mut once: [Option<&Action>; 9] = [None; 9];
    let (mut sets, mut last) = (Vec::new(), None);
    for action in written {
        match place(action) {
            Some(Place::Once(position)) => {
                if let Some(slot) = once.get_mut(usize::from(position)) {
                    *slot = Some(action);
                }
            }
            Some(Place::Set) => sets.push(action),
            Some(Place::Final(rank)) if last.is_none_or(|(other, _)| rank >= other) => last = Some((rank, action)),
            _ => {}
        }
    }
    let Some((_, last)) = last else { return Vec::new() };
    once.into_iter().flatten().chain(sets).chain([last]).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openflow::{PortNo, TableId, oxm};

    #[test]
    fn a_set_has_one_action_of_a_kind_and_a_group_outranks_an_output() {
        let set = |vid| Action::set_field(&oxm::VLAN_VID, vid);
        let written = [
            Action::Group(1),
            Action::output(PortNo(2)),
            set(0x1001),
            Action::PushVlan(0x8100),
            Action::PushVlan(0x88a8),
            Action::PopVlan,
            set(0x1002),
            Action::resubmit(TableId(3)),
        ];
        let expected = [Action::PopVlan, Action::PushVlan(0x88a8), set(0x1001), set(0x1002), Action::Group(1)];
        assert_eq!(order(&written), expected);
        assert_eq!(order(&[Action::output(PortNo(2)), Action::output(PortNo(3))]), [Action::output(PortNo(3))]);
    }

    #[test]
    fn a_set_that_sends_nothing_does_nothing() {
        assert_eq!(order(&[Action::PopVlan, Action::set_field(&oxm::ETH_SRC, 1)]), []);
    }
}

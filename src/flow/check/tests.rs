use super::verify::{self, Outer};
use super::*;
use crate::openflow::action::{Conntrack, CtFlags, CtZone};
use crate::openflow::oxm;
use crate::openflow::{Action, Match, PortNo, TableId};

fn apply(actions: &[Action]) -> Vec<Instruction> {
    vec![Instruction::ApplyActions(actions.to_vec())]
}

fn code(checked: Result<(), Violation>) -> Option<ErrorCode> {
    checked.err().map(|violation| violation.code)
}

fn ct(actions: Vec<Action>) -> Action {
    let (flags, zone) = (CtFlags::COMMIT, CtZone::Number(0));
    Action::Ct(Box::new(Conntrack { flags, zone, recirc_table: TableId::ALL, alg: 0, actions }))
}

const METADATA: Action = Action::WriteMetadata { metadata: 1, mask: 1 };
const CONJUNCTION: Action = Action::Conjunction { id: 1, clause: 0, n_clauses: 2 };

#[test]
fn actions_stand_only_where_open_vswitch_lets_them() {
    let mark = Action::set_field(&oxm::CT_MARK, 1);
    let output = Action::output(PortNo(1));
    for (list, expected) in [
        (apply(&[output.clone(), METADATA]), None),
        (apply(&[METADATA, output.clone()]), Some(ErrorCode::BAC_UNSUPPORTED_ORDER)),
        (apply(&[METADATA, METADATA]), Some(ErrorCode::BAC_UNSUPPORTED_ORDER)),
        (
            [apply(&[METADATA]), vec![Instruction::WriteMetadata { metadata: 1, mask: 1 }]].concat(),
            Some(ErrorCode::BAC_UNSUPPORTED_ORDER),
        ),
        ([vec![Instruction::GotoTable(TableId(1))], apply(&[METADATA])].concat(), None),
        (apply(&[CONJUNCTION, Action::Note([0; 6].into())]), None),
        (apply(&[CONJUNCTION, output.clone()]), Some(ErrorCode::NXBAC_BAD_CONJUNCTION)),
        (
            [apply(&[CONJUNCTION]), vec![Instruction::GotoTable(TableId(1))]].concat(),
            Some(ErrorCode::NXBAC_BAD_CONJUNCTION),
        ),
        (apply(std::slice::from_ref(&mark)), Some(ErrorCode::BAC_BAD_SET_ARGUMENT)),
        (apply(&[ct(vec![mark.clone()])]), None),
        (apply(&[ct(vec![output.clone()])]), Some(ErrorCode::BAC_BAD_ARGUMENT)),
        (apply(&[Action::Clone(vec![mark])]), Some(ErrorCode::BAC_BAD_SET_ARGUMENT)),
        (apply(&[Action::Clone(vec![METADATA])]), Some(ErrorCode::BIC_UNSUP_INST)),
        (apply(&[Action::CopyTtlIn]), Some(ErrorCode::BAC_BAD_TYPE)),
        (apply(&[Action::Clone(vec![Action::DebugRecirc])]), Some(ErrorCode::BAC_BAD_EXP_TYPE)),
        (vec![Instruction::WriteActions(vec![output])], None),
        (vec![Instruction::WriteActions(vec![Action::Exit])], Some(ErrorCode::BAC_BAD_TYPE)),
    ] {
        assert_eq!(code(verify::instructions(&list)), expected, "{list:?}");
    }
    assert_eq!(code(verify::actions(&[METADATA])), Some(ErrorCode::BIC_UNSUP_INST));
    assert_eq!(code(verify::nested(&Action::PopVlan, Outer::Ct)), Some(ErrorCode::BAC_BAD_ARGUMENT));
}

#[test]
fn actions_fit_the_packets_that_the_actions_before_leave() {
    let inconsistent = Some(ErrorCode::BAC_MATCH_INCONSISTENT);
    let ipv4 = consistency::packet(Match::new().eth_type(0x0800).as_bytes(), TableId(3)).unwrap();
    let tagged = consistency::packet(Match::new().vlan(5).as_bytes(), TableId(3)).unwrap();
    let set = |field, number| Action::set_field(field, number);
    for (packet, actions, expected) in [
        (ipv4, vec![set(&oxm::IPV4_SRC, 1)], None),
        (tagged, vec![set(&oxm::IPV4_SRC, 1)], inconsistent),
        (ipv4, vec![Action::DecNwTtl, Action::PushMpls(0x8847), Action::DecMplsTtl], None),
        (ipv4, vec![Action::PushMpls(0x8847), Action::DecNwTtl], inconsistent),
        (ipv4, vec![Action::PopVlan], inconsistent),
        (tagged, vec![Action::PopVlan], None),
        (tagged, vec![Action::PopVlan, Action::PopVlan], inconsistent),
        (tagged, vec![Action::PushVlan(0x8100), Action::PopVlan, Action::PopVlan], None),
        (tagged, vec![Action::PushVlan(0x8100), Action::PushVlan(0x8100)], Some(ErrorCode::BAC_BAD_TAG)),
        (ipv4, vec![ct(Vec::new())], None),
        (tagged, vec![ct(Vec::new())], inconsistent),
        (ipv4, vec![Action::Clone(vec![Action::PushMpls(0x8847)]), Action::DecNwTtl], None),
        (ipv4, vec![Action::DeleteField(&oxm::REG0)], Some(ErrorCode::BAC_BAD_ARGUMENT)),
    ] {
        assert_eq!(code(consistency::instructions(&apply(&actions), packet)), expected, "{actions:?}");
    }
}

#[test]
fn an_action_set_is_held_only_against_what_can_be_known() {
    let any = consistency::packet(&[], TableId(0)).unwrap();
    let set = |action| vec![Instruction::WriteActions(vec![action])];
    assert_eq!(code(consistency::instructions(&set(Action::PopVlan), any)), None);
    let code_of = code(consistency::instructions(&set(Action::set_field(&oxm::IPV4_SRC, 1)), any));
    assert_eq!(code_of, Some(ErrorCode::BAC_MATCH_INCONSISTENT));
}

#[test]
fn meters_and_tables_are_those_that_can_be() {
    let packet = consistency::packet(&[], TableId(3)).unwrap();
    for (instruction, expected) in [
        (Instruction::Meter(1), None),
        (Instruction::Meter(0), Some(ErrorCode::MMFC_INVALID_METER)),
        (Instruction::GotoTable(TableId(4)), None),
        (Instruction::GotoTable(TableId(3)), Some(ErrorCode::BIC_BAD_TABLE_ID)),
        (Instruction::GotoTable(TableId(255)), None),
    ] {
        assert_eq!(code(consistency::instructions(&[instruction], packet)), expected);
    }
}

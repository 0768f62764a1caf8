//! Actions that send the packet somewhere.

use super::actions::List;
use super::fields::{at_most_64_bits, subfield};
use super::piece::Piece;
use super::values::{self, number_u16, number_u32};
use super::{Lookup, ParseError, special};
use crate::openflow::action::Controller;
use crate::openflow::{Action, PortNo, TableId};

/// `output:PORT`, `output:FIELD[..]`, `output(port=PORT,max_len=BYTES)`.
pub(super) fn output(value: Piece<'_>, names: &dyn Lookup) -> Result<Action, ParseError> {
    if value.text.contains("port") && value.text.contains("max_len") {
        return output_truncated(value, names);
    }
    match values::port(value, names) {
        Ok(port) => output_to(value, port),
        Err(error) => {
            let src = at_most_64_bits(value, subfield(value).map_err(|_| error)?)?;
            let max_len = u16::MAX;
            Ok(match src.field.nxm.is_experimenter() {
                true => Action::OutputReg2 { src, max_len },
                false => Action::OutputReg { src, max_len },
            })
        }
    }
}

/// Outputs to a port that can be one to output to.
pub(super) fn output_to(text: Piece<'_>, port: PortNo) -> Result<Action, ParseError> {
    if port.0 >= PortNo::MAX.0 && !(PortNo::IN_PORT.0..PortNo::ANY.0).contains(&port.0) {
        return Err(text.error("a port to output to"));
    }
    Ok(Action::Output { port, max_len: if port == PortNo::CONTROLLER { u16::MAX } else { 0 } })
}

fn is_port_of_switch(port: PortNo) -> bool {
    port.0 < PortNo::MAX.0 || port == PortNo::IN_PORT || port == PortNo::LOCAL
}

fn output_truncated(value: Piece<'_>, names: &dyn Lookup) -> Result<Action, ParseError> {
    let (mut port, mut max_len) = (None, 0);
    let mut rest = value;
    while let Some((name, value)) = rest.next_pair() {
        match name.text {
            "port" => port = Some((value, values::port(value, names)?)),
            "max_len" => {
                max_len = number_u32(value)?;
                if max_len < 14 {
                    return Err(value.error("at least 14 bytes"));
                }
            }
            _ => return Err(name.error("port or max_len")),
        }
    }
    let (text, port) = port.ok_or_else(|| value.error("port and max_len"))?;
    if !is_port_of_switch(port) {
        return Err(text.error("a port of the switch, LOCAL or IN_PORT"));
    }
    Ok(Action::OutputTrunc { port: port.0 as u16, max_len })
}

/// `enqueue:PORT:QUEUE`, which OpenFlow 1.3 says in three actions.
pub(super) fn enqueue(list: &mut List<'_>, value: Piece<'_>) -> Result<(), ParseError> {
    let (port, queue) = value.word(":q,");
    if port.is_empty() || queue.is_empty() {
        return Err(value.error("PORT:QUEUE"));
    }
    let number = values::port(port, list.names)?;
    if !is_port_of_switch(number) {
        return Err(port.error("a port of the switch, LOCAL or IN_PORT"));
    }
    list.push(queue, Action::SetQueue(number_u32(queue)?))?;
    list.push(port, Action::Output { port: number, max_len: u16::MAX })?;
    list.push(value, Action::PopQueue)
}

pub(super) fn resubmit(value: Piece<'_>, names: &dyn Lookup) -> Result<Action, ParseError> {
    let (port, rest) = value.word(",");
    let (table, rest) = rest.word(",");
    let (ct, _) = rest.word(",");
    let in_port = if port.is_empty() { 0xfff8 } else { values::port_16(port, names)? };
    let table = if table.is_empty() { TableId::ALL } else { values::table(table, names)? };
    if in_port == 0xfff8 && table == TableId::ALL {
        return Err(value.error("a port or a table to resubmit to"));
    }
    match ct.text {
        "" => Ok(Action::Resubmit { in_port, table }),
        "ct" => Ok(Action::ResubmitCt { in_port, table }),
        _ => Err(ct.error("ct, or nothing")),
    }
}

/// `controller`, `controller:MAX_LEN`, `controller(…)`: in the shortest form that says it.
pub(super) fn controller(value: Piece<'_>) -> Result<Action, ParseError> {
    let mut wanted = Controller::default();
    let mut userdata = None;
    if !value.is_empty() && value.text.bytes().all(|byte| byte.is_ascii_digit()) {
        wanted.max_len = number_u16(value)?;
    } else {
        let mut rest = value;
        while let Some((name, value)) = rest.next_pair() {
            match name.text {
                "reason" => {
                    let known = Controller::REASONS.iter().position(|name| *name == value.text);
                    wanted.reason = known.ok_or_else(|| value.error("the reason of a packet-in"))? as u8;
                }
                "max_len" => wanted.max_len = number_u16(value)?,
                "id" => wanted.id = number_u16(value)?,
                "userdata" => userdata = Some(special::hex_bytes(value)?),
                "pause" => wanted.pause = true,
                "meter_id" => wanted.meter_id = number_u32(value)?,
                _ => return Err(name.error("reason, max_len, id, userdata, pause or meter_id")),
            }
        }
    }
    let said = userdata.is_some();
    wanted.userdata = userdata.unwrap_or_default().into();
    let Controller { max_len, id, reason, .. } = wanted;
    if !wanted.userdata.is_empty() || wanted.pause || wanted.meter_id != 0 {
        return Ok(Action::Controller2(Box::new(wanted)));
    }
    if said || reason != Controller::REASON_ACTION || id != 0 {
        return Ok(Action::Controller { max_len, id, reason });
    }
    Ok(Action::Output { port: PortNo::CONTROLLER, max_len })
}

//! Nicira's extension actions (`ovs-actions(7)`), all but connection tracking and `learn`.

use super::actions;
use super::controller;
use super::field::{self, Known, unpack};
use super::learn::learn;
use super::names::{self, Names};
use super::put::{self, Out};
use crate::openflow::{DecodeError, PortNo, Reader, TableId};

/// Prints the action of this subtype from what follows it. False: not known, nothing was printed.
pub(super) fn action(
    out: &mut Out,
    names: &dyn Names,
    subtype: u16,
    mut body: Reader<'_>,
) -> Result<bool, DecodeError> {
    match subtype {
        1 => resubmit(out, names, (body.u16("resubmit.in_port")?, TableId(0xff)), ""),
        14 | 44 => {
            let in_port = body.u16("resubmit.in_port")?;
            let table = TableId(body.u8("resubmit.table")?);
            resubmit(out, names, (in_port, table), if subtype == 44 { ",ct" } else { "" });
        }
        2 => {
            body.skip(2, "set_tunnel.pad")?;
            put::text(out, "set_tunnel:");
            put::hex_or_zero(out, body.u32("set_tunnel.tun_id")?.into());
        }
        9 => {
            body.skip(6, "set_tunnel64.pad")?;
            put::text(out, "set_tunnel64:");
            put::hex_or_zero(out, body.u64("set_tunnel64.tun_id")?);
        }
        5 => put::text(out, "pop_queue"),
        6 => {
            let bits = body.u16("move.n_bits")?;
            let offsets = (body.u16("move.src_ofs")?, body.u16("move.dst_ofs")?);
            move_between(out, bits, offsets, body)?;
        }
        7 => {
            let (offset, bits) = unpack(body.u16("load.ofs_nbits")?);
            let known = Known::read(&mut body)?;
            put::text(out, "load:");
            put::hex_or_zero(out, body.u64("load.value")?);
            put::text(out, "->");
            known.bits(out, offset, bits);
        }
        8 => {
            put::text(out, "note:");
            put::hex_separated(out, body.rest(), b'.');
        }
        10 => multipath(out, body)?,
        12 | 13 => bundle(out, names, subtype == 13, body)?,
        15 | 32 => {
            let (offset, bits) = unpack(body.u16("output_reg.ofs_nbits")?);
            if subtype == 32 {
                body.skip(2, "output_reg.max_len")?;
            }
            put::text(out, "output:");
            Known::read(&mut body)?.bits(out, offset, bits);
        }
        16 | 45 => learn(out, names, subtype == 45, body)?,
        17 => put::text(out, "exit"),
        19 => {
            let timeouts =
                [(body.u16("fin_timeout.idle")?, "idle_timeout="), (body.u16("fin_timeout.hard")?, "hard_timeout=")];
            put::text(out, "fin_timeout(");
            for (timeout, name) in timeouts.into_iter().filter(|(timeout, _)| *timeout != 0) {
                parameter(out, name, timeout.into());
            }
            close(out);
        }
        20 => controller::controller(out, body)?,
        37 => controller::controller2(out, body)?,
        21 => {
            let count = body.u16("dec_ttl.n_controllers")?;
            body.skip(4, "dec_ttl.zeros")?;
            put::text(out, "dec_ttl(");
            for _ in 0..count {
                parameter(out, "", body.u16("dec_ttl.cnt_ids")?.into());
            }
            close(out);
        }
        22 => {
            body.skip(6, "write_metadata.zeros")?;
            actions::write_metadata(out, body.u64("write_metadata.metadata")?, body.u64("write_metadata.mask")?);
        }
        27 | 28 => {
            let offset = body.u16("stack.offset")?;
            let known = Known::read(&mut body)?;
            put::text(out, if subtype == 27 { "push:" } else { "pop:" });
            known.bits(out, offset, body.u16("stack.n_bits")?);
        }
        29 | 38 | 41 => sample(out, names, subtype, body)?,
        33 => actions::set_field(out, names, body)?,
        34 => {
            let (clause, clauses) = (body.u8("conjunction.clause")?, body.u8("conjunction.n_clauses")?);
            put::text(out, "conjunction(");
            put::decimal(out, body.u32("conjunction.id")?.into());
            out.push(b',');
            put::decimal(out, u64::from(clause) + 1);
            out.push(b'/');
            put::decimal(out, clauses.into());
            out.push(b')');
        }
        39 => {
            put::text(out, "output(port=");
            names::port(out, names, PortNo::of_16(body.u16("output_trunc.port")?));
            put::text(out, ",max_len=");
            put::decimal(out, body.u32("output_trunc.max_len")?.into());
            out.push(b')');
        }
        42 => {
            body.skip(6, "clone.pad")?;
            put::text(out, "clone(");
            actions::list_or_drop(out, names, body)?;
            out.push(b')');
        }
        43 => put::text(out, "ct_clear"),
        46 => encap(out, body)?,
        47 => {
            body.skip(2, "decap.pad")?;
            let packet_type = body.u32("decap.new_pkt_type")?;
            put::text(out, "decap(");
            if packet_type != USE_NEXT_PROTO {
                put::text(out, "packet_type(ns=");
                put::decimal(out, u64::from(packet_type >> 16));
                put::text(out, ",type=");
                put::hex_or_zero(out, u64::from(packet_type & 0xffff));
                out.push(b')');
            }
            out.push(b')');
        }
        48 => put::text(out, "dec_nsh_ttl"),
        49 => {
            put::text(out, "check_pkt_larger(");
            put::decimal(out, body.u16("check_pkt_larger.pkt_len")?.into());
            put::text(out, ")->");
            let offset = body.u16("check_pkt_larger.offset")?;
            Known::read(&mut body)?.bits(out, offset, 1);
        }
        50 => {
            put::text(out, "delete_field:");
            Known::read(&mut body)?.name(out);
        }
        254 => put::text(out, "debug_slow"),
        255 => put::text(out, "debug_recirc"),
        _ => return Ok(false),
    }
    Ok(true)
}

/// `PT_USE_NEXT_PROTO`: the new packet type is what the header that goes says.
const USE_NEXT_PROTO: u32 = 0xfffe;

/// `name` and a number and a comma.
pub(super) fn parameter(out: &mut Out, name: &str, number: u64) {
    put::text(out, name);
    put::decimal(out, number);
    out.push(b',');
}

/// A parenthesis in place of the last comma.
pub(super) fn close(out: &mut Out) {
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.push(b')');
}

/// `move:SRC[..]->DST[..]`; the headers of both fields are next.
pub(super) fn move_between(
    out: &mut Out,
    bits: u16,
    (src_offset, dst_offset): (u16, u16),
    mut body: Reader<'_>,
) -> Result<(), DecodeError> {
    put::text(out, "move:");
    Known::read(&mut body)?.bits(out, src_offset, bits);
    put::text(out, "->");
    Known::read(&mut body)?.bits(out, dst_offset, bits);
    Ok(())
}

fn resubmit(out: &mut Out, names: &dyn Names, (in_port, table): (u16, TableId), ending: &str) {
    let port = PortNo::of_16(in_port);
    let this_table = table.0 == 0xff;
    if port != PortNo::IN_PORT && this_table {
        put::text(out, "resubmit:");
        return names::port(out, names, port);
    }
    put::text(out, "resubmit(");
    if port != PortNo::IN_PORT {
        names::port(out, names, port);
    }
    out.push(b',');
    if !this_table {
        names::table(out, names, table);
    }
    put::text(out, ending);
    out.push(b')');
}

fn hash_fields(fields: u16) -> &'static str {
    const NAMES: [&str; 7] =
        ["eth_src", "symmetric_l4", "symmetric_l3l4", "symmetric_l3l4+udp", "nw_src", "nw_dst", "symmetric_l3"];
    NAMES.get(usize::from(fields)).copied().unwrap_or("<unknown>")
}

fn multipath(out: &mut Out, mut body: Reader<'_>) -> Result<(), DecodeError> {
    let (fields, basis) = (body.u16("multipath.fields")?, body.u16("multipath.basis")?);
    body.skip(2, "multipath.pad0")?;
    let algorithm = body.u16("multipath.algorithm")?;
    let (max_link, argument) = (body.u16("multipath.max_link")?, body.u32("multipath.arg")?);
    body.skip(2, "multipath.pad1")?;
    let (offset, bits) = unpack(body.u16("multipath.ofs_nbits")?);
    put::text(out, "multipath(");
    put::text(out, hash_fields(fields));
    out.push(b',');
    parameter(out, "", basis.into());
    put::text(
        out,
        match algorithm {
            0 => "modulo_n,",
            1 => "hash_threshold,",
            2 => "hrw,",
            3 => "iter_hash,",
            _ => "<unknown>,",
        },
    );
    parameter(out, "", u64::from(max_link) + 1);
    parameter(out, "", argument.into());
    Known::read(&mut body)?.bits(out, offset, bits);
    out.push(b')');
    Ok(())
}

fn bundle(out: &mut Out, names: &dyn Names, load: bool, mut body: Reader<'_>) -> Result<(), DecodeError> {
    let algorithm = body.u16("bundle.algorithm")?;
    let (fields, basis) = (body.u16("bundle.fields")?, body.u16("bundle.basis")?);
    body.skip(4, "bundle.member_type")?;
    let members = body.u16("bundle.n_members")?;
    let (offset, bits) = unpack(body.u16("bundle.ofs_nbits")?);
    let mut dst = body.child(4, "bundle.dst")?;
    body.skip(4, "bundle.zero")?;
    put::text(out, if load { "bundle_load(" } else { "bundle(" });
    put::text(out, hash_fields(fields));
    out.push(b',');
    parameter(out, "", basis.into());
    put::text(
        out,
        match algorithm {
            0 => "active_backup,ofport,",
            1 => "hrw,ofport,",
            _ => "<unknown>,ofport,",
        },
    );
    if load {
        Known::read(&mut dst)?.bits(out, offset, bits);
        out.push(b',');
    }
    put::text(out, "members:");
    for i in 0..members {
        if i > 0 {
            out.push(b',');
        }
        names::port(out, names, PortNo::of_16(body.u16("bundle.members")?));
    }
    out.push(b')');
    Ok(())
}

fn sample(out: &mut Out, names: &dyn Names, subtype: u16, mut body: Reader<'_>) -> Result<(), DecodeError> {
    put::text(out, "sample(");
    parameter(out, "probability=", body.u16("sample.probability")?.into());
    parameter(out, "collector_set_id=", body.u32("sample.collector_set_id")?.into());
    parameter(out, "obs_domain_id=", body.u32("sample.obs_domain_id")?.into());
    parameter(out, "obs_point_id=", body.u32("sample.obs_point_id")?.into());
    if subtype != 29 {
        let port = PortNo::of_16(body.u16("sample.sampling_port")?);
        if port != PortNo::ANY {
            put::text(out, "sampling_port=");
            names::port(out, names, port);
            out.push(b',');
        }
        put::text(
            out,
            match body.u8("sample.direction")? {
                1 if subtype == 41 => "ingress,",
                2 if subtype == 41 => "egress,",
                _ => "",
            },
        );
    }
    close(out);
    Ok(())
}

/// Property class of `encap(nsh(…))`.
const PROPERTY_NSH: u16 = 4;

fn encap(out: &mut Out, mut body: Reader<'_>) -> Result<(), DecodeError> {
    body.skip(2, "encap.hdr_size")?;
    let packet_type = body.u32("encap.new_pkt_type")?;
    put::text(out, "encap(");
    match packet_type {
        0 => put::text(out, "ethernet"),
        0x1_894f => put::text(out, "nsh"),
        0x1_8847 => put::text(out, "mpls"),
        0x1_8848 => put::text(out, "mpls_mc"),
        _ => field::packet_type(out, packet_type),
    }
    if !body.is_empty() {
        out.push(b'(');
        while !body.is_empty() {
            let class = body.u16("encap.prop.class")?;
            let property = body.u8("encap.prop.type")?;
            let size = usize::from(body.u8("encap.prop.len")?).max(4).next_multiple_of(8);
            let mut value = body.child(size - 4, "encap.prop")?;
            match (class, property) {
                (PROPERTY_NSH, 1) => {
                    put::text(out, "md_type=");
                    put::decimal(out, value.u8("encap.nsh.md_type")?.into());
                }
                (PROPERTY_NSH, 2) => {
                    put::text(out, "tlv(");
                    put::hex_padded(out, value.u16("encap.nsh.tlv_class")?.into(), 4);
                    out.push(b',');
                    parameter(out, "", value.u8("encap.nsh.tlv_type")?.into());
                    let length = usize::from(value.u8("encap.nsh.tlv_len")?);
                    put::hex_bytes(out, value.bytes(length, "encap.nsh.data")?);
                    out.push(b')');
                }
                _ => {
                    put::hex(out, class.into());
                    put::text(out, ".");
                    put::decimal(out, property.into());
                    put::text(out, "=0x");
                    put::hex_pairs(out, value.rest());
                }
            }
            out.push(b',');
        }
        close(out);
    }
    out.push(b')');
    Ok(())
}

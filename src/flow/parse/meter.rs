//! Meters as text (`ovs-ofctl(8)`, "Meter Syntax"), read into the bytes of a METER_MOD.

use super::ParseError;
use super::piece::Piece;
use super::values::{number_u8, number_u32};
use crate::openflow::meter::{MeterBand, MeterBandType, MeterFlags, MeterMod, MeterModCommand};
use crate::openflow::{Entry, MeterId, Raw, Writer};

/// A meter that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParsedMeter {
    command: MeterModCommand,
    flags: MeterFlags,
    meter_id: MeterId,
    bands: Vec<u8>,
}

impl ParsedMeter {
    /// The METER_MOD that it makes.
    pub fn to_meter_mod(&self) -> MeterMod<'_> {
        let Self { command, flags, meter_id, .. } = *self;
        MeterMod { command, flags, meter_id, bands: Raw::new(&self.bands) }
    }
}

const COMMANDS: [(&str, MeterModCommand); 3] =
    [("add", MeterModCommand::ADD), ("modify", MeterModCommand::MODIFY), ("delete", MeterModCommand::DELETE)];

/// What stands between the words of a meter.
const BLANKS: &str = ", \t\r\n";

/// Reads a meter as `ovs-ofctl add-meter` does, or behind `modify` or `delete` as `mod-meter` and `del-meter` do.
pub fn meter(text: &str) -> Result<ParsedMeter, ParseError> {
    let start = Piece::new(text).trim_start();
    let (word, _) = start.word(BLANKS);
    match word.command(&COMMANDS) {
        Some(command) => meter_mod(command, start.split(word.text.len()).1),
        None => meter_mod(MeterModCommand::ADD, start),
    }
}

fn meter_mod(command: MeterModCommand, text: Piece<'_>) -> Result<ParsedMeter, ParseError> {
    let deletes = command == MeterModCommand::DELETE;
    let (head, bands) = if deletes {
        (text, None)
    } else {
        let at = text.text.find("band").ok_or_else(|| text.error("a meter with bands=…"))?;
        let (head, rest) = text.split(at);
        let (_, bands) = rest.split_once("=").ok_or_else(|| rest.error("= behind bands"))?;
        (head, Some(bands))
    };
    let mut flags = MeterFlags::default();
    let mut meter_id = None;
    let mut rest = head;
    while let Some(name) = token(&mut rest, "=, \t\r\n") {
        match MeterFlags::NAMES.iter().find(|(_, known)| *known == name.text) {
            Some((flag, _)) if !deletes => flags.0 |= flag.0,
            _ => {
                let value = token(&mut rest, BLANKS).ok_or_else(|| name.error("a value behind this word"))?;
                if name.text != "meter" {
                    return Err(name.error("meter, kbps, pktps, burst, stats or bands"));
                }
                meter_id = Some(self::meter_id(value)?);
            }
        }
    }
    let meter_id = meter_id.ok_or_else(|| text.error("a meter with its number: meter=…"))?;
    if !deletes && flags == MeterFlags::default() {
        return Err(text.error("a meter with kbps or pktps"));
    }
    let bands = bands.map(|bands| self::bands(bands, flags)).transpose()?.unwrap_or_default();
    Ok(ParsedMeter { command, flags, meter_id, bands })
}

/// Takes the next word up to one of `ends`, wherever it begins.
fn token<'t>(rest: &mut Piece<'t>, ends: &str) -> Option<Piece<'t>> {
    let start = rest.split(rest.text.len() - rest.text.trim_start_matches(|c| ends.contains(c)).len()).1;
    let (word, after) = start.word(ends);
    *rest = after;
    (!word.is_empty()).then_some(word)
}

fn meter_id(value: Piece<'_>) -> Result<MeterId, ParseError> {
    match value.text {
        "all" => Ok(MeterId::ALL),
        "controller" => Ok(MeterId::CONTROLLER),
        "slowpath" => Ok(MeterId::SLOWPATH),
        _ => match MeterId(number_u32(value)?) {
            MeterId(0) => Err(value.error("the number of a meter from 1 on")),
            meter if meter > MeterId::MAX => Err(value.error("the number of a meter up to 4294901760")),
            meter => Ok(meter),
        },
    }
}

/// A band and where its text begins.
struct Band<'t> {
    band: MeterBand,
    at: Piece<'t>,
}

/// The encoded bands.
fn bands(text: Piece<'_>, flags: MeterFlags) -> Result<Vec<u8>, ParseError> {
    let mut bands: Vec<Band<'_>> = Vec::new();
    let mut rest = text;
    while let Some(name) = token(&mut rest, "=, \t\r\n") {
        let value = token(&mut rest, BLANKS).ok_or_else(|| name.error("a value behind this word"))?;
        if name.text == "type" {
            let band = MeterBand { band_type: band_type(value)?, rate: 0, burst_size: 0, prec_level: 0 };
            bands.push(Band { band, at: name });
            continue;
        }
        let Some(Band { band, .. }) = bands.last_mut() else {
            return Err(name.error("type=drop or type=dscp_remark before the rest of a band"));
        };
        match name.text {
            "rate" => band.rate = number_u32(value)?,
            "burst_size" => band.burst_size = number_u32(value)?,
            "prec_level" => band.prec_level = number_u8(value)?,
            _ => return Err(name.error("type, rate, burst_size or prec_level")),
        }
    }
    if bands.is_empty() {
        return Err(text.error("a band"));
    }
    let mut writer = Writer::new();
    for Band { band, at } in bands {
        check(&band, flags, at)?;
        band.encode(&mut writer).map_err(|_| at.error("bands that fit a message"))?;
    }
    Ok(writer.into_vec())
}

fn band_type(value: Piece<'_>) -> Result<MeterBandType, ParseError> {
    match value.text {
        "drop" => Ok(MeterBandType::DROP),
        "dscp_remark" => Ok(MeterBandType::DSCP_REMARK),
        _ => Err(value.error("drop or dscp_remark")),
    }
}

fn check(band: &MeterBand, flags: MeterFlags, at: Piece<'_>) -> Result<(), ParseError> {
    let remarks = band.band_type == MeterBandType::DSCP_REMARK;
    let expected = match (remarks, band.prec_level != 0, flags.has(MeterFlags::BURST), band.burst_size != 0) {
        (true, false, ..) => "a dscp_remark band with its prec_level",
        (false, true, ..) => "a prec_level in a dscp_remark band only",
        _ if band.rate == 0 => "a band with its rate",
        (.., true, false) => "a band with its burst_size, since the meter has burst",
        (.., false, true) => "a burst_size only where the meter has burst",
        _ => return Ok(()),
    };
    Err(at.error(expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_has_its_flags_and_its_bands() {
        let text = "meter=7 kbps burst stats bands=type=drop rate=100 burst_size=10, type=dscp_remark,rate=9 \
                    burst_size=8 prec_level=2";
        let parsed = meter(text).unwrap();
        let meter = parsed.to_meter_mod();
        assert_eq!((meter.meter_id, meter.flags), (MeterId(7), MeterFlags(0b1101)));
        let bands: Vec<_> = meter.bands().collect::<Result<_, _>>().unwrap();
        let drop = MeterBand { band_type: MeterBandType::DROP, rate: 100, burst_size: 10, prec_level: 0 };
        let remark = MeterBand { band_type: MeterBandType::DSCP_REMARK, rate: 9, burst_size: 8, prec_level: 2 };
        assert_eq!(bands, [drop, remark]);
    }

    #[test]
    fn meters_are_changed_and_deleted_by_a_word_in_front() {
        let parsed = meter("delete meter=3").unwrap();
        assert_eq!(parsed.to_meter_mod().command, MeterModCommand::DELETE);
        let parsed = meter("modify meter=controller pktps bands=type=drop rate=1").unwrap();
        assert_eq!(parsed.to_meter_mod().meter_id, MeterId::CONTROLLER);
    }

    #[test]
    fn what_is_no_meter_is_refused_with_its_column() {
        for (text, column) in [
            ("meter=6", 1),
            ("meter= kbps band=type=drop rate=100", 8),
            ("meter=0 kbps bands=type=drop rate=1", 7),
            ("kbps bands=type=drop rate=1", 1),
            ("meter=1 bands=type=drop rate=1", 1),
            ("meter=1 mbps bands=type=drop rate=1", 9),
            ("meter=1 kbps bands=", 20),
            ("meter=1 kbps bands=rate=1", 20),
            ("meter=1 kbps bands=type=shape rate=1", 25),
            ("meter=1 kbps bands=type=drop", 20),
            ("meter=1 kbps bands=type=drop rate=1 burst_size=3", 20),
            ("meter=1 kbps burst bands=type=drop rate=1", 26),
            ("meter=1 kbps bands=type=drop rate=1 prec_level=1", 20),
            ("meter=1 kbps bands=type=drop rate=1 type=dscp_remark rate=2", 37),
        ] {
            assert_eq!(meter(text).unwrap_err().column, column, "{text}");
        }
    }
}

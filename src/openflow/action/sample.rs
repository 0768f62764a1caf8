//! `sample`: packets for IPFIX (`ovs-actions(7)`).

use crate::openflow::{DecodeError, ErrorCode, Reader, Writer};

/// `NXAST_SAMPLE`, `NXAST_SAMPLE2`, `NXAST_SAMPLE3`.
///
/// | byte | field              |                         |
/// |-----:|--------------------|-------------------------|
/// |   10 | `probability`      | of 65,535, at least 1   |
/// |   12 | `collector_set_id` |                         |
/// |   16 | `obs_domain_id`    |                         |
/// |   20 | `obs_point_id`     |                         |
/// |   24 | `sampling_port`    | from `NXAST_SAMPLE2` on |
/// |   26 | `direction`        | `NXAST_SAMPLE3`         |
/// |   27 | padding            | 5 bytes                 |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// How many of 65,535 packets.
    pub probability: u16,
    /// Row of the database's table `Flow_Sample_Collector_Set`.
    pub collector_set_id: u32,
    /// Observation domain.
    pub obs_domain_id: u32,
    /// Observation point.
    pub obs_point_id: u32,
    /// At which port; it is the action's form too.
    pub port: SamplePort,
}

/// Where packets are sampled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SamplePort {
    /// `NXAST_SAMPLE`: not said.
    Unsaid,
    /// `NXAST_SAMPLE2`: a port number of OpenFlow 1.0.
    At(u16),
    /// `NXAST_SAMPLE3`: and on which way through it.
    Directed(u16, Direction),
}

/// `NX_ACTION_SAMPLE_*`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Not said.
    Default,
    /// `ingress`.
    Ingress,
    /// `egress`.
    Egress,
}

impl Sample {
    pub(super) const fn subtype(&self) -> u16 {
        match self.port {
            SamplePort::Unsaid => 29,
            SamplePort::At(_) => 38,
            SamplePort::Directed(..) => 41,
        }
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u16(self.probability);
        writer.u32(self.collector_set_id);
        writer.u32(self.obs_domain_id);
        writer.u32(self.obs_point_id);
        match self.port {
            SamplePort::Unsaid => {}
            SamplePort::At(port) => {
                writer.u16(port);
                writer.zeros(6);
            }
            SamplePort::Directed(port, direction) => {
                writer.u16(port);
                writer.u8(direction as u8);
                writer.zeros(5);
            }
        }
    }

    /// Reads what follows the subtype; `port` reads the last part of this form.
    pub(super) fn decode(
        body: &mut Reader<'_>,
        port: fn(&mut Reader<'_>) -> Result<SamplePort, DecodeError>,
    ) -> Result<Self, DecodeError> {
        let start = *body;
        let mut sample = Self {
            probability: body.u16("sample.probability")?,
            collector_set_id: body.u32("sample.collector_set_id")?,
            obs_domain_id: body.u32("sample.obs_domain_id")?,
            obs_point_id: body.u32("sample.obs_point_id")?,
            port: SamplePort::Unsaid,
        };
        sample.port = port(body)?;
        if sample.probability == 0 {
            return Err(start.error("sample.probability", 0, "at least 1", ErrorCode::BAC_BAD_ARGUMENT));
        }
        Ok(sample)
    }
}

impl SamplePort {
    pub(super) fn decode_unsaid(_: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self::Unsaid)
    }

    pub(super) fn decode_at(body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        body.u16("sample.sampling_port").map(Self::At)
    }

    pub(super) fn decode_directed(body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let port = body.u16("sample.sampling_port")?;
        let start = *body;
        let direction = match body.u8("sample.direction")? {
            0 => Direction::Default,
            1 => Direction::Ingress,
            2 => Direction::Egress,
            found => {
                let expected = "0, 1 (ingress) or 2 (egress)";
                return Err(start.error("sample.direction", found.into(), expected, ErrorCode::BAC_BAD_ARGUMENT));
            }
        };
        super::decode::zeros(body, "sample.pad", ErrorCode::NXBRC_MUST_BE_ZERO)?;
        Ok(Self::Directed(port, direction))
    }
}

//! What every command on flows works on, wherever the flows come from.

use super::names::NameTable;
use crate::openflow::{DecodeError, EncodeError, FlowStats, Reader, Writer};

/// The flows of one switch and the names that belong to them.
#[derive(Clone, Default, Debug)]
pub struct Dump {
    /// The bridge, the address or the file, as it was asked for.
    pub name: String,
    /// Names of ports and tables. From a text: those that it uses, with numbers that stand in for the real ones.
    pub names: NameTable,
    /// In the order in which they came.
    pub flows: FlowEntries,
    /// False if the text had no counters.
    pub has_stats: bool,
    /// True if a switch told the names; false if port numbers may be stand-ins that nobody should see.
    pub live: bool,
}

/// Flow entries, each the bytes of an `ofp_flow_stats` (OpenFlow 1.3.5 §7.3.5.2), in one piece of memory.
#[derive(Clone, Default, Debug)]
pub struct FlowEntries {
    bytes: Vec<u8>,
    /// Where each begins.
    starts: Vec<usize>,
}

impl FlowEntries {
    /// Takes the entries of the body of a FLOW statistics reply.
    pub fn extend(&mut self, mut body: Reader<'_>) -> Result<(), DecodeError> {
        while !body.is_empty() {
            let before = body.rest();
            FlowStats::decode(&mut body)?;
            let entry = &before[..before.len() - body.remaining()];
            self.starts.push(self.bytes.len());
            self.bytes.extend_from_slice(entry);
        }
        Ok(())
    }

    /// Appends one that was decoded.
    pub fn push(&mut self, flow: &FlowStats<'_>) {
        // As it came it fit, so it does again.
        let _ = self.encode(flow);
    }

    /// Appends one.
    pub fn encode(&mut self, flow: &FlowStats<'_>) -> Result<(), EncodeError> {
        let start = self.bytes.len();
        let mut writer = Writer::from_vec(std::mem::take(&mut self.bytes));
        let result = flow.encode(&mut writer);
        self.bytes = writer.into_vec();
        match result {
            Ok(()) => self.starts.push(start),
            Err(_) => self.bytes.truncate(start),
        }
        result
    }

    /// How many.
    pub const fn len(&self) -> usize {
        self.starts.len()
    }

    /// True if there are none.
    pub const fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The flow at `index`, in the order in which they came.
    pub fn get(&self, index: usize) -> Option<FlowStats<'_>> {
        let bytes = self.bytes.get(*self.starts.get(index)?..)?;
        FlowStats::decode(&mut Reader::new(bytes)).ok()
    }

    /// All, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = FlowStats<'_>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::parse::{NoNames, flow_stats};

    #[test]
    fn entries_come_back_as_they_were_put_in() {
        let mut flows = FlowEntries::default();
        let texts = ["table=1,in_port=1 actions=drop", "n_packets=7,priority=2,ip actions=output:1,output:2"];
        let parsed = texts.map(|text| flow_stats(text, &NoNames).unwrap());
        parsed.iter().for_each(|flow| flows.encode(&flow.to_flow_stats()).unwrap());
        let mut again = FlowEntries::default();
        again.extend(Reader::new(&flows.bytes)).unwrap();
        for entries in [&flows, &again] {
            assert_eq!(entries.len(), 2);
            let counts: Vec<_> = entries.iter().map(|flow| (flow.table.0, flow.packet_count)).collect();
            assert_eq!(counts, [(1, u64::MAX), (0, 7)]);
        }
        assert!(flows.get(2).is_none());
        let cut = Reader::new(&flows.bytes[..flows.bytes.len() - 1]);
        assert!(FlowEntries::default().extend(cut).is_err());
    }
}

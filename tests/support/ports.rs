//! The names of the ports in the corpora.
#![allow(unreachable_pub, reason = "test files take it as a module of theirs")]

use std::collections::HashMap;

use heddle::flow::parse::Lookup;
use heddle::openflow::{PortNo, TableId};
use serde_json::Value;

use crate::corpora;

/// Ports by name.
#[derive(Default)]
pub struct Ports(HashMap<String, u32>);

impl Ports {
    /// Those of the switch that the corpora come from; none if the folder is not there.
    pub fn of_corpora() -> Self {
        let Some(content) = corpora::file("flows-context.json") else { return Self::default() };
        let context: Value = serde_json::from_slice(&content).unwrap();
        let ports = context["ports"].as_object().unwrap();
        Self(ports.iter().map(|(name, number)| (name.clone(), number.as_u64().unwrap() as u32)).collect())
    }
}

impl Lookup for Ports {
    fn port(&self, name: &str) -> Option<PortNo> {
        self.0.get(name).map(|number| PortNo(if *number == 65534 { PortNo::LOCAL.0 } else { *number }))
    }

    fn table(&self, _: &str) -> Option<TableId> {
        None
    }
}

//! A packet from one side to another, and its answer: what the ports on both sides say of it.

use super::verdict::{NoWay, Role, Traffic, Verdict};
use crate::topology::{Port, Topology};

/// A packet and its answer, between two ports or between a port and somebody whom the topology does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange<'a> {
    /// Why the ports do not hear each other, if they do not.
    pub no_way: Option<NoWay>,
    /// The packet.
    pub request: Passage<'a>,
    /// What is sent back, if the packet passes and is a question.
    pub answer: Option<Passage<'a>>,
}

/// A packet on its way out of one port and into another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage<'a> {
    /// The packet.
    pub traffic: Traffic,
    /// What the port that it leaves says; `None`: there is none.
    pub egress: Option<Verdict<'a>>,
    /// What the port that it enters says.
    pub ingress: Option<Verdict<'a>>,
}

impl Passage<'_> {
    /// True if nobody stops it.
    pub fn is_allowed(&self) -> bool {
        [&self.egress, &self.ingress].into_iter().flatten().all(Result::is_ok)
    }
}

impl Exchange<'_> {
    /// True if there is a way, and both the packet and its answer pass.
    pub fn is_allowed(&self) -> bool {
        let passages = [Some(&self.request), self.answer.as_ref()];
        self.no_way.is_none() && passages.into_iter().flatten().all(Passage::is_allowed)
    }
}

impl Topology {
    /// What becomes of a packet from one port to another and of its answer; `None` is somebody whom the topology does
    /// not know.
    pub fn exchange<'a>(&'a self, from: Option<&'a Port>, to: Option<&'a Port>, traffic: &Traffic) -> Exchange<'a> {
        let pass = |(from, to): (Option<&'a Port>, Option<&'a Port>), traffic: Traffic, role| Passage {
            traffic,
            egress: from.map(|port| self.leaves(port, &traffic, role)),
            ingress: to.map(|port| self.enters(port, &traffic, role)),
        };
        let request = pass((from, to), *traffic, Role::First);
        let answer = traffic.answer().filter(|_| request.is_allowed());
        Exchange {
            no_way: from.zip(to).and_then(|(from, to)| self.no_way(from, to)),
            request,
            answer: answer.map(|answer| pass((to, from), answer, Role::Answer)),
        }
    }
}

//! A host without processes: the agent's state, sessions and reconcilers as they are, between a database and switches
//! made for tests. Nothing happens but by a call, so that whoever calls decides what overtakes what.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use heddle::agent::host::{Effects, Host};
use heddle::config::Config;
use heddle::flow::FlowTable;
use heddle::openflow::frame::Framing;
use heddle::openflow::{DatapathId, PortNo, Writer};
use heddle::ovsdb::transaction::Mutation;
use heddle::ovsdb::value::{Atom, Datum};
use heddle::ovsdb::{Change, Ofport, Operation, Table, Uuid};
use heddle::switch::session::{Event, Session};
use heddle::switch::{Command, ConnectionId};
use heddle::topology::Topology;
use serde_json::json;

use super::database::DatabaseServer;
use super::simulator::{Simulator, named_port};

/// Messages without end.
pub const ALL: usize = usize::MAX;

/// See the module.
pub struct OneHost {
    pub host: Host,
    pub database: DatabaseServer,
    pub switches: BTreeMap<String, Switch>,
    /// What was wanted of each bridge.
    pub moments: BTreeMap<String, Moments>,
    /// Since the daemon began.
    now: Duration,
    /// What the database has still to tell.
    news: VecDeque<Vec<Change>>,
    transaction: Transaction,
    connections: u64,
    /// The number of the next port.
    next_number: u32,
}

/// Every state that was wanted of a bridge since [`OneHost::forget_moments`], oldest first.
#[derive(Default)]
pub struct Moments {
    pub wanted: Vec<FlowTable>,
    /// The generation of the newest.
    sent: u64,
}

/// The agent has one transaction at a time.
enum Transaction {
    None,
    Sent(Vec<Operation>),
    Committed,
}

/// A bridge of the database.
pub struct Switch {
    pub simulator: Simulator,
    pub link: Option<Link>,
}

/// A connection of a bridge.
pub struct Link {
    id: ConnectionId,
    session: Session,
    began: Duration,
    /// What the session has to say.
    out: Writer,
    /// What the switch has said.
    input: Vec<u8>,
    /// What the agent has told the connection.
    commands: VecDeque<Command>,
}

fn reference(name: &str) -> Datum {
    Datum::Atom(Atom::NamedUuid(name.to_owned()))
}

impl OneHost {
    /// The daemon runs and has its database, which holds the physical bridges alone.
    pub fn new(config: Config, topology: Arc<Topology>) -> Self {
        let mut database = DatabaseServer::default();
        let bridges: Vec<String> = config.bridges.physical.values().map(ToString::to_string).collect();
        let mut operations = Vec::new();
        for (place, name) in bridges.iter().enumerate() {
            let [bridge, port, interface] = ["b", "p", "i"].map(|kind| format!("{kind}{place}"));
            let kind = ("type", "internal".into());
            operations.push(Operation::insert(Table::Interface, &*interface, vec![("name", (&**name).into()), kind]));
            let row = vec![("name", (&**name).into()), ("interfaces", reference(&interface))];
            operations.push(Operation::insert(Table::Port, &*port, row));
            let row = vec![("name", (&**name).into()), ("ports", reference(&port))];
            operations.push(Operation::insert(Table::Bridge, bridge, row));
        }
        let names = (0..bridges.len()).map(|place| Atom::NamedUuid(format!("b{place}")));
        operations.push(Operation::insert(Table::OpenVswitch, "root", vec![("bridges", Datum::set(names))]));
        database.commit(&operations).expect("the rows are well-formed");
        let mut one = Self {
            host: Host::new(config, topology),
            database,
            switches: BTreeMap::new(),
            moments: BTreeMap::new(),
            now: Duration::ZERO,
            news: VecDeque::new(),
            transaction: Transaction::None,
            connections: 0,
            next_number: 1,
        };
        one.reconnect_database();
        one
    }

    /// The connection to the database ends and is made again; what was on its way may have arrived or not.
    pub fn reconnect_database(&mut self) {
        self.host.on_database_lost();
        if !matches!(std::mem::replace(&mut self.transaction, Transaction::None), Transaction::None) {
            self.host.on_transaction_failed();
        }
        self.news.clear();
        let effects = self.host.on_snapshot(self.database.snapshot());
        self.perform(effects);
    }

    fn perform(&mut self, effects: Effects) {
        for (connection, command) in effects.commands {
            let link = self.switches.values_mut().filter_map(|switch| switch.link.as_mut());
            if let Some(link) = link.into_iter().find(|link| link.id == connection) {
                link.commands.push_back(command);
            }
        }
        assert!(effects.refused.is_empty(), "a bridge is sent away: {:?}", effects.refused);
        let host = &self.host;
        for (name, bridge, _) in host.bridges().iter() {
            let sent = host.bridges().sent(bridge);
            let moments = self.moments.entry(name.to_string()).or_default();
            if moments.sent != sent {
                moments.sent = sent;
                moments.wanted.push(host.bridges().wanted(bridge, host.desired(), sent).flows);
            }
        }
    }

    /// From now on only what is wanted now counts.
    pub fn forget_moments(&mut self) {
        for moments in self.moments.values_mut() {
            let newest = moments.wanted.len().saturating_sub(1);
            moments.wanted.drain(..newest);
        }
    }

    // The database.

    /// The next change that the database has to tell reaches the agent. False: there is none.
    pub fn tell_news(&mut self) -> bool {
        let Some(changes) = self.news.pop_front() else { return false };
        let effects = self.host.on_changes(changes);
        self.perform(effects);
        true
    }

    fn committed(&mut self, changes: Vec<Change>) {
        if !changes.is_empty() {
            self.news.push_back(changes);
        }
    }

    /// The agent writes what it has to write. False: nothing, or it waits for an answer.
    pub fn write_database(&mut self) -> bool {
        if !matches!(self.transaction, Transaction::None) || !self.host.has_operations() {
            return false;
        }
        let operations = self.host.take_operations();
        if operations.is_empty() {
            return false;
        }
        self.transaction = Transaction::Sent(operations);
        true
    }

    /// The database takes the transaction on its way, and answers once the agent has seen all changes.
    pub fn commit(&mut self) -> bool {
        match std::mem::replace(&mut self.transaction, Transaction::None) {
            Transaction::None => return false,
            Transaction::Sent(operations) => match self.database.commit(&operations) {
                Some(changes) => {
                    self.committed(changes);
                    self.transaction = Transaction::Committed;
                }
                None => self.host.on_transaction_failed(),
            },
            Transaction::Committed if self.news.is_empty() => {}
            Transaction::Committed => {
                self.transaction = Transaction::Committed;
                return false;
            }
        }
        true
    }

    /// The transaction on its way fails.
    pub fn fail_transaction(&mut self) -> bool {
        let sent = matches!(self.transaction, Transaction::Sent(_));
        if sent {
            self.transaction = Transaction::None;
            self.host.on_transaction_failed();
        }
        sent
    }

    /// Somebody plugs an interface `tap-PORT` for the port into the integration bridge.
    pub fn plug(&mut self, port: &str) {
        let name = format!("tap-{port}");
        let database = self.database.snapshot();
        let Some((bridge, _)) = database.bridge_named("br-int") else { return };
        if database.port_named(&name).is_some() {
            return;
        }
        let ids = Datum::map([("iface-id", port)]);
        let add = Mutation::insert("ports", Datum::Set(vec![Atom::NamedUuid("p".into())]));
        let operations = [
            Operation::insert(Table::Interface, "i", vec![("name", (&*name).into()), ("external_ids", ids)]),
            Operation::insert(Table::Port, "p", vec![("name", (&*name).into()), ("interfaces", reference("i"))]),
            Operation::mutate(Table::Bridge, bridge, vec![add]),
        ];
        let changes = self.database.commit(&operations).expect("the rows are well-formed");
        self.committed(changes);
    }

    /// Somebody takes it out.
    pub fn unplug(&mut self, port: &str) {
        let database = self.database.snapshot();
        let Some((row, _)) = database.port_named(&format!("tap-{port}")) else { return };
        let Some(bridge) = database.bridge_of_port(row) else { return };
        let remove = Mutation::delete("ports", Datum::set([row]));
        let changes = self.database.commit(&[Operation::mutate(Table::Bridge, bridge, vec![remove])]);
        self.committed(changes.expect("the rows are well-formed"));
    }

    /// `ovs-vswitchd` gives the next bridge its datapath id, or the next interface its number: a new one, or one that
    /// went with another interface.
    pub fn configure(&mut self, reuse: Reuse) -> bool {
        let database = self.database.snapshot();
        let unmade = database.bridges().filter(|(_, bridge)| bridge.datapath_id.is_none());
        if let Some((uuid, name)) = unmade.map(|(uuid, bridge)| (uuid, bridge.name.clone())).min() {
            let number = 0x100 + self.switches.len() as u64;
            let changes = self.database.write(Table::Bridge, uuid, "datapath_id", json!(format!("{number:016x}")));
            self.committed(changes);
            let mut simulator = Simulator::new();
            simulator.datapath_id = DatapathId(number);
            simulator.ports = vec![named_port(PortNo::LOCAL, name.as_bytes())];
            simulator.part = 50;
            simulator.lenient = true;
            simulator.keeps_log = false;
            self.switches.insert(name, Switch { simulator, link: None });
            return true;
        }
        let interfaces = database.bridges().flat_map(|(_, bridge)| &bridge.ports);
        let interfaces: BTreeMap<Uuid, Ofport> = interfaces
            .flat_map(|port| database.interfaces_of(*port))
            .map(|(uuid, interface)| (uuid, interface.ofport))
            .collect();
        let Some((uuid, _)) = interfaces.iter().find(|(_, ofport)| **ofport == Ofport::Unset) else { return false };
        let is_free = |number: &u32| interfaces.values().all(|ofport| ofport.port_no() != Some(PortNo(*number)));
        let freed = (1..self.next_number).find(is_free).filter(|_| reuse == Reuse::Freed);
        let number = freed.unwrap_or(self.next_number);
        self.next_number += u32::from(freed.is_none());
        let changes = self.database.write(Table::Interface, *uuid, "ofport", json!(number));
        self.committed(changes);
        true
    }

    // Time and files.

    /// A second passes.
    pub fn tick(&mut self) {
        self.now += Duration::from_secs(1);
        let effects = self.host.on_tick();
        self.perform(effects);
        for name in self.names() {
            let now = self.now;
            self.with_session(&name, |session, began, out| {
                session.on_tick(now - began, out).map(|event| event.into_iter().collect())
            });
        }
    }

    /// Another topology is in force.
    pub fn set_topology(&mut self, topology: Arc<Topology>) {
        let effects = self.host.on_topology(topology);
        self.perform(effects);
    }

    // Switches.

    /// The bridges that there are.
    pub fn names(&self) -> Vec<String> {
        self.switches.keys().cloned().collect()
    }

    /// The switch connects, if it is not connected.
    pub fn connect(&mut self, name: &str) -> bool {
        let began = self.now;
        let Some(switch) = self.switches.get_mut(name).filter(|switch| switch.link.is_none()) else { return false };
        self.connections += 1;
        let mut out = Writer::new();
        let session = Session::new(&mut out).expect("a HELLO can be written");
        let id = ConnectionId(self.connections);
        switch.link = Some(Link { id, session, began, out, input: Vec::new(), commands: VecDeque::new() });
        true
    }

    /// The connection ends, and with it what was on its way.
    pub fn disconnect(&mut self, name: &str) {
        let Some(switch) = self.switches.get_mut(name) else { return };
        switch.simulator.disconnect();
        if let Some(link) = switch.link.take() {
            let effects = self.host.on_closed(link.id);
            self.perform(effects);
        }
    }

    /// The session of a switch takes the agent's next command.
    pub fn obey(&mut self, name: &str) -> bool {
        let now = self.now;
        let command = self.link(name).and_then(|link| link.commands.pop_front());
        let Some(command) = command else { return false };
        self.with_session(name, |session, began, out| {
            match command {
                Command::Adopt(wanted) => session.adopt(*wanted, now - began, out)?,
                Command::Update { generation, changes } => session.update(generation, changes),
                Command::Proceed => session.proceed(),
                Command::Challenge => session.challenge(out)?,
                Command::PacketOut { in_port, frame } => session.packet_out(in_port, &frame, out)?,
                Command::Respond(_) | Command::Answers(_) => {}
            }
            Ok(Vec::new())
        });
        true
    }

    fn link(&mut self, name: &str) -> Option<&mut Link> {
        self.switches.get_mut(name)?.link.as_mut()
    }

    /// What the session has to say arrives at the switch, which has yet to look at it.
    pub fn send(&mut self, name: &str) -> bool {
        self.with_session(name, |_, _, _| Ok(Vec::new()));
        let Some(switch) = self.switches.get_mut(name) else { return false };
        let Some(link) = &mut switch.link else { return false };
        let bytes = std::mem::take(&mut link.out).into_vec();
        switch.simulator.receive(&bytes, 0);
        !bytes.is_empty()
    }

    /// The switch deals with one message. True if its flows changed.
    pub fn process(&mut self, name: &str) -> bool {
        let Some(switch) = self.switches.get_mut(name) else { return false };
        let before = switch.simulator.changes;
        switch.simulator.receive(&[], 1);
        let said = switch.simulator.take_output();
        if let Some(link) = &mut switch.link {
            link.input.extend(said);
        }
        switch.simulator.changes != before
    }

    /// True if the switch has messages to deal with.
    pub fn is_behind(&self, name: &str) -> bool {
        self.switches.get(name).is_some_and(|switch| switch.simulator.has_message())
    }

    /// The session hears at most so many messages of the switch.
    pub fn hear(&mut self, name: &str, messages: usize) -> bool {
        let now = self.now;
        let mut heard = 0;
        while heard < messages {
            let Some(link) = self.link(name) else { break };
            let Framing::Frame(frame) = Framing::of(&link.input) else { break };
            let frame = frame.to_vec();
            link.input.drain(..frame.len());
            heard += 1;
            self.with_session(name, |session, began, out| {
                session.on_message(&frame, now - began, out).map(|event| event.into_iter().collect())
            });
        }
        heard > 0
    }

    /// Until nobody has anything to say, but for the switches that are named: they do nothing.
    pub fn settle(&mut self, slow: &[&str]) {
        for _ in 0..1000 {
            let mut busy = self.tell_news() | self.write_database() | self.commit() | self.configure(Reuse::Never);
            for name in self.names() {
                busy |= self.connect(&name) | self.obey(&name) | self.send(&name);
                while !slow.contains(&&*name) && self.is_behind(&name) {
                    self.process(&name);
                    busy = true;
                }
                busy |= self.hear(&name, ALL);
            }
            if !busy {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// As a connection's task does: the session acts, then writes, and the agent hears of it.
    fn with_session(
        &mut self,
        name: &str,
        act: impl FnOnce(&mut Session, Duration, &mut Writer) -> Result<Vec<Event>, heddle::switch::session::SessionError>,
    ) {
        let Some(link) = self.link(name) else { return };
        let outcome = act(&mut link.session, link.began, &mut link.out);
        let outcome = outcome.and_then(|events| link.session.write(&mut link.out).map(|()| events));
        let Ok(events) = outcome else { return self.disconnect(name) };
        let (id, progress, missing) = (link.id, link.session.progress(), link.session.missing());
        for event in events {
            match event {
                Event::Identified(identity) => {
                    let effects = self.host.on_identified(id, identity, "a simulated switch".into());
                    self.perform(effects);
                }
                Event::Audited { differences } => self.host.on_audited(id, differences, &missing),
                _ => {}
            }
        }
        if let Some(progress) = progress {
            let effects = self.host.on_progress(id, progress);
            self.perform(effects);
        }
    }
}

/// Which number an interface gets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// One that another interface had, if there is one.
    Freed,
    /// One that none had.
    Never,
}

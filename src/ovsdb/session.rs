//! One connection to the database server as a state machine: bytes and deadlines in, bytes and changes out. No I/O.
//!
//! - **AwaitingLock**: `lock` was sent. Its reply says that the [`LOCK`] is ours, which leads to AwaitingSnapshot, or
//!   that another Heddle holds it, which leads to StandingBy.
//! - **StandingBy**: nothing is asked for. The server's word that the lock is ours, because the other's connection has
//!   ended, leads to AwaitingSnapshot.
//! - **AwaitingSnapshot**: `monitor` was sent. Its reply holds all watched rows and leads to Monitoring; updates
//!   cannot come before it. Transactions are not sent yet.
//! - **Monitoring**: each `update` is one committed transaction, ours or others'. Transactions are sent as they
//!   come; their replies may come in any order, and after the update that they caused. Each asserts that the lock is
//!   ours still.
//!
//! In all, the server may ask `echo`, and we ask it after [`IDLE`] without a word from it. After [`SILENCE`]
//! without one the connection is given up. Any error ends the session, and so does a lock that is taken from us; a new
//! one starts with the lock and a new snapshot.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::client::ConnectionError;
use super::database::{Change, Database, decode_table_updates};
use super::jsonrpc::{self, Frame, Framer, Message};
use super::model::monitor_requests;
use super::transaction::{OpResult, Operation, OperationName, TransactError, decode_results};

/// Silence after which the server is asked for an echo.
pub(crate) const IDLE: Duration = Duration::from_secs(5);
/// Silence after which the connection counts as dead.
pub(crate) const SILENCE: Duration = Duration::from_secs(15);
/// Our monitor's `<json-value>`.
const MONITOR: &str = "heddle";
/// The lock of the one Heddle that serves a database. The server takes it back when the connection ends (RFC 7047
/// §4.1.8).
const LOCK: &str = "heddle";

/// What became of a transaction.
pub type TransactionResult = Result<Vec<OpResult>, TransactError>;

/// Where that goes.
pub(crate) type Reply = oneshot::Sender<TransactionResult>;

/// Operations, and where their results go.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) operations: Vec<Operation>,
    pub(crate) reply: Reply,
}

impl Transaction {
    /// Answers; the asker may have lost patience, and that is fine.
    pub(crate) fn refuse(self, error: TransactError) {
        let _ = self.reply.send(Err(error));
    }
}

/// What a request of ours waits for.
enum Request {
    Lock,
    Monitor,
    Echo,
    Transact(Vec<OperationName>, Reply),
}

/// What the server told.
#[derive(Debug)]
pub(crate) enum News {
    StandingBy,
    Snapshot(Box<Database>),
    Changed(Vec<Change>),
}

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    AwaitingLock,
    StandingBy,
    AwaitingSnapshot,
    Monitoring,
}

pub(crate) struct Session {
    state: State,
    framer: Framer,
    output: Vec<u8>,
    requests: HashMap<u64, Request>,
    next_id: u64,
    /// Results whose changes have still to reach the owner.
    answers: Vec<(Reply, TransactionResult)>,
    heard: Instant,
    asked_echo: bool,
}

impl Session {
    /// A session on a fresh connection; its first output asks for the lock.
    pub(crate) fn new(now: Instant) -> Self {
        let mut session = Self {
            state: State::AwaitingLock,
            framer: Framer::default(),
            output: Vec::new(),
            requests: HashMap::new(),
            next_id: 0,
            answers: Vec::new(),
            heard: now,
            asked_echo: false,
        };
        session.request("lock", json!([LOCK]), Request::Lock);
        session
    }

    /// Bytes to send.
    pub(crate) fn output(&self) -> &[u8] {
        &self.output
    }

    /// That many bytes of the output were sent.
    pub(crate) fn on_sent(&mut self, count: usize) {
        self.output.drain(..count.min(self.output.len()));
    }

    /// When [`Session::on_deadline`] is due.
    pub(crate) fn deadline(&self) -> Instant {
        self.heard + if self.asked_echo { SILENCE } else { IDLE }
    }

    /// Time passed without a word from the server.
    pub(crate) fn on_deadline(&mut self, now: Instant) -> Result<(), ConnectionError> {
        if now < self.deadline() {
            return Ok(());
        }
        if self.asked_echo {
            return Err(ConnectionError::Silent(SILENCE));
        }
        self.asked_echo = true;
        self.request("echo", json!([]), Request::Echo);
        Ok(())
    }

    /// We did not listen for a while: what the server said meanwhile has yet to be read.
    pub(crate) fn on_resume(&mut self, now: Instant) {
        self.heard = now;
        self.asked_echo = false;
    }

    /// A transaction of the owner's.
    pub(crate) fn on_transact(&mut self, transaction: Transaction) {
        if self.state != State::Monitoring {
            return transaction.refuse(TransactError::Disconnected);
        }
        let guard = Operation::Assert { lock: LOCK };
        let operations = || transaction.operations.iter().chain([&guard]);
        let names = operations().map(Operation::subject).collect();
        let params = std::iter::once(json!(super::DATABASE_NAME)).chain(operations().map(Operation::to_json)).collect();
        self.requests.retain(|_, request| !matches!(request, Request::Transact(_, reply) if reply.is_closed()));
        self.request("transact", params, Request::Transact(names, transaction.reply));
    }

    /// Bytes from the server.
    pub(crate) fn on_bytes(&mut self, bytes: &[u8], now: Instant) -> Result<Vec<News>, ConnectionError> {
        self.on_resume(now);
        self.framer.push(bytes);
        let mut news = Vec::new();
        while let Frame::Message(bytes) = self.framer.next_frame()? {
            news.extend(self.on_message(Message::parse(&bytes)?)?);
        }
        Ok(news)
    }

    /// Answers the transactions whose replies have come. Call it once the owner has been given the news before
    /// them: the server tells of a change before it says that it was made, and so do we.
    pub(crate) fn answer(&mut self) {
        for (reply, results) in self.answers.drain(..) {
            // The asker may have lost patience.
            let _ = reply.send(results);
        }
    }

    fn on_message(&mut self, message: Message) -> Result<Option<News>, ConnectionError> {
        match message {
            Message::Request { id, method, params } => {
                let answer = match method.as_str() {
                    "echo" => jsonrpc::response(&id, params.into()),
                    _ => jsonrpc::error_response(&id, "unknown method"),
                };
                self.output.extend(answer);
                Ok(None)
            }
            Message::Notification { method, params } => self.on_notification(&method, &params),
            Message::Response { id, result, error } => {
                // An answer to nothing that we asked is not worth a connection.
                match id.as_u64().and_then(|id| self.requests.remove(&id)) {
                    Some(request) => self.on_response(request, &result, &error),
                    None => Ok(None),
                }
            }
        }
    }

    fn on_notification(&mut self, method: &str, params: &[Value]) -> Result<Option<News>, ConnectionError> {
        match (method, params) {
            ("update", [Value::String(monitor), Value::Object(updates)])
                if monitor == MONITOR && self.state == State::Monitoring =>
            {
                let changes = decode_table_updates(updates)?;
                Ok((!changes.is_empty()).then_some(News::Changed(changes)))
            }
            ("update", _) => Err(ConnectionError::UnexpectedUpdate),
            ("locked", [Value::String(lock)]) if lock == LOCK && self.state == State::StandingBy => {
                self.on_locked();
                Ok(None)
            }
            ("stolen", [Value::String(lock)]) if lock == LOCK => Err(ConnectionError::LockStolen),
            _ => Ok(None),
        }
    }

    /// The lock is ours: asks for the snapshot.
    fn on_locked(&mut self) {
        self.state = State::AwaitingSnapshot;
        let params = json!([super::DATABASE_NAME, MONITOR, monitor_requests()]);
        self.request("monitor", params, Request::Monitor);
    }

    fn on_response(
        &mut self,
        request: Request,
        result: &Value,
        error: &Value,
    ) -> Result<Option<News>, ConnectionError> {
        match request {
            Request::Echo => Ok(None),
            Request::Lock => match (result.get("locked"), error) {
                (Some(Value::Bool(true)), Value::Null) => {
                    self.on_locked();
                    Ok(None)
                }
                (Some(Value::Bool(false)), Value::Null) => {
                    self.state = State::StandingBy;
                    Ok(Some(News::StandingBy))
                }
                _ => Err(ConnectionError::LockRefused(error.to_string())),
            },
            Request::Monitor => match (result, error) {
                (Value::Object(updates), Value::Null) => {
                    self.state = State::Monitoring;
                    let rows = decode_table_updates(updates)?;
                    Ok(Some(News::Snapshot(Box::new(Database::from_rows(rows)))))
                }
                _ => Err(ConnectionError::MonitorRefused(error.to_string())),
            },
            Request::Transact(operations, reply) => {
                let results = match error {
                    Value::Null => decode_results(&operations, result),
                    error => Err(TransactError::Refused(error.to_string())),
                };
                // The last is our assertion's.
                let results = results.map(|mut results| {
                    results.pop();
                    results
                });
                self.answers.push((reply, results));
                Ok(None)
            }
        }
    }

    fn request(&mut self, method: &str, params: Value, request: Request) {
        let id = self.next_id;
        self.next_id += 1;
        self.output.extend(jsonrpc::request(id, method, params));
        self.requests.insert(id, request);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(session: &mut Session) -> Vec<Value> {
        let messages: Result<Vec<Value>, _> =
            serde_json::Deserializer::from_slice(session.output()).into_iter().collect();
        session.on_sent(session.output().len());
        messages.unwrap()
    }

    const LOCKED: &[u8] = br#"{"id":0,"result":{"locked":true},"error":null}"#;

    fn monitoring(now: Instant) -> Session {
        let mut session = Session::new(now);
        assert_eq!(sent(&mut session), [json!({"id": 0, "method": "lock", "params": ["heddle"]})]);
        assert!(session.on_bytes(LOCKED, now).unwrap().is_empty());
        assert_eq!(sent(&mut session)[0]["method"], "monitor");
        let news = session.on_bytes(br#"{"id":1,"result":{},"error":null}"#, now).unwrap();
        assert!(matches!(news.as_slice(), [News::Snapshot(_)]));
        session
    }

    fn transact(session: &mut Session, text: &str) -> oneshot::Receiver<Result<Vec<OpResult>, TransactError>> {
        let (reply, receiver) = oneshot::channel();
        session.on_transact(Transaction { operations: vec![Operation::Comment(text.into())], reply });
        receiver
    }

    #[test]
    fn an_echo_request_is_answered_with_its_parameters() {
        let mut session = monitoring(Instant::now());
        session.on_bytes(br#"{"id":"x","method":"echo","params":[1]}"#, Instant::now()).unwrap();
        assert_eq!(sent(&mut session), [json!({"id": "x", "result": [1], "error": null})]);
        session.on_bytes(br#"{"id":7,"method":"steal","params":[]}"#, Instant::now()).unwrap();
        assert_eq!(sent(&mut session), [json!({"id": 7, "result": null, "error": "unknown method"})]);
    }

    #[test]
    fn an_idle_connection_is_probed_and_a_silent_one_given_up() {
        let start = Instant::now();
        let mut session = monitoring(start);
        assert_eq!(session.deadline(), start + IDLE);
        session.on_deadline(start + IDLE).unwrap();
        assert_eq!(sent(&mut session)[0]["method"], "echo");
        assert_eq!(session.deadline(), start + SILENCE);
        let mut answered = monitoring(start);
        answered.on_deadline(start + IDLE).unwrap();
        answered.on_bytes(br#"{"id":2,"result":[],"error":null}"#, start + IDLE).unwrap();
        assert_eq!(answered.deadline(), start + IDLE + IDLE);
        assert!(matches!(session.on_deadline(start + SILENCE), Err(ConnectionError::Silent(_))));
    }

    #[test]
    fn replies_reach_their_transactions_whatever_their_order() {
        let mut session = monitoring(Instant::now());
        let (mut first, mut second) = (transact(&mut session, "a"), transact(&mut session, "b"));
        let ids: Vec<Value> = sent(&mut session).into_iter().map(|message| message["id"].clone()).collect();
        let refused = json!({"id": ids[1], "result": null, "error": "no"});
        let done = json!({"id": ids[0], "result": [{}, {}], "error": null});
        session.on_bytes(format!("{refused}{done}").as_bytes(), Instant::now()).unwrap();
        assert!(first.try_recv().is_err(), "the owner may not have seen the changes yet");
        session.answer();
        assert_eq!(first.try_recv().unwrap(), Ok(vec![OpResult::Done]));
        assert!(matches!(second.try_recv().unwrap(), Err(TransactError::Refused(_))));
    }

    #[test]
    fn a_transaction_asserts_that_the_lock_is_held_and_fails_if_it_is_not() {
        let mut session = monitoring(Instant::now());
        let mut answer = transact(&mut session, "a");
        let request = sent(&mut session).remove(0);
        assert_eq!(request["params"][2], json!({"op": "assert", "lock": "heddle"}));
        let refused = json!({"id": request["id"], "result": [{}, {"error": "not owner"}], "error": null});
        session.on_bytes(refused.to_string().as_bytes(), Instant::now()).unwrap();
        session.answer();
        let result = answer.try_recv().unwrap();
        assert!(matches!(&result, Err(TransactError::Operation { error, .. }) if error == "not owner"), "{result:?}");
    }

    #[test]
    fn while_another_holds_the_lock_nothing_is_asked_for() {
        let now = Instant::now();
        let mut session = Session::new(now);
        sent(&mut session);
        let news = session.on_bytes(br#"{"id":0,"result":{"locked":false},"error":null}"#, now).unwrap();
        assert!(matches!(news.as_slice(), [News::StandingBy]));
        assert_eq!(transact(&mut session, "a").try_recv().unwrap(), Err(TransactError::Disconnected));
        assert!(session.output().is_empty());
        session.on_bytes(br#"{"id":null,"method":"locked","params":["other"]}"#, now).unwrap();
        assert!(session.output().is_empty());
        session.on_bytes(br#"{"id":null,"method":"locked","params":["heddle"]}"#, now).unwrap();
        assert_eq!(sent(&mut session)[0]["method"], "monitor");
    }

    #[test]
    fn a_lock_that_is_refused_or_stolen_ends_the_session() {
        let now = Instant::now();
        let stolen = br#"{"id":null,"method":"stolen","params":["heddle"]}"#;
        assert!(matches!(monitoring(now).on_bytes(stolen, now), Err(ConnectionError::LockStolen)));
        let refused = br#"{"id":0,"result":null,"error":"unknown method"}"#;
        assert!(matches!(Session::new(now).on_bytes(refused, now), Err(ConnectionError::LockRefused(_))));
    }

    #[test]
    fn before_the_snapshot_no_transaction_is_sent_and_no_update_taken() {
        let mut session = Session::new(Instant::now());
        session.on_bytes(LOCKED, Instant::now()).unwrap();
        sent(&mut session);
        assert_eq!(transact(&mut session, "a").try_recv().unwrap(), Err(TransactError::Disconnected));
        assert!(session.output().is_empty());
        let update = br#"{"id":null,"method":"update","params":["heddle",{}]}"#;
        assert!(matches!(session.on_bytes(update, Instant::now()), Err(ConnectionError::UnexpectedUpdate)));
    }

    #[test]
    fn a_refused_monitor_and_a_broken_stream_end_the_session() {
        let mut session = Session::new(Instant::now());
        session.on_bytes(LOCKED, Instant::now()).unwrap();
        let refusal = br#"{"id":1,"result":null,"error":{"error":"unknown database"}}"#;
        assert!(matches!(session.on_bytes(refusal, Instant::now()), Err(ConnectionError::MonitorRefused(_))));
        let mut session = Session::new(Instant::now());
        assert!(matches!(session.on_bytes(b"HTTP", Instant::now()), Err(ConnectionError::Frame(_))));
        assert!(matches!(
            Session::new(Instant::now()).on_bytes(b"{}", Instant::now()),
            Err(ConnectionError::Message(_))
        ));
        let surprise = br#"{"id":1,"result":{"Port":{"x":1}},"error":null}"#;
        let bytes = [LOCKED, surprise].concat();
        assert!(matches!(Session::new(Instant::now()).on_bytes(&bytes, Instant::now()), Err(ConnectionError::Row(_))));
    }

    #[test]
    fn abandoned_transactions_are_forgotten() {
        let mut session = monitoring(Instant::now());
        for _ in 0..10 {
            drop(transact(&mut session, "a"));
        }
        assert_eq!(session.requests.len(), 1);
    }
}

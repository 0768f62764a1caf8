//! A blocking OpenFlow 1.3 client for one switch: ask, and read the answer as it arrives.

mod listen;

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use listen::Peer;

use super::filter::suggest::nearest;
use crate::openflow::echo::Echo;
use crate::openflow::error_msg::ErrorMsg;
use crate::openflow::frame::FrameBuffer;
use crate::openflow::header::VERSION;
use crate::openflow::hello::Hello;
use crate::openflow::multipart::{Multipart, MultipartType, multipart_request};
use crate::openflow::{DecodeError, EncodeError, ErrorCode, Message, MessageType, Reader, Writer, Xid};

/// How long a switch may be silent.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where Open vSwitch keeps its sockets unless `OVS_RUNDIR` says otherwise.
const RUN_DIRECTORY: &str = "/var/run/openvswitch";

/// The port where controllers wait for switches (OpenFlow 1.3.5 §6.3.1).
const OPENFLOW_PORT: u16 = 6653;

/// Which switch: a bridge by name, a management socket by path, `tcp:HOST:PORT`, or `ptcp:[PORT[:HOST]]`
/// for the next one that connects there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A management socket (`BRIDGE.mgmt`).
    Socket(PathBuf),
    /// Where a switch listens (`ptcp:` in its controller setting).
    Tcp(String),
    /// Where this program waits for the switch to connect, as to a controller.
    Listen(String),
}

/// Text that names no switch.
#[derive(Debug, thiserror::Error)]
#[error("found {0:?}, expected a bridge, a path to a management socket, tcp:HOST:PORT or ptcp:[PORT[:HOST]]")]
pub struct ParseTargetError(String);

impl Target {
    /// Reads a target as people type it.
    pub fn parse(text: &str) -> Result<Self, ParseTargetError> {
        if let Some(address) = text.strip_prefix("tcp:") {
            let port =
                address.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then(|| port.parse::<u16>()));
            return match port {
                Some(Ok(_)) => Ok(Self::Tcp(address.to_owned())),
                _ => Err(ParseTargetError(text.to_owned())),
            };
        }
        if let Some(address) = text.strip_prefix("ptcp:") {
            return listen_address(address).map(Self::Listen).ok_or_else(|| ParseTargetError(text.to_owned()));
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Socket(path.into()));
        }
        if text.is_empty() {
            return Err(ParseTargetError(text.to_owned()));
        }
        if text.contains('/') {
            return Ok(Self::Socket(text.into()));
        }
        let directory = std::env::var_os("OVS_RUNDIR").map_or_else(|| PathBuf::from(RUN_DIRECTORY), PathBuf::from);
        Ok(Self::Socket(directory.join(format!("{text}.mgmt"))))
    }

    /// The socket through which one hears what this switch and its controller say to each other
    /// (`ovs-ofctl(8)`, snoop). Only a switch of this host has one.
    pub fn snoop(&self) -> Option<Self> {
        match self {
            Self::Socket(path) if path.extension().is_some_and(|end| end == "mgmt") => {
                Some(Self::Socket(path.with_extension("snoop")))
            }
            Self::Socket(path) => Some(Self::Socket(path.clone())),
            Self::Tcp(_) | Self::Listen(_) => None,
        }
    }

    /// The bridge that the socket is named after.
    pub fn bridge(&self) -> Option<&str> {
        match self {
            Self::Socket(path) => path.file_stem().and_then(|stem| stem.to_str()),
            Self::Tcp(_) | Self::Listen(_) => None,
        }
    }
}

/// `HOST:PORT` of `[PORT[:HOST]]`; without a host, all addresses.
fn listen_address(text: &str) -> Option<String> {
    let (port, host) = text.split_once(':').unwrap_or((text, "0.0.0.0"));
    let port = if port.is_empty() { OPENFLOW_PORT } else { port.parse().ok()? };
    (!host.is_empty()).then(|| format!("{host}:{port}"))
}

impl std::fmt::Display for Target {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(out),
            Self::Tcp(address) => write!(out, "tcp:{address}"),
            Self::Listen(address) => write!(out, "the switch that connects to {address}"),
        }
    }
}

/// Why a switch did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No such bridge here.
    #[error("no bridge at {}{}", path.display(), instead(path, there))]
    NoBridge {
        /// Where its socket would be.
        path: PathBuf,
        /// The bridges that have one in the same place.
        there: Vec<String>,
    },
    /// The connection failed or broke.
    #[error("{target}: {error}")]
    Io {
        /// Which switch.
        target: String,
        /// What the system said.
        error: io::Error,
    },
    /// The switch hung up.
    #[error("{0}: the switch closed the connection")]
    Closed(String),
    /// Nothing came for a while.
    #[error("{0}: no answer within {seconds} seconds", seconds = PATIENCE.as_secs())]
    Silent(String),
    /// The switch and this program have no version in common.
    #[error("{target} does not speak OpenFlow 1.3: run `ovs-vsctl set bridge {bridge} protocols=OpenFlow13`")]
    Version {
        /// Which switch.
        target: String,
        /// Its name, as far as it is known.
        bridge: String,
    },
    /// The switch refused the question.
    #[error("{target} refused {request}: {code}")]
    Refused {
        /// Which switch.
        target: String,
        /// What was asked.
        request: String,
        /// Its answer.
        code: ErrorCode,
    },
    /// An answer that is not OpenFlow 1.3.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A question that does not fit a message.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// The bridges that have management sockets in the folder of `path`.
fn bridges_beside(path: &Path) -> Vec<String> {
    let entries = path.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    let paths = entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let sockets = paths.filter(|path| path.extension().is_some_and(|end| end == "mgmt"));
    let mut names: Vec<_> = sockets.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort_unstable();
    names
}

/// What to type instead of a bridge that is not there.
fn instead(path: &Path, there: &[String]) -> String {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    if Path::new(name).is_file() {
        return format!(": to read the file, write --input {name}");
    }
    let meant = nearest(name, there.iter().map(String::as_str));
    match (meant, there) {
        (_, []) => ": is Open vSwitch running?".to_owned(),
        (Some(meant), _) => format!(": did you mean {meant}? There are {}", there.join(", ")),
        (None, [only]) => format!(": there is {only}"),
        (None, _) => format!(": there are {}", there.join(", ")),
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A connection that has exchanged HELLOs.
pub struct Client {
    stream: Box<dyn Stream>,
    frames: FrameBuffer,
    target: Target,
    next_xid: u32,
    /// How long an answer may take to begin, or to go on.
    patience: Duration,
}

impl Client {
    /// Connects and agrees on OpenFlow 1.3.
    pub fn connect(target: &Target) -> Result<Self, ClientError> {
        let stream = open(target).map_err(|error| match (error.kind(), target) {
            (io::ErrorKind::NotFound, Target::Socket(path)) => {
                ClientError::NoBridge { path: path.clone(), there: bridges_beside(path) }
            }
            _ => ClientError::Io { target: target.to_string(), error },
        })?;
        let (frames, target) = (FrameBuffer::new(), target.clone());
        let mut client = Self { stream, frames, target, next_xid: 0, patience: PATIENCE };
        let xid = client.xid();
        let mut writer = Writer::new();
        Hello::OURS.encode(&mut writer, xid)?;
        client.send(&writer)?;
        let refused = client.version_error();
        let deadline = Cell::new(Instant::now() + client.patience);
        client.receive(&deadline, |message| match message.header.message_type {
            MessageType::HELLO if Hello::decode(message)?.supports(VERSION) => Ok(Some(())),
            _ => Err(refused.take()),
        })?;
        Ok(client)
    }

    fn version_error(&self) -> VersionError {
        VersionError { target: self.target.to_string(), bridge: self.target.bridge().unwrap_or("BRIDGE").to_owned() }
    }

    fn xid(&mut self) -> Xid {
        self.next_xid += 1;
        Xid(self.next_xid)
    }

    fn io(&self, error: io::Error) -> ClientError {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::Silent(self.target.to_string()),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => ClientError::Closed(self.target.to_string()),
            _ => ClientError::Io { target: self.target.to_string(), error },
        }
    }

    fn send(&mut self, writer: &Writer) -> Result<(), ClientError> {
        self.stream.write_all(writer.as_slice()).map_err(|error| self.io(error))
    }

    /// Hands messages to `on` until it returns something, or until `deadline`, which `on` may put off. Answers the
    /// switch's echo requests: a switch that only asks is as good as silent.
    fn receive<T>(
        &mut self,
        deadline: &Cell<Instant>,
        mut on: impl FnMut(&Message<'_>) -> Result<Option<T>, ClientError>,
    ) -> Result<T, ClientError> {
        loop {
            let mut answers = Writer::new();
            let mut found = None;
            for frame in self.frames.frames() {
                let message = Message::decode(frame?)?;
                if message.header.message_type == MessageType::ECHO_REQUEST {
                    Echo::decode(message.body).encode_reply(&mut answers, message.header.xid)?;
                    continue;
                }
                found = on(&message)?;
                if found.is_some() {
                    break;
                }
            }
            if !answers.is_empty() {
                self.send(&answers)?;
            }
            if let Some(found) = found {
                return Ok(found);
            }
            if Instant::now() >= deadline.get() {
                return Err(ClientError::Silent(self.target.to_string()));
            }
            self.read()?;
        }
    }

    /// Waits for more bytes.
    fn read(&mut self) -> Result<(), ClientError> {
        let count = loop {
            match self.stream.read(self.frames.spare()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result.map_err(|error| self.io(error))?,
            }
        };
        if count == 0 {
            return Err(ClientError::Closed(self.target.to_string()));
        }
        self.frames.filled(count);
        Ok(())
    }

    /// Sends what `encode` writes, and hands answers of type `answer` to `read` until it returns
    /// something.
    fn ask<T>(
        &mut self,
        request: &str,
        answer: MessageType,
        encode: impl FnOnce(&mut Writer, Xid) -> Result<(), EncodeError>,
        mut read: impl FnMut(Xid, Reader<'_>) -> Result<Option<T>, ClientError>,
    ) -> Result<T, ClientError> {
        let xid = self.xid();
        let mut writer = Writer::new();
        encode(&mut writer, xid)?;
        self.send(&writer)?;
        let target = self.target.to_string();
        let patience = self.patience;
        let deadline = Cell::new(Instant::now() + patience);
        self.receive(&deadline, |message| {
            if message.header.xid != xid {
                return Ok(None);
            }
            deadline.set(Instant::now() + patience);
            if message.header.message_type == MessageType::ERROR {
                let code = ErrorMsg::decode(message.body)?.code;
                return Err(ClientError::Refused { target: target.clone(), request: request.to_owned(), code });
            }
            read(xid, message.body_of(answer)?)
        })
    }

    /// Asks for one message and decodes its body.
    pub fn transact<T>(
        &mut self,
        request: &str,
        answer: MessageType,
        encode: impl FnOnce(&mut Writer, Xid),
        decode: impl Fn(Reader<'_>) -> Result<T, DecodeError>,
    ) -> Result<(Xid, T), ClientError> {
        let encode = |writer: &mut Writer, xid| {
            encode(writer, xid);
            Ok(())
        };
        self.ask(request, answer, encode, |xid, body| Ok(Some((xid, decode(body)?))))
    }

    /// Asks a multipart question and hands over the answer part by part, as it arrives.
    pub fn multipart(
        &mut self,
        multipart_type: MultipartType,
        body: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
        mut part: impl FnMut(Xid, &Multipart<'_>) -> Result<(), DecodeError>,
    ) -> Result<(), ClientError> {
        let encode = |writer: &mut Writer, xid| multipart_request(writer, multipart_type, xid, body);
        let request = multipart_type.name().unwrap_or("a multipart request");
        self.ask(request, MessageType::MULTIPART_REPLY, encode, |xid, body| {
            let multipart = Multipart::decode(body)?;
            part(xid, &multipart)?;
            Ok((!multipart.more()).then_some(()))
        })
    }
}

/// The parts of [`ClientError::Version`], ready before the connection is lent out.
struct VersionError {
    target: String,
    bridge: String,
}

impl VersionError {
    fn take(&self) -> ClientError {
        ClientError::Version { target: self.target.clone(), bridge: self.bridge.clone() }
    }
}

fn open(target: &Target) -> io::Result<Box<dyn Stream>> {
    match target {
        Target::Socket(path) => unix(path),
        Target::Tcp(address) => {
            let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
            for address in address.to_socket_addrs()? {
                match TcpStream::connect_timeout(&address, PATIENCE) {
                    Ok(stream) => return tcp(stream),
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
        // How long that takes is the switch's to say.
        Target::Listen(address) => tcp(TcpListener::bind(address)?.accept()?.0),
    }
}

fn tcp(stream: TcpStream) -> io::Result<Box<dyn Stream>> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(Box::new(stream))
}

fn unix(path: &Path) -> io::Result<Box<dyn Stream>> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(Box::new(stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_that_asks_for_echoes_for_ever_and_never_answers_is_silent() {
        const ECHO_REQUEST: [u8; 8] = [4, 2, 0, 8, 0, 0, 0, 1];
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        // Behind each echo the next request.
        let switch = std::thread::spawn(move || {
            let mut bytes = [0; 64];
            while theirs.write_all(&ECHO_REQUEST).is_ok() && theirs.read(&mut bytes).is_ok_and(|count| count > 0) {}
        });
        let (frames, target) = (FrameBuffer::new(), Target::Socket("br0.mgmt".into()));
        let patience = Duration::from_millis(50);
        let mut client = Client { stream: Box::new(ours), frames, target, next_xid: 0, patience };
        let answer = client.multipart(MultipartType::DESC, |_| Ok(()), |_, _| Ok(()));
        assert!(matches!(answer, Err(ClientError::Silent(_))), "{answer:?}");
        drop(client);
        switch.join().unwrap();
    }

    #[test]
    fn targets_read_as_people_type_them() {
        assert_eq!(Target::parse("tcp:[::1]:6654").unwrap(), Target::Tcp("[::1]:6654".to_owned()));
        assert_eq!(Target::parse("/run/x/br0.mgmt").unwrap().bridge(), Some("br0"));
        for (text, address) in [
            ("ptcp:", "0.0.0.0:6653"),
            ("ptcp:6633", "0.0.0.0:6633"),
            ("ptcp:6633:127.0.0.1", "127.0.0.1:6633"),
            ("ptcp::[::1]", "[::1]:6653"),
        ] {
            assert_eq!(Target::parse(text).unwrap(), Target::Listen(address.to_owned()));
        }
        assert!(matches!(Target::parse("br-int").unwrap(), Target::Socket(path) if path.ends_with("br-int.mgmt")));
        for text in ["", "tcp:", "tcp:host", "tcp:host:port", "tcp::6653", "ptcp:x", "ptcp:66530", "ptcp:1:"] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}

//! JSON-RPC 1.0 messages in a byte stream (RFC 7047 §4): one JSON object after the other, with nothing or white
//! space between them.

use std::mem;

use serde_json::{Map, Value, json};

/// The longest message that is taken: far above a database of 100,000 ports, far below a host's memory.
pub const MESSAGE_LIMIT: usize = 256 << 20;

/// Finds the ends of JSON objects in a stream. Looks at each byte once and does not check more than it must:
/// whether the object is valid is the parser's to say.
#[derive(Debug)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that belong to earlier messages.
    start: usize,
    /// Bytes of `buffer` that were looked at.
    scanned: usize,
    /// Open braces and brackets at `scanned`.
    depth: usize,
    text: Text,
    limit: usize,
}

/// Whether the scan stands in a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Outside,
    Inside,
    /// After a backslash.
    Escaped,
}

/// What the stream holds next.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// The rest of a message has yet to arrive.
    More,
    /// The bytes of one JSON object.
    Message(Vec<u8>),
}

/// The stream cannot be made sense of any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A message begins with something else than a brace.
    #[error("found the byte 0x{0:02x} between messages, expected {{")]
    NotAnObject(u8),
    /// A message has no end within the limit.
    #[error("a message is longer than {0} bytes")]
    TooLong(usize),
}

impl Default for Framer {
    fn default() -> Self {
        Self::with_limit(MESSAGE_LIMIT)
    }
}

impl Framer {
    /// A framer that takes messages of `limit` bytes at most.
    pub fn with_limit(limit: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, scanned: 0, depth: 0, text: Text::Outside, limit }
    }

    /// Takes bytes as they arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message. After an error the stream is of no use.
    pub fn next_frame(&mut self) -> Result<Frame, FrameError> {
        let unseen = self.buffer.get(self.scanned..).unwrap_or_default();
        for (at, &byte) in unseen.iter().enumerate() {
            let end = self.scanned + at + 1;
            if self.depth == 0 {
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' => self.start = end,
                    b'{' => self.depth = 1,
                    _ => return Err(FrameError::NotAnObject(byte)),
                }
                continue;
            }
            if end - self.start > self.limit {
                return Err(FrameError::TooLong(self.limit));
            }
            self.text = match (self.text, byte) {
                (Text::Escaped, _) | (Text::Outside, b'"') => Text::Inside,
                (Text::Inside, b'\\') => Text::Escaped,
                (Text::Inside, b'"') => Text::Outside,
                (Text::Outside, b'{' | b'[') => {
                    self.depth += 1;
                    Text::Outside
                }
                (Text::Outside, b'}' | b']') => {
                    self.depth -= 1;
                    Text::Outside
                }
                (state, _) => state,
            };
            if self.depth == 0 {
                let message = self.buffer.get(self.start..end).unwrap_or_default().to_vec();
                self.start = end;
                self.scanned = end;
                if self.start == self.buffer.len() {
                    // The snapshot of a large database should not occupy its size for ever.
                    mem::take(&mut self.buffer);
                    (self.start, self.scanned) = (0, 0);
                }
                return Ok(Frame::Message(message));
            }
        }
        self.scanned = self.buffer.len();
        Ok(Frame::More)
    }
}

/// A message from the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Wants an answer with the same id.
    Request {
        /// Any JSON but null.
        id: Value,
        /// The method.
        method: String,
        /// Its parameters.
        params: Vec<Value>,
    },
    /// Wants no answer.
    Notification {
        /// The method.
        method: String,
        /// Its parameters.
        params: Vec<Value>,
    },
    /// Answers a request of ours.
    Response {
        /// The request's id.
        id: Value,
        /// The result, null with an error.
        result: Value,
        /// Null, or what went wrong.
        error: Value,
    },
}

/// Bytes that are no JSON-RPC message.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Not JSON.
    #[error("a message is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON, but neither request, notification nor response.
    #[error("a message is neither request, notification nor response: {0}")]
    Shape(String),
}

impl Message {
    /// Parses one JSON object.
    pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let mut object: Map<String, Value> = serde_json::from_slice(bytes)?;
        let id = object.remove("id").unwrap_or_default();
        match (object.remove("method"), object.remove("params"), object.contains_key("result")) {
            (Some(Value::String(method)), Some(Value::Array(params)), false) if id.is_null() => {
                Ok(Self::Notification { method, params })
            }
            (Some(Value::String(method)), Some(Value::Array(params)), false) => {
                Ok(Self::Request { id, method, params })
            }
            (None, None, true) if !id.is_null() => Ok(Self::Response {
                id,
                result: object.remove("result").unwrap_or_default(),
                error: object.remove("error").unwrap_or_default(),
            }),
            _ => Err(MessageError::Shape(String::from_utf8_lossy(bytes).chars().take(200).collect())),
        }
    }
}

/// The bytes of a request.
pub fn request(id: u64, method: &str, params: Value) -> Vec<u8> {
    json!({"id": id, "method": method, "params": params}).to_string().into_bytes()
}

/// The bytes of the answer to a request that went well.
pub fn response(id: &Value, result: Value) -> Vec<u8> {
    json!({"id": id, "result": result, "error": null}).to_string().into_bytes()
}

/// The bytes of the answer to a request that is not understood.
pub fn error_response(id: &Value, error: &str) -> Vec<u8> {
    json!({"id": id, "result": null, "error": error}).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = br#"{"a":"}{\"\\"}{"b":[{"c":"[\u007b"},[]],"d":"\\\\"} {"e":{}}
"#;
    const MESSAGES: [&[u8]; 3] = [br#"{"a":"}{\"\\"}"#, br#"{"b":[{"c":"[\u007b"},[]],"d":"\\\\"}"#, br#"{"e":{}}"#];

    fn frames(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut framer = Framer::default();
        let mut messages = Vec::new();
        for chunk in chunks {
            framer.push(chunk);
            while let Frame::Message(message) = framer.next_frame().unwrap() {
                messages.push(message);
            }
        }
        assert_eq!(framer.next_frame(), Ok(Frame::More));
        messages
    }

    #[test]
    fn messages_are_found_wherever_the_stream_is_split() {
        for first in 0..=STREAM.len() {
            for second in first..=STREAM.len() {
                let chunks = [&STREAM[..first], &STREAM[first..second], &STREAM[second..]];
                assert_eq!(frames(&chunks), MESSAGES, "split at {first} and {second}");
            }
        }
        let bytes: Vec<&[u8]> = STREAM.chunks(1).collect();
        assert_eq!(frames(&bytes), MESSAGES);
    }

    #[test]
    fn a_cut_off_message_waits_for_more() {
        let message = MESSAGES[1];
        for end in 0..message.len() {
            assert_eq!(frames(&[&message[..end]]), Vec::<Vec<u8>>::new());
        }
    }

    #[test]
    fn a_message_of_the_limit_passes_and_one_byte_more_breaks_the_stream() {
        let mut framer = Framer::with_limit(8);
        framer.push(br#"{"a":12}"#);
        assert!(matches!(framer.next_frame(), Ok(Frame::Message(_))));
        framer.push(br#"    {"a":123}"#);
        assert_eq!(framer.next_frame(), Err(FrameError::TooLong(8)));
        let mut endless = Framer::with_limit(8);
        endless.push(br#"{"aaaaaaaa"#);
        assert_eq!(endless.next_frame(), Err(FrameError::TooLong(8)));
    }

    #[test]
    fn anything_but_an_object_breaks_the_stream() {
        for bytes in [&b"[1]"[..], b"}", b"\x16\x03\x01", b"HTTP/1.1", b"\"", b"null"] {
            let mut framer = Framer::default();
            framer.push(bytes);
            assert_eq!(framer.next_frame(), Err(FrameError::NotAnObject(bytes[0])));
        }
    }

    #[test]
    fn mismatched_brackets_end_a_frame_and_are_refused_by_the_parser() {
        let [message] = frames(&[b"{]"]).try_into().unwrap();
        assert!(matches!(Message::parse(&message), Err(MessageError::Json(_))));
        let deep = [b"{\"a\":".as_slice(), &vec![b'['; 100_000], &vec![b']'; 100_000], b"}"].concat();
        let [message] = frames(&[&deep]).try_into().unwrap();
        assert!(matches!(Message::parse(&message), Err(MessageError::Json(_))));
    }

    #[test]
    fn requests_notifications_and_responses_are_told_apart() {
        let parse = |text: &str| Message::parse(text.as_bytes());
        assert!(matches!(
            parse(r#"{"id":"echo","method":"echo","params":[]}"#),
            Ok(Message::Request { method, .. }) if method == "echo"
        ));
        assert!(matches!(parse(r#"{"id":null,"method":"update","params":[1]}"#), Ok(Message::Notification { .. })));
        assert!(matches!(parse(r#"{"method":"update","params":[]}"#), Ok(Message::Notification { .. })));
        assert!(matches!(parse(r#"{"id":3,"result":{},"error":null}"#), Ok(Message::Response { .. })));
        for text in [
            "{}",
            r#"{"id":null,"result":1,"error":null}"#,
            r#"{"id":1,"method":"x"}"#,
            r#"{"id":1,"method":2,"params":[]}"#,
            r#"{"id":1,"method":"x","params":[],"result":1}"#,
        ] {
            assert!(matches!(parse(text), Err(MessageError::Shape(_))), "{text}");
        }
    }
}

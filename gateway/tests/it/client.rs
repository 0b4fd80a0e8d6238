//! An HTTP client that sends exactly the bytes that a test wants to send.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long an answer may take before a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn event_id(&self) -> &str {
        self.body["event_id"]
            .as_str()
            .unwrap_or_else(|| panic!("no event id in {self:?}"))
    }

    /// That it is a problem of this status, and its detail.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.body["status"], status);
        let detail = self.body["detail"].as_str().unwrap();
        assert!(
            !detail.contains("10.0.0.7"),
            "the outside learns where a backend is: {detail}"
        );
        assert_eq!(
            self.headers.contains_key("retry-after"),
            matches!(status, 429 | 503),
            "{self:?}"
        );
        detail
    }
}

/// The bytes of a request; the head ends with it, whatever the headers say of the body.
pub(crate) fn request(method: &str, path: &str, headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("{method} {path} HTTP/1.1\r\nhost: belfry\r\nconnection: close\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend(name.as_str().as_bytes());
        bytes.extend(b": ");
        bytes.extend(value.as_bytes());
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    bytes
}

/// The same headers with a `content-length`.
pub(crate) fn with_length(headers: &HeaderMap, length: usize) -> HeaderMap {
    with(headers, "content-length", &length.to_string())
}

/// The same headers and one more.
pub(crate) fn with(headers: &HeaderMap, name: &str, value: &str) -> HeaderMap {
    let mut headers = headers.clone();
    headers.append(
        HeaderName::try_from(name).unwrap(),
        HeaderValue::from_bytes(value.as_bytes()).unwrap(),
    );
    headers
}

/// Connects and sends.
pub(crate) async fn send(at: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Reads the answer, to the end of the connection.
pub(crate) async fn receive(stream: TcpStream) -> Answer {
    parse(&rest(stream).await)
}

/// What still comes, until the gateway ends the connection in whatever way.
pub(crate) async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes));
    let _ = read.await.expect("the connection does not end");
    bytes
}

/// Sends and reads the answer.
pub(crate) async fn exchange(at: SocketAddr, bytes: &[u8]) -> Answer {
    receive(send(at, bytes).await).await
}

fn parse(bytes: &[u8]) -> Answer {
    let text = std::str::from_utf8(bytes).unwrap();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("not an answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let pairs = lines.map(|line| line.split_once(": ").unwrap());
    let headers = pairs
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
        .collect();
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(body).unwrap_or_else(|_| body.into())
    };
    Answer {
        status,
        headers,
        body,
    }
}

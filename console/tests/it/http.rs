//! A client that sends exactly what it is told to.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request, whose connection is closed after its answer.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// With a header, instead of the one that would be sent otherwise.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Sends it and leaves the rest to the caller.
    pub(crate) async fn begin(&self, to: SocketAddr) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(to).await?;
        let mut head = format!(
            "{} {} HTTP/1.1\r\nconnection: close\r\n",
            self.method, self.path
        );
        let host = [("host".to_owned(), to.to_string())];
        let usual = host
            .iter()
            .filter(|_| !self.headers.iter().any(|(name, _)| name == "host"));
        for (name, value) in usual.chain(&self.headers) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await?;
        // The server may answer and close before it has read a body that it does not want.
        let _ = stream.write_all(&self.body).await;
        Ok(stream)
    }

    pub(crate) async fn send(&self, to: SocketAddr) -> Result<Answer> {
        let mut stream = self.begin(to).await?;
        let mut bytes = Vec::new();
        if let Err(error) = stream.read_to_end(&mut bytes).await {
            ensure!(
                !bytes.is_empty(),
                "no answer to {} {}: {error}",
                self.method,
                self.path
            );
        }
        Answer::parse(&bytes)
            .with_context(|| format!("the answer to {} {}", self.method, self.path))
    }
}

impl Answer {
    fn parse(bytes: &[u8]) -> Result<Self> {
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .context("there is no head")?;
        let head = std::str::from_utf8(&bytes[..end])?;
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .context("there is no status")?
            .parse()?;
        let headers: BTreeMap<_, _> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let body = bytes[end + 4..].to_vec();
        let length = headers
            .get("content-length")
            .context("there is no length")?
            .parse::<usize>()?;
        ensure!(
            body.len() == length,
            "{} of {length} bytes came",
            body.len()
        );
        Ok(Self {
            status,
            headers,
            body,
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn detail(&self) -> String {
        self.json()["detail"]
            .as_str()
            .expect("a refusal has a detail")
            .to_owned()
    }
}

//! One connection: a request is written, its answer is read, and both may come in pieces.

use crate::body::Sample;
use anyhow::{Context, Result, bail};
use rustix::event::epoll;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

/// The longest answer that is taken, in bytes. Receivers of webhooks say little.
const LONGEST: usize = 16 << 10;

/// A keep-alive connection that carries one request at a time.
pub(super) struct Connection {
    stream: TcpStream,
    request: Request,
    flight: Option<Flight>,
    answer: Vec<u8>,
}

/// A request under way.
struct Flight {
    intended: Instant,
    sample: usize,
    written: usize,
}

/// What became of a connection's turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More is to come.
    Waits,
    /// The answer is there.
    Answered { status: u16, intended: Instant },
    /// The receiver closed it, on a request or without one.
    Broken { intended: Option<Instant> },
}

/// The head of a request, whose changing parts are written over in place.
#[derive(Debug, Clone)]
pub(super) struct Request {
    head: Vec<u8>,
    length: usize,
    signature: usize,
    delivery: usize,
}

/// The answer's status and length, once its head is there.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    length: usize,
    closes: bool,
}

impl Connection {
    pub(super) fn open(
        epoll: &rustix::fd::OwnedFd,
        address: SocketAddr,
        index: usize,
        request: Request,
    ) -> Result<Self> {
        Ok(Self {
            stream: connect(epoll, address, index)?,
            request,
            flight: None,
            answer: Vec::with_capacity(LONGEST),
        })
    }

    /// Takes another connection after the last one was closed; that one has left the `epoll` by itself.
    pub(super) fn reopen(
        &mut self,
        epoll: &rustix::fd::OwnedFd,
        address: SocketAddr,
        index: usize,
    ) -> Result<()> {
        self.stream = connect(epoll, address, index)?;
        self.flight = None;
        self.answer.clear();
        Ok(())
    }

    /// Prepares a request: the delivery of this number of this run.
    pub(super) fn begin(&mut self, sample: &Sample, run: u64, number: u64, intended: Instant) {
        self.request.fill(sample, run, number);
        self.answer.clear();
        self.flight = Some(Flight {
            intended,
            sample: number as usize,
            written: 0,
        });
    }

    /// When the request under way should have been sent.
    pub(super) fn pending(&self) -> Option<Instant> {
        self.flight.as_ref().map(|flight| flight.intended)
    }

    /// Writes and reads what can be written and read now.
    pub(super) fn go_on(&mut self, samples: &[Sample]) -> Result<Progress> {
        let Some(flight) = &mut self.flight else {
            return self.look_whether_open();
        };
        let body = &samples[flight.sample % samples.len()].body;
        let head = &self.request.head;
        while flight.written < head.len() + body.len() {
            let written = match flight.written.checked_sub(head.len()) {
                Some(at) => self.stream.write(&body[at..]),
                None => self
                    .stream
                    .write_vectored(&[IoSlice::new(&head[flight.written..]), IoSlice::new(body)]),
            };
            match written {
                Ok(written) => {
                    flight.written += written;
                    if flight.written == head.len() + body.len() {
                        // The answer cannot be there yet; its coming is told.
                        return Ok(Progress::Waits);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Waits),
                Err(error) if is_end(error.kind()) => return Ok(self.broken()),
                Err(error) => return Err(error).context("sending a request"),
            }
        }
        self.read()
    }

    fn read(&mut self) -> Result<Progress> {
        let mut buffer = [0; LONGEST];
        loop {
            let read = match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(self.broken()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Waits),
                Err(error) if is_end(error.kind()) => return Ok(self.broken()),
                Err(error) => return Err(error).context("reading an answer"),
            };
            self.answer.extend_from_slice(&buffer[..read]);
            if let Some(answer) = Answer::parse(&self.answer)?
                && self.answer.len() >= answer.length
                && let Some(flight) = self.flight.take()
            {
                if self.answer.len() > answer.length || answer.closes {
                    bail!(
                        "the receiver says more than it was asked, or closes a connection that is to be kept"
                    );
                }
                return Ok(Progress::Answered {
                    status: answer.status,
                    intended: flight.intended,
                });
            }
        }
    }

    /// An event without a request is the receiver's end of the connection, or nothing.
    fn look_whether_open(&mut self) -> Result<Progress> {
        match self.stream.read(&mut [0; 1]) {
            Ok(0) => Ok(Progress::Broken { intended: None }),
            Ok(_) => bail!("the receiver answers what it was not asked"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Progress::Waits),
            Err(_) => Ok(Progress::Broken { intended: None }),
        }
    }

    fn broken(&mut self) -> Progress {
        Progress::Broken {
            intended: self.flight.take().map(|flight| flight.intended),
        }
    }
}

impl Request {
    /// A request as GitHub makes it, for a body that is yet to come.
    pub(super) fn new(address: SocketAddr, path: &str) -> Self {
        let mut head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: GitHub-Hookshot/044aadd\r\nAccept: */*\r\n\
             Content-Type: application/json\r\nX-GitHub-Event: pull_request\r\nX-GitHub-Hook-ID: 470312605\r\n\
             X-GitHub-Hook-Installation-Target-ID: 31000031\r\nX-GitHub-Hook-Installation-Target-Type: repository\r\n"
        )
        .into_bytes();
        let mut field = |name: &str, width: usize| {
            head.extend_from_slice(name.as_bytes());
            let at = head.len();
            head.resize(at + width, b'0');
            head.extend_from_slice(b"\r\n");
            at
        };
        let length = field("Content-Length: ", 8);
        let signature = field("X-Hub-Signature-256: ", "sha256=".len() + 64);
        let delivery = field("X-GitHub-Delivery: ", 36);
        head.extend_from_slice(b"\r\n");
        Self {
            head,
            length,
            signature,
            delivery,
        }
    }

    /// Writes the body's length and signature and the delivery's id, which looks like the UUID that GitHub makes.
    fn fill(&mut self, sample: &Sample, run: u64, number: u64) {
        let length = format!("{:08}", sample.body.len());
        let (high, low) = (run >> 32, run as u32);
        let id = format!(
            "{high:08x}-{:04x}-{:04x}-{:04x}-{number:012x}",
            low >> 16,
            low & 0xffff,
            0x8000 | (high & 0x3fff),
        );
        for (at, text) in [
            (self.length, length.as_str()),
            (self.signature, sample.signature.as_str()),
            (self.delivery, id.as_str()),
        ] {
            self.head[at..at + text.len()].copy_from_slice(text.as_bytes());
        }
    }
}

impl Answer {
    /// Reads the head of an answer; `None` if it is not whole yet.
    fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&bytes[..end]).context("an answer's head is no text")?;
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok())
            .context("an answer without a status line")?;
        let fields = lines.filter_map(|line| line.split_once(':'));
        let (mut length, mut closes) = (None, false);
        for (name, value) in fields {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().ok();
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.eq_ignore_ascii_case("close");
            }
        }
        let length: usize = length.context("an answer whose head does not say its length")?;
        Ok(Some(Self {
            status,
            length: end + 4 + length,
            closes,
        }))
    }
}

fn connect(epoll: &rustix::fd::OwnedFd, address: SocketAddr, index: usize) -> Result<TcpStream> {
    let stream =
        TcpStream::connect(address).with_context(|| format!("no receiver answers at {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    // Told once, when something changes.
    let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
    epoll::add(
        epoll,
        &stream,
        epoll::EventData::new_u64(index as u64),
        flags,
    )?;
    Ok(stream)
}

fn is_end(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_whole_and_each_has_an_id_of_its_own() {
        let mut request = Request::new("127.0.0.1:80".parse().unwrap(), "/hooks/x");
        let sample = Sample::sign(b"{}".to_vec());
        let mut ids = Vec::new();
        for number in [0, 1, u64::from(u32::MAX)] {
            request.fill(&sample, 0x0123_4567_89ab_cdef, number);
            let head = String::from_utf8(request.head.clone()).unwrap();
            assert!(head.starts_with("POST /hooks/x HTTP/1.1\r\nHost: 127.0.0.1:80\r\n"));
            assert!(head.ends_with("\r\n\r\n"));
            assert!(head.contains("\r\nContent-Length: 00000002\r\n"));
            assert!(head.contains(&format!(
                "\r\nX-Hub-Signature-256: {}\r\n",
                sample.signature
            )));
            let id = head.split("X-GitHub-Delivery: ").nth(1).unwrap();
            ids.push(id[..36].to_owned());
        }
        assert_eq!(ids[1], "01234567-89ab-cdef-8567-000000000001");
        ids.dedup();
        assert_eq!(ids.len(), 3);
    }

    #[test]
    fn an_answer_is_read_once_its_head_is_whole() {
        let whole = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}";
        let answer = |bytes: &[u8]| Answer::parse(bytes).unwrap();
        for cut in 0..whole.len() - 2 {
            assert_eq!(answer(&whole[..cut]), None, "{cut}");
        }
        let expected = Answer {
            status: 202,
            length: whole.len(),
            closes: false,
        };
        assert_eq!(answer(whole), Some(expected));
        assert!(Answer::parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(Answer::parse(b"SMTP\r\n\r\n").is_err());
    }
}

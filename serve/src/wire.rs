//! The bytes of a connection, encrypted or not, and what has been read of them before its time.

use crate::pulse::Pulse;
use bytes::{Buf, Bytes, BytesMut};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// With what a client begins that speaks HTTP/2 without having agreed on it (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection's bytes. It feels the pulse.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: Socket,
    /// What is to be read before what the socket has.
    ahead: Bytes,
    pulse: Arc<Pulse>,
}

#[derive(Debug)]
pub(crate) enum Socket {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Wire {
    pub(crate) fn new(socket: Socket, pulse: Arc<Pulse>) -> Self {
        Self {
            socket,
            ahead: Bytes::new(),
            pulse,
        }
    }

    /// The same with these bytes to be read first, which were the last that were read, and were not used.
    pub(crate) fn unread(mut self, bytes: Bytes) -> Self {
        // Nothing at all would still hold on to the buffer that it came in.
        if bytes.has_remaining() {
            self.ahead = match self.ahead.has_remaining() {
                true => [bytes, self.ahead].concat().into(),
                false => bytes,
            };
        }
        self
    }

    /// Waits until there is something to read, or the end. It takes no buffer.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        if self.ahead.has_remaining() {
            return Ok(());
        }
        match &self.socket {
            Socket::Plain(stream) => stream.readable().await,
            // What is decrypted already was read: reading went on until there was no more.
            Socket::Encrypted(stream) => stream.get_ref().0.readable().await,
        }
    }

    /// What the client speaks: what was agreed on, or else what it begins with.
    pub(crate) async fn protocol(&mut self) -> io::Result<Protocol> {
        if let Socket::Encrypted(stream) = &self.socket {
            match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => return Ok(Protocol::Http2),
                Some(_) => return Ok(Protocol::Http1),
                None => {}
            }
        }
        let mut begin = BytesMut::with_capacity(PREFACE.len());
        while begin.len() < PREFACE.len() {
            let mut rest = (&mut *self).take((PREFACE.len() - begin.len()) as u64);
            let read = rest.read_buf(&mut begin).await?;
            if read == 0 || !PREFACE.starts_with(&begin) {
                break;
            }
        }
        let protocol = if begin == PREFACE {
            Protocol::Http2
        } else {
            Protocol::Http1
        };
        self.ahead = begin.freeze();
        Ok(protocol)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.ahead.has_remaining() {
            let size = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead.split_to(size));
            if self.ahead.is_empty() {
                self.ahead = Bytes::new();
            }
        } else {
            ready!(match &mut self.socket {
                Socket::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
                Socket::Encrypted(stream) => Pin::new(stream).poll_read(cx, buf),
            })?;
        }
        if buf.filled().len() > before {
            self.pulse.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl Wire {
    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        // Until it is flushed: what is encrypted may wait in a buffer.
        self.pulse.unflushed(true);
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.pulse.progressed();
        }
        written
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.socket {
            Socket::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Socket::Encrypted(stream) => Pin::new(stream).poll_write(cx, buf),
        };
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.socket {
            Socket::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Socket::Encrypted(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        };
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Plain(stream) => stream.is_write_vectored(),
            Socket::Encrypted(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.socket {
            Socket::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Encrypted(stream) => Pin::new(stream).poll_flush(cx),
        };
        if flushed.is_ready() {
            self.pulse.unflushed(false);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Encrypted(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

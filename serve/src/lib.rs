//! Connections: accepted, served and ended; TLS, HTTP/1.1 and HTTP/2.
//!
//! One way for every role to serve a listener. What a client may cost is bounded on every side:
//!
//! | what | bound | beyond it |
//! |---|---|---|
//! | connections | [`Config::max_connections`], and what descriptors the process may have | the one goes that has been of no use for longest: that has no request under way, or still sends a body |
//! | a TLS handshake, the head of a request | [`Config::head_deadline`] | the connection is closed |
//! | a connection without a request | [`Config::idle_deadline`] | it is closed |
//! | an answer that its client does not read | [`Config::answer_deadline`] | the connection is closed |
//! | a head | 64 KiB, 100 headers | 431 |
//! | requests of one HTTP/2 connection at once | 128 | refused by the protocol, for the client to repeat |
//! | streams that a client opens and resets | 20 that were not looked at yet | the connection is closed |
//!
//! A connection that waits for a request has no buffers: it takes about 6 KB, with TLS 12 KB, with HTTP/2 25 KB, besides the
//! kernel's (measured on a debug build). How long a body may take and how large it may be is the service's to say.
//!
//! A request that is no HTTP is answered 400, 414 or 431 by the HTTP implementation, without a body: it offers no way to put one
//! there. HTTP upgrades are not supported.

mod accept;
mod body;
mod connection;
mod exchange;
mod pulse;
mod seats;
mod tasks;
pub mod tls;
mod wire;

pub use accept::serve;
pub use body::Incoming;
pub use exchange::{Routed, routed};
pub use seats::raise_descriptors;
pub use tasks::Tasks;

use std::net::SocketAddr;
use std::time::Duration;

/// How connections are served.
#[derive(Debug, Clone)]
pub struct Config {
    /// The certificate to serve with; without one connections are plain. Default none.
    pub tls: Option<tls::Identity>,
    /// How many connections may be open at once. Default 16,384. Less if the process may not have as many descriptors.
    pub max_connections: usize,
    /// How long a client may take from opening a connection to the end of its first request's head, and from the first byte of
    /// a later head to its end. Default 10 s.
    pub head_deadline: Duration,
    /// How long a connection may stay open without a request. Default 75 s, longer than the 60 s for which load balancers
    /// commonly keep theirs: the side that closes should be the one that sends.
    pub idle_deadline: Duration,
    /// How long a client may leave an answer unread. Default 30 s.
    pub answer_deadline: Duration,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The address, of IPv4 also where the socket is one of IPv6 that takes both.
    pub address: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tls: None,
            max_connections: 16_384,
            head_deadline: Duration::from_secs(10),
            idle_deadline: Duration::from_secs(75),
            answer_deadline: Duration::from_secs(30),
        }
    }
}

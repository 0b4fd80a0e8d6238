//! What a gateway hands to a verifier, and what it gets back.

use super::{Certificate, Verified};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

/// A request to a trigger's hook, whole.
#[derive(Debug, Clone)]
pub struct Delivery<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// What stands after the `?` of its target, still encoded.
    pub query: Option<&'a str>,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body, byte for byte as received.
    pub body: Bytes,
    /// The certificate that [`Verifier::certificate`](super::Verifier::certificate) asks for, if it asks for one.
    pub certificate: Option<&'a Certificate>,
}

/// A request that is what it says it is.
#[derive(Debug)]
pub enum Genuine {
    /// It brings an event.
    Event(Verified),
    /// It brings none: the provider wants to know whether this is who it thinks. It is answered, and nothing is published.
    Handshake(Handshake),
}

/// The answer to a provider's handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The status.
    pub status: StatusCode,
    /// The headers, the content type among them.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
    /// An address of the provider's that has to be visited (GET) for the handshake to be complete, before it is answered. It has
    /// been checked to be the provider's.
    pub visit: Option<String>,
}

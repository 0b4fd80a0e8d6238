//! Handshakes, as data: what a provider sends to learn whether this is who it thinks, and what it is answered.

use super::body::Scalar;
use super::delivery::{Delivery, Handshake};
use super::headers::single;
use super::place::Place;
use super::{Refusal, form};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, Method, StatusCode};

/// The longest text of a provider's that is given back, in bytes.
const MAX_ECHO: usize = 1024;
/// The longest name of an origin (a name of the DNS, RFC 1035), in bytes.
const MAX_ORIGIN: usize = 253;

/// A handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    /// An unsigned request of this method whose query has this parameter: it is answered with the value.
    Echo(EchoMethod, &'static str),
    /// An unsigned HEAD, which is answered with nothing.
    Head,
    /// An unsigned OPTIONS that asks whether events may be sent (CloudEvents, HTTP 1.1 Web Hooks for Event Delivery, section 4).
    Permission,
    /// A delivery like any other, signed, whose field says that it is one.
    Signed {
        field: &'static str,
        /// What the field says, if it is a text; otherwise a number.
        says: Says,
        /// A field that such a delivery has not, where events say the same.
        without: Option<&'static str>,
        answer: Answer,
    },
}

/// The method of a request that is answered with a part of its query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EchoMethod {
    Get,
    Post,
}

/// What a field says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    Text(&'static str),
    Number(i128),
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The text in this field.
    Echo(&'static str),
    /// This JSON document.
    Json(&'static str),
    /// Nothing (204).
    Nothing,
    /// The text in this field, and its HMAC under the key that signed the delivery, as hexadecimal digits.
    Hashed(&'static str),
    /// Nothing, after the address in this field has been visited.
    Visit(&'static str),
}

impl Greeting {
    /// The method of the requests.
    pub(super) fn method(self) -> Method {
        match self {
            Self::Echo(EchoMethod::Get, _) => Method::GET,
            Self::Head => Method::HEAD,
            Self::Permission => Method::OPTIONS,
            Self::Echo(EchoMethod::Post, _) | Self::Signed { .. } => Method::POST,
        }
    }

    /// The answer to a request that need not be signed, if it is this handshake.
    pub(super) fn unsigned(self, delivery: &Delivery<'_>) -> Result<Option<Handshake>, Refusal> {
        if self.method() != *delivery.method {
            return Ok(None);
        }
        match self {
            Self::Echo(method, parameter) => {
                let found = form::value(delivery.query.unwrap_or_default(), parameter);
                match (found, method) {
                    (Some(text), _) => echo(text).map(Some),
                    // A request of another method than POST has no other purpose.
                    (None, EchoMethod::Get) => Err(Refusal::NoHandshake(parameter)),
                    (None, EchoMethod::Post) => Ok(None),
                }
            }
            Self::Head => Ok(Some(Handshake::new(
                StatusCode::OK,
                Vec::new(),
                Bytes::new(),
            ))),
            Self::Permission => permission(delivery).map(Some),
            Self::Signed { .. } => Ok(None),
        }
    }
}

impl Says {
    pub(super) fn is(self, found: Option<&Scalar<'_>>) -> bool {
        match (self, found) {
            (Self::Text(text), Some(Scalar::Text(found))) => text == found,
            (Self::Number(number), Some(Scalar::Whole(found))) => number == *found,
            _ => false,
        }
    }
}

impl Handshake {
    fn new(status: StatusCode, headers: Vec<(HeaderName, HeaderValue)>, body: Bytes) -> Self {
        Self {
            status,
            headers,
            body,
            visit: None,
        }
    }

    /// A JSON document.
    pub(super) fn json(body: impl Into<Bytes>) -> Self {
        let media = HeaderValue::from_static("application/json");
        Self::new(StatusCode::OK, vec![(CONTENT_TYPE, media)], body.into())
    }

    /// Nothing, with the type that a provider wants to see nevertheless.
    pub(super) fn nothing() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            ..Self::json(Bytes::new())
        }
    }

    /// A word, after an address has been visited.
    pub(super) fn visiting(url: String) -> Self {
        Self {
            visit: Some(url),
            ..Self::text("subscribed")
        }
    }

    /// Text that nobody takes for anything else, whatever is in it.
    fn text(text: impl Into<Bytes>) -> Self {
        let headers = vec![
            (
                CONTENT_TYPE,
                HeaderValue::from_static("text/plain; charset=utf-8"),
            ),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        Self::new(StatusCode::OK, headers, text.into())
    }
}

/// Gives a provider its own text back.
pub(super) fn echo(text: String) -> Result<Handshake, Refusal> {
    bounded(text).map(Handshake::text)
}

/// A text that may be given back.
pub(super) fn bounded(text: String) -> Result<String, Refusal> {
    if (1..=MAX_ECHO).contains(&text.len()) && !text.contains(char::is_control) {
        Ok(text)
    } else {
        Err(Refusal::NoEcho(MAX_ECHO))
    }
}

/// Any origin may send at any rate: who may not is refused for want of the secret. An address that the request wants to be called
/// back at is not visited, since nobody vouches for it.
fn permission(delivery: &Delivery<'_>) -> Result<Handshake, Refusal> {
    const ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
    let place = Place::Header(ORIGIN);
    let origin =
        single(delivery.headers, &ORIGIN)?.ok_or_else(|| Refusal::Missing(place.clone()))?;
    let fits = (1..=MAX_ORIGIN).contains(&origin.len())
        && origin.bytes().all(|byte| byte.is_ascii_graphic());
    let value = HeaderValue::from_str(origin).ok().filter(|_| fits);
    let value = value.ok_or_else(|| Refusal::Unusable {
        place,
        expected: format!("a name of 1 to {MAX_ORIGIN} visible ASCII characters"),
    })?;
    let headers = vec![
        (ALLOW, HeaderValue::from_static("OPTIONS, POST")),
        (HeaderName::from_static("webhook-allowed-origin"), value),
        (
            HeaderName::from_static("webhook-allowed-rate"),
            HeaderValue::from_static("*"),
        ),
    ];
    Ok(Handshake::new(StatusCode::OK, headers, Bytes::new()))
}

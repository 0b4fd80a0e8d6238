//! Verified deliveries.

use bytes::Bytes;
use std::fmt;

/// A delivery that proved where it comes from: the proof is bound to these very bytes. Only
/// [`Verifier::receive`](super::Verifier::receive) makes one, and it cannot be copied, so one verification publishes one event.
pub struct Verified {
    parts: Parts,
    is_json: bool,
}

/// What a verified delivery consists of.
#[derive(Clone, PartialEq, Eq)]
pub struct Parts {
    /// The body, byte for byte as received.
    pub body: Bytes,
    /// The provider's name for the delivery: 1 to 256 visible ASCII characters.
    pub delivery_id: Option<String>,
    /// The CloudEvents `type`: 1 to 512 visible ASCII characters.
    pub event_type: String,
    /// The media type of the body, as the provider named it.
    pub content_type: Option<String>,
    /// The headers that sign the delivery or name it, lower-case names, in the scheme's order. None holds a secret.
    pub headers: Vec<(String, String)>,
}

impl Verified {
    pub(super) fn new(parts: Parts, is_json: bool) -> Self {
        Self { parts, is_json }
    }

    /// Whether all of the body was read on the way, and is a JSON document. If not, it was not looked at, or is none.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.is_json
    }

    /// The body, byte for byte as received.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.parts.body
    }

    /// The provider's name for the delivery, the same for each repetition of it: 1 to 256 visible ASCII characters.
    #[must_use]
    pub fn delivery_id(&self) -> Option<&str> {
        self.parts.delivery_id.as_deref()
    }

    /// The CloudEvents `type`.
    #[must_use]
    pub fn event_type(&self) -> &str {
        &self.parts.event_type
    }

    /// The media type of the body, as the provider named it.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.parts.content_type.as_deref()
    }

    /// The headers that sign the delivery or name it, lower-case names, so that whoever has the secret can verify again. None
    /// of them holds a secret.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The same without the provider's name for it, for a trigger to which each repetition is an event of its own.
    #[must_use]
    pub fn unnamed(mut self) -> Self {
        self.parts.delivery_id = None;
        self
    }

    /// Spends the proof for its parts.
    #[must_use]
    pub fn into_parts(self) -> Parts {
        self.parts
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.fmt(f)
    }
}

/// Without the body, which belongs in no log.
impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("delivery_id", &self.delivery_id)
            .field("event_type", &self.event_type)
            .field("content_type", &self.content_type)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

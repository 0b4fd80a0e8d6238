//! Changes that somebody on the way may make to a delivery.

use crate::Post;
use arbitrary::Arbitrary;
use http::{HeaderName, HeaderValue, Method};

/// Headers that a delivery may get.
const NAMES: [&str; 12] = [
    "content-type",
    "svix-id",
    "svix-timestamp",
    "svix-signature",
    "webhook-request-origin",
    "shopify-hmac-sha256",
    "x-hub-signature",
    "x-hub-signature-256",
    "idempotency-key",
    "authorization",
    "content-encoding",
    "x-forwarded-for",
];
const METHODS: [Method; 6] = [
    Method::POST,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PUT,
    Method::DELETE,
];
const FIELDS: [&str; 12] = [
    "webhookTimestamp",
    "clientState",
    "Timestamp",
    "Message",
    "Subject",
    "Type",
    "TopicArn",
    "SubscribeURL",
    "SigningCertURL",
    "value",
    "event",
    "type",
];

/// A change.
#[derive(Debug, Clone, Arbitrary)]
pub enum Edit {
    /// A bit of the body.
    FlipBody(u16, u8),
    /// Bytes in the body.
    InsertBody(u16, Vec<u8>),
    /// The body from here on.
    CutBody(u16),
    /// The body of another delivery that is as genuine.
    OtherBody,
    /// A field of the body's outermost object, before the others or after them.
    Field(u8, String, bool),
    /// A bit of a header.
    FlipHeader(u8, u8, u8),
    /// A header's value.
    SetHeader(u8, Vec<u8>),
    /// A header's value, as another delivery has it that is as genuine.
    OtherHeader(u8),
    /// A header's letters, all in upper case.
    RaiseHeader(u8),
    /// A header that is there twice, the second time as another delivery has it.
    RepeatHeader(u8),
    /// A header that is gone.
    DropHeader(u8),
    /// A header more.
    AddHeader(u8, Vec<u8>),
    /// A header's value under another name.
    Rename(u8, u8),
    /// The query.
    Query(Option<String>),
    /// The method.
    Method(u8),
    /// No certificate at hand.
    Uncertified,
}

impl Edit {
    /// Makes the change. `other` is another delivery that is as genuine.
    pub fn apply(&self, post: &mut Post, other: &Post) {
        let at = |at: u16, len: usize| usize::from(at) % (len + 1);
        match self {
            Self::FlipBody(place, bit) => {
                if let Some(len) = post.body.len().checked_sub(1) {
                    post.body[at(*place, len)] ^= 1 << (bit % 8);
                }
            }
            Self::InsertBody(place, bytes) => {
                let place = at(*place, post.body.len());
                post.body.splice(place..place, bytes.iter().copied());
            }
            Self::CutBody(place) => post.body.truncate(at(*place, post.body.len())),
            Self::OtherBody => post.body.clone_from(&other.body),
            Self::Field(which, value, first) => {
                let key = FIELDS[usize::from(*which) % FIELDS.len()];
                let brace = if *first { b'{' } else { b'}' };
                let mut braces = post.body.iter();
                let found = if *first {
                    braces.position(|byte| *byte == brace).map(|at| at + 1)
                } else {
                    braces.rposition(|byte| *byte == brace)
                };
                if let Some(place) = found {
                    let pair = if *first {
                        format!("\"{key}\":{value},")
                    } else {
                        format!(",\"{key}\":{value}")
                    };
                    post.body.splice(place..place, pair.into_bytes());
                }
            }
            Self::Query(query) => post.query.clone_from(query),
            Self::Method(which) => {
                post.method = METHODS[usize::from(*which) % METHODS.len()].clone();
            }
            Self::Uncertified => post.certified = false,
            Self::AddHeader(which, value) => {
                let name = HeaderName::from_static(NAMES[usize::from(*which) % NAMES.len()]);
                if let Ok(value) = HeaderValue::from_bytes(value) {
                    post.headers.push((name, value));
                }
            }
            Self::FlipHeader(which, ..)
            | Self::SetHeader(which, _)
            | Self::OtherHeader(which)
            | Self::RaiseHeader(which)
            | Self::RepeatHeader(which)
            | Self::DropHeader(which)
            | Self::Rename(which, _) => {
                if let Some(last) = post.headers.len().checked_sub(1) {
                    self.apply_to_header(post, at((*which).into(), last), other);
                }
            }
        }
    }

    fn apply_to_header(&self, post: &mut Post, which: usize, other: &Post) {
        let name = post.headers[which].0.clone();
        let others = other.headers.iter().find(|(known, _)| *known == name);
        let set = |post: &mut Post, value: &[u8]| {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                post.headers[which].1 = value;
            }
        };
        let mut value = post.headers[which].1.as_bytes().to_vec();
        match self {
            Self::FlipHeader(_, place, bit) if !value.is_empty() => {
                let place = usize::from(*place) % value.len();
                value[place] ^= 1 << (bit % 8);
                set(post, &value);
            }
            Self::SetHeader(_, value) => set(post, value),
            Self::RaiseHeader(_) => set(post, &value.to_ascii_uppercase()),
            Self::OtherHeader(_) => {
                if let Some((_, value)) = others {
                    post.headers[which].1 = value.clone();
                }
            }
            Self::RepeatHeader(_) => post.headers.extend(others.cloned()),
            Self::DropHeader(_) => {
                post.headers.remove(which);
            }
            Self::Rename(_, to) => {
                let to = NAMES[usize::from(*to) % NAMES.len()];
                post.headers[which].0 = HeaderName::from_static(to);
            }
            _ => {}
        }
    }
}

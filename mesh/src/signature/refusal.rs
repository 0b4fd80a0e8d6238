//! Why a delivery is refused.

use super::certificate::CertificateUrl;
use super::place::Place;
use http::{HeaderName, StatusCode};
use std::time::Duration;

/// Why a delivery is refused, in words for its sender. Nothing in it depends on the secret, but whether the proof holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What the scheme needs for its proof is not there.
    #[error("{0} is missing")]
    Missing(Place),
    /// The signature is not written as the scheme writes it, or was cut short.
    #[error("{place} is malformed: {expected} are expected")]
    Malformed {
        /// Where the signature is.
        place: Place,
        /// What the scheme writes there.
        expected: String,
    },
    /// The signature is not that of this delivery under any of the keys.
    #[error(
        "the signature in {0} does not match the body: check that both sides have the same secret, and that nothing on the way \
         changes the body"
    )]
    Mismatch(Place),
    /// The secret that was sent is not one of those that are set here.
    #[error("{0} does not hold the secret that is set here")]
    WrongSecret(Place),
    /// Each of the secrets was good until a set time, and is over.
    #[error(
        "every secret that is set here has come to its end (`until`): give the trigger a new one"
    )]
    Ended,
    /// The body is not the one whose hash is in the signed address.
    #[error("the body is not the one that `{0}` in the query is the SHA-256 of")]
    OtherBody(&'static str),
    /// The signature says nothing of the body.
    #[error(
        "the body is no form and its SHA-256 is not in the query (`{0}`), so the signature does not cover it"
    )]
    Uncovered(&'static str),
    /// The message is of a topic that the trigger does not listen to.
    #[error("body field `TopicArn` is not a topic that is set here (`topic_arn`)")]
    OtherTopic,
    /// An address is not at the provider's.
    #[error("{0} is not an https address at the provider's")]
    Foreign(Place),
    /// The delivery was sent too long ago, or is sent again.
    #[error(
        "the timestamp is {age:?} old and at most {tolerance:?} are allowed: sign at the time of sending, and check the clock"
    )]
    TooOld {
        /// How long ago it was sent, to the millisecond.
        age: Duration,
        /// How long ago it may have been sent.
        tolerance: Duration,
    },
    /// The delivery claims to be of the future.
    #[error(
        "the timestamp is {ahead:?} in the future and at most {tolerance:?} are allowed: check the clock"
    )]
    TooNew {
        /// How far ahead of this machine's clock it is, to the millisecond.
        ahead: Duration,
        /// How far ahead it may be.
        tolerance: Duration,
    },
    /// A header, or an item of one, is there twice, so that two readers might read different things.
    #[error("{0} is given more than once")]
    Repeated(Place),
    /// A header holds bytes that no scheme uses.
    #[error("header `{0}` holds bytes that are not visible ASCII")]
    NotAscii(HeaderName),
    /// A value that the scheme needs is not one of its kind.
    #[error("{place} is unusable: {expected} is expected")]
    Unusable {
        /// Where it is.
        place: Place,
        /// What is expected there.
        expected: String,
    },
    /// The scheme needs a field of the body, and the body is not JSON.
    #[error("the body is not a JSON document, so {0} cannot be read")]
    NotJson(Place),
    /// The request is of a method with which nothing but a handshake is sent, and is none.
    #[error("the query has no `{0}`, and nothing else is asked by this method")]
    NoHandshake(&'static str),
    /// What the provider wants to have repeated cannot be.
    #[error("only a text of 1 to {0} bytes without control characters is repeated")]
    NoEcho(usize),
    /// The scheme has no use for the method.
    #[error("the scheme has no use for this method")]
    Method,
    /// The certificate of the delivery's signature is not at hand, or is not valid now.
    #[error("the certificate at {0} is not at hand; repeat the delivery")]
    NoCertificate(CertificateUrl),
}

impl Refusal {
    /// The HTTP status: 401 if the delivery does not prove where it comes from, 400 if it is malformed whoever sent it, 503 if it
    /// may be taken once it is repeated.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Missing(_)
            | Self::Malformed { .. }
            | Self::Mismatch(_)
            | Self::WrongSecret(_)
            | Self::Ended
            | Self::OtherBody(_)
            | Self::Uncovered(_)
            | Self::OtherTopic
            | Self::Foreign(_)
            | Self::TooOld { .. }
            | Self::TooNew { .. } => StatusCode::UNAUTHORIZED,
            Self::Repeated(_)
            | Self::NotAscii(_)
            | Self::Unusable { .. }
            | Self::NotJson(_)
            | Self::NoHandshake(_)
            | Self::NoEcho(_) => StatusCode::BAD_REQUEST,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoCertificate(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

//! Why a delivery is refused.

use super::recipe::Place;
use http::{HeaderName, StatusCode};
use std::time::Duration;

/// Why a delivery is refused, in words for its sender. Nothing in it depends on the secret, but whether the proof holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What the scheme needs for its proof is not there.
    #[error("{0} is missing")]
    Missing(Place),
    /// The signature is not written as the scheme writes it, or was cut short.
    #[error("header `{header}` is malformed: {expected} are expected")]
    Malformed {
        /// The signature's header.
        header: HeaderName,
        /// What the scheme writes there.
        expected: String,
    },
    /// The signature is not that of this body under any of the secrets.
    #[error(
        "the signature in header `{0}` does not match the body: check that both sides have the same secret, and that nothing on the \
         way changes the body"
    )]
    Mismatch(HeaderName),
    /// The secret that was sent is not one of those that are set here.
    #[error("{0} does not hold the secret that is set here")]
    WrongSecret(Place),
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
    /// A header is there twice, so that two readers might read different things.
    #[error("header `{0}` is given more than once")]
    Repeated(HeaderName),
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
    #[error("the body is not a JSON document, so its field `{0}` cannot be read")]
    NotJson(String),
}

impl Refusal {
    /// The HTTP status: 401 if the delivery does not prove where it comes from, 400 if it is malformed whoever sent it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Missing(_)
            | Self::Malformed { .. }
            | Self::Mismatch(_)
            | Self::WrongSecret(_)
            | Self::TooOld { .. }
            | Self::TooNew { .. } => StatusCode::UNAUTHORIZED,
            Self::Repeated(_) | Self::NotAscii(_) | Self::Unusable { .. } | Self::NotJson(_) => {
                StatusCode::BAD_REQUEST
            }
        }
    }
}

//! Verification of webhook deliveries: pure, over the raw bytes, in constant time wherever a secret decides.
//!
//! A [`Scheme`] says how a provider proves where a delivery comes from. Schemes are data, interpreted by one [`Verifier`], whose
//! [`Verified`] is the proof without which no delivery becomes an event.
//!
//! - Signatures are checked over the body byte for byte as received, with the algorithm that the scheme fixes. Where the scheme
//!   signs a timestamp, it must be near now, in either direction. Secrets are taken verbatim; an empty one is a mistake. Several
//!   secrets, and several signatures where the scheme has them, may be in use at once: one match is enough.
//! - A header that is read must be there once and in visible ASCII. A delivery id has 1 to 256 visible ASCII characters.
//! - A body that is not JSON is as good as any other, but where the scheme's timestamp or secret is a field of it.
//!
//! # The CloudEvents type of a delivery
//!
//! | scheme | type |
//! |---|---|
//! | `github` | `com.github.{X-GitHub-Event}`, and `.{action}` if the body has one (in a form: the JSON in `payload`) |
//! | `linear` | `app.linear.{type}.{action}` from the body; `Linear-Event` if the body has no type |
//! | `standard` | the body's `type`, after `com.standardwebhooks.` unless it is a reverse domain name already: three labels or more, the first of them `com`, `org`, `net`, `io`, `dev` or `app` |
//! | others | the value of `event_type_header` |
//!
//! A delivery that names no event is a `belfry.webhook`. A name from a body that is not 1 to 128 visible ASCII characters is
//! taken for none; from a header, it is refused.

mod auth;
mod body;
mod custom;
mod delivery;
mod error;
mod headers;
mod key;
mod names;
mod proof;
mod providers;
mod recipe;
mod refusal;
mod sender;
mod settings;
mod time;
mod verified;
mod verifier;

#[cfg(test)]
mod tests;

pub use auth::{Auth, Legacy, Scheme, SecretRef};
pub use delivery::{Delivery, Genuine, Handshake};
pub use error::Error;
pub use recipe::Place;
pub use refusal::Refusal;
pub use sender::{Draft, sign};
pub use verified::{Parts, Verified};
pub use verifier::Verifier;

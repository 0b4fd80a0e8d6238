//! Verification of webhook deliveries: pure, over the raw bytes, in constant time wherever a secret decides.
//!
//! A [`Scheme`] says how a provider proves where a delivery comes from. Schemes are data, interpreted by one [`Verifier`], whose
//! [`Verified`] is the proof without which no delivery becomes an event.
//!
//! - Signatures are checked over the body byte for byte as received, with the algorithm that the scheme fixes. Where the scheme
//!   signs a timestamp, it must be near now, in either direction. Secrets are taken verbatim; an empty one is a mistake. Several
//!   secrets, and several signatures where the scheme has them, may be in use at once: one match is enough. A secret may have an
//!   end, after which it matches nothing.
//! - A header that is read must be there once and in visible ASCII. A delivery id has 1 to 256 visible ASCII characters.
//! - A body that is not JSON is as good as any other, but where the scheme's timestamp, secret or signature is a field of it.
//! - An address that a scheme signs is the configured `public_url`, whatever `Host` says.
//! - What a provider asks before it sends events is a [`Handshake`], which is answered and never becomes an event.
//!
//! # The CloudEvents type of a delivery
//!
//! | scheme | type |
//! |---|---|
//! | `github` | `com.github.{X-GitHub-Event}`, and `.{action}` if the body has one (in a form: the JSON in `payload`) |
//! | `linear` | `app.linear.{type}.{action}` from the body; `Linear-Event` if the body has no type |
//! | `gitlab`, `gitlab-signed` | `com.gitlab.{X-Gitlab-Event}`, `Merge Request Hook` being `merge_request`, and `.{object_attributes.action}` if the body has one |
//! | `bitbucket` | `org.bitbucket.{X-Event-Key}`, with dots for colons |
//! | `jira` | `com.atlassian.jira.{webhookEvent}`, without `jira:` |
//! | `stripe` | `com.stripe.{type}` |
//! | `slack` | `com.slack.{event.type}`, or `com.slack.{type}` if there is no event in the body (in a form: the JSON in `payload`); `com.slack.slash_command` of a command |
//! | `standard` | the body's `type`, after `com.standardwebhooks.` unless it is a reverse domain name already: three labels or more, the first of them `com`, `org`, `net`, `io`, `dev` or `app` |
//! | `shopify` | `com.shopify.{X-Shopify-Topic}`, with dots for slashes |
//! | `discord` | `com.discord.{event.type}` of webhook events; of interactions `com.discord.application_command`, `message_component`, `application_command_autocomplete` or `modal_submit`, by the number in `type` |
//! | `twilio` | `com.twilio.{EventType}` if the form has one; else `com.twilio.webhook` |
//! | `sendgrid` | `com.sendgrid.{event}` of the first event |
//! | `pagerduty` | `com.pagerduty.{event.event_type}` |
//! | `sentry` | `io.sentry.{Sentry-Hook-Resource}.{action}` |
//! | `zoom` | `us.zoom.{event}` |
//! | `intercom` | `com.intercom.{topic}` |
//! | `hubspot` | `com.hubspot.{subscriptionType}` of the first event; else `com.hubspot.webhook` |
//! | `square` | `com.squareup.{type}` |
//! | `dropbox` | `com.dropbox.changed` |
//! | `sns` | `com.amazonaws.sns.{Type}` |
//! | `msgraph` | `com.microsoft.graph.{lifecycleEvent}` or `com.microsoft.graph.{changeType}` of the first item |
//! | `cloudevents` | the `ce-type`, or the body's `type` in structured mode |
//! | others | the value of `event_type_header` |
//!
//! A delivery that names no event is a `belfry.webhook`. A name from a body that is not 1 to 128 visible ASCII characters is
//! taken for none; from a header, it is refused.
//!
//! # A delivery of several events
//!
//! `sendgrid`, `hubspot`, `msgraph` and batches of `cloudevents` send several events in one body. They are one delivery and one
//! event here, with the type of the first. Its delivery id is that of its only event, or that of the first one and a hash of all,
//! so that the first one's repetition in other company is not taken for a repetition of the whole.

mod address;
mod auth;
mod body;
mod catalogue;
mod certificate;
mod custom;
mod delivery;
mod error;
mod form;
mod greeting;
mod headers;
mod key;
mod legacy;
mod names;
mod naming;
mod place;
mod proof;
mod providers;
mod public_key;
mod recipe;
mod refusal;
mod secret;
mod sender;
mod settings;
mod sns;
mod term;
mod time;
mod verified;
mod verifier;
mod way;

#[cfg(test)]
mod tests;

pub use auth::{Auth, Scheme};
pub use catalogue::{Listed, schemes};
pub use certificate::{Certificate, CertificateUrl};
pub use delivery::{Delivery, Genuine, Handshake};
pub use error::Error;
pub use legacy::Legacy;
pub use place::Place;
pub use refusal::Refusal;
pub use secret::SecretRef;
pub use sender::{Draft, sign};
pub use verified::{Parts, Verified};
pub use verifier::Verifier;

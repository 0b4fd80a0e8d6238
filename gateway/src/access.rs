//! The access log: one line a request to a hook, without bodies, and without what a header may keep secret.

use crate::AccessLog;
use crate::answer::{self, Refused, Taken};
use crate::doors::Doors;
use http::request::Parts;
use http::{HeaderMap, header};
use std::net::IpAddr;
use tokio::time::Instant;

/// What a line is about.
pub(crate) struct Line<'a> {
    pub(crate) doors: &'a Doors,
    pub(crate) trigger: &'a str,
    pub(crate) head: &'a Parts,
    pub(crate) client: IpAddr,
    /// The size of the body.
    pub(crate) bytes: usize,
    pub(crate) begun: Instant,
}

impl Line<'_> {
    /// Writes the line, if it is wanted. Of a sender that waits for what becomes of its event it tells when that was stored.
    pub(crate) fn write(&self, outcome: &Result<Taken, Refused>) {
        let (status, _) = answer::status(outcome);
        let wanted = match self.doors.config.access_log {
            AccessLog::All => true,
            AccessLog::Refused => outcome.is_err(),
            AccessLog::Off => false,
        };
        if !wanted {
            return;
        }
        let Self {
            trigger,
            client,
            bytes,
            ..
        } = self;
        let method = self.head.method.as_str();
        let status = status.as_u16();
        let duration_ms = self.begun.elapsed().as_secs_f64() * 1e3;
        let user_agent = user_agent(&self.head.headers);
        match outcome {
            Ok(Taken::Stored(stored)) => {
                let event_id = stored.event_id().as_str();
                tracing::info!(trigger, status, event_id, %client, method, bytes, duration_ms, user_agent, "delivery stored");
            }
            Ok(Taken::Handshake(_)) => {
                tracing::info!(trigger, status, %client, method, bytes, duration_ms, user_agent, "handshake answered");
            }
            Err(refused) => {
                tracing::info!(trigger, status, %client, method, bytes, duration_ms, user_agent, reason = %refused, "delivery refused");
            }
        }
    }
}

/// Enough of it to know the sender by.
fn user_agent(headers: &HeaderMap) -> &str {
    let given = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok());
    let given = given.unwrap_or_default();
    given.get(..100).unwrap_or(given)
}

//! What it means when the bus does not do what it was asked.

use super::Link;
use async_nats::jetstream::{Error as ApiError, ErrorCode};
use belfry_mesh::port::Error;

/// Why the bus did not do what it was asked.
#[derive(Debug)]
pub(in crate::nats) enum Refusal {
    /// JetStream said no.
    Said(ApiError),
    /// It did not get as far as JetStream.
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Refusal {
    /// Whether this process may not ask that.
    pub(in crate::nats) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Failed(Error::Refused { .. }))
    }

    /// Whether JetStream refused for this reason.
    pub(in crate::nats) fn is(&self, code: ErrorCode) -> bool {
        matches!(self, Self::Said(error) if error.error_code() == code)
    }
}

impl Link {
    /// What a refusal means for whoever wanted something of `thing`.
    pub(in crate::nats) fn explain(&self, refusal: Refusal, thing: &str) -> Error {
        let error = match refusal {
            Refusal::Failed(error) => return error,
            Refusal::Said(error) => error,
        };
        let refused = |why: String| Error::Refused {
            what: self.address.clone(),
            why,
        };
        match error.error_code() {
            ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => {
                refused(format!(
                    "{error}: start the server with JetStream (`nats-server -js`, or a `jetstream` block in its configuration) and \
                 enable it for the account"
                ))
            }
            // A server of the cluster is down or has just begun.
            ErrorCode::CLUSTER_NO_PEERS => self.unavailable(format!("{thing}: {error}")),
            ErrorCode::CONSUMER_NOT_FOUND => Error::NotFound(thing.to_owned()),
            ErrorCode::STREAM_NOT_FOUND => self.unavailable(format!("{thing}: {error}")),
            _ if error.code() >= 500 => self.unavailable(format!("{thing}: {error}")),
            _ => refused(format!("{thing}: {error}")),
        }
    }
}

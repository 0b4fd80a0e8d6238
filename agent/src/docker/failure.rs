//! What the engine answers when it does not do what it was asked.

use super::KIND;
use belfry_mesh::port::runtime::{Error, Spec};

/// The status that the engine answered with, if it answered.
pub(super) fn status(error: &bollard::errors::Error) -> Option<u16> {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// What the engine said, on one line.
pub(super) fn words(error: &bollard::errors::Error) -> String {
    let text = match error {
        bollard::errors::Error::DockerResponseServerError { message, .. } => message.clone(),
        bollard::errors::Error::DockerStreamError { error } => error.clone(),
        other => other.to_string(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn unavailable(error: &bollard::errors::Error) -> Error {
    Error::Unavailable {
        runtime: KIND,
        why: words(error),
    }
}

/// What the engine would not make. What it answered is about this container; no answer is about the engine.
pub(super) fn refused(spec: &Spec, error: &bollard::errors::Error) -> Error {
    if status(error).is_none() {
        return unavailable(error);
    }
    let words = words(error);
    let advice = if words.contains("already allocated") || words.contains("already in use") {
        "; end what has the port, take another in `ports`, or leave its `host` out for any free one"
    } else if words.contains("network") && words.contains("not found") {
        "; create it on this node with `docker network create`"
    } else {
        ""
    };
    Error::Unrunnable {
        slot: spec.slot.clone(),
        why: format!("the engine refuses its container: {words}{advice}"),
    }
}

//! What a trigger answers to an event (the trigger contract).

use belfry_mesh::Problem;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The target runs.
    Triggered {
        /// The orchestrator's name for the run, if it gave one.
        execution_id: Option<String>,
        /// What the orchestrator answered, for a package whose sender waits and is told of it.
        result: Option<Value>,
    },
    /// The filter or the conditions did not want it.
    Ignored {
        /// Why, in words.
        reason: String,
    },
    /// The target does not run.
    Failed(Failure),
}

/// Why the target does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The status that the trigger answers with. It tells the caller whether another attempt is of use.
    pub status: StatusCode,
    /// What happened, where, and what to do. It holds nothing of the event or of the orchestrator's answer.
    pub summary: String,
    /// What the orchestrator said: one line, bounded, free of the trigger's secrets.
    pub said: Option<String>,
    /// How long to wait before the next attempt.
    pub retry_after: Option<Duration>,
}

impl Answer {
    /// The HTTP answer: 200 for what was triggered or ignored, else a problem document.
    #[must_use]
    pub fn into_response(self) -> Response<String> {
        let body = match self {
            Self::Triggered {
                execution_id,
                result,
            } => {
                let mut told = json!({"status": "triggered", "execution_id": execution_id});
                if let Some(result) = result {
                    told["result"] = result;
                }
                told
            }
            Self::Ignored { reason } => json!({"status": "ignored", "reason": reason}),
            Self::Failed(failure) => return Problem::from(failure).into_response(),
        };
        let mut response = Response::new(body.to_string());
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        response
    }
}

impl Failure {
    pub(crate) fn new(status: StatusCode, summary: impl Into<String>) -> Self {
        Self {
            status,
            summary: summary.into(),
            said: None,
            retry_after: None,
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let problem = Self::new(failure.status, failure.to_string());
        match failure.retry_after {
            Some(after) => problem.retry_after(after),
            None => problem,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary)?;
        match &self.said {
            Some(said) => write!(f, ": {said}"),
            None => Ok(()),
        }
    }
}

//! RFC 9457 problem details: how every HTTP door of Belfry says no.

use http::{HeaderValue, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// An `application/problem+json` document (<https://www.rfc-editor.org/rfc/rfc9457>). The type is always `about:blank`, so
/// the title is the status' own phrase, and `detail` says what happened, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The status' phrase.
    pub title: String,
    /// What happened, where, and what to do.
    pub detail: String,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem of this status.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        Self {
            status: status.as_u16(),
            title,
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// The same with a `Retry-After`, rounded up to whole seconds, at least one.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The HTTP answer.
    #[must_use]
    pub fn into_response(self) -> Response<String> {
        let body = serde_json::to_string(&self).unwrap_or_default();
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(after) = self.retry_after {
            let whole = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole.max(1)));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_answered_with_its_status_its_type_and_its_wait() {
        let response = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the bus is away")
            .retry_after(Duration::from_millis(1_200))
            .into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        assert_eq!(response.headers()["retry-after"], "2");
        let body: serde_json::Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(body["title"], "Service Unavailable");
        assert_eq!(body["detail"], "the bus is away");
        assert_eq!(body["status"], 503);
    }
}

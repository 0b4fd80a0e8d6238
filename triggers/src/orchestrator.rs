//! The orchestrator, as far as a trigger needs it.

mod reply;

use crate::answer::Failure;
use crate::quote::{Redaction, quote};
use belfry_mesh::event::EventId;
use belfry_mesh::trace::TraceParent;
use http::StatusCode;
use jiff::Timestamp;
use reply::Started;
use reqwest::{ClientBuilder, Response, Url};
use serde_json::Value;
use std::error::Error as StdError;
use std::time::Duration;

/// Where the orchestrator is if `ORCHESTRATOR_URL` does not say.
pub const DEFAULT_URL: &str = "http://orchestrator:8000";

/// An orchestrator that was found at its address.
#[derive(Debug, Clone)]
pub(crate) struct Orchestrator {
    http: reqwest::Client,
    execute_workflow: Url,
    run_team: Url,
    shown: String,
    redaction: Redaction,
}

/// What the orchestrator is asked to run.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) door: Door,
    pub(crate) body: &'a Value,
    pub(crate) key: &'a EventId,
    pub(crate) trace: TraceParent,
}

/// The two doors of the orchestrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    ExecuteWorkflow,
    RunTeam,
}

/// Why a text is not the address of an orchestrator.
#[derive(Debug, thiserror::Error)]
#[error("it is not an http or https URL such as `{DEFAULT_URL}`")]
pub(crate) struct BadUrl;

/// An HTTP client fit for calls that may take minutes: it gives a connection 5 s to come up and the call itself no limit, and
/// TCP's keepalive notices within a minute and a half that a peer is gone. Redirects are not followed, for a POST would not survive one.
/// Idle connections are dropped before servers commonly do (uvicorn after 5 s), or a call could meet one that just closes.
pub fn client() -> ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .tcp_keepalive(Duration::from_secs(30))
        .tcp_keepalive_interval(Duration::from_secs(15))
        .tcp_keepalive_retries(4)
        .pool_idle_timeout(Duration::from_secs(4))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("belfry-trigger/", env!("CARGO_PKG_VERSION")))
}

impl Orchestrator {
    pub(crate) fn try_new(
        http: reqwest::Client,
        base: &str,
        redaction: Redaction,
    ) -> Result<Self, BadUrl> {
        let base: Url = base.trim().parse().map_err(|_| BadUrl)?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(BadUrl);
        }
        let door = |path: [&str; 2]| {
            let mut url = base.clone();
            url.path_segments_mut()
                .map_err(|()| BadUrl)?
                .pop_if_empty()
                .extend(path);
            Ok(url)
        };
        Ok(Self {
            http,
            execute_workflow: door(["workflows", "execute"])?,
            run_team: door(["teams", "run"])?,
            // Not the path: an installer may have put a secret there.
            shown: base.origin().ascii_serialization(),
            redaction,
        })
    }

    /// Asks for a run and waits for as long as it takes. Dropped, it drops the call.
    pub(crate) async fn run(
        &self,
        request: Request<'_>,
        now: Timestamp,
    ) -> Result<Started, Failure> {
        let url = match request.door {
            Door::ExecuteWorkflow => &self.execute_workflow,
            Door::RunTeam => &self.run_team,
        };
        let sent = self
            .http
            .post(url.clone())
            .header("idempotency-key", request.key.as_str())
            .header("traceparent", request.trace.to_string())
            .json(request.body)
            .send();
        let response = sent.await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(reply::started(response).await);
        }
        Err(self.refused(response, now).await)
    }

    /// The failure of a call that got no answer.
    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let (at, cause) = (&self.shown, cause(error));
        if error.is_timeout() {
            let summary = format!("the orchestrator at {at} did not answer in time: {cause}");
            Failure::new(StatusCode::GATEWAY_TIMEOUT, summary)
        } else if error.is_connect() {
            let summary = format!(
                "the orchestrator at {at} cannot be reached: {cause}; is ORCHESTRATOR_URL right?"
            );
            Failure::new(StatusCode::SERVICE_UNAVAILABLE, summary)
        } else {
            let summary = format!(
                "the orchestrator at {at} broke the connection off before it answered: {cause}"
            );
            Failure::new(StatusCode::BAD_GATEWAY, summary)
        }
    }

    /// The failure of a call that was answered, but not with a success. A 4xx is the caller's to know; of anything else the
    /// caller need only know that it lies behind this trigger.
    async fn refused(&self, mut response: Response, now: Timestamp) -> Failure {
        let (answered, at) = (response.status(), &self.shown);
        let retry_after = reply::retry_after(response.headers(), now);
        let (body, _) = reply::read(&mut response).await;
        let said = quote(&body, &self.redaction);
        let summary = if answered.is_redirection() {
            format!(
                "the orchestrator at {at} answered {answered}, a redirect; set ORCHESTRATOR_URL to where it leads"
            )
        } else {
            format!("the orchestrator at {at} answered {answered}")
        };
        let status = if answered.is_client_error() {
            answered
        } else {
            StatusCode::BAD_GATEWAY
        };
        Failure {
            status,
            summary,
            said,
            retry_after,
        }
    }
}

/// The innermost cause of an error: what the operating system said. The outer ones repeat the URL, which may hold credentials.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn StdError = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if innermost.is::<reqwest::Error>() {
        "no cause given".to_owned()
    } else {
        innermost.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(base: &str) -> Result<Orchestrator, BadUrl> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Orchestrator::try_new(client().build().unwrap(), base, Redaction::default())
    }

    #[test]
    fn the_address_keeps_its_path_and_shows_no_credentials() {
        let orchestrator = at("https://user:hunter2@orch.example/base/?key=hunter2").unwrap();
        assert_eq!(orchestrator.shown, "https://orch.example");
        assert_eq!(
            orchestrator.execute_workflow.path(),
            "/base/workflows/execute"
        );
        assert_eq!(orchestrator.run_team.path(), "/base/teams/run");
        assert_eq!(
            at(DEFAULT_URL).unwrap().execute_workflow.as_str(),
            "http://orchestrator:8000/workflows/execute"
        );
        for bad in [
            "",
            "orchestrator:8000",
            "ftp://x",
            "http://",
            "file:///etc/passwd",
        ] {
            assert!(at(bad).is_err(), "{bad} was taken");
        }
    }
}

//! The client of the console's API.

use crate::cli;
use anyhow::{Context, anyhow, bail};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;
use std::time::Duration;

/// How long an answer may take: commands wait for agents to make it so.
const PATIENCE: Duration = Duration::from_secs(60);

/// The console, as the client commands see it.
#[derive(Clone)]
pub(crate) struct Console {
    http: reqwest::Client,
    base: Url,
}

/// A request that the console refused.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct Refused {
    status: StatusCode,
    detail: String,
}

/// Where what is installed is found: triggers, and mcps beside them. A name belongs to one of both.
const KINDS: [&str; 2] = ["triggers", "mcps"];

impl Console {
    pub(crate) fn new(settings: &cli::Client) -> anyhow::Result<Self> {
        let base: Url = settings
            .console_url
            .parse()
            .with_context(|| format!("--console-url `{}` is not a URL", settings.console_url))?;
        if base.cannot_be_a_base() {
            bail!("--console-url `{base}` is not a base URL; write it like http://127.0.0.1:8081");
        }
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .default_headers(headers(settings.by.as_deref())?)
            .build()?;
        Ok(Self { http, base })
    }

    /// Everything that is installed.
    pub(crate) async fn list(&self) -> anyhow::Result<Value> {
        let mut all = Vec::new();
        for kind in KINDS {
            let list = self.get(&[kind], &[]).await?;
            all.extend(list.as_array().cloned().unwrap_or_default());
        }
        Ok(all.into())
    }

    /// Asks about what is installed under a name.
    pub(crate) async fn ask(
        &self,
        name: &str,
        what: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<Value> {
        self.installed(Method::GET, &[name, what], query, None)
            .await
    }

    /// Does something to what is installed under a name.
    pub(crate) async fn order(
        &self,
        name: &str,
        verb: &str,
        query: &[(&str, String)],
        body: Value,
    ) -> anyhow::Result<Value> {
        self.installed(Method::POST, &[name, verb], query, Some(body))
            .await
    }

    /// Does something to a trigger that only triggers have done to them: they take events.
    pub(crate) async fn order_trigger(
        &self,
        name: &str,
        verb: &str,
        body: Value,
    ) -> anyhow::Result<Value> {
        let answer = self.post(&[KINDS[0], name, verb], &[], body).await;
        match &answer {
            Err(error) if is(error, StatusCode::NOT_FOUND) && self.is_mcp(name).await => {
                bail!("`{name}` is an mcp, which takes no events; it can be started and stopped")
            }
            _ => answer,
        }
    }

    /// Uninstalls what is installed under a name.
    pub(crate) async fn uninstall(&self, name: &str) -> anyhow::Result<Value> {
        self.installed(Method::DELETE, &[name], &[], None).await
    }

    async fn installed(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let [trigger, mcp] = KINDS.map(|kind| [&[kind], path].concat());
        let as_trigger = self
            .call(method.clone(), &trigger, query, body.clone())
            .await;
        let is_mcp = match &as_trigger {
            Err(error) if is(error, StatusCode::NOT_FOUND) => self.is_mcp(path[0]).await,
            _ => false,
        };
        match is_mcp {
            true => self.call(method, &mcp, query, body).await,
            false => as_trigger,
        }
    }

    async fn is_mcp(&self, name: &str) -> bool {
        self.get(&[KINDS[1], name, "status"], &[]).await.is_ok()
    }

    pub(crate) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> anyhow::Result<Value> {
        self.call(Method::GET, path, query, None).await
    }

    pub(crate) async fn post(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        body: Value,
    ) -> anyhow::Result<Value> {
        self.call(Method::POST, path, query, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &[&str]) -> anyhow::Result<Value> {
        self.call(Method::DELETE, path, &[], None).await
    }

    async fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| anyhow!("not a base URL"))?
            .pop_if_empty()
            .extend(path);
        let mut request = self.http.request(method, url).query(query);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request
            .send()
            .await
            .map_err(|error| self.unreached(&error))?;
        let status = response.status();
        let bytes = response
            .bytes()
            .await
            .context("the console's answer broke off")?;
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(answer);
        }
        match answer["detail"].as_str() {
            Some(detail) => Err(Refused {
                status,
                detail: detail.to_owned(),
            }
            .into()),
            None => bail!(
                "the console at {} answered {status}; is it one of Belfry's?",
                self.base
            ),
        }
    }

    fn unreached(&self, error: &reqwest::Error) -> anyhow::Error {
        if error.is_timeout() {
            return anyhow!(
                "the console at {} did not answer within {} s",
                self.base,
                PATIENCE.as_secs()
            );
        }
        anyhow!(
            "no console answers at {}; start one with `belfry dev` (or `belfry console`), or say where it is with --console-url",
            self.base
        )
    }
}

/// Whether the console refused a request with this status.
pub(crate) fn is(error: &anyhow::Error, status: StatusCode) -> bool {
    error
        .downcast_ref::<Refused>()
        .is_some_and(|refused| refused.status == status)
}

/// What goes with every request: who asks.
fn headers(by: Option<&str>) -> anyhow::Result<HeaderMap> {
    let value = match by {
        Some(by) => HeaderValue::from_str(by)
            .ok()
            .filter(|value| value.to_str().is_ok())
            .with_context(|| format!("--by `{by}` is not in visible ASCII characters"))?,
        None => user().unwrap_or(HeaderValue::from_static("cli")),
    };
    Ok(HeaderMap::from_iter([("x-belfry-by".parse()?, value)]))
}

/// The name of this user, if the system tells one that can stand in a record.
fn user() -> Option<HeaderValue> {
    let user = std::env::var("USER").ok()?;
    let is_fit = !user.is_empty() && user.len() <= 64;
    let value = HeaderValue::from_str(&user).ok()?;
    (is_fit && value.to_str().is_ok()).then_some(value)
}

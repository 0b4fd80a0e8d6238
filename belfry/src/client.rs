//! The client of the console's API.

use crate::cli;
use anyhow::{Context, anyhow, bail};
use reqwest::{Method, Url};
use serde_json::Value;
use std::time::Duration;

/// How long an answer may take: commands wait for agents to make it so.
const PATIENCE: Duration = Duration::from_secs(60);

/// The console, as the client commands see it.
pub(crate) struct Console {
    http: reqwest::Client,
    base: Url,
}

impl Console {
    pub(crate) fn new(settings: &cli::Client) -> anyhow::Result<Self> {
        let base: Url = settings
            .console_url
            .parse()
            .with_context(|| format!("--console-url `{}` is not a URL", settings.console_url))?;
        if base.cannot_be_a_base() {
            bail!("--console-url `{base}` is not a base URL; write it like http://127.0.0.1:8081");
        }
        let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
        Ok(Self { http, base })
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
            Some(detail) => bail!("{detail}"),
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

//! Documents from the web: what a gateway has to fetch from a provider.

use async_trait::async_trait;
use belfry_gateway::Web;
use bytes::Bytes;
use std::time::Duration;

/// How long a document may take to come, and how large it may be, in bytes: a certificate has some thousand.
const PATIENCE: Duration = Duration::from_secs(5);
const LARGEST: usize = 64 << 10;

/// A client that follows no redirect, so that it never asks another host than the one that was checked.
pub(crate) struct Https(reqwest::Client);

impl Https {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()?;
        Ok(Self(client))
    }
}

#[async_trait]
impl Web for Https {
    async fn get(&self, address: &str) -> Result<Bytes, String> {
        let why = |error: reqwest::Error| error.without_url().to_string();
        let mut answer = self.0.get(address).send().await.map_err(why)?;
        if !answer.status().is_success() {
            return Err(format!("it was answered {}", answer.status()));
        }
        let mut document = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(why)? {
            if document.len() + part.len() > LARGEST {
                return Err(format!("it is larger than {LARGEST} bytes"));
            }
            document.extend_from_slice(&part);
        }
        Ok(document.into())
    }
}

//! The conversation with one registry.

use super::MAX_LIST;
use crate::layout;
use crate::listing::{self, Line, newest};
use crate::registries::Registry;
use belfry_mesh::Problem;
use belfry_mesh::package::{Kind, MAX_SIZE, Manifest};
use belfry_mesh::port::packages::Reference;
use bytes::{Bytes, BytesMut};
use reqwest::{Response, StatusCode};
use semver::Version;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::error::Error as _;

/// How much of a registry's own words goes into an error, in characters.
const MAX_DETAIL: usize = 1_000;

/// A registry that is asked.
pub(super) struct Remote<'a> {
    registry: &'a Registry,
    http: &'a reqwest::Client,
}

/// Why a registry's answer is of no use.
#[derive(Debug)]
pub(super) enum Failure {
    /// Whether it has the package is not known.
    Unavailable(String),
    /// It has something that is not a package.
    Invalid(String),
}

impl<'a> Remote<'a> {
    pub(super) fn new(registry: &'a Registry, http: &'a reqwest::Client) -> Self {
        Self { registry, http }
    }

    /// The package of this kind, none if it does not have it.
    pub(super) async fn find(
        &self,
        kind: Kind,
        asked: &Reference,
    ) -> Result<Option<Manifest>, Failure> {
        if let Some(version) = &asked.version {
            return self.exact(kind, asked, version).await;
        }
        let lines = self.lines(kind).await?;
        let lines = lines.iter().filter(|line| line.name == asked.name);
        let Some(version) = newest(lines.filter_map(|line| line.version.as_ref())) else {
            // It may list no versions, or leave out what is broken, and be able to say more.
            return self.manifest(kind, &[asked.name.as_str()], asked).await;
        };
        let (name, version) = (asked.name.clone(), version.clone());
        let asked = Reference {
            name,
            version: Some(version.clone()),
        };
        match self.exact(kind, &asked, &version).await? {
            Some(manifest) => Ok(Some(manifest)),
            None => {
                let why = format!("`{asked}` is in its list, and not to be had");
                Err(Failure::Invalid(why))
            }
        }
    }

    /// What it says that it has of this kind.
    pub(super) async fn lines(&self, kind: Kind) -> Result<Vec<Line>, Failure> {
        if let Some(lines) = self.list(kind).await? {
            return Ok(lines);
        }
        // Registries of earlier systems have nothing but triggers. What has not even those is no registry.
        if kind != Kind::Trigger && self.list(Kind::Trigger).await?.is_some() {
            return Ok(Vec::new());
        }
        let why = "there is no `/triggers` there; is `baseurl` right?";
        Err(Failure::Unavailable(why.to_owned()))
    }

    /// Its list of this kind, none if there is nothing at its path.
    async fn list(&self, kind: Kind) -> Result<Option<Vec<Line>>, Failure> {
        let folder = layout::folder(kind);
        let why = match self.get(&[folder], MAX_LIST).await {
            Ok(Some(body)) => match listing::parse(kind, &body) {
                Ok(lines) => return Ok(Some(lines)),
                Err(_) => format!(
                    "what is at `/{folder}` there is not a list of packages; is `baseurl` right?"
                ),
            },
            Ok(None) => return Ok(None),
            Err(Failure::Invalid(why) | Failure::Unavailable(why)) => why,
        };
        Err(Failure::Unavailable(why))
    }

    /// This very version. Registries with one file a version know the first path, those with one folder a version the
    /// second.
    async fn exact(
        &self,
        kind: Kind,
        asked: &Reference,
        version: &Version,
    ) -> Result<Option<Manifest>, Failure> {
        let first = self.manifest(kind, &[&asked.to_string()], asked).await?;
        if first.is_some() {
            return Ok(first);
        }
        let second = [asked.name.as_str(), &version.to_string()];
        self.manifest(kind, &second, asked).await
    }

    async fn manifest(
        &self,
        kind: Kind,
        path: &[&str],
        asked: &Reference,
    ) -> Result<Option<Manifest>, Failure> {
        let path = [&[layout::folder(kind)], path].concat();
        let Some(body) = self.get(&path, MAX_SIZE).await? else {
            return Ok(None);
        };
        let invalid = |error: belfry_mesh::package::Error| Failure::Invalid(error.to_string());
        let manifest = Manifest::parse(document(&body)).map_err(invalid)?;
        if manifest.kind() != kind {
            return Err(Failure::Invalid(layout::misplaced(manifest.kind(), kind)));
        }
        let (name, version) = (manifest.name(), manifest.version());
        let is_the_version = |asked: &Version| asked == version;
        if *name == asked.name && asked.version.as_ref().is_none_or(is_the_version) {
            Ok(Some(manifest))
        } else {
            Err(Failure::Invalid(format!("it is `{name}-{version}`")))
        }
    }

    /// The body at a path, none if there is nothing.
    async fn get(&self, path: &[&str], limit: usize) -> Result<Option<Bytes>, Failure> {
        let request = self.http.get(self.registry.address.of(path));
        let response = request.send().await.map_err(unavailable)?;
        match response.status() {
            StatusCode::OK => body(response, limit).await.map(Some),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            StatusCode::UNPROCESSABLE_ENTITY => Err(Failure::Invalid(detail(response).await)),
            status => Err(Failure::Unavailable(format!("status {status}"))),
        }
    }
}

async fn body(mut response: Response, limit: usize) -> Result<Bytes, Failure> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
        if body.len() + chunk.len() > limit {
            let why = format!("it is longer than {limit} bytes");
            return Err(Failure::Invalid(why));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Why a registry does not serve what it has, in its own words.
async fn detail(response: Response) -> String {
    let status = response.status();
    let problem = body(response, MAX_SIZE).await.ok();
    match problem.and_then(|body| serde_json::from_slice::<Problem>(&body).ok()) {
        Some(problem) => problem.detail.chars().take(MAX_DETAIL).collect(),
        None => format!("status {status}"),
    }
}

/// With the causes, since what happened is in the last, and without the URL, which may contain a password.
fn unavailable(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut why = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        why = format!("{why}: {error}");
        cause = error.source();
    }
    Failure::Unavailable(why)
}

/// The manifest in an answer, which some registries of earlier systems wrap: `{"config": manifest, "metadata": …}`.
fn document(body: &[u8]) -> &[u8] {
    #[derive(Deserialize)]
    struct Wrapped<'a> {
        #[serde(borrow)]
        config: &'a RawValue,
        name: Option<IgnoredAny>,
    }
    match serde_json::from_slice::<Wrapped<'_>>(body) {
        Ok(Wrapped { config, name: None }) => config.get().as_bytes(),
        _ => body,
    }
}

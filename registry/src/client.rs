//! Finds packages in the registries that are configured, the present ones and those of earlier systems.

mod remote;

use crate::layout::KINDS;
use crate::listing::{self, Line};
use crate::registries::Registry;
use async_trait::async_trait;
use belfry_mesh::package::{Kind, PackageName};
use belfry_mesh::port::packages::{Error, Found, Listed, Packages, Reference};
use futures::future::join_all;
use remote::{Failure, Remote};
use reqwest::ClientBuilder;
use reqwest::redirect::{Action, Attempt, Policy};
use semver::Version;
use std::sync::Arc;
use std::time::Duration;

/// How long a registry may take to answer in full.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// How long a registry may take to take up a connection.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// The longest list of packages that is read, in bytes.
pub const MAX_LIST: usize = 4 * 1024 * 1024;

const MAX_REDIRECTS: usize = 5;

/// The registries, as a source of packages.
#[derive(Debug, Clone)]
pub struct Client {
    /// Those that are enabled, in their order of priority.
    registries: Vec<Registry>,
    http: reqwest::Client,
}

impl Client {
    /// Looks packages up in the enabled ones of these registries. The builder brings what the surroundings demand, such as
    /// TLS roots. The deadlines are set here, and that a redirect is followed only within its origin, so that no registry
    /// sends its client elsewhere.
    ///
    /// # Errors
    /// If the HTTP client cannot be built, as its documentation says.
    pub fn new(mut registries: Vec<Registry>, http: ClientBuilder) -> Result<Self, reqwest::Error> {
        registries.retain(|registry| registry.enabled);
        registries.sort_by_key(|registry| registry.priority);
        let http = http
            .timeout(DEADLINE)
            .connect_timeout(CONNECT_DEADLINE)
            .redirect(Policy::custom(within_the_origin))
            .referer(false)
            .build()?;
        Ok(Self { registries, http })
    }

    /// The registries that are asked, in the order in which they are.
    #[must_use]
    pub fn registries(&self) -> &[Registry] {
        &self.registries
    }

    fn chosen(&self, id: Option<&str>) -> Result<&[Registry], Error> {
        let Some(id) = id else {
            return Ok(&self.registries);
        };
        let at = self.registries.iter().position(|known| known.id == id);
        match at {
            Some(at) => Ok(&self.registries[at..=at]),
            None => Err(Error::UnknownRegistry {
                asked: id.to_owned(),
                known: ids(&self.registries),
            }),
        }
    }

    /// What a registry has of each kind, or why that is not known.
    async fn lines<'a>(
        &'a self,
        registry: &'a Registry,
    ) -> (&'a Registry, Vec<Result<Vec<Line>, Failure>>) {
        let remote = self.remote(registry);
        let kinds = KINDS.map(|kind| remote.lines(kind));
        (registry, join_all(kinds).await)
    }

    fn remote<'a>(&'a self, registry: &'a Registry) -> Remote<'a> {
        Remote::new(registry, &self.http)
    }
}

#[async_trait]
impl Packages for Client {
    async fn find(
        &self,
        kind: Kind,
        name: &PackageName,
        version: Option<&Version>,
        registry: Option<&str>,
    ) -> Result<Found, Error> {
        let (name, version) = (name.clone(), version.cloned());
        let asked = Reference { name, version };
        let registries = self.chosen(registry)?;
        let mut silent = Vec::new();
        for registry in registries {
            let id = registry.id.clone();
            match self.remote(registry).find(kind, &asked).await {
                Ok(Some(manifest)) => {
                    warn(&silent);
                    let manifest = Arc::new(manifest);
                    return Ok(Found {
                        registry: id,
                        manifest,
                    });
                }
                Ok(None) => {}
                Err(Failure::Unavailable(why)) => silent.push(unavailable(registry, why)),
                Err(Failure::Invalid(why)) => {
                    warn(&silent);
                    let reference = asked.to_string();
                    return Err(Error::Invalid {
                        registry: id,
                        reference,
                        why,
                    });
                }
            }
        }
        Err(first(silent).unwrap_or_else(|| Error::NotFound {
            reference: asked.to_string(),
            searched: ids(registries),
        }))
    }

    async fn list(&self) -> Result<Vec<Listed>, Error> {
        let answers = join_all(self.registries.iter().map(|it| self.lines(it))).await;
        let (mut listed, mut silent, mut answered) = (Vec::new(), Vec::new(), false);
        for (registry, kinds) in answers {
            for lines in kinds {
                match lines {
                    Ok(lines) => {
                        listed.append(&mut listing::catalogue(lines, &registry.id));
                        answered = true;
                    }
                    Err(Failure::Unavailable(why) | Failure::Invalid(why)) => {
                        silent.push(unavailable(registry, why));
                    }
                }
            }
        }
        // Of one that answers nothing, once.
        silent.dedup();
        if answered {
            warn(&silent);
        } else if let Some(error) = first(silent) {
            return Err(error);
        }
        // Of one name in several registries, the one that an installation takes comes first.
        listed.sort_by(|a, b| (&a.name, a.kind).cmp(&(&b.name, b.kind)));
        Ok(listed)
    }
}

fn within_the_origin(attempt: Attempt<'_>) -> Action {
    let start = attempt.previous().first().map(reqwest::Url::origin);
    let target = attempt.url().origin();
    if attempt.previous().len() > MAX_REDIRECTS {
        attempt.error(format!("it redirects more than {MAX_REDIRECTS} times"))
    } else if start.as_ref() == Some(&target) {
        attempt.follow()
    } else {
        let target = target.ascii_serialization();
        attempt.error(format!(
            "it redirects to {target}, which is another server and is not followed; \
             if that is the registry, make it the `baseurl`"
        ))
    }
}

fn ids(registries: &[Registry]) -> Vec<String> {
    let ids = registries.iter().map(|registry| registry.id.clone());
    ids.collect()
}

fn unavailable(registry: &Registry, why: String) -> Error {
    let (id, url) = (registry.id.clone(), registry.address.to_string());
    Error::Unavailable {
        registry: id,
        url,
        why,
    }
}

/// The first goes to whoever asked, who reports it; the others are reported here.
fn first(silent: Vec<Error>) -> Option<Error> {
    warn(silent.get(1..).unwrap_or_default());
    silent.into_iter().next()
}

fn warn(silent: &[Error]) {
    for error in silent {
        tracing::warn!(%error, "a registry was passed over");
    }
}

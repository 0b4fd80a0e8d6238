//! Images: which one a trigger runs on, and how it gets onto the node.

use super::container::{Refusal, resolve};
use super::policy::Policy;
use super::{Config, Docker, access, archive, mount, unavailable};
use belfry_mesh::package::Build;
use belfry_mesh::port::runtime::{Error, Spec};
use bollard::models::BuildInfo;
use bollard::query_parameters::{BuildImageOptions, CreateImageOptions};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;
use tokio::fs::canonicalize;
use tracing::info;

/// How an image is had where it is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// From the registry that its name says.
    Pull,
    /// Not at all: it must be there.
    Nowhere,
    /// Built from a directory of the node, with this file in it.
    Directory(PathBuf, String),
    /// Built by the engine from a URL, with this file in it.
    Url(String, String),
}

/// The image of a spec: its name, and how it is had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) name: String,
    pub(super) source: Source,
}

/// What the names of images begin with that are built here. No registry is asked for them.
const BUILT: &str = "belfry-build/";

/// The image of a spec. With neither an image nor a build in its package, the standard trigger's. What is built has a name of its
/// own, whatever `image` says: under that, others would run it who count on somebody else's.
///
/// # Errors
/// If its name is none, or its build is not allowed.
pub(super) fn image(spec: &Spec, config: &Config) -> Result<Image, Refusal> {
    let deployment = spec.manifest.deployment();
    let built = built_name(spec, config);
    let build = match &deployment.build {
        Some(build) => source(build, &config.policy)?,
        None => None,
    };
    let (name, source) = match (&deployment.image, build) {
        (_, Some(source)) => (built, source),
        (Some(text), None) => (resolve(text, spec, config)?, Source::Pull),
        (None, None) if deployment.build.is_some() => (built, Source::Nowhere),
        (None, None) => (config.image.clone(), Source::Pull),
    };
    let source = match source {
        Source::Pull if is_built_here(&name) => Source::Nowhere,
        source => source,
    };
    if !is_reference(&name) {
        return Err(format!(
            "`{name}` is not the name of an image, such as `registry.example/name:1.0.0`; correct `image` in its package"
        ));
    }
    Ok(Image { name, source })
}

/// What an image is called that is built here for a package. A tag has no `+`, and a version no `_`.
fn built_name(spec: &Spec, config: &Config) -> String {
    let version = spec.manifest.version().to_string().replace('+', "_");
    format!(
        "{BUILT}{}/{}:{version}",
        config.owner.mesh,
        spec.manifest.name()
    )
}

/// Whether an image of this name is one that is built here, in full (`docker.io/…`) or not.
fn is_built_here(name: &str) -> bool {
    let short = ["docker.io/", "index.docker.io/"];
    let short = short.iter().find_map(|hub| name.strip_prefix(hub));
    short.unwrap_or(name).starts_with(BUILT)
}

/// What an image is built from, if that is on this node.
fn source(build: &Build, policy: &Policy) -> Result<Option<Source>, Refusal> {
    let Build {
        context,
        dockerfile,
    } = build;
    if Path::new(dockerfile)
        .components()
        .any(|part| !matches!(part, Component::Normal(_) | Component::CurDir))
    {
        return Err(format!(
            "its package is built with `{dockerfile}`, which is outside of the directory that it is built from; correct `dockerfile`"
        ));
    }
    let is_url = context.contains("://");
    let path = Path::new(context);
    // A package comes from a registry, without files beside it: what is relative to it is nowhere on this node.
    if !is_url && !path.is_absolute() {
        return Ok(None);
    }
    let detour = context.split('/').any(|part| part == "..");
    let below = |allowed: &String| {
        if is_url {
            context.starts_with(allowed) && allowed.ends_with('/')
        } else {
            path.starts_with(allowed)
        }
    };
    if detour || !policy.builds.iter().any(below) {
        return Err(format!(
            "its package has its image built from `{context}`; build it yourself, name it with `image` and leave `build` out, or allow it on this node with --allow-builds"
        ));
    }
    Ok(Some(if is_url {
        Source::Url(context.clone(), dockerfile.clone())
    } else {
        Source::Directory(path.to_owned(), dockerfile.clone())
    }))
}

/// Only what a reference may have (<https://pkg.go.dev/github.com/distribution/reference>): nothing that could lead elsewhere in
/// a request to the engine.
fn is_reference(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 255
        && name.chars().all(plain)
        && !name.contains("..")
        && !name.contains("//")
}

impl Docker {
    /// Sees to it that an image is on the node. Answers the user that it names.
    pub(super) async fn provide(&self, image: &Image) -> Result<Option<String>, Failure> {
        let user = match self.inspect_image(&image.name).await? {
            Some(user) => user,
            None => {
                let within = self.config.fetch;
                let fetched = tokio::time::timeout(within, self.fetch(image)).await;
                fetched.unwrap_or_else(|_| Err(late(image, within)))?;
                let there = self.inspect_image(&image.name).await?;
                there.ok_or_else(|| {
                    Failure::Refused(format!("image `{}` is not there after all", image.name))
                })?
            }
        };
        Ok((!user.is_empty()).then_some(user))
    }

    async fn inspect_image(&self, name: &str) -> Result<Option<String>, Failure> {
        match self.engine.inspect_image(name).await {
            Ok(found) => Ok(Some(
                found
                    .config
                    .and_then(|config| config.user)
                    .unwrap_or_default(),
            )),
            Err(error) if super::status(&error) == Some(404) => Ok(None),
            Err(error) => Err(Failure::Other(unavailable(&error))),
        }
    }

    async fn fetch(&self, image: &Image) -> Result<(), Failure> {
        let Image { name, source } = image;
        let (dockerfile, remote, body) = match source {
            Source::Pull => return self.pull(name).await,
            Source::Nowhere => {
                return Err(Failure::Refused(format!(
                    "image `{name}` is not on this node, and neither is what it is built from; build it on this node under that name, or name one in `image`"
                )));
            }
            Source::Url(url, dockerfile) => (dockerfile, Some(url.clone()), None),
            Source::Directory(directory, dockerfile) => {
                let packed = self.pack(directory, dockerfile).await;
                let packed = packed.map_err(|why| {
                    let directory = directory.display();
                    Failure::Refused(format!(
                        "image `{name}` cannot be built from {directory}: {why}"
                    ))
                })?;
                (dockerfile, None, Some(bollard::body_full(packed)))
            }
        };
        info!(image = name, "an image is built");
        let options = BuildImageOptions {
            dockerfile: dockerfile.clone(),
            t: Some(name.clone()),
            remote,
            rm: true,
            forcerm: true,
            ..BuildImageOptions::default()
        };
        let built = finish(self.engine.build_image(options, None, body), said).await;
        built.map_err(|why| {
            Failure::Refused(format!(
                "image `{name}` cannot be built: {why}; correct what it is built from"
            ))
        })
    }

    async fn pack(&self, directory: &Path, dockerfile: &str) -> Result<Bytes, String> {
        let real = canonicalize(directory).await;
        let real = real.map_err(|error| error.to_string())?;
        if !mount::is_below(&real, &self.config.policy.builds).await {
            return Err(format!(
                "it leads to {0} by a symbolic link; allow that on this node with --allow-builds {0}",
                real.display()
            ));
        }
        let packed = archive::pack(real, dockerfile.to_owned()).await;
        packed.map_err(|error| error.to_string())
    }

    async fn pull(&self, name: &str) -> Result<(), Failure> {
        let directory = self.config.docker_config.as_deref();
        let credentials = access::credentials(directory, name).await;
        let credentials = credentials.map_err(Failure::Refused)?;
        info!(image = name, "an image is pulled");
        let tagged = name.contains('@')
            || name
                .rsplit('/')
                .next()
                .is_some_and(|last| last.contains(':'));
        let options = CreateImageOptions {
            from_image: Some(name.to_owned()),
            // Without a tag, the engine would pull them all.
            tag: (!tagged).then(|| "latest".to_owned()),
            ..CreateImageOptions::default()
        };
        let progress = self.engine.create_image(Some(options), None, credentials);
        let pulled = finish(progress, |_| None).await;
        pulled.map_err(|why| {
            Failure::Refused(format!("image `{name}` is not on this node and cannot be pulled: {why}; correct its name, or build or load it on this node"))
        })
    }
}

/// Why an image is not to be had.
pub(super) enum Failure {
    /// It is as its package or its registry has it.
    Refused(Refusal),
    /// The engine is away.
    Other(Error),
}

/// Why an image that takes longer than `within` is given up.
fn late(image: &Image, within: Duration) -> Failure {
    let Image { name, source } = image;
    let what = match source {
        Source::Pull | Source::Nowhere => "pulled",
        Source::Directory(..) | Source::Url(..) => "built",
    };
    Failure::Refused(format!(
        "image `{name}` could not be {what} within {within:?}; get it onto this node yourself, or see why that takes so long"
    ))
}

/// Follows a long answer to its end. A failure is told in it, or ends it.
async fn finish<T>(
    progress: impl Stream<Item = Result<T, bollard::errors::Error>>,
    failed: impl Fn(&T) -> Option<String>,
) -> Result<(), String> {
    let mut progress = std::pin::pin!(progress);
    while let Some(step) = progress.next().await {
        let why = match &step {
            Ok(step) => failed(step),
            Err(error) => Some(super::words(error)),
        };
        if let Some(why) = why {
            return Err(why);
        }
    }
    Ok(())
}

fn said(step: &BuildInfo) -> Option<String> {
    let detail = step.error_detail.as_ref()?;
    Some(detail.message.clone().unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests;

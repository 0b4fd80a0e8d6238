//! What is answered on each path.

use super::file::file;
use crate::catalog::{Catalog, Contents, Invalid, Package};
use crate::layout;
use crate::shelf::{self, Origin};
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use belfry_mesh::Problem;
use belfry_mesh::package::{Kind, PackageName};
use belfry_mesh::port::packages::Reference;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use semver::Version;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::fmt::Display;
use std::sync::Arc;

const MANIFEST: &str = "application/json";
/// RFC 3156, section 5.
const SIGNATURE: &str = "application/pgp-signature";
/// RFC 3156, section 7.
const KEY: &str = "application/pgp-keys";

/// Why something is not served.
struct Refusal(Problem);

/// What lies in the catalogue of one kind.
#[derive(Clone)]
struct Aisle {
    catalog: Arc<Catalog>,
    kind: Kind,
}

/// A version of a package, in a list.
#[derive(Serialize)]
struct Line<'a> {
    /// What earlier systems ask for it by.
    id: String,
    #[serde(rename = "type")]
    kind: Kind,
    name: &'a str,
    version: &'a Version,
    description: &'a str,
    publisher: Option<&'a str>,
    trigger_type: &'static str,
    tags: &'a [String],
    signed: bool,
    origin: Origin,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
}

type Answer = Result<Response, Refusal>;

pub(super) fn router(catalog: Arc<Catalog>) -> Router {
    Router::new()
        .route("/health", get(async || Json(json!({"status": "ok"}))))
        .route("/ready", get(ready))
        .route("/catalog", get(catalogue))
        .route("/publishers", get(publishers))
        .route("/publishers/{id}/pubkey", get(pubkey))
        .route("/publishers/{id}/pubkey.asc", get(armoured_pubkey))
        .fallback(async || {
            Refusal::new(
                StatusCode::NOT_FOUND,
                "there is nothing at this path; `GET /catalog` lists what there is",
            )
        })
        .method_not_allowed_fallback(async || {
            Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "a registry is only read; use GET",
            )
        })
        .with_state(catalog.clone())
        .merge(aisle(catalog.clone(), Kind::Trigger))
        .merge(aisle(catalog, Kind::Mcp))
}

/// The routes that packages of each kind have.
fn aisle(catalog: Arc<Catalog>, kind: Kind) -> Router {
    let (folder, manifest) = (layout::folder(kind), layout::manifest(kind));
    Router::new()
        .route(&format!("/{folder}"), get(packages))
        .route(
            &format!("/{folder}/{{reference}}"),
            get(package_by_reference),
        )
        .route(
            &format!("/{folder}/{{name}}/{{version}}"),
            get(package_by_version),
        )
        .route(
            &format!("/{folder}/{{name}}/{{version}}/{manifest}.asc"),
            get(signature),
        )
        .with_state(Aisle { catalog, kind })
}

/// The lines of one kind.
fn lines<'a>(
    contents: &'a Contents,
    kind: Kind,
    line: fn(&'a Package) -> Line<'a>,
) -> Vec<Line<'a>> {
    let packages = contents.packages();
    packages
        .filter(|package| package.manifest.kind() == kind)
        .map(line)
        .collect()
}

impl<'a> Line<'a> {
    fn of(package: &'a Package) -> Self {
        let manifest = &package.manifest;
        Self {
            id: format!("{}-{}", manifest.name(), manifest.version()),
            kind: manifest.kind(),
            name: manifest.name().as_str(),
            version: manifest.version(),
            description: manifest.description(),
            publisher: manifest.publisher(),
            trigger_type: manifest.source().kind(),
            tags: manifest.tags(),
            signed: package.signed,
            origin: package.origin,
            metadata: None,
        }
    }

    fn with_metadata(package: &'a Package) -> Self {
        Self {
            metadata: package.metadata.as_deref(),
            ..Self::of(package)
        }
    }
}

impl Refusal {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self(Problem::new(status, detail))
    }

    fn missing(what: impl Display) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            format!("this registry has no {what}; `GET /catalog` lists what it has"),
        )
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.0.into_response().map(Body::from)
    }
}

impl From<shelf::Error> for Refusal {
    fn from(error: shelf::Error) -> Self {
        tracing::error!(%error, "the packages' directory cannot be listed");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the packages' directory cannot be listed; the registry's log says why",
        )
    }
}

impl From<Invalid> for Refusal {
    fn from(Invalid { file, reason }: Invalid) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("`{file}`: {reason}"),
        )
    }
}

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Self {
        Self::new(StatusCode::BAD_REQUEST, rejection.body_text())
    }
}

async fn ready(State(catalog): State<Arc<Catalog>>) -> Answer {
    off_the_reactor(catalog, |catalog| catalog.check()).await??;
    Ok(Json(json!({"status": "ready"})).into_response())
}

async fn packages(State(Aisle { catalog, kind }): State<Aisle>) -> Answer {
    let contents = off_the_reactor(catalog, |catalog| catalog.read()).await??;
    Ok(Json(lines(&contents, kind, Line::of)).into_response())
}

async fn catalogue(State(catalog): State<Arc<Catalog>>) -> Answer {
    let read = |catalog: &Catalog| Ok::<_, shelf::Error>((catalog.read()?, catalog.publishers()?));
    let (contents, publishers) = off_the_reactor(catalog, read).await??;
    let catalogue = json!({
        "registry": {"name": "Belfry", "version": env!("CARGO_PKG_VERSION")},
        "triggers": lines(&contents, Kind::Trigger, Line::with_metadata),
        "mcps": lines(&contents, Kind::Mcp, Line::with_metadata),
        "publishers": publishers,
        "invalid": contents.invalid().collect::<Vec<_>>(),
    });
    Ok(Json(catalogue).into_response())
}

async fn package_by_reference(
    State(aisle): State<Aisle>,
    reference: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Answer {
    let Path(text) = reference?;
    // What cannot be a name is the name of nothing here, and of no file.
    let reference = Reference::parse(&text)
        .map_err(|error| Refusal::new(StatusCode::NOT_FOUND, error.to_string()))?;
    package(aisle, reference, &headers).await
}

async fn package_by_version(
    State(aisle): State<Aisle>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Answer {
    let Path((name, version)) = path?;
    package(aisle, exact(&name, &version)?, &headers).await
}

async fn package(aisle: Aisle, reference: Reference, headers: &HeaderMap) -> Answer {
    let Aisle { catalog, kind } = aisle;
    let asked = reference.clone();
    let found = off_the_reactor(catalog, move |catalog| {
        catalog.find(kind, &asked.name, asked.version.as_ref())
    })
    .await??;
    let package = found.ok_or_else(|| {
        Refusal::missing(format_args!("{} package `{reference}`", kind.as_str()))
    })??;
    Ok(file(package.bytes, MANIFEST, headers))
}

async fn signature(
    State(Aisle { catalog, kind }): State<Aisle>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Answer {
    let Path((name, version)) = path?;
    let reference = exact(&name, &version)?;
    let missing = Refusal::missing(format_args!("signature of `{reference}`"));
    let find = move |catalog: &Catalog| match &reference.version {
        Some(version) => catalog.signature(kind, &reference.name, version),
        None => Ok(None),
    };
    let signature = off_the_reactor(catalog, find).await??.ok_or(missing)??;
    Ok(file(signature, SIGNATURE, &headers))
}

async fn publishers(State(catalog): State<Arc<Catalog>>) -> Answer {
    let publishers = off_the_reactor(catalog, |catalog| catalog.publishers()).await??;
    Ok(Json(publishers).into_response())
}

async fn pubkey(
    State(catalog): State<Arc<Catalog>>,
    id: Result<Path<String>, PathRejection>,
) -> Answer {
    let Path(id) = id?;
    let key = key(catalog, id).await?;
    Ok(Json(json!({"public_key": String::from_utf8_lossy(&key)})).into_response())
}

async fn armoured_pubkey(
    State(catalog): State<Arc<Catalog>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Answer {
    let Path(id) = id?;
    Ok(file(key(catalog, id).await?, KEY, &headers))
}

async fn key(catalog: Arc<Catalog>, id: String) -> Result<Bytes, Refusal> {
    let missing = Refusal::missing(format_args!("key of a publisher `{id}`"));
    let key = off_the_reactor(catalog, move |catalog| catalog.pubkey(&id)).await?;
    Ok(key.ok_or(missing)??)
}

fn exact(name: &str, version: &str) -> Result<Reference, Refusal> {
    let none = |error: &dyn Display| Refusal::new(StatusCode::NOT_FOUND, error.to_string());
    let name = PackageName::parse(name).map_err(|error| none(&error))?;
    let version = Version::parse(version).map_err(|error| {
        none(&format_args!(
            "`{version}` is not a semantic version such as `1.0.0`: {error}"
        ))
    })?;
    Ok(Reference {
        name,
        version: Some(version),
    })
}

/// Disks may be slow, and a directory may be on the far side of a network.
async fn off_the_reactor<T: Send + 'static>(
    catalog: Arc<Catalog>,
    read: impl FnOnce(&Catalog) -> T + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(move || read(&catalog))
        .await
        .map_err(|error| {
            tracing::error!(%error, "the packages could not be read");
            Refusal::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the packages could not be read; the registry's log says why",
            )
        })
}

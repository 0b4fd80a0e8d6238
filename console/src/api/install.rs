//! Installing packages.

use super::Api;
use super::extract::{By, Json, Of, Path, Query};
use super::refusal::{Refusal, Refused};
use crate::answer::{Install, Installed};
use crate::desk::Order;
use axum::extract::State;
use belfry_mesh::package::PackageName;
use belfry_mesh::port::packages::Reference;
use semver::Version;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct From {
    /// The registry to take the package from; the first that has it if none is given.
    pub(super) registry_id: Option<String>,
}

/// Install a package
///
/// Installs a package as a trigger, starts it, and waits a while for it to run. Installing the same again changes nothing.
#[utoipa::path(
    post,
    path = "/registries/install/trigger/{reference}",
    tag = "triggers",
    operation_id = "install_trigger",
    params(("reference" = String, Path, description = "`{name}-{version}`, or `{name}` for the newest version"), From, By),
    request_body = Install,
    responses(
        (status = 200, description = "It is installed.", body = Installed),
        Refused::<400>, Refused::<404>, Refused::<409>, Refused::<413>, Refused::<415>, Refused::<502>, Refused::<503>
    )
)]
pub(super) async fn install(
    State(api): State<Arc<Api>>,
    Of(kind): Of,
    Path(reference): Path<String>,
    Query(from): Query<From>,
    by: By,
    Json(with): Json<Install>,
) -> Result<axum::Json<Installed>, Refusal> {
    let package = Reference::parse(&reference);
    let order = Order {
        kind,
        package: package.map_err(|error| Refusal::bad_request(error.to_string()))?,
        registry: from.registry_id,
        with,
    };
    Ok(axum::Json(api.desk.install(order, by.by).await?))
}

/// Install a version of a package
///
/// The same as `/registries/install/trigger/{name}-{version}`.
#[utoipa::path(
    post,
    path = "/registries/install/trigger/{name}/{version}",
    tag = "triggers",
    operation_id = "install_trigger_version",
    params(
        ("name" = String, Path, description = "The package"),
        ("version" = String, Path, description = "Its version, such as `1.0.0`"),
        From,
        By
    ),
    request_body = Install,
    responses(
        (status = 200, description = "It is installed.", body = Installed),
        Refused::<400>, Refused::<404>, Refused::<409>, Refused::<413>, Refused::<415>, Refused::<502>, Refused::<503>
    )
)]
pub(super) async fn install_version(
    State(api): State<Arc<Api>>,
    Of(kind): Of,
    Path((name, version)): Path<(String, String)>,
    Query(from): Query<From>,
    by: By,
    Json(with): Json<Install>,
) -> Result<axum::Json<Installed>, Refusal> {
    let version = Version::parse(&version).map_err(|error| {
        Refusal::bad_request(format!(
            "`{version}` is not a version such as `1.0.0`: {error}"
        ))
    })?;
    let name =
        PackageName::parse(&name).map_err(|error| Refusal::bad_request(error.to_string()))?;
    let order = Order {
        kind,
        package: Reference {
            name,
            version: Some(version),
        },
        registry: from.registry_id,
        with,
    };
    Ok(axum::Json(api.desk.install(order, by.by).await?))
}

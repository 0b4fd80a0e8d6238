//! Installing packages as triggers.

use super::Api;
use super::extract::{By, Json, Path, Query};
use super::refusal::{Refusal, Refused};
use crate::answer::{Install, Installed};
use axum::extract::State;
use belfry_mesh::port::packages::Reference;
use belfry_mesh::signature::Auth;
use belfry_mesh::package::Kind;
use belfry_mesh::{Target, TriggerName, control, target};
use semver::Version;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::IntoParams;

/// A name that the path `/triggers/installed` makes unusable: `DELETE` on it would not reach the trigger.
const RESERVED: &str = "installed";

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
    operation_id = "install",
    params(("reference" = String, Path, description = "`{name}-{version}`, or `{name}` for the newest version"), From, By),
    request_body = Install,
    responses(
        (status = 200, description = "It is installed.", body = Installed),
        Refused::<400>, Refused::<404>, Refused::<409>, Refused::<413>, Refused::<415>, Refused::<502>, Refused::<503>
    )
)]
pub(super) async fn install(
    State(api): State<Arc<Api>>,
    Path(reference): Path<String>,
    Query(from): Query<From>,
    by: By,
    Json(asked): Json<Install>,
) -> Result<axum::Json<Installed>, Refusal> {
    let reference =
        Reference::parse(&reference).map_err(|error| Refusal::bad_request(error.to_string()))?;
    carry_out(&api, reference, from, by, asked).await
}

/// Install a version of a package
///
/// The same as `/registries/install/trigger/{name}-{version}`.
#[utoipa::path(
    post,
    path = "/registries/install/trigger/{name}/{version}",
    tag = "triggers",
    operation_id = "install_version",
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
    Path((name, version)): Path<(String, String)>,
    Query(from): Query<From>,
    by: By,
    Json(asked): Json<Install>,
) -> Result<axum::Json<Installed>, Refusal> {
    let version = Version::parse(&version).map_err(|error| {
        Refusal::bad_request(format!(
            "`{version}` is not a version such as `1.0.0`: {error}"
        ))
    })?;
    let name = belfry_mesh::package::PackageName::parse(&name)
        .map_err(|error| Refusal::bad_request(error.to_string()))?;
    carry_out(
        &api,
        Reference {
            name,
            version: Some(version),
        },
        from,
        by,
        asked,
    )
    .await
}

async fn carry_out(
    api: &Api,
    reference: Reference,
    from: From,
    by: By,
    asked: Install,
) -> Result<axum::Json<Installed>, Refusal> {
    let target = match Target::try_new(asked.workflow_id, asked.team_id) {
        Ok(target) => Some(target),
        Err(target::Error::Missing) => None,
        Err(both) => return Err(control::Error::from(both).into()),
    };
    let name = asked
        .name
        .as_deref()
        .map(TriggerName::parse)
        .transpose()
        .map_err(control::Error::from)?;
    if name
        .as_ref()
        .map_or(reference.name.as_str(), TriggerName::as_str)
        == RESERVED
    {
        let detail = format!(
            "the name `{RESERVED}` is a word of this API; give the trigger another by `name`"
        );
        return Err(Refusal::bad_request(detail));
    }
    let request = control::Install {
        kind: Kind::Trigger,
        package: reference.name,
        version: reference.version,
        registry: from.registry_id,
        name,
        target,
        config: asked.config,
        auth: asked.auth.map(auth).transpose()?,
        replicas: None,
        constraints: Vec::new(),
    };
    let control = api.control.clone();
    let done = api
        .commands
        .see_through(async move { Ok(control.install(request, &by.by).await?) })
        .await?;
    Ok(axum::Json(Installed::new(done.changed, done.status)))
}

fn auth(value: Value) -> Result<Auth, Refusal> {
    // The parser would repeat what it found, which may be the secret itself.
    if !value.is_object() {
        let detail =
            "`auth` must be an object such as `{\"scheme\": \"github\", \"secret\": \"${NAME}\"}`";
        return Err(Refusal::bad_request(detail));
    }
    Auth::deserialize(value)
        .map_err(|error| Refusal::bad_request(format!("`auth` cannot be taken: {error}")))
}

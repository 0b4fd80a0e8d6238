//! Installing packages.

use super::{Desk, hook};
use crate::answer::{Install, Installed};
use crate::api::Refusal;
use belfry_mesh::package::Kind;
use belfry_mesh::placement::Constraint;
use belfry_mesh::port::packages::Reference;
use belfry_mesh::{Target, TriggerName, control, target};

/// A name that the path `/triggers/installed` makes unusable: `DELETE` on it would not reach the trigger.
const RESERVED: &str = "installed";

/// What is to be installed.
pub(crate) struct Order {
    pub(crate) kind: Kind,
    pub(crate) package: Reference,
    pub(crate) registry: Option<String>,
    pub(crate) with: Install,
}

impl Desk {
    pub(crate) async fn install(&self, order: Order, by: String) -> Result<Installed, Refusal> {
        let control = self.control.of(order.kind);
        let request = request(order)?;
        let command = async move { Ok(control.install(request, &by).await?) };
        let done = self.commands.see_through(command).await?;
        Ok(Installed::new(done))
    }
}

fn request(order: Order) -> Result<control::Install, Refusal> {
    let Order {
        kind,
        package,
        registry,
        with,
    } = order;
    let target = match Target::try_new(with.workflow_id, with.team_id) {
        Ok(target) => Some(target),
        // Whether there must be one is known once the package is.
        Err(target::Error::Missing) => None,
        Err(both) => return Err(control::Error::from(both).into()),
    };
    let name = with.name.as_deref().map(TriggerName::parse).transpose();
    let name = name.map_err(control::Error::from)?;
    let asked = name
        .as_ref()
        .map_or(package.name.as_str(), TriggerName::as_str);
    if asked == RESERVED {
        let detail = format!(
            "the name `{RESERVED}` is a word of this API; give the trigger another by `name`"
        );
        return Err(Refusal::bad_request(detail));
    }
    Ok(control::Install {
        kind,
        package: package.name,
        version: package.version,
        registry,
        name,
        target,
        config: with.config,
        auth: with.auth.map(hook::auth).transpose()?,
        rate_limit: with.rate_limit.map(hook::rate_limit).transpose()?,
        allow_ips: with.allow_ips.map(hook::allow_ips).transpose()?,
        replicas: with.replicas,
        constraints: constraints(&with.constraints)?,
    })
}

fn constraints(texts: &[String]) -> Result<Vec<Constraint>, Refusal> {
    let read = |text: &String| Constraint::parse(text);
    let constraints: Result<_, _> = texts.iter().map(read).collect();
    constraints.map_err(|error| Refusal::bad_request(error.to_string()))
}

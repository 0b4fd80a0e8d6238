//! How a program is made from a package and an environment.

use super::{Program, Task, Tools};
use crate::environment::Environment;
use crate::journal::Journal;
use crate::orchestrator::{self, Orchestrator};
use crate::quote::Redaction;
use belfry_mesh::extract::Extraction;
use belfry_mesh::filter::Filter;
use belfry_mesh::name::TriggerName;
use belfry_mesh::package::{Manifest, Source};
use belfry_mesh::target::{self, Target};
use belfry_mesh::template::TaskTemplate;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

const DEFAULT_TASK_DESCRIPTION: &str = "Execute scheduled task";

/// Why no program can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is nothing to run.
    #[error("neither WORKFLOW_ID nor TEAM_ID is set; set the one that the trigger is to run")]
    NoTarget,
    /// There are two things to run.
    #[error(
        "both WORKFLOW_ID `{workflow}` and TEAM_ID `{team}` are set; a trigger runs one thing, so unset one of them"
    )]
    TwoTargets {
        /// The workflow.
        workflow: String,
        /// The team.
        team: String,
    },
    /// A variable has a value that cannot be used.
    #[error("{name} cannot be used: {why}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// The OAuth client of Linear has only one of its halves.
    #[error(
        "{set} is set and {missing} is not; set both to hand the run an OAuth client, or neither"
    )]
    HalfClient {
        /// The variable that is set.
        set: &'static str,
        /// The one that has to be, too.
        missing: &'static str,
    },
}

/// The OAuth client of a Linear application, which a run needs to act in a session.
pub(super) struct Oauth {
    client_id: SecretString,
    client_secret: SecretString,
    redirect_uri: Option<String>,
}

impl Oauth {
    fn try_new(environment: &Environment) -> Result<Option<Self>, Error> {
        let (id, secret) = ("LINEAR_CLIENT_ID", "LINEAR_CLIENT_SECRET");
        match (environment.secret(id), environment.secret(secret)) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(Error::HalfClient {
                set: id,
                missing: secret,
            }),
            (None, Some(_)) => Err(Error::HalfClient {
                set: secret,
                missing: id,
            }),
            (Some(client_id), Some(client_secret)) => Ok(Some(Self {
                client_id: client_id.clone(),
                client_secret: client_secret.clone(),
                redirect_uri: environment.get("LINEAR_REDIRECT_URI").map(str::to_owned),
            })),
        }
    }

    /// As the run gets it.
    pub(super) fn expose(&self) -> Value {
        json!({
            "client_id": self.client_id.expose_secret(),
            "client_secret": self.client_secret.expose_secret(),
            "redirect_uri": self.redirect_uri,
        })
    }
}

pub(super) fn program(
    manifest: Option<Arc<Manifest>>,
    environment: &Environment,
    tools: Tools,
) -> Result<Program, Error> {
    let extraction = manifest
        .as_ref()
        .map_or(Extraction::Simple, |manifest| manifest.extraction());
    let (target, environment) = (target(environment)?, environment.clone());
    Ok(Program {
        trigger: environment.get("TRIGGER_NAME").map(name).transpose()?,
        filter: filter(manifest.as_deref(), &environment),
        cron: cron(manifest.as_deref(), &environment)?,
        task: task(&target, extraction, &environment)?,
        oauth: if extraction == Extraction::Linear {
            Oauth::try_new(&environment)?
        } else {
            None
        },
        orchestrator: orchestrator(manifest.as_deref(), &environment, tools.http)?,
        clock: tools.clock,
        rng: Mutex::new(tools.rng),
        journal: Journal::Log,
        manifest,
        extraction,
        target,
        environment,
    })
}

fn unusable(name: &'static str) -> impl FnOnce(String) -> Error {
    move |why| Error::Variable { name, why }
}

fn name(text: &str) -> Result<TriggerName, Error> {
    TriggerName::parse(text).map_err(|error| unusable("TRIGGER_NAME")(error.to_string()))
}

fn target(environment: &Environment) -> Result<Target, Error> {
    let id = |name| environment.get(name).map(|id| id.trim().to_owned());
    Target::try_new(id("WORKFLOW_ID"), id("TEAM_ID")).map_err(|error| match error {
        target::Error::Missing => Error::NoTarget,
        target::Error::Both { workflow, team } => Error::TwoTargets { workflow, team },
    })
}

fn filter(manifest: Option<&Manifest>, environment: &Environment) -> Filter {
    let declared = match manifest.map(Manifest::source) {
        Some(Source::Webhook(webhook)) => webhook.filters.clone(),
        Some(Source::Schedule { .. } | Source::Event { .. } | Source::Manual | Source::None)
        | None => Filter::default(),
    };
    declared.with_overrides(
        environment.get("FILTER_ACTIONS"),
        environment.get("FILTER_EVENT_TYPES"),
    )
}

/// The schedule in its own words, for the parameters of a tick: the environment's, else the package's.
fn cron(manifest: Option<&Manifest>, environment: &Environment) -> Result<String, Error> {
    const NAME: &str = "CRON_EXPRESSION";
    match (environment.get(NAME), manifest.map(Manifest::source)) {
        (Some(given), _) => Ok(given.to_owned()),
        (None, Some(Source::Schedule { cron, .. })) => cron
            .resolve(|name| environment.get(name).map(str::to_owned))
            .map_err(|error| {
                unusable(NAME)(format!("the package's schedule is `{cron}`, and {error}"))
            }),
        (None, _) => Ok(String::new()),
    }
}

fn task(target: &Target, extraction: Extraction, environment: &Environment) -> Result<Task, Error> {
    const TEMPLATE: &str = "TASK_TEMPLATE";
    if extraction == Extraction::Schedule {
        return Ok(Task::Fixed(
            environment
                .get("TASK_DESCRIPTION")
                .unwrap_or(DEFAULT_TASK_DESCRIPTION)
                .to_owned(),
        ));
    }
    match environment
        .get(TEMPLATE)
        .filter(|_| matches!(target, Target::Team(_)))
    {
        Some(text) => TaskTemplate::parse(text)
            .map(Task::Template)
            .map_err(|error| unusable(TEMPLATE)(error.to_string())),
        None => Ok(Task::Template(TaskTemplate::default())),
    }
}

fn orchestrator(
    manifest: Option<&Manifest>,
    environment: &Environment,
    http: reqwest::Client,
) -> Result<Orchestrator, Error> {
    const NAME: &str = "ORCHESTRATOR_URL";
    let named = manifest.map(Manifest::secrets).unwrap_or_default();
    let oauth = ["LINEAR_CLIENT_ID", "LINEAR_CLIENT_SECRET"];
    let names = named.iter().map(String::as_str).chain(oauth);
    let redaction = Redaction::of(names.filter_map(|name| environment.secret(name).cloned()));
    let base = environment.get(NAME).unwrap_or(orchestrator::DEFAULT_URL);
    Orchestrator::try_new(http, base, redaction).map_err(|error| unusable(NAME)(error.to_string()))
}

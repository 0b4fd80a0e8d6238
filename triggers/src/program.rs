//! The program: one event in, one run of the target or a reason for none.

mod attempt;
mod config;
mod scope;

pub use config::Error;

use crate::answer::{Answer, Failure};
use crate::environment::Environment;
use crate::journal::{Journal, Memory};
use crate::orchestrator::{Door, Orchestrator, Request};
use attempt::Attempt;
use belfry_mesh::condition;
use belfry_mesh::event::Event;
use belfry_mesh::extract::{self, Extraction, Params};
use belfry_mesh::filter::Filter;
use belfry_mesh::name::TriggerName;
use belfry_mesh::package::{Manifest, Source};
use belfry_mesh::port::clock::Clock;
use belfry_mesh::target::Target;
use belfry_mesh::template::{TaskTemplate, Template};
use belfry_mesh::trace::TraceParent;
use config::Oauth;
use http::StatusCode;
use rand::rngs::StdRng;
use scope::EventScope;
use serde_json::{Value, json};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What a program works with.
pub struct Tools {
    /// What calls the orchestrator, see [`client`](crate::orchestrator::client).
    pub http: reqwest::Client,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What names the spans of traces, and what keeps instances in process from being guessed.
    pub rng: StdRng,
}

/// A trigger, ready to take events.
pub struct Program {
    trigger: Option<TriggerName>,
    manifest: Option<Arc<Manifest>>,
    extraction: Extraction,
    filter: Filter,
    cron: String,
    target: Target,
    task: Task,
    oauth: Option<Oauth>,
    environment: Environment,
    orchestrator: Orchestrator,
    clock: Arc<dyn Clock>,
    rng: Mutex<StdRng>,
    journal: Journal,
}

/// What a team is told.
enum Task {
    /// A text with fields of the event.
    Template(TaskTemplate),
    /// The same at each event: what a schedule does.
    Fixed(String),
}

impl Program {
    /// The program of a package, or that of a plain webhook if there is none, configured by its environment (the trigger
    /// contract).
    ///
    /// # Errors
    /// [`Error`] names the variable that is missing or cannot be used, and says what to do.
    pub fn try_new(
        manifest: Option<Arc<Manifest>>,
        environment: &Environment,
        tools: Tools,
    ) -> Result<Self, Error> {
        config::program(manifest, environment, tools)
    }

    /// The same, with its journal kept in memory instead of the process' log.
    pub(crate) fn with_journal_in_memory(self) -> Self {
        Self {
            journal: Journal::in_memory(),
            ..self
        }
    }

    /// What it wrote, where that is kept in memory.
    pub(crate) fn journal(&self) -> Option<&Memory> {
        match &self.journal {
            Journal::Log => None,
            Journal::Memory(memory) => Some(memory),
        }
    }

    /// The trigger's name, if it was told.
    #[must_use]
    pub fn trigger(&self) -> Option<&TriggerName> {
        self.trigger.as_ref()
    }

    /// Decides on an event and, if it passes, runs the target. It takes as long as the orchestrator does; dropped, it drops the
    /// call.
    pub async fn handle(&self, event: &Event) -> Answer {
        let attempt = Attempt::begin(self, event);
        let answer = match self.decide(event, &attempt) {
            Ok((door, body)) => self.call(event, door, &body, &attempt).await,
            Err(answer) => answer,
        };
        attempt.end(&answer);
        answer
    }

    /// What to ask of the orchestrator, or the answer if that is nothing.
    fn decide(&self, event: &Event, attempt: &Attempt<'_>) -> Result<(Door, Value), Answer> {
        let body = self.body(event)?;
        self.admit(event, &body)
            .map_err(|reason| Answer::Ignored { reason })?;
        let params = self.params(event, &body);
        Ok(match &self.target {
            Target::Workflow(id) => (
                Door::ExecuteWorkflow,
                json!({"workflow_id": id, "params": params}),
            ),
            Target::Team(id) => {
                let task = self.task(&body, attempt);
                (
                    Door::RunTeam,
                    json!({"team_id": id, "task": task, "context": params}),
                )
            }
        })
    }

    /// The event's body as JSON. Nothing depends on that of a tick, so a tick may carry anything.
    fn body(&self, event: &Event) -> Result<Value, Answer> {
        match event.body() {
            Ok(body) => Ok(body),
            Err(_) if self.extraction == Extraction::Schedule => Ok(Value::Null),
            Err(error) => Err(Answer::Failed(Failure::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                error.to_string(),
            ))),
        }
    }

    fn admit(&self, event: &Event, body: &Value) -> Result<(), String> {
        let Some(manifest) = &self.manifest else {
            return self.filter(event, body);
        };
        if let Source::Event {
            source: Some(wanted),
            ..
        } = manifest.source()
            && event.source != *wanted
        {
            return Err(format!(
                "the event's source is {:?}, and must be {wanted:?}",
                event.source
            ));
        }
        self.filter(event, body)?;
        condition::evaluate(manifest.conditions(), body).map_err(|reason| reason.to_string())
    }

    fn filter(&self, event: &Event, body: &Value) -> Result<(), String> {
        let event_type = event_type(self.extraction, event, body);
        self.filter
            .admit(Some(event_type), body)
            .map_err(|reason| reason.to_string())
    }

    /// What the run gets: exactly what the package says, or what the standard trigger extracts.
    fn params(&self, event: &Event, body: &Value) -> Params {
        if let Some(templates) = self
            .manifest
            .as_ref()
            .and_then(|manifest| manifest.params())
        {
            return templates.render(&EventScope::new(
                event,
                body,
                &self.environment,
                self.clock.now(),
            ));
        }
        match self.extraction {
            Extraction::Simple => extract::simple(body),
            Extraction::GitHub => extract::github(event_type(self.extraction, event, body), body),
            Extraction::Schedule => extract::schedule(event.time, &self.cron),
            Extraction::Linear => {
                let mut params = extract::linear(event_type(self.extraction, event, body), body);
                if let Some(oauth) = &self.oauth {
                    params.insert("linear_oauth".into(), oauth.expose());
                }
                params
            }
        }
    }

    fn task(&self, body: &Value, attempt: &Attempt<'_>) -> String {
        match &self.task {
            Task::Fixed(text) => text.clone(),
            Task::Template(template) => {
                let task = template.render(body);
                if let Some(warning) = task.warning {
                    attempt.write(true, &warning, None);
                }
                task.text
            }
        }
    }

    async fn call(&self, event: &Event, door: Door, body: &Value, attempt: &Attempt<'_>) -> Answer {
        let request = Request {
            door,
            body,
            key: &event.id,
            trace: self.trace(event),
        };
        match self.orchestrator.run(request, self.clock.now()).await {
            Ok(started) => {
                if let Some(warning) = started.warning {
                    attempt.write(true, warning, None);
                }
                Answer::Triggered {
                    execution_id: started.execution_id,
                    result: started.answer.filter(|_| self.tells_result()),
                }
            }
            Err(failure) => Answer::Failed(failure),
        }
    }

    /// Whether the sender of an event waits for what the orchestrator answers. Nobody else is told of it.
    fn tells_result(&self) -> bool {
        let manifest = self.manifest.as_ref();
        let response = manifest.and_then(|manifest| manifest.response());
        response.is_some_and(|response| {
            let body = response.body.as_ref();
            response.sync && body.is_some_and(Template::needs_result)
        })
    }

    fn trace(&self, event: &Event) -> TraceParent {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        match event.trace {
            Some(trace) => trace.child(&mut *rng),
            None => TraceParent::new(&mut *rng),
        }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("trigger", &self.trigger)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// The provider's own name for the kind of an event: what filters compare and workflows know. The CloudEvents type says it with the
/// provider's domain before it and, for some, the action behind it.
fn event_type<'a>(extraction: Extraction, event: &'a Event, body: &'a Value) -> &'a str {
    let header = |name: &str| {
        event
            .headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    };
    let within = |domain: &str| {
        let rest = event.event_type.strip_prefix(domain)?.strip_prefix('.')?;
        rest.split('.').next()
    };
    let found = match extraction {
        Extraction::GitHub => header("x-github-event").or_else(|| within("com.github")),
        Extraction::Linear => body["type"]
            .as_str()
            .or_else(|| header("linear-event"))
            .or_else(|| within("app.linear")),
        Extraction::Simple | Extraction::Schedule => {
            event.event_type.strip_prefix("com.standardwebhooks.")
        }
    };
    found.unwrap_or(&event.event_type)
}

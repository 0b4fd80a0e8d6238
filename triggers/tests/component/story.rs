//! A trigger behind its own listener, an orchestrator behind it, and events to send.

use crate::scripted::Orchestrator;
use async_trait::async_trait;
use belfry_mesh::event::{Address, Event, EventId};
use belfry_mesh::package::Manifest;
use belfry_mesh::port::clock::Clock;
use belfry_mesh::trace::TraceParent;
use belfry_triggers::{Environment, Program, Server, Tools, orchestrator};
use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The wall stands still, timers run.
struct Still;

#[async_trait]
impl Clock for Still {
    fn now(&self) -> Timestamp {
        "2026-11-22T08:00:00Z".parse().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// What a trigger answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

pub(crate) struct Story {
    pub(crate) orchestrator: Orchestrator,
    pub(crate) address: std::net::SocketAddr,
    http: reqwest::Client,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

/// What a trigger is made of.
pub(crate) struct Setting {
    manifest: Option<Value>,
    environment: BTreeMap<String, String>,
    http: reqwest::ClientBuilder,
    grace: Duration,
}

pub(crate) fn client() -> reqwest::ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    orchestrator::client().no_proxy()
}

pub(crate) fn tools(http: reqwest::Client, seed: u64) -> Tools {
    Tools {
        http,
        clock: Arc::new(Still),
        rng: StdRng::seed_from_u64(seed),
    }
}

/// A manifest of the older form whose trigger is this.
pub(crate) fn older(trigger: Value) -> Value {
    json!({"name": "p", "version": "1.0.0", "type": "trigger", "publisher": "x", "description": "d", "trigger": trigger})
}

pub(crate) fn github() -> Value {
    older(
        json!({"type": "webhook", "auth": {"type": "hmac", "header": "X-Hub-Signature-256", "secret": "${GITHUB_WEBHOOK_SECRET}"}}),
    )
}

pub(crate) fn linear() -> Value {
    older(
        json!({"type": "webhook", "auth": {"type": "hmac", "header": "Linear-Signature", "secret": "${LINEAR_WEBHOOK_SECRET}"}}),
    )
}

pub(crate) fn schedule() -> Value {
    older(json!({"type": "schedule", "cron": "${CRON_EXPRESSION:-0 2 * * *}", "timezone": "UTC"}))
}

/// A manifest 2 whose webhook anyone may post to, with these further keys.
pub(crate) fn open(more: Value) -> Value {
    let mut manifest = older(json!({"type": "webhook", "auth": {"scheme": "none"}}));
    manifest["manifest"] = json!(2);
    manifest
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    manifest
}

pub(crate) fn manifest(document: Value) -> Arc<Manifest> {
    Arc::new(Manifest::try_from(document).unwrap())
}

pub(crate) fn event(event_type: &str, body: &Value) -> Event {
    Event {
        id: EventId::parse("e-1").unwrap(),
        source: "/hooks/t".into(),
        event_type: event_type.into(),
        subject: None,
        time: "2026-11-22T02:00:00Z".parse().unwrap(),
        content_type: Some("application/json".into()),
        data: Bytes::from(body.to_string()),
        address: Address::Signal("any".into()),
        delivery_id: Some("d-1".into()),
        replay_of: None,
        answer_to: None,
        headers: Vec::new(),
        trace: TraceParent::parse(TRACE),
    }
}

pub(crate) fn github_event(kind: &str, body: &Value) -> Event {
    let headers = vec![("x-github-event".to_owned(), kind.to_owned())];
    Event {
        headers,
        ..event(&format!("com.github.{kind}"), body)
    }
}

/// A trigger that runs workflow `w`.
pub(crate) fn workflow(manifest: impl Into<Option<Value>>) -> Setting {
    let environment = BTreeMap::from([("WORKFLOW_ID".into(), "w".into())]);
    Setting {
        manifest: manifest.into(),
        environment,
        http: client(),
        grace: Duration::from_secs(10),
    }
}

/// A trigger that runs team `t`.
pub(crate) fn team(manifest: impl Into<Option<Value>>) -> Setting {
    Setting {
        environment: BTreeMap::from([("TEAM_ID".into(), "t".into())]),
        ..workflow(manifest)
    }
}

impl Setting {
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    pub(crate) fn calling_with(self, http: reqwest::ClientBuilder) -> Self {
        Self { http, ..self }
    }

    pub(crate) fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    pub(crate) async fn start(self) -> Story {
        let orchestrator = Orchestrator::start().await;
        let mut variables = self.environment;
        variables
            .entry("ORCHESTRATOR_URL".into())
            .or_insert_with(|| orchestrator.url.clone());
        let environment = Environment::new(
            variables
                .into_iter()
                .map(|(name, value)| (name, value.into()))
                .collect(),
        );
        let program = Program::try_new(
            self.manifest.map(manifest),
            &environment,
            tools(self.http.build().unwrap(), 7),
        )
        .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        let server = Server {
            listener,
            program,
            path: "/event".into(),
            grace: self.grace,
        };
        let told = shutdown.clone();
        tasks.spawn(async move { server.run(&Still, told).await.unwrap() });
        Story {
            orchestrator,
            address,
            http: client().build().unwrap(),
            shutdown,
            tasks,
        }
    }
}

impl Story {
    pub(crate) async fn send(&self, event: &Event) -> Answered {
        post(&self.http, &format!("http://{}/event", self.address), event).await
    }

    pub(crate) fn request(&self, method: http::Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("http://{}{path}", self.address))
    }

    /// Sends an event that must run, and says what the orchestrator got.
    pub(crate) async fn run(&mut self, event: &Event) -> Value {
        let answered = self.send(event).await;
        assert_eq!(answered.status, 200, "{}", answered.body);
        assert_eq!(
            answered.body,
            json!({"status": "triggered", "execution_id": "ex-1"})
        );
        self.orchestrator.call().await.body
    }

    /// Begins the end.
    pub(crate) fn stop(&self) {
        self.shutdown.cancel();
    }

    /// Waits until the server has ended; it must have been told.
    pub(crate) async fn stopped(&self) {
        self.tasks.close();
        tokio::time::timeout(Duration::from_secs(10), self.tasks.wait())
            .await
            .expect("the server ends");
    }

    /// Ends all, and says that nothing is left over.
    pub(crate) async fn end(self) {
        self.stop();
        self.stopped().await;
        self.orchestrator.end().await;
    }
}

pub(crate) async fn post(http: &reqwest::Client, url: &str, event: &Event) -> Answered {
    let mut request = http.post(url).body(event.data.clone());
    for (name, value) in event.attributes() {
        request = request.header(name.as_ref(), value);
    }
    read(request).await
}

pub(crate) async fn read(request: reqwest::RequestBuilder) -> Answered {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = serde_json::from_slice(&response.bytes().await.unwrap()).expect("an answer is JSON");
    Answered {
        status,
        headers,
        body,
    }
}

impl Answered {
    pub(crate) fn detail(&self) -> &str {
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["status"], self.status);
        self.body["detail"].as_str().unwrap()
    }
}

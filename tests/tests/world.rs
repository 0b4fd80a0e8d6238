//! A mesh to tell stories in: Belfry's own binary as one process or as many, and an orchestrator that the test looks into.

pub(crate) mod senders;

use anyhow::{Context, Result, ensure};
use belfry::send::{self, Delivery};
use belfry::standin::StandIn;
use belfry_mesh::signature::Scheme;
use belfry_tests::servers::{Belfry, Nats, Redis, Role};
use http::HeaderValue;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// The secret that the mesh and the senders share.
pub(crate) const SECRET: &str = "It's a Secret to Everybody";

/// How long anything that should happen may take on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An orchestrator in this process.
pub(crate) struct Orchestrator {
    pub(crate) calls: StandIn,
    pub(crate) url: String,
    _stop: DropGuard,
}

impl Orchestrator {
    pub(crate) async fn start() -> Result<Self> {
        Self::at("127.0.0.1:0").await
    }

    /// Starts at an address, to come back where one was.
    pub(crate) async fn at(address: &str) -> Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (calls, stop) = (StandIn::default(), CancellationToken::new());
        TaskTracker::new().spawn(calls.clone().run(listener, stop.clone()));
        Ok(Self {
            calls,
            url,
            _stop: stop.drop_guard(),
        })
    }

    /// The runs that this event led to, by its idempotency key.
    pub(crate) fn runs_of(&self, event_id: &str) -> usize {
        let of = |key: &Option<String>| key.as_deref() == Some(event_id);
        self.calls
            .calls()
            .iter()
            .filter(|call| of(&call.idempotency_key) && call.execution_id.is_some())
            .count()
    }

    /// How long no call came at a stretch, from then to the last call.
    pub(crate) fn longest_pause(&self, since: Instant) -> Duration {
        let calls = self.calls.calls();
        let arrived = calls.iter().map(|call| call.arrived);
        let mut times: Vec<Instant> = arrived.filter(|&at| at > since).collect();
        times.push(since);
        times.sort_unstable();
        let pauses = times.windows(2).map(|pair| pair[1] - pair[0]);
        pauses.max().unwrap_or_default()
    }
}

/// The two doors of a mesh, and how to knock.
#[derive(Clone)]
pub(crate) struct Doors {
    pub(crate) gateway: u16,
    pub(crate) console: u16,
    pub(crate) http: reqwest::Client,
}

impl Doors {
    pub(crate) fn new(gateway: u16, console: u16) -> Self {
        // Another test of this process may have installed it already.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .build()
            .expect("a client without settings that can be wrong");
        Self {
            gateway,
            console,
            http,
        }
    }

    /// Delivers to a hook.
    pub(crate) async fn deliver(&self, trigger: &str, delivery: Delivery) -> Result<(u16, Value)> {
        let url = format!("http://127.0.0.1:{}/hooks/{trigger}", self.gateway);
        let response = self
            .http
            .post(url)
            .headers(delivery.headers)
            .body(delivery.body)
            .send()
            .await?;
        let status = response.status().as_u16();
        Ok((status, response.json().await.unwrap_or(Value::Null)))
    }

    /// Asks the console.
    pub(crate) async fn console(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<(u16, Value)> {
        let url = format!("http://127.0.0.1:{}{path}", self.console);
        let mut request = self.http.request(method.parse()?, url);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok((status, response.json().await.unwrap_or(Value::Null)))
    }

    /// Installs a package and sees it run.
    pub(crate) async fn install(&self, package: &str, body: Value) -> Result<Value> {
        let (status, answer) = self
            .console(
                "POST",
                &format!("/registries/install/trigger/{package}"),
                Some(body),
            )
            .await?;
        ensure!(status == 200, "installing {package}: {status} {answer}");
        let name = answer["name"].as_str().context("no name")?.to_owned();
        self.until(&format!("{name} runs"), || async {
            let (_, seen) = self
                .console("GET", &format!("/triggers/{name}/status"), None)
                .await?;
            Ok((seen["running"] == true).then_some(()))
        })
        .await?;
        if answer["webhook_path"].is_string() {
            self.opened(&name).await?;
        }
        Ok(answer)
    }

    /// Waits until the gateway has taken up the hook.
    pub(crate) async fn opened(&self, trigger: &str) -> Result<()> {
        // A body in a coding that nobody takes is refused by whoever knows the trigger, and leaves nothing behind.
        self.until(&format!("the hook of {trigger} is open"), || async {
            let mut knock = unsigned("knock");
            knock
                .headers
                .insert("content-encoding", HeaderValue::from_static("br"));
            let (status, _) = self.deliver(trigger, knock).await?;
            Ok((status == 415).then_some(()))
        })
        .await
    }

    /// The event as the console tells it, once it stands so.
    pub(crate) async fn event(&self, id: &str, status: &str) -> Result<Value> {
        self.until(&format!("event {id} is {status}"), || async {
            let (_, event) = self.console("GET", &format!("/events/{id}"), None).await?;
            Ok((event["status"] == status).then_some(event))
        })
        .await
    }

    /// How the gateway says it is.
    pub(crate) async fn readiness(&self) -> Result<(u16, Value)> {
        let response = self
            .http
            .get(format!("http://127.0.0.1:{}/ready", self.gateway))
            .send()
            .await?;
        let status = response.status().as_u16();
        Ok((status, response.json().await?))
    }

    /// Looks until there is an answer.
    pub(crate) async fn until<T, F>(&self, what: &str, look: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<Option<T>>>,
    {
        self.within(PATIENCE, what, look).await
    }

    /// Looks until there is an answer, for so long.
    pub(crate) async fn within<T, F>(
        &self,
        patience: Duration,
        what: &str,
        look: impl Fn() -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<Option<T>>>,
    {
        let began = Instant::now();
        let mut last = None;
        while began.elapsed() < patience {
            match look().await {
                Ok(Some(seen)) => return Ok(seen),
                Ok(None) => {}
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::bail!("after {patience:?} it is still not so that {what}; {last:?}")
    }
}

/// `belfry dev` and its orchestrator.
pub(crate) struct Dev {
    pub(crate) doors: Doors,
    pub(crate) belfry: Belfry,
    pub(crate) orchestrator: Orchestrator,
    pub(crate) secrets: TempDir,
}

impl Dev {
    pub(crate) async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_with(arguments: &[&str]) -> Result<Self> {
        Self::start_beside(Orchestrator::start().await?, arguments)
    }

    /// Starts beside an orchestrator that is there already.
    pub(crate) fn start_beside(orchestrator: Orchestrator, arguments: &[&str]) -> Result<Self> {
        let secrets = secrets()?;
        let arguments: Vec<&str> = ["--orchestrator", &orchestrator.url]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        let belfry = Belfry::dev(secrets.path(), &arguments)?;
        let doors = Doors::new(belfry.port(), belfry.console_port());
        Ok(Self {
            doors,
            belfry,
            orchestrator,
            secrets,
        })
    }
}

/// The roles in processes of their own, on real NATS and Redis.
pub(crate) struct Mesh {
    pub(crate) doors: Doors,
    pub(crate) orchestrator: Orchestrator,
    pub(crate) gateway: Belfry,
    pub(crate) agent: Belfry,
    pub(crate) redis: Redis,
    pub(crate) nats: Nats,
    _console: Belfry,
    _registry: Belfry,
    _secrets: TempDir,
}

impl Mesh {
    pub(crate) async fn start() -> Result<Self> {
        let (secrets, orchestrator) = (secrets()?, Orchestrator::start().await?);
        let (nats, redis) = (Nats::start()?, Redis::start()?);
        let (nats_url, redis_url) = (nats.url(), redis.url());
        let secrets_path = secrets.path().to_string_lossy().into_owned();
        let bus = ["--nats-url", &nats_url, "--redis-url", &redis_url];
        let with = |more: &[&str]| {
            bus.iter()
                .chain(more)
                .map(|text| (*text).to_owned())
                .collect::<Vec<String>>()
        };
        let start = |role, arguments: Vec<String>| {
            Belfry::role(
                role,
                &arguments.iter().map(String::as_str).collect::<Vec<_>>(),
            )
        };
        let registry = start(Role::Registry, Vec::new())?;
        let registry_addr = format!("127.0.0.1:{}", registry.port());
        let gateway = start(Role::Gateway, with(&["--secrets", &secrets_path]))?;
        let console = start(Role::Console, with(&["--registry-addr", &registry_addr]))?;
        let agent = start(
            Role::Agent,
            with(&[
                "--secrets",
                &secrets_path,
                "--orchestrator",
                &orchestrator.url,
                "--node",
                "node-a",
                "--lease-ttl",
                "3s",
            ]),
        )?;
        let doors = Doors::new(gateway.port(), console.port());
        Ok(Self {
            doors,
            orchestrator,
            gateway,
            agent,
            redis,
            nats,
            _console: console,
            _registry: registry,
            _secrets: secrets,
        })
    }
}

/// A directory with the secrets that the standard packages name.
pub(crate) fn secrets() -> Result<TempDir> {
    let directory = TempDir::with_prefix("belfry-secrets-")?;
    for name in ["GITHUB_WEBHOOK_SECRET", "LINEAR_WEBHOOK_SECRET"] {
        set_secret(directory.path(), name, SECRET)?;
    }
    Ok(directory)
}

pub(crate) fn set_secret(directory: &Path, name: &str, value: &str) -> Result<()> {
    Ok(std::fs::write(directory.join(name), value)?)
}

/// A pull request that was opened, as GitHub tells of it.
pub(crate) fn pull_request(number: u64) -> Value {
    json!({
        "action": "opened",
        "number": number,
        "pull_request": {
            "number": number, "title": "Ring once", "html_url": "https://github.com/o/r/pull/1",
            "user": {"login": "octocat"}, "head": {"ref": "ring"}, "base": {"ref": "main"},
        },
        "repository": {"full_name": "o/r"},
        "sender": {"login": "octocat"},
    })
}

/// A delivery of GitHub's.
pub(crate) fn github(delivery_id: &str, body: &Value) -> Delivery {
    signed(
        "github",
        SECRET,
        delivery_id,
        serde_json::to_vec(body).expect("a value is JSON"),
    )
}

/// A delivery as the scheme's provider would send it now.
pub(crate) fn signed(scheme: &str, secret: &str, delivery_id: &str, body: Vec<u8>) -> Delivery {
    let scheme = Scheme::named(scheme).expect("a scheme that needs no settings");
    let secret = SecretString::from(secret);
    #[expect(
        clippy::disallowed_methods,
        reason = "a sender has the time of its machine"
    )]
    let now = Timestamp::now();
    send::sign(
        &scheme,
        Some(&secret),
        body,
        Some("pull_request"),
        delivery_id,
        now,
    )
    .expect("a delivery that can be signed")
}

/// A delivery that nobody signs.
pub(crate) fn unsigned(delivery_id: &str) -> Delivery {
    let scheme = Scheme::named("none").expect("a scheme that needs no settings");
    let body = br#"{"hello":"bell"}"#.to_vec();
    send::sign(
        &scheme,
        None,
        body,
        None,
        delivery_id,
        Timestamp::UNIX_EPOCH,
    )
    .expect("a delivery that needs no signature")
}

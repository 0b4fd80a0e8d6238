//! A gateway that listens, and what is installed behind it.

use crate::client::{self, Answer};
use crate::fakes::World;
use belfry_gateway::{Config, Error, Gateway};
use belfry_mesh::package::Manifest;
use belfry_mesh::signature::{self, Auth, Draft};
use belfry_mesh::trigger::{Change, Desired, Trigger};
use belfry_mesh::{Target, TriggerName};
use http::HeaderMap;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The secret of all triggers here.
pub(crate) const SECRET: &str = "It's a Secret to Everybody";

/// A gateway that listens.
pub(crate) struct Running {
    pub(crate) world: Arc<World>,
    pub(crate) at: SocketAddr,
    shutdown: CancellationToken,
    ended: tokio::task::JoinHandle<Result<(), Error>>,
}

impl Running {
    /// A gateway with a trigger of each scheme, named after it, and all secrets set.
    pub(crate) async fn start(config: Config) -> Self {
        let world = World::new();
        for scheme in ["none", "github", "linear"] {
            install(
                &world,
                scheme,
                json!({"type": "webhook", "auth": auth(scheme)}),
            );
        }
        world.set_secret("HOOK_SECRET", Some(Ok(SECRET)));
        let running = Self::over(world, config).await;
        running.live(|answer| answer.status == 405).await;
        running
    }

    /// A gateway over this world, as it is.
    pub(crate) async fn over(world: Arc<World>, config: Config) -> Self {
        let drawn = AtomicU64::new(1);
        let random = move || {
            drawn
                .fetch_add(1, Ordering::Relaxed)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        let gateway =
            Gateway::build(config, world.ports(), world.clone(), random, world.clone()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let ended = TaskTracker::new().spawn(gateway.run(listener, shutdown.clone()));
        Self {
            world,
            at,
            shutdown,
            ended,
        }
    }

    /// Why there can be no gateway over this world.
    pub(crate) fn refused(world: &Arc<World>, config: Config) -> String {
        let built = Gateway::build(config, world.ports(), world.clone(), || 4, world.clone());
        built.err().expect("it was built").to_string()
    }

    /// Waits until the answer to `GET /hooks/none` is as it should be.
    pub(crate) async fn live(&self, done: impl Fn(&Answer) -> bool) {
        eventually(async || done(&self.get("/hooks/none").await)).await;
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &HeaderMap::new(), b"").await
    }

    pub(crate) async fn post(&self, trigger: &str, headers: &HeaderMap, body: &[u8]) -> Answer {
        self.ask(
            "POST",
            &format!("/hooks/{trigger}"),
            &client::with_length(headers, body.len()),
            body,
        )
        .await
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Answer {
        client::exchange(self.at, &client::request(method, path, headers, body)).await
    }

    /// The headers with which a provider would send this now.
    pub(crate) fn sign(&self, scheme: &str, delivery_id: &str, body: &[u8]) -> HeaderMap {
        let auth: Auth = serde_json::from_value(auth(scheme)).unwrap();
        let draft = Draft {
            delivery_id,
            event: "push",
            body,
        };
        signature::sign(auth.scheme(), Some(&SECRET.into()), draft, self.world.now()).unwrap()
    }

    /// A signed delivery to the GitHub trigger.
    pub(crate) async fn deliver(&self, delivery_id: &str) -> Answer {
        let body = br#"{"ref":"refs/heads/main"}"#;
        self.post("github", &self.sign("github", delivery_id, body), body)
            .await
    }

    /// Drops it while it runs.
    pub(crate) fn abandon(self) {
        self.ended.abort();
    }

    pub(crate) fn ask_to_end(&self) {
        self.shutdown.cancel();
    }

    /// Ends it and says how.
    pub(crate) async fn end(self) -> Result<(), Error> {
        self.ask_to_end();
        tokio::time::timeout(Duration::from_secs(5), self.ended)
            .await
            .expect("it does not end")
            .unwrap()
    }
}

/// Runs a test against a gateway with a trigger of each scheme, and sees that the gateway ends well.
pub(crate) async fn with_gateway(test: impl AsyncFnOnce(&Running)) {
    with_config(Config::default(), test).await;
}

/// The same with these settings.
pub(crate) async fn with_config(config: Config, test: impl AsyncFnOnce(&Running)) {
    let gateway = Running::start(config).await;
    test(&gateway).await;
    gateway.end().await.unwrap();
}

/// How a trigger of this scheme is verified.
pub(crate) fn auth(scheme: &str) -> Value {
    match scheme {
        "none" => json!({"scheme": "none"}),
        scheme => json!({"scheme": scheme, "secret": "${HOOK_SECRET}"}),
    }
}

/// Installs a trigger with this source.
pub(crate) fn install(world: &World, name: &str, source: Value) {
    install_with(world, name, source, Desired::Running, BTreeMap::new());
}

/// Installs a trigger with all that can be chosen.
pub(crate) fn install_with(
    world: &World,
    name: &str,
    source: Value,
    desired: Desired,
    user_config: BTreeMap<String, String>,
) {
    install_package(
        world,
        name,
        json!({"trigger": source}),
        desired,
        user_config,
    );
}

/// Installs a trigger whose package says this.
pub(crate) fn install_package(
    world: &World,
    name: &str,
    mut manifest: Value,
    desired: Desired,
    user_config: BTreeMap<String, String>,
) {
    for (key, value) in [
        ("name", json!(name)),
        ("version", json!("1.0.0")),
        ("type", json!("trigger")),
    ] {
        manifest[key] = value;
    }
    manifest["manifest"] = json!(2);
    let at = world.now();
    let trigger = Trigger {
        name: TriggerName::parse(name).unwrap(),
        registry: "test".into(),
        manifest: Arc::new(Manifest::try_from(manifest).unwrap()),
        target: Some(Target::Workflow("w".into())),
        user_config,
        auth: None,
        rate_limit: None,
        allow_ips: None,
        desired,
        replicas: 1,
        constraints: Vec::new(),
        containers: None,
        fallback: None,
        rejected: None,
        leaving: false,
        installed_at: at,
        change: Change {
            what: "installed 1.0.0".into(),
            by: "test".into(),
            at,
        },
    };
    world.put(name, serde_json::to_vec(&trigger).unwrap());
}

/// Asks again until it is so.
pub(crate) async fn eventually(mut done: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), wait)
        .await
        .expect("it never came to be");
}

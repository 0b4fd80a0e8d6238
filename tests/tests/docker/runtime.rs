//! The Docker runtime by the contract of its port, without a mesh around it.

use super::engine::{Containers, Image, docker};
use super::{foreign, registry, wire};
use anyhow::{Context, Result, ensure};
use belfry_agent::docker::{Config, Docker, Owner};
use belfry_mesh::package::Manifest;
use belfry_mesh::placement::Slot;
use belfry_mesh::port::runtime::{Error, Health, Instance, LogLine, Logs, MAX_LINE, Runtime, Spec};
use belfry_mesh::{NodeName, TriggerName};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// Nothing of these tests ends by itself when it is told to.
const AT_ONCE: Duration = Duration::ZERO;

/// A node's runtime, of a mesh of the test's own.
async fn runtime(containers: &Containers, node: &str) -> Result<Docker> {
    runtime_with(containers, node, |_| {}).await
}

async fn runtime_with(
    containers: &Containers,
    node: &str,
    adapt: impl FnOnce(&mut Config),
) -> Result<Docker> {
    // Another test of this process may have installed it already.
    let provider = rustls::crypto::ring::default_provider();
    provider.install_default().ok();
    let mut config = Config::new(Owner {
        mesh: containers.mesh.clone(),
        node: NodeName::parse(node)?,
    });
    adapt(&mut config);
    let http = belfry_agent::client().build()?;
    Ok(Docker::connect(config, http).await?)
}

/// What to run: a service of this deployment.
fn service(name: &str, deployment: &Value) -> Result<Spec> {
    let manifest = json!({
        "manifest": 2, "name": name, "version": "1.0.0", "type": "mcp", "description": "for a test",
        "deployment": deployment,
    });
    Ok(Spec {
        slot: Slot {
            trigger: TriggerName::parse(name)?,
            index: 0,
        },
        revision: 1,
        manifest: Arc::new(Manifest::parse(manifest.to_string())?),
        target: None,
        environment: BTreeMap::new(),
        concealed: BTreeSet::new(),
    })
}

/// A deployment that runs a script and nothing else, and its image.
fn script(text: &str) -> Result<(Image, Value)> {
    let instructions = "FROM scratch\nCOPY busybox /bin/busybox\nCOPY busybox /bin/sh\nCOPY run /run.sh\nENTRYPOINT [\"/bin/sh\", \"/run.sh\"]\n";
    let image = Image::build(&[("Dockerfile", instructions), ("run", text)])?;
    let deployment = json!({"image": image.0, "restart": "no"});
    Ok((image, deployment))
}

/// Lets a script go on that waits for that.
fn let_go(id: &str) {
    // The engine may call it a failure that the container has ended by then.
    docker(&["exec", id, "/bin/busybox", "touch", "/tmp/go"]).ok();
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> Result<T> {
    timeout(PATIENCE, future)
        .await
        .with_context(|| format!("{what}: not within {PATIENCE:?}"))
}

/// The instance once it is so.
async fn until(runtime: &Docker, id: &str, is_so: impl Fn(&Instance) -> bool) -> Result<Instance> {
    let looking = async {
        loop {
            let all = runtime.list().await?;
            let found = all.into_iter().find(|instance| instance.id == id);
            match found.context("it is gone")? {
                instance if is_so(&instance) => return Ok(instance),
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    soon("the instance is as it should be", looking).await?
}

#[tokio::test]
async fn what_a_container_writes_is_told_in_order_in_whole_lines_and_while_it_runs() -> Result<()> {
    let containers = Containers::of_this_test()?;
    // Apart in time: the engine reads output and errors side by side.
    let (_image, deployment) = script(
        "b() { /bin/busybox \"$@\"; }\necho one; b sleep 0.2; echo two >&2; b sleep 0.2\nb seq -s , 1 6000; b sleep 0.2\nprintf 'to be continued'; b sleep 0.2; echo ', and ended'\nwhile [ ! -e /tmp/go ]; do b sleep 0.05; done\nprintf 'no end'\n",
    )?;
    let runtime = runtime(&containers, "a").await?;
    let mut changes = runtime.changes();
    let started = runtime.start(&service("writer", &deployment)?).await?;
    soon("a change", changes.next()).await?;
    let follow = Logs {
        follow: true,
        ..Logs::last(100)
    };
    let mut lines = runtime.logs(&started.id, follow);
    let mut next = async || -> Result<LogLine> {
        let line = soon("a line", lines.next()).await?;
        Ok(line.context("the log ended")??)
    };
    assert_eq!(next().await?.text, "one");
    let two = next().await?;
    assert_eq!(two.text, "two");
    let long = next().await?;
    assert!(long.text.starts_with("1,2,3") && long.at > two.at);
    assert_eq!(long.text.len(), MAX_LINE, "a line of more than that");
    assert_eq!(next().await?.text, "to be continued, and ended");
    let_go(&started.id);
    assert_eq!(next().await?.text, "no end");
    let end = soon("the log's end", lines.next()).await?;
    assert_eq!(end, None);

    let ended = |instance: &Instance| instance.health == Health::Exited(Some(0));
    until(&runtime, &started.id, ended).await?;
    let after = Logs {
        after: Some(long.at),
        ..Logs::last(100)
    };
    let told: Vec<LogLine> = runtime.logs(&started.id, after).try_collect().await?;
    let texts: Vec<&str> = told.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["to be continued, and ended", "no end"]);
    let last: Vec<LogLine> = runtime
        .logs(&started.id, Logs::last(1))
        .try_collect()
        .await?;
    assert_eq!(last, told[1..]);
    runtime.remove(&started.id, AT_ONCE).await?;
    let gone: Vec<_> = runtime.logs(&started.id, Logs::last(1)).collect().await;
    assert_eq!(gone, [Err(Error::NotFound(started.id))]);
    Ok(())
}

#[tokio::test]
async fn a_container_s_use_is_told_and_its_end_at_once() -> Result<()> {
    let containers = Containers::of_this_test()?;
    let (_image, deployment) = script("while [ ! -e /tmp/go ]; do :; done; exit 3\n")?;
    let runtime = runtime(&containers, "a").await?;
    let started = runtime.start(&service("worker", &deployment)?).await?;
    let healthy = |instance: &Instance| instance.health == Health::Healthy;
    until(&runtime, &started.id, healthy).await?;
    let stats = runtime.stats(&started.id).await?;
    println!("one loop of a shell: {stats:?}");
    assert_eq!(stats.pids, Some(1));
    let (memory, cpu) = (stats.memory_bytes, stats.cpu_seconds);
    assert!(memory.is_some_and(|bytes| (50_000..64 << 20).contains(&bytes)));
    assert!(cpu.is_some_and(|seconds| (0.001..60.0).contains(&seconds)));

    // All that the start brought has been told when nothing more comes.
    let mut changes = runtime.changes();
    while timeout(Duration::from_secs(3), changes.next())
        .await
        .is_ok()
    {}
    let_go(&started.id);
    let began = Instant::now();
    soon("a change", changes.next()).await?;
    println!("end of a container to its news: {:.2?}", began.elapsed());
    let ended = |instance: &Instance| instance.health == Health::Exited(Some(3));
    until(&runtime, &started.id, ended).await?;
    assert_eq!(
        runtime.stats("nothing").await,
        Err(Error::NotFound("nothing".into()))
    );
    Ok(())
}

#[tokio::test]
async fn a_service_is_well_as_its_package_says() -> Result<()> {
    let (containers, image) = (Containers::of_this_test()?, foreign::image()?);
    let runtime = runtime(&containers, "a").await?;
    for (name, deployment, is_well) in [
        ("runs", json!({"image": image.0}), true),
        ("connects", json!({"image": image.0, "port": 9000}), true),
        (
            "answers",
            json!({"image": image.0, "port": 9000, "health": "/health"}),
            true,
        ),
        ("silent", json!({"image": image.0, "port": 9001}), false),
        (
            "lost",
            json!({"image": image.0, "port": 9000, "health": "/nowhere"}),
            false,
        ),
    ] {
        let started = runtime.start(&service(name, &deployment)?).await?;
        if is_well {
            until(&runtime, &started.id, |now| now.health == Health::Healthy).await?;
        } else {
            // Its neighbours needed less than that to be well.
            tokio::time::sleep(Duration::from_secs(1)).await;
            until(&runtime, &started.id, |now| now.health == Health::Starting).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn agents_on_one_engine_share_the_mesh_s_network_and_the_last_one_removes_it() -> Result<()> {
    let (containers, image) = (Containers::of_this_test()?, foreign::image()?);
    let deployment = json!({"image": image.0, "port": 9000});
    let mut runtimes = Vec::new();
    for node in ["a", "b", "c"] {
        runtimes.push(runtime(&containers, node).await?);
    }
    for round in 0..3 {
        let spec = service("bell", &deployment)?;
        let starts = runtimes.iter().map(|runtime| runtime.start(&spec));
        let started = futures::future::try_join_all(starts).await?;
        let networks = containers.networks()?;
        assert_eq!(networks.len(), 1, "round {round}");
        let format = "{{.Name}} {{index .Options \"com.docker.network.bridge.enable_icc\"}}";
        let network = docker(&["network", "inspect", "--format", format, &networks[0]])?;
        assert_eq!(network, format!("belfry-{} false", containers.mesh));
        for (runtime, started) in runtimes.iter().zip(&started) {
            until(runtime, &started.id, |now| now.health == Health::Healthy).await?;
        }
        let pairs = runtimes.iter().zip(&started);
        let removals = pairs.map(|(runtime, started)| runtime.remove(&started.id, AT_ONCE));
        futures::future::try_join_all(removals).await?;
        assert_eq!(containers.networks()?, [""; 0], "round {round}");
    }
    Ok(())
}

#[tokio::test]
async fn a_network_that_somebody_removed_is_made_again() -> Result<()> {
    let (containers, image) = (Containers::of_this_test()?, foreign::image()?);
    let runtime = runtime(&containers, "a").await?;
    let spec = service("bell", &json!({"image": image.0, "port": 9000}))?;
    let first = runtime.start(&spec).await?;
    docker(&["rm", "--force", &first.id])?;
    docker(&["network", "rm", &containers.networks()?[0]])?;
    let second = runtime.start(&spec).await?;
    until(&runtime, &second.id, |now| now.health == Health::Healthy).await?;
    assert_eq!(containers.networks()?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_engine_that_was_away_is_heard_again() -> Result<()> {
    let (containers, image) = (Containers::of_this_test()?, foreign::image()?);
    let wire = wire::Wire::start().await?;
    let host = wire.host.clone();
    let runtime = runtime_with(&containers, "a", |config| config.host = host).await?;
    let started = runtime
        .start(&service("bell", &json!({"image": image.0, "port": 9000}))?)
        .await?;
    let mut changes = runtime.changes();
    while timeout(Duration::from_secs(3), changes.next())
        .await
        .is_ok()
    {}
    wire.be_whole(false);
    let away = runtime.list().await;
    assert!(matches!(away, Err(Error::Unavailable { .. })), "{away:?}");
    assert!(
        timeout(Duration::from_secs(2), changes.next())
            .await
            .is_err(),
        "it has nothing to tell"
    );
    docker(&["rm", "--force", &started.id])?;
    wire.be_whole(true);
    soon("what may have been missed", changes.next()).await?;
    assert_eq!(runtime.list().await?, []);
    Ok(())
}

#[tokio::test]
async fn an_image_is_pulled_with_the_password_that_docker_login_left() -> Result<()> {
    let containers = Containers::of_this_test()?;
    let (registry, kept) = (registry::Closed::start().await?, TempDir::new()?);
    let place = registry.place();
    let auths = json!({"auths": {place.as_str(): {"auth": "YW5uOmh1bnRlcjI="}}});
    std::fs::write(kept.path().join("config.json"), auths.to_string())?;
    let directory = kept.path().to_owned();
    let runtime = runtime_with(&containers, "a", |config| {
        config.docker_config = Some(directory);
    })
    .await?;
    let spec = service("bell", &json!({"image": format!("{place}/bell:1")}))?;
    let refusal = soon("an answer", runtime.start(&spec)).await?;
    let words = refusal.err().context("there is no such image")?.to_string();
    assert!(words.contains("cannot be pulled"), "{words}");
    assert!(
        !words.contains("hunter2") && !words.contains("YW5u"),
        "{words}"
    );
    let heard = registry.heard();
    ensure!(
        heard
            .iter()
            .any(|header| header == "Basic YW5uOmh1bnRlcjI="),
        "{heard:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_pull_that_takes_long_does_not_hold_up_an_end() -> Result<()> {
    let (containers, registry) = (Containers::of_this_test()?, registry::Mute::start().await?);
    let runtime = Arc::new(runtime(&containers, "a").await?);
    let image = format!("{}/bell:1", registry.place());
    let spec = service("bell", &json!({"image": image}))?;
    let starting = tokio_util::task::TaskTracker::new();
    let starter = runtime.clone();
    let start = starting.spawn(async move { starter.start(&spec).await });
    soon("the engine asks the registry", registry.asked()).await?;
    let began = Instant::now();
    soon("the end", runtime.close()).await?;
    println!("end beside a pull: {:.2?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(2));
    let given_up = start.await?;
    assert!(
        matches!(given_up, Err(Error::Unavailable { .. })),
        "{given_up:?}"
    );
    assert_eq!(containers.names()?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_pull_that_takes_too_long_is_given_up_and_says_so() -> Result<()> {
    let (containers, registry) = (Containers::of_this_test()?, registry::Mute::start().await?);
    let runtime = runtime_with(&containers, "a", |config| {
        config.fetch = Duration::from_secs(1);
    })
    .await?;
    let image = format!("{}/bell:1", registry.place());
    let spec = service("bell", &json!({"image": image}))?;
    let given_up = soon("an answer", runtime.start(&spec)).await?;
    let words = given_up.err().context("there is no such image")?;
    assert!(matches!(words, Error::Unrunnable { .. }), "{words}");
    let words = words.to_string();
    assert!(words.contains("could not be pulled within 1s"), "{words}");
    Ok(())
}

#[tokio::test]
async fn what_is_started_twice_at_once_has_no_twin() -> Result<()> {
    let (containers, image) = (Containers::of_this_test()?, foreign::image()?);
    let runtime = runtime(&containers, "a").await?;
    let spec = service("bell", &json!({"image": image.0, "port": 9000}))?;
    let starts = (0..4).map(|_| runtime.start(&spec));
    let started = futures::future::try_join_all(starts).await?;
    assert!(started.iter().all(|found| found.id == started[0].id));
    assert_eq!(containers.names()?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_volume_is_its_trigger_s_own_and_stays_and_a_service_s_port_is_published() -> Result<()> {
    let (containers, image) = (Containers::of_this_test()?, foreign::image()?);
    let runtime = runtime(&containers, "a").await?;
    let deployment = json!({
        "image": image.0, "ports": [{"container": 9000}],
        "volumes": [{"host": "history", "container": "/history"}],
    });
    let started = runtime.start(&service("bell", &deployment)?).await?;
    let published = docker(&["port", &started.id, "9000/tcp"])?;
    ensure!(published.starts_with("127.0.0.1:"), "{published}");
    runtime.remove(&started.id, AT_ONCE).await?;
    let own = format!("belfry.{}.bell.history", containers.mesh);
    assert_eq!(containers.volumes()?, [own.as_str()]);
    let format = "{{index .Labels \"belfry.trigger\"}}";
    let trigger = docker(&["volume", "inspect", "--format", format, &own])?;
    assert_eq!(trigger, "bell");
    Ok(())
}

//! Triggers in containers, on a real Docker Engine.

pub(crate) mod engine;
mod foreign;
mod isolation;
mod registry;
mod runtime;
mod updates;
mod wire;

use crate::world::{Dev, Orchestrator, SECRET, github, pull_request};
use anyhow::{Context, Result, ensure};
use engine::{Containers, IMAGE, Image, docker, gateway};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;
use tempfile::TempDir;

const TRIGGER: &str = "github-pr-webhook";

/// A mesh whose triggers run in containers. The containers are dropped last: until then the agent would make them again.
struct Mesh {
    dev: Dev,
    containers: Containers,
}

impl Mesh {
    async fn start(arguments: &[&str]) -> Result<Self> {
        let containers = Containers::of_this_test()?;
        let orchestrator = Orchestrator::at(&format!("{}:0", gateway()?)).await?;
        let runtime = ["--runtime", "docker", "--mesh", &containers.mesh];
        let dev = Dev::start_beside(orchestrator, &[&runtime, arguments].concat())?;
        Ok(Self { dev, containers })
    }

    async fn install(&self) -> Result<()> {
        let body = json!({"workflow_id": "review"});
        self.dev.doors.install(TRIGGER, body).await?;
        Ok(())
    }

    /// Delivers a genuine event and sees it run.
    async fn run(&self, number: u64) -> Result<()> {
        let delivery = github(&format!("d-{number}"), &pull_request(number));
        let (status, answer) = self.dev.doors.deliver(TRIGGER, delivery).await?;
        ensure!(status == 202, "{status}: {answer}");
        let id = answer["event_id"].as_str().context("no event id")?;
        self.dev.doors.event(id, "triggered").await?;
        assert_eq!(self.dev.orchestrator.runs_of(id), 1);
        Ok(())
    }

    async fn status(&self, trigger: &str) -> Result<Value> {
        let path = format!("/triggers/{trigger}/status");
        Ok(self.dev.doors.console("GET", &path, None).await?.1)
    }

    /// The status of a trigger once its detail has these words.
    async fn says(&self, trigger: &str, words: &str) -> Result<Value> {
        let what = format!("{trigger} says `{words}`");
        let looked = self.dev.doors.until(&what, || async {
            let status = self.status(trigger).await?;
            let detail = status["detail"].as_str().unwrap_or_default();
            Ok(detail.contains(words).then(|| status.clone()))
        });
        match looked.await {
            Ok(status) => Ok(status),
            Err(error) => Err(error.context(self.status(trigger).await?["detail"].clone())),
        }
    }

    async fn uninstall(&self, trigger: &str) -> Result<()> {
        self.uninstall_all(&[trigger]).await
    }

    /// Uninstalls all that is installed, and sees that nothing is left of it.
    async fn uninstall_all(&self, triggers: &[&str]) -> Result<()> {
        for trigger in triggers {
            let path = format!("/triggers/{trigger}");
            let (status, answer) = self.dev.doors.console("DELETE", &path, None).await?;
            ensure!(status == 200, "{status}: {answer}");
        }
        self.dev
            .doors
            .until("no container is left, nor a network", || async {
                let left = [self.containers.names()?, self.containers.networks()?];
                Ok(left.concat().is_empty().then_some(()))
            })
            .await
    }
}

/// Of a container: its id, and when it was started.
fn identity(name: &str) -> Result<String> {
    docker(&["inspect", "--format", "{{.Id}} {{.State.StartedAt}}", name])
}

/// The resident memory of a container's first process, in bytes.
fn resident(name: &str) -> Result<u64> {
    let pid = docker(&["inspect", "--format", "{{.State.Pid}}", name])?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.context("no VmRSS")?.trim().trim_end_matches(" kB");
    Ok(kilobytes.parse::<u64>()? * 1024)
}

/// A registry's directory with one package of this deployment.
fn package(directory: &Path, name: &str, deployment: Value) -> Result<()> {
    let manifest = json!({
        "manifest": 2, "name": name, "version": "1.0.0", "type": "trigger", "description": "for a test",
        "deployment": deployment,
        "trigger": {"type": "webhook", "auth": {"scheme": "none"}},
    });
    shelve(directory, &manifest)
}

/// Puts a manifest of version 1.0.0 into a registry's directory.
fn shelve(directory: &Path, manifest: &Value) -> Result<()> {
    let triggers = directory.join("triggers");
    std::fs::create_dir_all(&triggers)?;
    let name = manifest["name"].as_str().context("no name")?;
    let file = triggers.join(format!("{name}-1.0.0.json"));
    Ok(std::fs::write(file, manifest.to_string())?)
}

/// Asks for an install, without waiting for it to run.
async fn ask_for(mesh: &Mesh, name: &str) -> Result<()> {
    let path = format!("/registries/install/trigger/{name}");
    let body = json!({"workflow_id": "review"});
    let (status, answer) = mesh.dev.doors.console("POST", &path, Some(body)).await?;
    ensure!(status == 200, "installing {name}: {status} {answer}");
    Ok(())
}

fn now() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the engine has the time of its machine"
    )]
    Timestamp::now().as_second()
}

#[tokio::test]
async fn a_genuine_delivery_runs_through_a_container_that_can_do_nothing_else() -> Result<()> {
    let mesh = Mesh::start(&[]).await?;
    let began = Instant::now();
    mesh.install().await?;
    println!("install to healthy and open: {:.2?}", began.elapsed());
    mesh.run(1).await?;

    let names = mesh.containers.names()?;
    let [name] = names.as_slice() else {
        panic!("not one container: {names:?}");
    };
    assert!(name.starts_with(&format!("belfry-{TRIGGER}-0-")), "{name}");
    assert_eq!(mesh.status(TRIGGER).await?["container_name"], json!(name));
    let inspected: Value = serde_json::from_str(&docker(&["inspect", name])?)?;
    let (host, config) = (&inspected[0]["HostConfig"], &inspected[0]["Config"]);
    assert_eq!(host["CapDrop"], json!(["ALL"]));
    assert_eq!(host["ReadonlyRootfs"], json!(true));
    assert_eq!(host["Privileged"], json!(false));
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges:true"]));
    assert_eq!(host["Memory"], json!(64 << 20));
    assert_eq!(host["PidsLimit"], json!(64));
    assert_eq!(config["User"], json!("65532:65532"));
    assert_eq!(inspected[0]["Mounts"], json!([]));
    assert_eq!(
        inspected[0]["NetworkSettings"]["Ports"]["8080/tcp"],
        Value::Null
    );
    assert!(!config["Labels"].to_string().contains(SECRET));
    let size: u64 = docker(&["image", "inspect", "--format", "{{.Size}}", IMAGE])?.parse()?;
    let resident = resident(name)?;
    println!("the standard image: {size} bytes; resident, idle: {resident} bytes");
    assert!(size < 20_000_000 && resident < 10_000_000);

    mesh.uninstall(TRIGGER).await
}

#[tokio::test]
async fn a_restart_starts_the_new_container_before_the_old_one_goes_and_loses_nothing() -> Result<()>
{
    let mesh = Mesh::start(&[]).await?;
    mesh.install().await?;
    let old = mesh.containers.names()?.remove(0);
    let began = now();
    let path = format!("/triggers/{TRIGGER}/restart");
    let (status, answer) = mesh.dev.doors.console("POST", &path, None).await?;
    assert_eq!(status, 200, "{answer}");
    let mut number = 0;
    let new = loop {
        number += 1;
        mesh.run(number).await?;
        let names = mesh.containers.names()?;
        match names.as_slice() {
            [only] if *only != old => break only.clone(),
            _ => assert!(number < 5_000, "{old} is not replaced: {names:?}"),
        }
    };
    println!("{number} events ran while {old} was replaced by {new}");
    let history = mesh.containers.history(began, now() + 1)?;
    let at = |what: String| {
        let found = history.iter().position(|told| *told == what);
        found.with_context(|| format!("no `{what}` in {history:?}"))
    };
    let (started, ended) = (at(format!("start {new}"))?, at(format!("die {old}"))?);
    assert!(started < ended, "{history:?}");
    Ok(())
}

#[tokio::test]
async fn an_agent_that_is_killed_finds_its_container_again_and_leaves_it_running() -> Result<()> {
    let mut mesh = Mesh::start(&[]).await?;
    mesh.install().await?;
    mesh.run(1).await?;
    let name = mesh.containers.names()?.remove(0);
    let before = identity(&name)?;
    mesh.dev.belfry.kill()?;
    assert_eq!(identity(&name)?, before, "it ended with its agent");

    let began = Instant::now();
    mesh.dev.belfry.restart()?;
    let doors = &mesh.dev.doors;
    let ready = || async { Ok((doors.readiness().await?.0 == 200).then_some(())) };
    doors.until("the gateway is back", ready).await?;
    mesh.run(2).await?;
    println!(
        "start of the killed agent to the next run: {:.2?}",
        began.elapsed()
    );
    assert_eq!(mesh.containers.names()?, std::slice::from_ref(&name));
    assert_eq!(identity(&name)?, before, "it was made or started again");

    mesh.dev.belfry.stop()?;
    assert_eq!(
        mesh.containers.names()?,
        [""; 0],
        "an agent that ends leaves nothing"
    );
    Ok(())
}

#[tokio::test]
async fn what_cannot_run_says_why_and_what_to_do_and_leaves_nothing() -> Result<()> {
    let packages = TempDir::with_prefix("belfry-packages-")?;
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port();
    for (name, deployment) in [
        (
            "late-bell",
            json!({"ports": [{"host": port, "container": 9999}]}),
        ),
        ("host-bell", json!({"network_mode": "host"})),
        ("lost-bell", json!({"image": "127.0.0.1:1/nowhere:1"})),
        (
            "sock-bell",
            json!({"volumes": [{"host": "/var/run/docker.sock", "container": "/s"}]}),
        ),
        (
            "lone-bell",
            json!({"ports": [{"host": 80_u16, "container": "x"}]}),
        ),
    ] {
        package(packages.path(), name, deployment)?;
    }
    for manifest in [
        json!({
            "manifest": 2, "name": "dumb-bell", "version": "1.0.0", "type": "trigger",
            "requirements": {"secrets": ["NOBODY_HAS_SET_THIS"]},
            "trigger": {"type": "webhook", "auth": {"scheme": "none"}},
        }),
        // Of the older form, in which a key that nobody knows is not refused.
        json!({
            "name": "mighty-bell", "version": "1.0.0", "type": "trigger",
            "deployment": {"privileged": true}, "trigger": {"type": "webhook"},
        }),
    ] {
        shelve(packages.path(), &manifest)?;
    }
    let mesh = Mesh::start(&["--packages", &packages.path().to_string_lossy()]).await?;
    for (name, words) in [
        ("host-bell", "--allow-networks host"),
        (
            "lost-bell",
            "image `127.0.0.1:1/nowhere:1` is not on this node and cannot be pulled",
        ),
        ("sock-bell", "no trigger gets that"),
        ("lone-bell", "from 1 to 65535"),
        ("late-bell", "take another in `ports`"),
        (
            "dumb-bell",
            "secret `NOBODY_HAS_SET_THIS`; set it in the agent's environment",
        ),
        ("mighty-bell", "asks to be privileged, which no trigger is"),
    ] {
        ask_for(&mesh, name).await?;
        let status = mesh.says(name, words).await?;
        assert_eq!(status["running"], json!(false));
        println!("{name}: {}", status["detail"].as_str().unwrap_or_default());
    }
    assert_eq!(mesh.containers.names()?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn a_container_that_ends_says_what_it_wrote_and_is_not_started_in_a_hurry() -> Result<()> {
    let packages = TempDir::with_prefix("belfry-packages-")?;
    let deployment = json!({"environment": {"BELFRY_LOG": "nonsense"}, "restart": "no"});
    package(packages.path(), "sick-bell", deployment)?;
    let mesh = Mesh::start(&["--packages", &packages.path().to_string_lossy()]).await?;
    let began = now();
    ask_for(&mesh, "sick-bell").await?;
    let status = mesh
        .says("sick-bell", "exited with status 2; it wrote: ")
        .await?;
    let detail = status["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("BELFRY_LOG is `nonsense`"), "{detail}");

    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let history = mesh.containers.history(began, now() + 1)?;
    let starts = history
        .iter()
        .filter(|told| told.starts_with("start "))
        .count();
    assert!((2..=6).contains(&starts), "{starts} starts: {history:?}");
    Ok(())
}

#[tokio::test]
async fn an_image_is_built_where_the_operator_allows_it() -> Result<()> {
    let (packages, source) = (
        TempDir::with_prefix("belfry-packages-")?,
        TempDir::with_prefix("belfry-source-")?,
    );
    std::fs::write(
        source.path().join("Dockerfile"),
        format!("FROM {IMAGE}\nENV BUILT=1\n"),
    )?;
    let directory = source.path().to_string_lossy().into_owned();
    package(
        packages.path(),
        "built-bell",
        // Under that name nobody would look for it.
        json!({"image": "belfry-test-taken:1.0.0", "build": {"context": directory}}),
    )?;
    let packages = packages.path().to_string_lossy().into_owned();
    let mut image = Image(String::new());
    let mesh = Mesh::start(&["--packages", &packages, "--allow-builds", &directory]).await?;
    image.0 = format!("belfry-build/{}/built-bell:1.0.0", mesh.containers.mesh);
    mesh.dev
        .doors
        .install("built-bell", json!({"workflow_id": "w"}))
        .await?;
    let name = mesh.containers.names()?.remove(0);
    let environment = docker(&["inspect", "--format", "{{.Config.Env}}", &name])?;
    assert!(environment.contains("BUILT=1"), "{environment}");
    let of_container = docker(&["inspect", "--format", "{{.Config.Image}}", &name])?;
    assert_eq!(of_container, image.0);
    let taken = docker(&["image", "inspect", "belfry-test-taken:1.0.0"]);
    assert!(taken.is_err(), "it has taken a name of somebody else's");
    mesh.uninstall("built-bell").await
}

//! `compose.yaml` on a real Docker Engine, as people run it.

mod load;
mod project;
mod units;

use crate::docker::engine::{docker, gateway};
use crate::world::senders::TRIGGER;
use crate::world::{PATIENCE, github, pull_request};
use anyhow::{Context, Result, ensure};
use load::{Load, Sent};
use project::{Project, SERVICES, TOOLS, has_plugin, root};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Instant;

impl Project {
    async fn install(&self) -> Result<()> {
        self.doors
            .install(TRIGGER, json!({"workflow_id": "review"}))
            .await?;
        Ok(())
    }

    /// Sees each of these events run, and once by its idempotency key.
    async fn ran_once(&self, sent: &Sent) -> Result<()> {
        ensure!(
            sent.events.len() == sent.count,
            "deliveries share event ids"
        );
        let runs = || {
            let mut runs: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for call in self.orchestrator.calls.calls() {
                if let (Some(key), Some(run)) = (call.idempotency_key, call.execution_id) {
                    runs.entry(key).or_default().push(run);
                }
            }
            runs
        };
        let what = format!("all of {} events ran", sent.count);
        let looked = self.doors.within(2 * PATIENCE, &what, || async {
            let runs = runs();
            Ok(sent
                .events
                .iter()
                .all(|id| runs.contains_key(id))
                .then_some(()))
        });
        looked.await.with_context(|| {
            let runs = runs();
            let lost: Vec<_> = sent
                .events
                .iter()
                .filter(|id| !runs.contains_key(*id))
                .collect();
            format!("{} acknowledged events did not run: {lost:?}", lost.len())
        })?;
        let runs = runs();
        let mut again = 0;
        for (key, mut of_key) in runs {
            ensure!(
                sent.events.contains(&key),
                "event {key} was acknowledged to nobody and ran"
            );
            again += of_key.len() - 1;
            of_key.dedup();
            ensure!(
                of_key.len() == 1,
                "event {key} ran {} times: {of_key:?}",
                of_key.len()
            );
        }
        println!(
            "{} events ran once; {again} calls were made again under the same key; the senders saw {} 5xx and {} broken \
             answers, at most {:.1?} without an acknowledgement, at most {:.1?} for one delivery",
            sent.count, sent.refused, sent.unanswered, sent.gap, sent.longest
        );
        Ok(())
    }

    /// Which users of NATS have how many connections, over the three servers.
    fn users(&self) -> Result<BTreeMap<String, usize>> {
        let mut users = BTreeMap::new();
        for server in ["nats-1", "nats-2", "nats-3"] {
            let url = "http://127.0.0.1:8222/connz?auth=1";
            let told: Value =
                serde_json::from_str(&self.exec(server, &["wget", "-q", "-O", "-", url])?)?;
            for connection in told["connections"].as_array().context("no connections")? {
                let user = connection["authorized_user"].as_str().unwrap_or("nobody");
                *users.entry(user.to_owned()).or_default() += 1;
            }
        }
        Ok(users)
    }
}

/// Whether a container on this network gets a connection.
fn reaches(network: &str, address: Ipv4Addr, port: u16) -> Result<bool> {
    let (address, port) = (address.to_string(), port.to_string());
    let output = Command::new("docker")
        .args([
            "run",
            "--rm",
            "--network",
            network,
            "--entrypoint",
            "/bin/busybox",
            TOOLS,
        ])
        .args(["nc", "-w", "2", &address, &port])
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(0) => Ok(true),
        Some(1)
            if told.contains("timed out")
                || told.contains("refused")
                || told.contains("unreachable") =>
        {
            Ok(false)
        }
        _ => anyhow::bail!("a container on {network} could not try {address}:{port}: {told}"),
    }
}

#[test]
fn what_compose_is_given_it_understands_and_without_passwords_it_refuses() -> Result<()> {
    let settings = tempfile::tempdir()?;
    let (file, secrets) = (settings.path().join("env"), settings.path().join("secrets"));
    let made = Command::new(root().join("scripts/compose-env"))
        .args([&file, &secrets])
        .env("ORCHESTRATOR_URL", "http://orchestrator:8000")
        .output()?;
    ensure!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let before = std::fs::read_to_string(&file)?;
    let again = Command::new(root().join("scripts/compose-env"))
        .args([&file, &secrets])
        .output()?;
    ensure!(
        again.status.success() && std::fs::read_to_string(&file)? == before,
        "it changed what was there"
    );

    let mut tried = 0;
    for command in [&["docker-compose"][..], &["docker", "compose"]] {
        let there = Command::new(command[0])
            .args(&command[1..])
            .arg("version")
            .output();
        if !there.is_ok_and(|output| output.status.success()) {
            println!("no {} here", command.join(" "));
            continue;
        }
        tried += 1;
        let config = |file: &std::path::Path| {
            Command::new(command[0])
                .args(&command[1..])
                .args([
                    "--env-file",
                    &file.to_string_lossy(),
                    "config",
                    "--services",
                ])
                .current_dir(root())
                .output()
        };
        let output = config(&file)?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let services = String::from_utf8(output.stdout)?;
        for service in SERVICES {
            assert!(
                services.lines().any(|line| line == service),
                "{service}: {services}"
            );
        }
        for line in before
            .lines()
            .filter(|line| line.contains("_PASSWORD=") || line.contains("ORCHESTRATOR"))
        {
            let short = settings.path().join("short");
            std::fs::write(&short, before.replace(line, ""))?;
            let output = config(&short)?;
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success(), "it does without {line}");
            assert!(
                told.contains("scripts/compose-env") || told.contains("say where"),
                "{told}"
            );
        }
    }
    ensure!(
        tried > 0,
        "neither docker-compose nor docker compose is there"
    );
    println!("docker compose is here: {}", has_plugin());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_under_load_is_not_missed_and_nobody_reaches_the_bus_who_should_not()
-> Result<()> {
    let project = Project::up().await?;
    project.install().await?;
    let (status, answer) = project
        .doors
        .deliver(TRIGGER, github("first", &pull_request(1)))
        .await?;
    ensure!(status == 202, "{status}: {answer}");
    let id = answer["event_id"].as_str().context("no event id")?;
    project.doors.event(id, "triggered").await?;
    assert_eq!(project.orchestrator.runs_of(id), 1);

    let expected = [("agent", 2), ("console", 1), ("gateway", 2)];
    let expected: BTreeMap<String, usize> = expected
        .map(|(user, count)| (user.to_owned(), count))
        .into();
    assert_eq!(project.users()?, expected);

    let host = gateway()?;
    let orchestrator: u16 = project
        .orchestrator
        .url
        .rsplit(':')
        .next()
        .context("no port")?
        .parse()?;
    // Any other network of the engine, and the one that agents put triggers on.
    let own = format!("belfry-{}", project.name);
    let networks = ["bridge", &own];
    for network in networks {
        ensure!(
            reaches(network, host, orchestrator)?,
            "nothing is reached from {network}"
        );
        for port in &project.inner_ports {
            ensure!(
                !reaches(network, host, *port)?,
                "{host}:{port} is reached from {network}"
            );
        }
        for (service, port) in [
            ("nats-1", 4222),
            ("nats-2", 6222),
            ("nats-3", 8222),
            ("redis", 6379),
            ("console", 8081),
        ] {
            let address = project.address(service)?;
            ensure!(
                !reaches(network, address, port)?,
                "{service} is reached from {network}"
            );
        }
    }
    println!("from {networks:?} a container reaches neither NATS, Redis, the console nor an agent");

    let load = Load::begin(&project.doors);
    load.go_on(100).await?;
    docker(&["kill", &project.container("gateway-1")?])?;
    load.go_on(200).await?;
    project.compose(&["up", "--detach", "--no-deps", "gateway-1"])?;
    project.healthy("gateway-1").await?;
    load.go_on(100).await?;
    let mut sent = load.end().await?;
    sent.events.insert(id.to_owned());
    sent.count += 1;
    project.ran_once(&sent).await?;
    project.down()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_every_service_in_turn_under_load_loses_nothing_and_runs_nothing_twice()
-> Result<()> {
    let project = Project::up().await?;
    project.install().await?;
    let load = Load::begin(&project.doors);
    load.go_on(50).await?;
    let mut before = load.so_far();
    for service in SERVICES {
        let began = Instant::now();
        project.compose(&["restart", "--timeout", "40", service])?;
        project.healthy(service).await?;
        let took = began.elapsed();
        load.go_on(20).await?;
        let now = load.so_far();
        println!(
            "{service}: restarted and healthy in {took:.1?}; {} acknowledged, {} 5xx, {} broken",
            now.0 - before.0,
            now.1 - before.1,
            now.2 - before.2
        );
        before = now;
    }
    let sent = load.end().await?;
    project.ran_once(&sent).await?;
    project.down()
}

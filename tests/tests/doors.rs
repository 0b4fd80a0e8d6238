//! The doors to the commands: the bus, for any client of NATS, and the command line.

mod hooks;

use crate::docker::engine::{Containers, Image};
use crate::world::{Dev, Doors, Mesh, PATIENCE, unsigned};
use anyhow::{Context, Result, ensure};
use async_nats::{Client, Message};
use futures::StreamExt;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};

/// A client that knows nothing of Belfry.
struct Stranger(Client);

impl Stranger {
    /// Connects, and waits until console and agent are heard.
    async fn beside(mesh: &Mesh) -> Result<Self> {
        let stranger = Self(async_nats::connect(mesh.nats.url()).await?);
        let heard = mesh.doors.until("commands are heard", || async {
            let served = stranger.served().await?;
            let both = ["belfry.cmd.mcp.scale", "belfry.cmd.node.node-a.drain"];
            Ok(both.iter().all(|one| served.contains(*one)).then_some(()))
        });
        heard.await?;
        Ok(stranger)
    }

    async fn send(&self, subject: &str, request: &Value) -> Result<Message> {
        let subject = format!("belfry.cmd.{subject}");
        let payload = request.to_string().into();
        let request = async_nats::Request::new()
            .payload(payload)
            .timeout(Some(PATIENCE));
        Ok(self.0.send_request(subject, request).await?)
    }

    /// The answer to a request, which must be done.
    async fn ask(&self, subject: &str, request: Value) -> Result<Value> {
        let answer = self.send(subject, &request).await?;
        let text = String::from_utf8_lossy(&answer.payload);
        ensure!(answer.headers.is_none(), "{subject} {request}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// All subjects that services named `belfry` tell that they serve.
    async fn served(&self) -> Result<BTreeSet<String>> {
        let inbox = self.0.new_inbox();
        let mut told = self.0.subscribe(inbox.clone()).await?;
        let ask = "$SRV.INFO.belfry";
        self.0.publish_with_reply(ask, inbox, "".into()).await?;
        let mut served = BTreeSet::new();
        // Console and agent answer; who is not up yet does not.
        while let Ok(Some(info)) =
            tokio::time::timeout(Duration::from_millis(300), told.next()).await
        {
            let info: Value = serde_json::from_slice(&info.payload).unwrap_or_default();
            let endpoints = info["endpoints"].as_array().cloned().unwrap_or_default();
            let subjects = endpoints.iter().filter_map(|one| one["subject"].as_str());
            served.extend(subjects.map(str::to_owned));
        }
        Ok(served)
    }
}

#[tokio::test]
async fn any_client_of_nats_gives_all_the_orders() -> Result<()> {
    let mesh = Mesh::start().await?;
    let nats = Stranger::beside(&mesh).await?;
    let mut served = nats.served().await?;
    // Gateways serve the answers that senders wait for.
    served.retain(|subject| !subject.starts_with("belfry.answer."));
    let verbs = [
        "install",
        "uninstall",
        "start",
        "stop",
        "restart",
        "update",
        "rollback",
        "scale",
        "status",
        "list",
        "history",
        "logs",
    ];
    let of_kinds = ["trigger", "mcp"].into_iter();
    let mut expected: BTreeSet<String> = of_kinds
        .flat_map(|kind| verbs.map(|verb| format!("belfry.cmd.{kind}.{verb}")))
        .collect();
    expected.extend(["pause", "resume"].map(|verb| format!("belfry.cmd.trigger.{verb}")));
    let of_node = ["status", "cordon", "uncordon", "drain", "logs"];
    expected.extend(of_node.map(|verb| format!("belfry.cmd.node.node-a.{verb}")));
    assert_eq!(served, expected);

    let request = json!({"package": "simple-webhook-1.0.0", "workflow_id": "w", "by": "stranger"});
    let installed = nats.ask("trigger.install", request).await?;
    assert_eq!(
        (&installed["status"], &installed["state"]),
        (&json!("installed"), &json!("running"))
    );
    let name = || json!({"name": "simple-webhook"});
    let status = nats.ask("trigger.status", name()).await?;
    let (_, same) = mesh
        .doors
        .console("GET", "/triggers/simple-webhook/status", None)
        .await?;
    assert_eq!(status, same);
    for (verb, says) in [
        ("pause", "paused"),
        ("resume", "resumed"),
        ("restart", "restarted"),
        ("stop", "stopped"),
        ("start", "started"),
    ] {
        let answer = nats.ask(&format!("trigger.{verb}"), name()).await?;
        assert_eq!(answer["status"], says);
    }
    let history = nats.ask("trigger.history", name()).await?;
    let last = history.as_array().context("no list")?.last();
    assert_eq!(last.context("empty")?["by"], "stranger");
    nats.ask("trigger.uninstall", name()).await?;
    assert_eq!(nats.ask("trigger.list", json!({})).await?, json!([]));

    let refused = nats.send("trigger.stop", &name()).await?;
    let headers = refused.headers.context("no fault")?;
    let code = headers.get("Nats-Service-Error-Code").map(|it| it.as_str());
    assert_eq!(code, Some("404"));
    let problem: Value = serde_json::from_slice(&refused.payload)?;
    assert_eq!(problem["status"], 404);
    Ok(())
}

#[tokio::test]
async fn orders_that_race_over_nats_are_all_done_and_each_tells_its_revision() -> Result<()> {
    let mesh = Mesh::start().await?;
    let nats = Stranger::beside(&mesh).await?;
    mesh.doors
        .install("simple-webhook", json!({"workflow_id": "w"}))
        .await?;
    let restart = |by: &'static str| {
        nats.ask(
            "trigger.restart",
            json!({"name": "simple-webhook", "by": by}),
        )
    };
    let (one, two) = tokio::try_join!(restart("one"), restart("two"))?;
    assert_ne!(one["revision"], two["revision"]);
    let history = nats
        .ask("trigger.history", json!({"name": "simple-webhook"}))
        .await?;
    for (by, answer) in [("one", one), ("two", two)] {
        let mut history = history.as_array().context("no list")?.iter();
        let made = history.find(|it| it["revision"] == answer["revision"]);
        assert_eq!(made.context("not on record")?["by"], by);
    }
    Ok(())
}

#[tokio::test]
async fn a_node_is_steered_and_its_logs_are_followed_over_nats() -> Result<()> {
    let mesh = Mesh::start().await?;
    let nats = Stranger::beside(&mesh).await?;
    mesh.doors
        .install("simple-webhook", json!({"workflow_id": "w"}))
        .await?;
    let log = |more: Value| {
        let mut request = json!({"name": "simple-webhook"});
        if let (Some(request), Value::Object(more)) = (request.as_object_mut(), more) {
            request.extend(more);
        }
        nats.ask("node.node-a.logs", request)
    };
    let none = log(json!({})).await?;
    assert_eq!(
        (&none["lines"], &none["node"]),
        (&json!([]), &json!("node-a"))
    );
    let began = Instant::now();
    let follow = log(json!({"after": none["after"], "wait_seconds": 30}));
    let deliver = mesh.doors.deliver("simple-webhook", unsigned("d-1"));
    let (page, delivered) = tokio::join!(follow, deliver);
    let (page, (_, answer)) = (page?, delivered?);
    let id = answer["event_id"].as_str().context("no id")?;
    let lines = page["lines"].as_array().context("no lines")?;
    assert!(
        lines.len() == 1
            && lines[0]["text"]
                .as_str()
                .is_some_and(|text| text.contains(id)),
        "{page}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "it waited to the end"
    );
    let after = json!({"after": page["after"], "wait_seconds": 1});
    assert_eq!(
        log(after).await?["lines"],
        json!([]),
        "a line was told twice"
    );
    let (_, page) = mesh
        .doors
        .console("GET", "/triggers/simple-webhook/logs?lines=1", None)
        .await?;
    assert_eq!(page["lines"], json!(lines), "both doors tell the same");

    let node = nats.ask("node.node-a.status", json!({})).await?;
    let (_, same) = mesh.doors.console("GET", "/nodes/node-a", None).await?;
    assert_eq!(
        (&node["name"], &node["slots"]),
        (&same["name"], &same["slots"])
    );
    let drained = nats.ask("node.node-a.drain", json!({"by": "ada"})).await?;
    assert_eq!(
        (
            &drained["availability"],
            &drained["slots"],
            &drained["change"]["by"]
        ),
        (&json!("drained"), &json!([]), &json!("ada"))
    );
    let (status, problem) = mesh
        .doors
        .console("GET", "/triggers/simple-webhook/logs", None)
        .await?;
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(
        status == 503 && detail.contains("node `node-a` is drained"),
        "{problem}"
    );
    nats.ask("node.node-a.uncordon", json!({})).await?;
    let cordoned = nats.ask("node.node-a.cordon", json!({})).await?;
    assert_eq!(cordoned["availability"], "cordoned");
    Ok(())
}

/// The command line, against one console.
pub(crate) struct Terminal {
    binary: PathBuf,
    console: String,
}

impl Terminal {
    pub(crate) fn at(doors: &Doors) -> Result<Self> {
        let exe = std::env::current_exe()?;
        let target = exe.parent().and_then(Path::parent);
        Ok(Self {
            binary: target.context("no target directory")?.join("belfry"),
            console: format!("http://127.0.0.1:{}", doors.console),
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .env("BELFRY_CONSOLE_URL", &self.console)
            .env("BELFRY_BY", "ada");
        command
    }

    /// Whether it succeeded, and all that it said.
    fn run(&self, arguments: &[&str]) -> Result<(bool, String)> {
        let output = self.command(arguments).output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        ))
    }

    pub(crate) fn succeeds(&self, arguments: &[&str], says: &str) -> Result<String> {
        let (succeeded, said) = self.run(arguments)?;
        ensure!(
            succeeded && said.contains(says),
            "belfry {arguments:?}: {said}"
        );
        Ok(said)
    }

    fn fails(&self, arguments: &[&str], says: &str) -> Result<()> {
        let (succeeded, said) = self.run(arguments)?;
        ensure!(
            !succeeded && said.contains(says),
            "belfry {arguments:?}: {said}"
        );
        Ok(())
    }
}

/// A registry with a package whose version 2 asks for a secret that no node has.
fn packages() -> Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    std::fs::create_dir(directory.path().join("triggers"))?;
    for (version, secrets) in [
        ("1.0.0", json!([])),
        ("1.1.0", json!([])),
        ("2.0.0", json!(["NOBODY_HAS_IT"])),
    ] {
        let package = json!({
            "manifest": 2, "name": "bell", "version": version, "type": "trigger", "publisher": "belfry",
            "trigger": {"type": "manual"}, "requirements": {"secrets": secrets}, "update": {"deadline_seconds": 1}
        });
        let path = directory
            .path()
            .join(format!("triggers/bell-{version}.json"));
        std::fs::write(path, package.to_string())?;
    }
    Ok(directory)
}

#[tokio::test]
async fn the_command_line_scales_pauses_and_steers_nodes() -> Result<()> {
    let dev = Dev::start_with(&["--node", "node-a"]).await?;
    let belfry = Terminal::at(&dev.doors)?;
    belfry.fails(
        &["install", "simple-webhook"],
        "is a trigger: say what it runs with --workflow ID",
    )?;
    let install = [
        "install",
        "simple-webhook",
        "--workflow",
        "w",
        "--replicas",
        "2",
        "--constraint",
        "node=node-a",
    ];
    belfry.succeeds(&install, "is installed: running")?;
    let list = belfry.succeeds(&["list"], "2/2")?;
    assert!(list.contains("KIND") && list.contains("trigger"), "{list}");
    belfry.succeeds(&["scale", "simple-webhook", "3"], "is scaled to 3")?;
    belfry.succeeds(&["status", "simple-webhook"], "belfry-simple-webhook-2")?;
    belfry.fails(
        &["scale", "simple-webhook", "0"],
        "0 replicas are not possible",
    )?;
    belfry.succeeds(&["pause", "simple-webhook"], "is paused")?;
    belfry.succeeds(&["list"], "paused")?;
    belfry.succeeds(&["resume", "simple-webhook"], "is resumed")?;
    let history = belfry.succeeds(&["history", "simple-webhook"], "scaled from 2 to 3")?;
    assert!(history.contains("ada"), "{history}");

    belfry.succeeds(&["nodes"], "node-a")?;
    belfry.succeeds(&["nodes", "node-a"], "belfry-simple-webhook-1")?;
    belfry.succeeds(&["cordon", "node-a"], "node-a is cordoned")?;
    belfry.succeeds(&["drain", "node-a"], "node-a is drained")?;
    belfry.succeeds(&["list"], "0/3")?;
    belfry.fails(&["logs", "simple-webhook"], "node `node-a` is drained")?;
    belfry.succeeds(&["uncordon", "node-a"], "node-a is active")?;
    belfry.fails(&["forget-node", "node-a"], "node `node-a` lives")?;
    belfry.fails(&["drain", "node-b"], "there is no node `node-b`")?;
    let json = belfry.succeeds(&["nodes", "--json"], "")?;
    let nodes: Value = serde_json::from_str(&json)?;
    assert_eq!(nodes[0]["name"], "node-a");
    Ok(())
}

#[tokio::test]
async fn the_command_line_updates_rolls_back_and_says_when_an_update_did_not_hold() -> Result<()> {
    let packages = packages()?;
    let path = packages.path().to_string_lossy().into_owned();
    let dev = Dev::start_with(&["--packages", &path]).await?;
    let belfry = Terminal::at(&dev.doors)?;
    belfry.succeeds(&["install", "bell-1.1.0", "--workflow", "w"], "running")?;
    belfry.fails(&["rollback", "bell"], "nothing to roll back to")?;
    let why = "bell has version 1.1.0 still: the update to 2.0.0 did not hold and was rolled back";
    belfry.fails(&["update", "bell"], why)?;
    belfry.fails(&["update", "bell", "--json"], "\"status\": \"rolled_back\"")?;
    belfry.succeeds(&["status", "bell"], "NOBODY_HAS_IT")?;
    crate::world::set_secret(dev.secrets.path(), "NOBODY_HAS_IT", "somebody has")?;
    belfry.succeeds(&["update", "bell"], "bell is updated from 1.1.0 to 2.0.0")?;
    belfry.succeeds(
        &["rollback", "bell"],
        "bell is rolled back from 2.0.0 to 1.1.0",
    )?;
    belfry.fails(
        &["rollback", "bell", "--to", "999"],
        "revision 999 of `bell` is not kept",
    )?;
    belfry.succeeds(
        &["history", "bell"],
        "rolled back from 2.0.0 to 1.1.0 by itself",
    )?;
    belfry.succeeds(&["uninstall", "bell"], "bell is uninstalled")?;
    Ok(())
}

#[tokio::test]
async fn a_log_is_followed_on_the_command_line_over_a_restart() -> Result<()> {
    let dev = Dev::start().await?;
    let belfry = Terminal::at(&dev.doors)?;
    dev.doors
        .install("simple-webhook", json!({"workflow_id": "w"}))
        .await?;
    let mut follow = belfry.command(&["logs", "-f", "simple-webhook"]);
    follow.stdout(Stdio::piped());
    let mut follow = tokio::process::Command::from(follow)
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(follow.stdout.take().context("no output")?).lines();
    for delivery in ["d-1", "d-2"] {
        let (_, answer) = dev
            .doors
            .deliver("simple-webhook", unsigned(delivery))
            .await?;
        let id = answer["event_id"].as_str().context("no id")?;
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await??;
        let line = line.context("the log ended")?;
        assert!(line.contains(id), "{line}");
        belfry.succeeds(&["restart", "simple-webhook"], "is restarted")?;
    }
    Ok(())
}

/// What a service writes: what it was given to keep, and how often it did.
const SPEAKER: &str = r#"#!/bin/sh
i=0
while true; do i=$((i+1)); echo "line $i: the token is $TOKEN"; /bin/busybox sleep 0.2; done
"#;

const INSTRUCTIONS: &str = "FROM scratch\nCOPY busybox /bin/busybox\nCOPY busybox /bin/sh\nCOPY speak /speak.sh\nENTRYPOINT [\"/bin/sh\", \"/speak.sh\"]\n";

#[tokio::test]
async fn a_service_is_installed_by_its_name_alone_and_its_log_keeps_its_secrets() -> Result<()> {
    let containers = Containers::of_this_test()?;
    let image = Image::build(&[("Dockerfile", INSTRUCTIONS), ("speak", SPEAKER)])?;
    let packages = tempfile::tempdir()?;
    std::fs::create_dir(packages.path().join("mcps"))?;
    let package = json!({
        "manifest": 2, "name": "speaker", "version": "1.0.0", "type": "mcp", "description": "for a test",
        "deployment": {"image": image.0}, "requirements": {"secrets": ["TOKEN"]}
    });
    let path = packages.path().join("mcps/speaker-1.0.0.json");
    std::fs::write(path, package.to_string())?;
    let path = packages.path().to_string_lossy().into_owned();
    let dev = Dev::start_with(&[
        "--packages",
        &path,
        "--runtime",
        "docker",
        "--mesh",
        &containers.mesh,
    ])
    .await?;
    crate::world::set_secret(dev.secrets.path(), "TOKEN", "open sesame")?;
    let belfry = Terminal::at(&dev.doors)?;
    belfry.succeeds(&["packages"], "mcp")?;
    belfry.succeeds(
        &["install", "speaker"],
        "speaker 1.0.0 is installed: running",
    )?;
    let list = belfry.succeeds(&["list"], "mcp")?;
    assert!(list.contains("1/1"), "{list}");
    let log = belfry.succeeds(&["logs", "speaker"], "line 1: the token is ***")?;
    assert!(!log.contains("sesame"), "a secret left its node: {log}");

    // Page by page, nothing is told twice and nothing is left out.
    let (mut after, mut texts) = (String::from("1970-01-01T00:00:00Z"), Vec::new());
    while texts.len() < 20 {
        let path = format!("/mcps/speaker/logs?lines=7&wait_seconds=10&after={after}");
        let (status, page) = dev.doors.console("GET", &path, None).await?;
        ensure!(status == 200, "{page}");
        let lines = page["lines"].as_array().context("no lines")?;
        ensure!((1..=7).contains(&lines.len()), "{page}");
        texts.extend(lines.iter().map(|line| line["text"].clone()));
        after = page["after"]
            .as_str()
            .context("no place to go on")?
            .to_owned();
    }
    let told: Vec<String> = (1..=texts.len())
        .map(|i| format!("line {i}: the token is ***"))
        .collect();
    assert_eq!(texts, told);

    belfry.succeeds(&["scale", "speaker", "2"], "is scaled to 2")?;
    belfry.succeeds(&["logs", "speaker", "-n", "1"], "1 | line")?;
    belfry.fails(
        &["pause", "speaker"],
        "`speaker` is an mcp, which takes no events",
    )?;
    belfry.succeeds(&["stop", "speaker"], "is stopped")?;
    belfry.succeeds(&["uninstall", "speaker"], "is uninstalled")?;
    dev.doors
        .until("no container is left, nor a network", || async {
            let left = [containers.names()?, containers.networks()?];
            Ok(left.concat().is_empty().then_some(()))
        })
        .await
}

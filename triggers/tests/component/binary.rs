//! The binary, as a container runs it.

use crate::scripted::Orchestrator;
use crate::story::{client, event, github, linear, older, post};
use serde_json::json;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

fn binary(environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_belfry-trigger"));
    command
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn it_helps_and_says_its_version() {
    let help = binary(&[]).arg("--help").output().await.unwrap();
    assert!(
        help.status.success()
            && String::from_utf8(help.stdout)
                .unwrap()
                .contains("ORCHESTRATOR_URL")
    );
    let version = binary(&[]).arg("--version").output().await.unwrap();
    assert_eq!(
        String::from_utf8(version.stdout).unwrap(),
        concat!("belfry-trigger ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[tokio::test]
async fn a_wrong_configuration_ends_it_with_status_2_and_a_word() {
    let run = ("WORKFLOW_ID", "w");
    let package = linear().to_string();
    let clock = older(json!({"type": "schedule", "cron": "${CRON}"})).to_string();
    for (environment, word) in [
        (vec![], "neither WORKFLOW_ID nor TEAM_ID is set"),
        (
            vec![run, ("TEAM_ID", "t")],
            "both WORKFLOW_ID `w` and TEAM_ID `t` are set",
        ),
        (
            vec![run, ("ORCHESTRATOR_URL", "localhost:1")],
            "ORCHESTRATOR_URL cannot be used",
        ),
        (
            vec![run, ("BELFRY_TRIGGER_ADDR", "nowhere")],
            "BELFRY_TRIGGER_ADDR is `nowhere`",
        ),
        (
            vec![run, ("BELFRY_TRIGGER_GRACE", "-1")],
            "BELFRY_TRIGGER_GRACE is `-1`",
        ),
        (vec![run, ("BELFRY_LOG", "loud")], "BELFRY_LOG is `loud`"),
        (
            vec![run, ("BELFRY_PACKAGE", "{")],
            "BELFRY_PACKAGE is not a package",
        ),
        (
            vec![run, ("TRIGGER_NAME", "My Hook")],
            "TRIGGER_NAME cannot be used: `My Hook`",
        ),
        (
            vec![("TEAM_ID", "t"), ("TASK_TEMPLATE", "a {b")],
            "TASK_TEMPLATE cannot be used: the task template",
        ),
        (
            vec![
                run,
                ("BELFRY_PACKAGE", &package),
                ("LINEAR_CLIENT_ID", "id"),
            ],
            "LINEAR_CLIENT_ID is set and LINEAR_CLIENT_SECRET is not",
        ),
        (
            vec![run, ("BELFRY_PACKAGE", &clock)],
            "CRON_EXPRESSION cannot be used: the package's schedule is `${CRON}`, and `CRON` is not set",
        ),
    ] {
        let output = binary(&environment).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.starts_with(&format!("belfry-trigger: {word}")),
            "{said}"
        );
    }
    assert_eq!(
        binary(&[])
            .arg("--bogus")
            .output()
            .await
            .unwrap()
            .status
            .code(),
        Some(2)
    );
}

#[tokio::test]
async fn it_runs_an_event_and_ends_when_it_is_told() {
    let mut orchestrator = Orchestrator::start().await;
    let package = github().to_string();
    let mut child = binary(&[
        ("TEAM_ID", "t"),
        ("TASK_TEMPLATE", "Look at {repository.full_name}"),
        ("ORCHESTRATOR_URL", &orchestrator.url),
        ("BELFRY_PACKAGE", &package),
        ("BELFRY_TRIGGER_ADDR", "127.0.0.1:0"),
    ])
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = tokio::time::timeout(Duration::from_secs(10), lines.next_line())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let address = first
        .split("address=")
        .nth(1)
        .expect("it says where it listens")
        .trim();
    let push = crate::story::github_event("push", &json!({"repository": {"full_name": "o/r"}}));
    let http = client().build().unwrap();
    let answered = post(&http, &format!("http://{address}/event"), &push).await;
    assert_eq!(
        answered.body,
        json!({"status": "triggered", "execution_id": "ex-1"})
    );
    assert_eq!(orchestrator.call().await.body["task"], "Look at o/r");
    let ignored = post(
        &http,
        &format!("http://{address}/event"),
        &event("com.github.star", &json!({})),
    )
    .await;
    assert_eq!(ignored.body["status"], "ignored");
    let pid = child.id().unwrap().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await
            .unwrap()
            .success()
    );
    let ended = tokio::time::timeout(Duration::from_secs(10), child.wait())
        .await
        .expect("it ends")
        .unwrap();
    assert!(ended.success());
    let rest: Vec<String> = {
        let mut rest = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            rest.push(line);
        }
        rest
    };
    assert!(
        rest.iter()
            .any(|line| line.contains("triggered") && line.contains("event_id=\"e-1\"")),
        "{rest:?}"
    );
    assert!(rest.last().unwrap().contains("stopping"), "{rest:?}");
    orchestrator.end().await;
}

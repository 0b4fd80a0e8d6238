//! A trigger that is nothing of ours: a shell script behind the web server of busybox.

use super::engine::{Image, docker};
use super::{Mesh, package};
use crate::world::unsigned;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::net::TcpListener;
use tempfile::TempDir;

/// The trigger contract, in a shell: an event comes in, what became of it goes out.
const SCRIPT: &str = r#"#!/bin/sh
body=$(/bin/busybox cat)
echo "took $HTTP_CE_ID of ${#body} bytes" >&2
printf 'Content-Type: application/json\r\n\r\n{"status":"triggered","execution_id":"shell-%s"}\n' "$HTTP_CE_ID"
"#;

/// A first process that handles no signal does not end when it is asked to, hence the other one.
const INSTRUCTIONS: &str = r#"FROM scratch
COPY busybox /bin/busybox
COPY busybox /bin/sh
COPY event /www/cgi-bin/event
COPY health /www/health
STOPSIGNAL SIGKILL
ENTRYPOINT ["/bin/busybox", "httpd", "-f", "-p", "9000", "-h", "/www"]
"#;

/// The image of such a trigger.
pub(super) fn image() -> Result<Image> {
    image_of(SCRIPT)
}

/// The image of a trigger that is well, and takes events with this script.
pub(super) fn image_of(script: &str) -> Result<Image> {
    Image::build(&[
        ("Dockerfile", INSTRUCTIONS),
        ("event", script),
        ("health", "well\n"),
    ])
}

/// The deployment of a package that runs it.
pub(super) fn deployment(image: &Image) -> serde_json::Value {
    json!({"image": image.0, "path": "/cgi-bin/event", "port": 9000})
}

#[tokio::test]
async fn a_shell_script_that_keeps_the_contract_is_a_trigger() -> Result<()> {
    let (packages, image) = (TempDir::with_prefix("belfry-packages-")?, image()?);
    package(packages.path(), "shell-bell", deployment(&image))?;
    let mesh = Mesh::start(&["--packages", &packages.path().to_string_lossy()]).await?;
    let doors = &mesh.dev.doors;
    doors
        .install("shell-bell", json!({"workflow_id": "w"}))
        .await?;

    let (status, answer) = doors.deliver("shell-bell", unsigned("d-1")).await?;
    ensure!(status == 202, "{status}: {answer}");
    let id = answer["event_id"].as_str().context("no event id")?;
    let event = doors.event(id, "triggered").await?;
    assert_eq!(
        event["outcomes"][0]["execution_id"],
        json!(format!("shell-{id}"))
    );
    let name = mesh.containers.names()?.remove(0);
    // Nobody is root, whatever the image says.
    let user = docker(&["exec", &name, "/bin/busybox", "id", "-u"])?;
    assert_eq!(user, "65532");
    mesh.uninstall("shell-bell").await
}

#[tokio::test]
async fn a_trigger_that_redirects_leads_the_agent_nowhere() -> Result<()> {
    let elsewhere = TcpListener::bind("127.0.0.1:0")?;
    let script = format!(
        "#!/bin/sh\n/bin/busybox cat >/dev/null\nprintf 'Status: 307\\r\\nLocation: http://{}/\\r\\n\\r\\n'\n",
        elsewhere.local_addr()?
    );
    let files = [
        ("Dockerfile", INSTRUCTIONS),
        ("event", &script),
        ("health", "well\n"),
    ];
    let (packages, image) = (
        TempDir::with_prefix("belfry-packages-")?,
        Image::build(&files)?,
    );
    package(packages.path(), "astray-bell", deployment(&image))?;
    let mesh = Mesh::start(&["--packages", &packages.path().to_string_lossy()]).await?;
    let doors = &mesh.dev.doors;
    doors
        .install("astray-bell", json!({"workflow_id": "w"}))
        .await?;

    let (status, answer) = doors.deliver("astray-bell", unsigned("d-1")).await?;
    ensure!(status == 202, "{status}: {answer}");
    let id = answer["event_id"].as_str().context("no event id")?;
    let event = doors.event(id, "dead").await?;
    let outcomes = event["outcomes"].as_array().context("no outcomes")?;
    assert_eq!(outcomes.len(), 1, "{event}");
    let reason = outcomes[0]["reason"].as_str().unwrap_or_default();
    assert!(
        reason.contains("answered with a redirect, which is not followed"),
        "{event}"
    );
    elsewhere.set_nonblocking(true)?;
    assert!(elsewhere.accept().is_err(), "it was followed");
    mesh.uninstall("astray-bell").await
}

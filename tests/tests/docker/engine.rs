//! The Docker Engine as a test looks into it, and the containers of one test.

use anyhow::{Context, Result, ensure};
use std::hash::{BuildHasher, RandomState};
use std::net::Ipv4Addr;
use std::process::Command;

/// Asks the engine, by its own client.
pub(crate) fn docker(arguments: &[&str]) -> Result<String> {
    let output = Command::new("docker")
        .args(arguments)
        .output()
        .context("no `docker`: these tests need a Docker Engine; install docker.io, or docker from https://docs.docker.com")?;
    ensure!(
        output.status.success(),
        "docker {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The containers of a mesh that is this test's own. They go with it, however it ends.
pub(crate) struct Containers {
    pub(crate) mesh: String,
}

impl Containers {
    /// A mesh of its own, on an engine that has the standard trigger's image.
    pub(crate) fn of_this_test() -> Result<Self> {
        docker(&["image", "inspect", IMAGE])
            .with_context(|| format!("the engine has no {IMAGE}: run scripts/trigger-image"))?;
        let mesh = format!(
            "test-{:016x}",
            RandomState::new().hash_one(std::process::id())
        );
        Ok(Self { mesh })
    }

    /// The names of all of them, whatever their state.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        self.list("{{.Names}}")
    }

    fn list(&self, format: &str) -> Result<Vec<String>> {
        let filter = format!("label=belfry.mesh={}", self.mesh);
        let listed = docker(&["ps", "--all", "--filter", &filter, "--format", format])?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    /// What has happened to them since then (seconds), in order: `start belfry-bell-0-1`.
    pub(crate) fn history(&self, since: i64, until: i64) -> Result<Vec<String>> {
        let filter = format!("label=belfry.mesh={}", self.mesh);
        let (since, until) = (since.to_string(), until.to_string());
        let told = docker(&[
            "events",
            "--since",
            &since,
            "--until",
            &until,
            "--filter",
            &filter,
            "--format",
            "{{.Action}} {{.Actor.Attributes.name}}",
        ])?;
        Ok(told.lines().map(str::to_owned).collect())
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        for id in self.list("{{.ID}}").unwrap_or_default() {
            let _ = docker(&["rm", "--force", "--volumes", &id]);
        }
    }
}

/// An image that a test has made. It goes with the test.
pub(crate) struct Image(pub(crate) &'static str);

impl Drop for Image {
    fn drop(&mut self) {
        let _ = docker(&["image", "rm", "--force", self.0]);
    }
}

/// The standard trigger's image.
pub(crate) const IMAGE: &str = concat!("belfry-trigger:", env!("CARGO_PKG_VERSION"));

/// Where containers reach this machine: the first address of the bridge's network. The engine does not say so itself before its
/// first container is there.
pub(crate) fn gateway() -> Result<Ipv4Addr> {
    let format = "{{(index .IPAM.Config 0).Subnet}}";
    let subnet = docker(&["network", "inspect", "bridge", "--format", format])?;
    let base: Ipv4Addr = subnet
        .split('/')
        .next()
        .unwrap_or_default()
        .parse()
        .with_context(|| format!("the bridge's network is `{subnet}`"))?;
    Ok(Ipv4Addr::from_bits(base.to_bits() + 1))
}

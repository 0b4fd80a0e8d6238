//! The Docker Engine as a test looks into it, and the containers of one test.

use anyhow::{Context, Result, ensure};
use std::fs::Permissions;
use std::hash::{BuildHasher, RandomState};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

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
        let mesh = format!("test-{}", unique());
        Ok(Self { mesh })
    }

    /// The names of all of them, whatever their state.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        self.list("{{.Names}}")
    }

    /// The networks of the mesh, by id.
    pub(crate) fn networks(&self) -> Result<Vec<String>> {
        let filter = format!("label=belfry.mesh={}", self.mesh);
        let listed = docker(&["network", "ls", "--quiet", "--filter", &filter])?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    /// The volumes of the mesh.
    pub(crate) fn volumes(&self) -> Result<Vec<String>> {
        let filter = format!("label=belfry.mesh={}", self.mesh);
        let listed = docker(&["volume", "ls", "--quiet", "--filter", &filter])?;
        Ok(listed.lines().map(str::to_owned).collect())
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
        for id in self.networks().unwrap_or_default() {
            let _ = docker(&["network", "rm", &id]);
        }
        for name in self.volumes().unwrap_or_default() {
            let _ = docker(&["volume", "rm", "--force", &name]);
        }
    }
}

/// An image that a test has made. It goes with the test.
pub(crate) struct Image(pub(crate) String);

impl Image {
    /// Makes one of files, each with what is in it, among them a `Dockerfile`; `busybox` is there besides.
    pub(crate) fn build(files: &[(&str, &str)]) -> Result<Self> {
        let context = TempDir::with_prefix("belfry-image-")?;
        for (name, text) in files {
            let path = context.path().join(name);
            std::fs::write(&path, text)?;
            std::fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        }
        let busybox = ["/bin/busybox", "/usr/bin/busybox"];
        let busybox = busybox.iter().find(|path| Path::new(path).exists());
        let busybox = busybox.context("no busybox: install busybox-static")?;
        std::fs::copy(busybox, context.path().join("busybox"))?;
        let image = Self(format!("belfry-test:{}", unique()));
        let path = context.path().to_string_lossy().into_owned();
        let output = Command::new("docker")
            // The classic builder: the other one pulls its own front end.
            .env("DOCKER_BUILDKIT", "0")
            .args(["build", "--quiet", "--tag", &image.0, &path])
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "docker build: {}", said.trim());
        Ok(image)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = docker(&["image", "rm", "--force", &self.0]);
    }
}

/// A container beside the mesh's, on a network of its own. Both go with the test.
pub(crate) struct Neighbour {
    name: String,
    pub(crate) address: String,
}

impl Neighbour {
    /// Starts `busybox` of this image, with these arguments.
    pub(crate) fn start(image: &Image, arguments: &[&str]) -> Result<Self> {
        let name = format!("belfry-neighbour-{}", unique());
        let mut neighbour = Self {
            address: String::new(),
            name,
        };
        let name = &neighbour.name;
        docker(&["network", "create", name])?;
        let run = [
            "run",
            "--detach",
            "--name",
            name,
            "--network",
            name,
            &image.0,
            "/bin/busybox",
        ];
        docker(&[&run, arguments].concat())?;
        neighbour.address = address(name)?;
        Ok(neighbour)
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = docker(&["rm", "--force", &self.name]);
        let _ = docker(&["network", "rm", &self.name]);
    }
}

/// The address of a container that is on one network.
pub(crate) fn address(container: &str) -> Result<String> {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    docker(&["inspect", "--format", format, container])
}

fn unique() -> String {
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
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

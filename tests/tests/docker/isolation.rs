//! What a trigger's container cannot do, tried from inside of one.

use super::engine::{Neighbour, address, docker, gateway};
use super::{Mesh, foreign, package};
use crate::world::{PATIENCE, SECRET};
use anyhow::{Context, Result};
use belfry_tests::servers::{Nats, Redis};
use serde_json::json;
use std::net::TcpStream;
use std::process::Command;
use tempfile::TempDir;

/// A container that is looked out of.
struct Inside(String);

impl Inside {
    /// What a command of busybox says in there, and whether it succeeded.
    fn run(&self, arguments: &[&str]) -> Result<(bool, String)> {
        let output = Command::new("docker")
            .args(["exec", &self.0, "/bin/busybox"])
            .args(arguments)
            .output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        Ok((output.status.success(), said))
    }

    /// Whether a connection can be had from in there.
    fn reaches(&self, host: &str, port: u16) -> Result<bool> {
        let connect = [
            "nc",
            "-w",
            "2",
            host,
            &port.to_string(),
            "-e",
            "/bin/busybox",
            "true",
        ];
        let (reached, said) = self.run(&connect)?;
        println!(
            "  {host}:{port} {}",
            if reached { "reached" } else { said.trim() }
        );
        Ok(reached)
    }

    /// A line of its first process' status, by its name.
    fn status(&self, name: &str) -> Result<String> {
        let (_, status) = self.run(&["cat", "/proc/1/status"])?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|line| line.strip_prefix(':'));
        let value = value.with_context(|| format!("no {name} in {status}"))?;
        Ok(value.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// A mesh on NATS and Redis, with two triggers.
async fn mesh(
    packages: &TempDir,
    nats: &Nats,
    redis: &Redis,
    image: &super::engine::Image,
) -> Result<(Mesh, Inside, Inside)> {
    for name in ["bell-a", "bell-b"] {
        package(packages.path(), name, foreign::deployment(image))?;
    }
    let (packages, nats, redis) = (packages.path().to_string_lossy(), nats.url(), redis.url());
    let arguments = [
        "--packages",
        &packages,
        "--nats-url",
        &nats,
        "--redis-url",
        &redis,
    ];
    let mesh = Mesh::start(&arguments).await?;
    for name in ["bell-a", "bell-b"] {
        let body = json!({"workflow_id": "w"});
        mesh.dev.doors.install(name, body).await?;
    }
    let names = mesh.containers.names()?;
    let inside = |name: &str| {
        let found = names.iter().find(|found| found.contains(name));
        Ok::<_, anyhow::Error>(Inside(found.context("no such container")?.clone()))
    };
    let (a, b) = (inside("bell-a")?, inside("bell-b")?);
    Ok((mesh, a, b))
}

#[tokio::test]
async fn a_container_reaches_the_orchestrator_and_nothing_of_the_mesh() -> Result<()> {
    let packages = TempDir::with_prefix("belfry-packages-")?;
    let (nats, redis, image) = (Nats::start()?, Redis::start()?, foreign::image()?);
    let neighbour = Neighbour::start(&image, &["httpd", "-f", "-p", "4222", "-h", "/www"])?;
    let (mesh, a, b) = mesh(&packages, &nats, &redis, &image).await?;
    let (of_a, of_b) = (address(&a.0)?, address(&b.0)?);
    let own_gateway = docker(&[
        "inspect",
        "--format",
        "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}",
        &a.0,
    ])?;
    let (bridge, nats, redis) = (gateway()?.to_string(), nats.port(), redis.port());

    println!("from the node:");
    for (host, port) in [
        (&*of_b, 9000),
        (&*neighbour.address, 4222),
        ("127.0.0.1", nats),
        ("127.0.0.1", redis),
    ] {
        let place = format!("{host}:{port}").parse()?;
        TcpStream::connect_timeout(&place, PATIENCE).with_context(|| format!("no {place}"))?;
        println!("  {place} reached");
    }
    println!("from inside of a trigger's container:");
    // What follows would prove nothing if its tool did not work: it reaches what it may.
    let orchestrator = mesh.dev.orchestrator.url.rsplit(':').next();
    let orchestrator = orchestrator.context("no port")?.parse()?;
    assert!(a.reaches("host.docker.internal", orchestrator)?);
    assert!(a.reaches(&bridge, orchestrator)?);
    assert!(a.reaches(&of_a, 9000)?, "itself");
    for (host, port) in [
        (&*of_b, 9000),
        (&*neighbour.address, 4222),
        ("127.0.0.1", nats),
        (&own_gateway, nats),
        (&bridge, nats),
        ("127.0.0.1", redis),
        (&own_gateway, redis),
        (&bridge, redis),
        (&own_gateway, 2375),
        (&bridge, 2375),
        (&bridge, 2376),
    ] {
        assert!(!a.reaches(host, port)?, "it reaches {host}:{port}");
    }
    mesh.uninstall_all(&["bell-a", "bell-b"]).await
}

#[tokio::test]
async fn a_container_is_nobody_s_and_has_nothing_to_give_away() -> Result<()> {
    let packages = TempDir::with_prefix("belfry-packages-")?;
    let (nats, redis, image) = (Nats::start()?, Redis::start()?, foreign::image()?);
    let (mesh, a, _b) = mesh(&packages, &nats, &redis, &image).await?;

    assert_eq!(a.status("Uid")?, "65532 65532 65532 65532");
    assert_eq!(a.status("Gid")?, "65532 65532 65532 65532");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(a.status(set)?, "0000000000000000", "{set}");
    }
    assert_eq!(a.status("NoNewPrivs")?, "1");
    assert_eq!(a.status("Seccomp")?, "2", "no filter of system calls");

    for path in ["/x", "/bin/x", "/www/x"] {
        let (written, said) = a.run(&["touch", path])?;
        assert!(!written && said.contains("Read-only"), "{path}: {said}");
    }
    assert_eq!(a.run(&["touch", "/tmp/x"])?, (true, String::new()));
    a.run(&["cp", "/bin/busybox", "/tmp/program"])?;
    let (ran, said) = a.run(&["env", "/tmp/program", "true"])?;
    assert!(!ran && said.contains("Permission denied"), "{said}");
    let (found, said) = a.run(&["find", "/", "-xdev", "-type", "s"])?;
    assert!(found && said.is_empty(), "sockets: {said}");
    for path in ["/var/run/docker.sock", "/run/docker.sock"] {
        assert!(!a.run(&["ls", path])?.0, "{path}");
    }

    let (_, environment) = a.run(&["cat", "/proc/1/environ"])?;
    assert!(environment.contains("ORCHESTRATOR_URL="), "{environment}");
    for word in [&nats.url(), &redis.url(), "NATS", "REDIS", SECRET] {
        assert!(!environment.contains(word), "{word}");
    }
    mesh.uninstall_all(&["bell-a", "bell-b"]).await
}

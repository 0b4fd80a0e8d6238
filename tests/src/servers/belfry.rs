//! Belfry itself: the binary that was built with the tests, one role or all of them in a process.

use super::port;
use super::server::{Kind, Server};
use anyhow::{Result, ensure};
use std::ffi::OsString;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

const PACKAGE: &str = "the workspace: `cargo build` makes it";

const fn kind(ready: &'static str) -> Kind {
    Kind {
        program: "belfry",
        variable: "BELFRY_TEST_BELFRY",
        package: PACKAGE,
        ready,
    }
}

const DEV: Kind = kind("Belfry is up.");
const GATEWAY: Kind = kind("gateway listens");
const CONSOLE: Kind = kind("console listens");
const REGISTRY: Kind = kind("registry listens");
const AGENT: Kind = kind("agent runs");

/// A process of Belfry's on `127.0.0.1`.
pub struct Belfry {
    server: Server,
    console: u16,
}

/// The roles that have a process of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `belfry gateway`; its port is the gateway's.
    Gateway,
    /// `belfry console`; its port is the console's.
    Console,
    /// `belfry agent`; its port is the agent's own.
    Agent,
    /// `belfry registry`; its port is the registry's.
    Registry,
}

impl Belfry {
    /// Starts `belfry dev` with these arguments besides; its port is the gateway's. Secrets are the files of `secrets`.
    ///
    /// # Errors
    /// If the binary is not there or does not come up.
    pub fn dev(secrets: &Path, arguments: &[&str]) -> Result<Self> {
        let mut console = 0;
        let ports: Vec<u16> = (0..3).map(|_| port::free()).collect::<Result<_>>()?;
        let server = Server::start(&DEV, |gateway, directory| {
            console = ports[0];
            let mut all: Vec<OsString> = vec!["dev".into()];
            let address = |port: u16| format!("127.0.0.1:{port}");
            for (flag, port) in [
                ("gateway", gateway),
                ("console", ports[0]),
                ("registry", ports[1]),
                ("standin", ports[2]),
            ] {
                all.extend([format!("--{flag}-addr").into(), address(port).into()]);
            }
            all.extend([
                "--data".into(),
                directory.join("data").into(),
                "--secrets".into(),
                secrets.into(),
            ]);
            all.extend(arguments.iter().map(OsString::from));
            Ok(all)
        })?;
        Ok(Self {
            server,
            console: ports[0],
        })
    }

    /// Starts one role with these arguments.
    ///
    /// # Errors
    /// If the binary is not there or does not come up.
    pub fn role(role: Role, arguments: &[&str]) -> Result<Self> {
        let (kind, name) = match role {
            Role::Gateway => (&GATEWAY, "gateway"),
            Role::Console => (&CONSOLE, "console"),
            Role::Agent => (&AGENT, "agent"),
            Role::Registry => (&REGISTRY, "registry"),
        };
        let server = Server::start(kind, |port, directory| {
            let mut all: Vec<OsString> = vec![
                name.into(),
                format!("--{name}-addr").into(),
                format!("127.0.0.1:{port}").into(),
            ];
            if role != Role::Registry {
                all.extend(["--data".into(), directory.join("data").into()]);
            }
            all.extend(arguments.iter().map(OsString::from));
            Ok(all)
        })?;
        let console = server.port();
        Ok(Self { server, console })
    }

    /// The console's port, of `dev` or of the console's own process.
    #[must_use]
    pub fn console_port(&self) -> u16 {
        self.console
    }

    /// Its data directory, for a process that has one.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.server.directory().join("data")
    }

    /// How much memory it has resident, in bytes.
    ///
    /// # Errors
    /// If it does not run.
    pub fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.pid()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: Option<u64> =
            line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse().ok());
        ensure!(kib.is_some(), "no VmRSS in the status of the process");
        Ok(kib.unwrap_or_default() * 1024)
    }
}

impl Deref for Belfry {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Belfry {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}

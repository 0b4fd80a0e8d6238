//! The receivers that are compared, each started with all it needs, on free ports, in a directory of its own.

mod backend;
mod belfry;
mod other;

use crate::process::Process;
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// A receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Target {
    /// The same steps as Belfry's on NATS and Redis, in as little code as possible.
    Bare,
    /// Belfry's gateway on NATS and Redis.
    Belfry,
    /// Belfry in one process, which stores on its own disk before it answers.
    Embedded,
    /// HTTP and the check of the signature, and nothing else.
    Http,
    /// Debian's `webhook`, which checks the signature and starts a program.
    Webhook,
    /// A FastAPI application.
    Fastapi,
}

/// Where programs are found.
#[derive(Debug, Clone)]
pub struct Tools {
    /// The directory of this program, where the build left the others.
    pub built: PathBuf,
    /// The NATS server.
    pub nats: PathBuf,
    /// Python's virtual environment with FastAPI.
    pub venv: PathBuf,
    /// Where directories are made for what runs: on a disk, not in memory.
    pub scratch: PathBuf,
}

/// A receiver that runs.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The path of its hook.
    pub path: String,
    /// The receiver itself.
    receiver: Process,
    /// What it needs: the bus, Redis, an orchestrator.
    behind: Vec<Process>,
    /// Where the bus tells what it has stored, and in which stream.
    store: Option<(SocketAddr, &'static str)>,
    _directory: TempDir,
}

impl Target {
    /// What it is called in tables.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Bare => "bare pipeline",
            Self::Belfry => "Belfry, NATS + Redis",
            Self::Embedded => "Belfry, embedded",
            Self::Http => "HTTP + HMAC alone",
            Self::Webhook => "webhook (adnanh)",
            Self::Fastapi => "FastAPI",
        }
    }

    /// What it does before it answers.
    #[must_use]
    pub fn does(self) -> &'static str {
        match self {
            Self::Bare => {
                "verifies, asks Redis, stores in JetStream, marks in Redis; no routes, limits, metrics, spool, CloudEvents or JSON"
            }
            Self::Belfry => "all that the gateway does; it stores in JetStream and marks in Redis",
            Self::Embedded => {
                "all that the gateway does; it stores in SQLite with an fsync (group commit), and in the same process delivers each \
                 event to its trigger, which calls an orchestrator"
            }
            Self::Http => "verifies; stores nothing",
            Self::Webhook => "verifies; starts /bin/true without waiting for it; stores nothing",
            Self::Fastapi => {
                "verifies, remembers ids in memory, calls the orchestrator and waits for its answer; stores nothing"
            }
        }
    }

    /// Starts it, and returns when its hook takes deliveries.
    ///
    /// # Errors
    /// If a program is missing or does not come up.
    pub fn start(self, tools: &Tools) -> Result<Running> {
        std::fs::create_dir_all(&tools.scratch)?;
        let directory = TempDir::with_prefix_in("run-", &tools.scratch)?;
        let running = match self {
            Self::Bare => other::bare(tools, directory),
            Self::Http => other::http(tools, directory),
            Self::Belfry => belfry::on_nats(tools, directory),
            Self::Embedded => belfry::embedded(tools, directory),
            Self::Webhook => other::webhook(directory),
            Self::Fastapi => other::fastapi(tools, directory),
        };
        running.with_context(|| format!("starting {}", self.label()))
    }
}

impl Tools {
    /// A program that was built with this one.
    #[must_use]
    pub fn built(&self, name: &str) -> PathBuf {
        self.built.join(name)
    }
}

impl Running {
    /// Processor time taken so far by each process, the receiver first.
    ///
    /// # Errors
    /// If a process has ended.
    pub fn cpu(&self) -> Result<Vec<(&'static str, Duration)>> {
        let all = std::iter::once(&self.receiver).chain(&self.behind);
        all.map(|process| Ok((process.name(), process.cpu()?)))
            .collect()
    }

    /// Its processes: name and id.
    pub fn processes(&self) -> impl Iterator<Item = (&'static str, u32)> {
        std::iter::once(&self.receiver)
            .chain(&self.behind)
            .map(|process| (process.name(), process.id()))
    }

    /// How many events the bus has stored, of a receiver that has one.
    ///
    /// # Errors
    /// If the bus does not say.
    pub fn stored(&self) -> Result<Option<u64>> {
        self.store
            .map(|(address, stream)| backend::stored(address, stream))
            .transpose()
    }
}

/// A program on the `PATH`.
fn on_path(program: &str, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
        .with_context(|| {
            format!("no `{program}` on the PATH: install {package}, as `scripts/bench` does")
        })
}

/// A directory in another.
fn subdirectory(directory: &Path, name: &str) -> Result<PathBuf> {
    let path = directory.join(name);
    std::fs::create_dir(&path)?;
    Ok(path)
}

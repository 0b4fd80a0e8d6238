//! The command line.

use anyhow::{Context, Result};
use belfry_bench::body::Size;
use belfry_bench::target::{Target, Tools};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};

/// Measures Belfry's gateway beside what else receives webhooks.
#[derive(Parser)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Compares all receivers and writes a table, a plot and the numbers.
    Run(Run),
    /// Starts one receiver and puts a load on it.
    Load(Load),
    /// Tests whether the time that a refusal takes tells where a signature is wrong.
    Timing(Timing),
}

#[derive(Args)]
pub(crate) struct Run {
    /// One round of two seconds: to see that it works.
    #[arg(long)]
    pub(crate) quick: bool,
    /// How often each receiver is measured in each kind of loop.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Seconds before anything counts.
    #[arg(long, default_value_t = 2.0)]
    pub(crate) warm_up: f64,
    /// Seconds that count.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// How many connections are kept open.
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// The receivers, comma separated; all, if none is named.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<Target>,
    /// The sizes of the bodies, comma separated.
    #[arg(long, value_delimiter = ',', default_value = "small,large")]
    pub(crate) sizes: Vec<SizeName>,
    /// Where the results go.
    #[arg(long, default_value = "bench/results")]
    pub(crate) out: PathBuf,
    /// How this was called, for the results.
    #[arg(long, default_value = "belfry-bench run")]
    pub(crate) command: String,
    #[command(flatten)]
    pub(crate) tools: ToolArgs,
}

#[derive(Args)]
pub(crate) struct Load {
    /// The receiver.
    #[arg(long)]
    pub(crate) target: Target,
    /// The size of the bodies.
    #[arg(long, default_value = "small")]
    pub(crate) size: SizeName,
    /// How many connections are kept open.
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// Requests a second, of an open loop; without it, as many as the connections carry.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Seconds before anything counts.
    #[arg(long, default_value_t = 2.0)]
    pub(crate) warm_up: f64,
    /// Seconds that count.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    #[command(flatten)]
    pub(crate) tools: ToolArgs,
}

#[derive(Args)]
pub(crate) struct Timing {
    /// How many measurements.
    #[arg(long, default_value_t = 2_000_000)]
    pub(crate) samples: usize,
    /// Where the result goes.
    #[arg(long, default_value = "bench/results")]
    pub(crate) out: PathBuf,
    /// How this was called, for the result.
    #[arg(long, default_value = "belfry-bench timing")]
    pub(crate) command: String,
}

/// What is needed besides what was built.
#[derive(Args)]
pub(crate) struct ToolArgs {
    /// The NATS server.
    #[arg(
        long,
        env = "BELFRY_TEST_NATS_SERVER",
        default_value = "target/tools/bin/nats-server"
    )]
    nats_server: PathBuf,
    /// Python's virtual environment with FastAPI.
    #[arg(long, default_value = "target/bench/venv")]
    venv: PathBuf,
    /// Where directories are made for what runs: on a disk, not in memory.
    #[arg(long, default_value = "target/bench")]
    scratch: PathBuf,
}

/// [`Size`], as it is named on the command line.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum SizeName {
    Small,
    Large,
}

impl ToolArgs {
    /// What they name, by absolute paths; what was built lies beside this program.
    pub(crate) fn find(&self) -> Result<Tools> {
        let whole =
            |path: &Path| std::path::absolute(path).with_context(|| path.display().to_string());
        let program = std::env::current_exe()?;
        Ok(Tools {
            built: program
                .parent()
                .context("a program without a directory")?
                .to_owned(),
            nats: whole(&self.nats_server)?,
            venv: whole(&self.venv)?,
            scratch: whole(&self.scratch)?,
        })
    }
}

impl From<SizeName> for Size {
    fn from(name: SizeName) -> Self {
        match name {
            SizeName::Small => Self::Small,
            SizeName::Large => Self::Large,
        }
    }
}

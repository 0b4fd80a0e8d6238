//! The one binary's library: the command line, the roles wired to their backends, `dev`, and the client commands. It holds no
//! logic of the mesh.

pub mod cli;
mod client;
mod commands;
pub mod config;
mod demo;
mod dev;
mod process;
mod roles;
pub mod secrets;
pub mod send;
pub mod settings;
pub mod standin;
mod table;
mod web;

use clap::{CommandFactory, FromArgMatches};
use cli::{Cli, Command, LogFormat};
use std::ffi::OsString;
use std::process::ExitCode;

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match parse(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(error) => return complain(&error),
    };
    // One provider of TLS cryptography for the whole process, as the libraries that use it want it.
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        return complain(&anyhow::anyhow!(
            "another TLS provider was installed before"
        ));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return complain(
                &anyhow::Error::new(error).context("the asynchronous runtime does not start"),
            );
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error),
    }
}

fn complain(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

/// Reads the command line, over the configuration file if one is named. What clap has to say itself (help, a wrong flag) it says
/// and ends the process.
fn parse(args: Vec<OsString>) -> anyhow::Result<Cli> {
    let file = Cli::command()
        .ignore_errors(true)
        .get_matches_from(&args)
        .get_one("config")
        .cloned();
    let command = match file {
        Some::<std::path::PathBuf>(file) => config::apply(&file)?,
        None => Cli::command(),
    };
    let matches = command.get_matches_from(args);
    Ok(Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()))
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Dev(args) => {
            log(&cli.log, cli.log_format)?;
            dev::run(*args).await
        }
        Command::Gateway(args) => {
            log(&cli.log, cli.log_format)?;
            roles::gateway(*args).await
        }
        Command::Console(args) => {
            log(&cli.log, cli.log_format)?;
            roles::console(*args).await
        }
        Command::Agent(args) => {
            log(&cli.log, cli.log_format)?;
            roles::agent(*args).await
        }
        Command::Registry(args) => {
            log(&cli.log, cli.log_format)?;
            roles::registry(args).await
        }
        Command::Send(args) => print(&send::run(args, &belfry_backends::clock::System).await?),
        Command::Config => print(&config::print()),
        client => print(&commands::run(client).await?),
    }
}

/// Prints an answer. A reader that has seen enough (`| head`) is no error.
fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Sends logs to standard error; answers go to standard output.
fn log(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .map_err(|error| anyhow::anyhow!("--log `{filter}` is not a filter: {error}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

//! What both kinds of server have in common: a process that can be made to fail, and a keeper that outlives a test that dies,
//! for as long as it takes to clean up.

use super::port;
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a server may take until it is ready. A machine that compiles at the same time is slow.
const START: Duration = Duration::from_secs(30);

/// How often another port is tried when somebody was faster.
const PORTS: u32 = 5;

/// A server that runs for a test.
pub struct Server {
    kind: &'static Kind,
    shell: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    directory: PathBuf,
    port: u16,
}

/// What is to know of a kind of server.
pub(super) struct Kind {
    /// The program's name on the `PATH`.
    pub(super) program: &'static str,
    /// The environment variable that may name the program instead.
    pub(super) variable: &'static str,
    /// The package that has the program.
    pub(super) package: &'static str,
    /// What the server logs once it is ready.
    pub(super) ready: &'static str,
}

impl Server {
    /// Starts a server, and returns when it is ready. `arguments` get the port and the directory that are the server's own.
    pub(super) fn start(
        kind: &'static Kind,
        arguments: impl FnMut(u16, &Path) -> Result<Vec<OsString>>,
    ) -> Result<Self> {
        Self::start_in(kind, &[], arguments)
    }

    /// The same with these variables in its environment besides.
    pub(super) fn start_in(
        kind: &'static Kind,
        environment: &[(String, String)],
        mut arguments: impl FnMut(u16, &Path) -> Result<Vec<OsString>>,
    ) -> Result<Self> {
        let program = kind.find()?;
        for _ in 0..PORTS {
            let port = port::free()?;
            let directory = TempDir::with_prefix(format!("belfry-{}-", kind.program))?;
            let arguments = arguments(port, directory.path())?;
            let mut server = Self::keep(kind, directory, port, &program, environment, arguments)?;
            if server.launch()? {
                return Ok(server);
            }
        }
        bail!(
            "{PORTS} ports in a row were taken before {} could have them",
            kind.program
        )
    }

    /// The port, which it keeps when it is restarted.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its directory, which goes with it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The id of its process.
    ///
    /// # Errors
    /// If it does not run.
    pub fn pid(&self) -> Result<u32> {
        let keeper = self.shell.id();
        let children = std::fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children"))?;
        let newest = children.split_whitespace().next_back();
        newest
            .and_then(|pid| pid.parse().ok())
            .context("it does not run")
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Stops it in an orderly way (`SIGTERM`), and waits for its end. One that is paused must be resumed before.
    ///
    /// # Errors
    /// If its keeper is gone.
    pub fn stop(&mut self) -> Result<()> {
        self.order("TERM")
    }

    /// Kills it (`SIGKILL`), and waits for its end.
    ///
    /// # Errors
    /// If its keeper is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.order("KILL")
    }

    /// Freezes it (`SIGSTOP`): its connections stay open, and nothing is answered.
    ///
    /// # Errors
    /// If its keeper is gone.
    pub fn pause(&mut self) -> Result<()> {
        self.order("STOP")?;
        let (pid, began) = (self.pid()?, Instant::now());
        // The signal is sent, and each thread stops at its own next step.
        while !is_stopped(pid)? {
            ensure!(
                began.elapsed() < Duration::from_secs(10),
                "{} does not stop for SIGSTOP",
                self.kind.program
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Ends [`Server::pause`].
    ///
    /// # Errors
    /// If its keeper is gone.
    pub fn resume(&mut self) -> Result<()> {
        self.order("CONT")
    }

    /// Starts it again after [`Server::stop`] or [`Server::kill`], on the same port and with what it had stored.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn restart(&mut self) -> Result<()> {
        ensure!(
            self.launch()?,
            "port {} was taken while {} was down",
            self.port,
            self.kind.program
        );
        Ok(())
    }

    fn keep(
        kind: &'static Kind,
        directory: TempDir,
        port: u16,
        program: &Path,
        environment: &[(String, String)],
        arguments: Vec<OsString>,
    ) -> Result<Self> {
        // A group of its own, so that Ctrl-C at the test's terminal does not end the keeper before its work is done.
        let mut shell = Command::new("sh")
            .args(["-c", include_str!("keeper.sh"), "keeper"])
            .arg(directory.path())
            .arg(program)
            .args(arguments)
            .envs(environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("no `sh` to keep a server with")?;
        let orders = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().context("the keeper has no output")?);
        Ok(Self {
            kind,
            shell,
            orders,
            answers,
            directory: directory.keep(),
            port,
        })
    }

    /// Starts the process and waits until it says that it is ready. `false` if another process has the port.
    fn launch(&mut self) -> Result<bool> {
        let before = self.log().len();
        self.order("start")?;
        let patience = Instant::now() + START;
        loop {
            let log = self.log();
            let news = log.get(before..).unwrap_or_default();
            if news.contains(self.kind.ready) {
                return Ok(true);
            }
            if news.to_ascii_lowercase().contains("address already in use") {
                return Ok(false);
            }
            ensure!(
                Instant::now() < patience,
                "{} is not ready after {START:?}; it says:\n{log}",
                self.kind.program
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Gives the keeper an order and waits until it is carried out.
    fn order(&mut self, order: &str) -> Result<()> {
        let orders = self.orders.as_mut().context("the keeper was dismissed")?;
        writeln!(orders, "{order}")
            .with_context(|| format!("the keeper of {} is gone", self.kind.program))?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        ensure!(
            answer == "done\n",
            "the keeper of {} did not carry out `{order}`",
            self.kind.program
        );
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input is the keeper's word to clean up.
        self.orders = None;
        let _ = self.shell.wait();
    }
}

impl Kind {
    fn find(&self) -> Result<PathBuf> {
        if let Some(path) = std::env::var_os(self.variable).map(PathBuf::from) {
            ensure!(
                path.is_file(),
                "{} is {}, which is no file",
                self.variable,
                path.display()
            );
            return Ok(path);
        }
        // What the workspace builds lies beside the test binary's directory.
        let built = std::env::current_exe()
            .ok()
            .and_then(|exe| Some(exe.parent()?.parent()?.join(self.program)));
        if let Some(built) = built.filter(|file| file.is_file()) {
            return Ok(built);
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|directory| directory.join(self.program)).find(|file| file.is_file()).with_context(
            || {
                let Self { program, variable, package, .. } = self;
                format!("no `{program}` on the PATH: run `scripts/test`, which installs it, or install {package}, or set {variable}")
            },
        )
    }
}

/// Whether every thread of a process is stopped (proc_pid_stat(5)).
fn is_stopped(pid: u32) -> Result<bool> {
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let stat = std::fs::read_to_string(task?.path().join("stat"))?;
        // The state comes after the name, which is in brackets and may hold anything.
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
        if !state.is_some_and(|state| state.starts_with('T')) {
            return Ok(false);
        }
    }
    Ok(true)
}

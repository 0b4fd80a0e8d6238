//! The processes that are measured: each with a directory and a log of its own, and none outlives the bench.

use anyhow::{Context, Result, bail};
use rand::RngExt;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take until it is ready.
const START: Duration = Duration::from_secs(60);

/// How often it is looked whether it is.
const LOOK: Duration = Duration::from_millis(10);

/// A process that runs.
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// How a process is started.
pub struct Start<'a> {
    /// What it is called here.
    pub name: &'static str,
    /// The program's file.
    pub program: &'a Path,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What its environment has besides.
    pub environment: Vec<(&'static str, OsString)>,
    /// What it has logged once it is ready; without it, it is ready when it takes connections at the address.
    pub says: Option<&'static str>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Process {
    /// Starts it and returns when it is ready.
    ///
    /// # Errors
    /// If there is no such program, or it does not come up.
    pub fn start(directory: &Path, start: Start<'_>) -> Result<Self> {
        let log = directory.join(format!("{}.log", start.name));
        let file = File::create(&log)?;
        // Whatever ends the bench ends it too: util-linux sets for it what otherwise takes unsafe code.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(start.program)
            .args(&start.arguments)
            .envs(start.environment)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("no `setpriv` (util-linux)")?;
        let mut process = Self {
            name: start.name,
            child,
            log,
        };
        process.await_ready(start.says, start.address)?;
        Ok(process)
    }

    /// What it is called here.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How much processor time it has taken, its ended children included.
    ///
    /// # Errors
    /// If it has ended.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        cpu(&stat).with_context(|| format!("no times in the status of {}", self.name))
    }

    fn await_ready(&mut self, says: Option<&str>, address: SocketAddr) -> Result<()> {
        let begun = Instant::now();
        loop {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let ready = match says {
                Some(text) => log.contains(text),
                None => TcpStream::connect(address).is_ok(),
            };
            if ready {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}; it says:\n{log}", self.name);
            }
            if begun.elapsed() > START {
                bail!(
                    "{} is not ready after {START:?}; it says:\n{log}",
                    self.name
                );
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already needs no ending.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address of this machine's that is free: below the range from which the kernel gives ports to those who connect.
///
/// # Errors
/// If none is found.
pub fn free_address() -> Result<SocketAddr> {
    for _ in 0..100 {
        let port = rand::rng().random_range(20_000..32_000);
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok(listener.local_addr()?);
        }
    }
    bail!("no free port between 20000 and 32000")
}

/// Makes a request over a connection of its own; the answer's status and body.
///
/// # Errors
/// If nobody answers, or not in HTTP.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&str>,
) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(START))?;
    let text = body.unwrap_or_default();
    // The older version has no chunks, which would have to be read.
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{text}",
        text.len()
    )?;
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    answer.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|text| text.parse().ok());
    let status = status.with_context(|| format!("{address} answers `{}`", line.trim()))?;
    let mut rest = String::new();
    answer.read_to_string(&mut rest)?;
    let body = rest.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}

/// Looks until it is so.
///
/// # Errors
/// If it is not after a while.
pub fn until(what: &str, mut look: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < START {
        if look().unwrap_or(false) {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    bail!("after {START:?} it is still not so that {what}")
}

/// The processor time in a process's status (proc_pid_stat(5)): fields 14 to 17, the first three of which come before and in brackets.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut ticks = 0;
    for field in rest.split(' ').skip(11).take(4) {
        ticks += field.parse::<u64>().ok()?;
    }
    let a_second = rustix::param::clock_ticks_per_second();
    Some(Duration::from_secs_f64(ticks as f64 / a_second as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_that_of_the_process_and_its_ended_children() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 900 0 0 0 150 50 25 25 20 0 4 0 100 1 1";
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(cpu(stat), Some(Duration::from_secs_f64(250.0 / ticks)));
        assert_eq!(cpu("7 (a"), None);
    }
}

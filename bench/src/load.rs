//! The load generator: one thread, one `epoll`, two system calls a request, so that what is measured keeps the processors.
//!
//! Closed loop: each connection sends its next request as soon as the last one is answered, which shows the throughput. Open loop:
//! requests are due at fixed times, whether or not the receiver keeps up, and their latency counts from when they were due, so that a
//! receiver that stalls is charged for all that had to wait (no coordinated omission).

mod connection;
mod pace;
mod tally;

pub use tally::Measured;

use crate::body::Sample;
use anyhow::{Context, Result, ensure};
use connection::{Connection, Progress, Request};
use pace::Pace;
use rustix::event::{Timespec, epoll};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tally::Tally;

/// How long answers are waited for after the last request was sent. What is then still open counts as unanswered.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is sent, where and how fast.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The receiver.
    pub address: SocketAddr,
    /// The path of its hook.
    pub path: String,
    /// How many connections are kept open.
    pub connections: usize,
    /// Requests a second; without one, as many as the connections carry.
    pub rate: Option<f64>,
    /// How long it is sent before anything counts.
    pub warm_up: Duration,
    /// How long it counts.
    pub measured: Duration,
}

/// A run.
struct Run<'a> {
    plan: &'a Plan,
    samples: &'a [Sample],
    epoll: rustix::fd::OwnedFd,
    connections: Vec<Connection>,
    /// The connections that wait for their next request.
    idle: Vec<usize>,
    pace: Pace,
    tally: Tally,
    sent: u64,
    /// Tells the deliveries of this run from those of all others.
    run: u64,
}

/// Sends what the plan says and measures the answers.
///
/// # Errors
/// If the receiver cannot be reached, or breaks the protocol.
pub fn run(plan: &Plan, samples: &[Sample]) -> Result<Measured> {
    ensure!(
        plan.connections > 0 && !samples.is_empty(),
        "a load needs at least one connection and one body"
    );
    Run::open(plan, samples)?.measure()
}

impl<'a> Run<'a> {
    fn open(plan: &'a Plan, samples: &'a [Sample]) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(plan.connections);
        for index in 0..plan.connections {
            let head = Request::new(plan.address, &plan.path);
            connections.push(Connection::open(&epoll, plan.address, index, head)?);
        }
        let begun = Instant::now();
        Ok(Self {
            plan,
            samples,
            epoll,
            idle: (0..connections.len()).rev().collect(),
            connections,
            pace: Pace::new(begun, plan.warm_up + plan.measured, plan.rate),
            tally: Tally::new(begun + plan.warm_up, plan.measured),
            sent: 0,
            run: rand::random(),
        })
    }

    fn measure(mut self) -> Result<Measured> {
        let mut events = Vec::with_capacity(self.connections.len());
        loop {
            self.send_what_is_due()?;
            let now = Instant::now();
            let open = self.connections.len() - self.idle.len();
            if self.pace.is_over(now) && open == 0 {
                break;
            }
            let until = self.pace.wake_at(!self.idle.is_empty(), PATIENCE);
            if now >= self.pace.end() + PATIENCE {
                break;
            }
            let wait = timespec(until.saturating_duration_since(now));
            events.clear();
            match epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                Some(&wait),
            ) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).context("waiting for answers"),
            }
            for event in events.drain(..) {
                self.go_on(usize::try_from(event.data.u64())?)?;
            }
        }
        for connection in &self.connections {
            if let Some(intended) = connection.pending() {
                self.tally.unanswered(intended);
            }
        }
        self.tally
            .finish(self.pace.unsent(), self.sent, self.plan.rate)
    }

    fn send_what_is_due(&mut self) -> Result<()> {
        while !self.idle.is_empty()
            && let Some(intended) = self.pace.take(Instant::now())
            && let Some(index) = self.idle.pop()
        {
            let samples = self.samples;
            let sample = &samples[usize::try_from(self.sent % samples.len() as u64)?];
            let connection = &mut self.connections[index];
            connection.begin(sample, self.run, self.sent, intended);
            self.sent += 1;
            self.go_on(index)?;
        }
        Ok(())
    }

    /// Does what can be done on a connection now.
    fn go_on(&mut self, index: usize) -> Result<()> {
        let connection = &mut self.connections[index];
        match connection.go_on(self.samples)? {
            Progress::Waits => {}
            Progress::Answered { status, intended } => {
                self.tally.answered(status, intended, Instant::now());
                self.idle.push(index);
            }
            Progress::Broken { intended } => {
                if let Some(intended) = intended {
                    self.tally.broken(intended);
                    self.idle.push(index);
                }
                connection.reopen(&self.epoll, self.plan.address, index)?;
            }
        }
        Ok(())
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

#[cfg(test)]
mod tests;

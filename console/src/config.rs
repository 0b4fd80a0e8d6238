//! How a console is set up.

use crate::Error;
use std::path::PathBuf;
use std::time::Duration;

/// How a console is set up. [`Config::new`] gives the defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The directory of the history, `history.db`. It is made if it is not there. No two consoles should share one.
    pub data: PathBuf,
    /// How long a lifecycle command waits for the agents to make it so before it answers with how far they are. Default 10 s, at
    /// most 10 min.
    pub patience: Duration,
    /// The longest request body that is read, in bytes. Default 1 MiB, at most 64 MiB.
    pub max_body: usize,
    /// How long requests that are under way at a shutdown may take to end before they are cut off. Default 10 s.
    pub shutdown_grace: Duration,
    /// The names, besides those of this machine itself (`localhost`, `127.0.0.1`, `[::1]`), under which the console may be asked
    /// when it is bound to a loopback address, without ports. A request for any other host is refused then, since it comes from a
    /// web page whose owner made its name point here. Bound to another address, the console takes any name. Default none.
    pub hosts: Vec<String>,
    /// How much history is kept.
    pub retention: Retention,
}

/// How much history is kept. The body of an event is not part of it: that is read from the event log for as long as the log
/// keeps it. Dead letters are listed for as long as their log has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How many events are kept, with their outcomes; the oldest go first. Default 1,000,000, which take about 1 GB. At least 1.
    pub max_events: u64,
    /// How long events and their outcomes are kept after they were stored. Default 30 days.
    pub max_age: Duration,
}

impl Config {
    /// The defaults, with the history in the directory `data`.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            patience: Duration::from_secs(10),
            max_body: 1 << 20,
            shutdown_grace: Duration::from_secs(10),
            hosts: Vec::new(),
            retention: Retention::default(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let bounds = [
            (
                self.patience <= Duration::from_mins(10),
                "patience",
                "at most 10 minutes",
            ),
            (
                (1..=64 << 20).contains(&self.max_body),
                "max_body",
                "1 byte to 64 MiB",
            ),
            (
                self.retention.max_events >= 1,
                "retention.max_events",
                "at least 1",
            ),
        ];
        match bounds.into_iter().find(|(kept, ..)| !kept) {
            Some((_, setting, bound)) => Err(Error::Config { setting, bound }),
            None => Ok(()),
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            max_events: 1_000_000,
            max_age: Duration::from_hours(30 * 24),
        }
    }
}

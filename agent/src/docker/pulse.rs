//! Whether a container is well: what its health checks have shown so far, and what follows from that.

use belfry_mesh::package::Check;
use belfry_mesh::port::runtime::Health;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// How long one health check may take.
const CHECK: Duration = Duration::from_secs(1);

/// How long a container that is well is left alone before it is checked again; and one that has been well for a minute.
const AGAIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(9));

/// When that is.
const STEADY: Duration = Duration::from_secs(60);

/// The most of an answer that is read, in bytes, so that its connection can be used again.
const MAX_ANSWER: usize = 64 << 10;

/// How long one that was well is borne with, and how many failed checks in a row at least.
const BORNE: (Duration, u32) = (Duration::from_secs(10), 2);

/// What the health checks of a running container have shown.
#[derive(Debug, Clone)]
pub(super) struct Pulse {
    since: Instant,
    /// Since when every check has shown it well.
    steady: Option<Instant>,
    /// When it last was well.
    well: Option<Instant>,
    /// How many checks in a row have failed, and why the last one did.
    failed: (u32, String),
}

impl Pulse {
    /// That of a container that is seen to run for the first time.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            steady: None,
            well: None,
            failed: (0, String::new()),
        }
    }

    /// Whether it is to be checked again.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let is_steady = self
            .steady
            .is_some_and(|since| now.duration_since(since) >= STEADY);
        let again = if is_steady { AGAIN.1 } else { AGAIN.0 };
        let is_over = |well| now.duration_since(well) >= again;
        self.failed.0 > 0 || self.well.is_none_or(is_over)
    }

    /// Takes note of a check.
    pub(super) fn take(&mut self, now: Instant, check: Result<(), String>) {
        match check {
            Ok(()) => {
                self.well = Some(now);
                self.steady.get_or_insert(now);
                self.failed.0 = 0;
            }
            Err(why) => {
                self.steady = None;
                self.failed = (self.failed.0.saturating_add(1), why);
            }
        }
    }

    /// How the container is, if it must have been well once within `patience`.
    pub(super) fn health(&self, now: Instant, patience: Duration) -> Health {
        let (times, why) = &self.failed;
        match self.well {
            None if now.duration_since(self.since) < patience => Health::Starting,
            None => Health::Unhealthy(format!("{why}, and was not well within {patience:?}")),
            Some(well) if *times < BORNE.1 || now.duration_since(well) < BORNE.0 => Health::Healthy,
            Some(_) => Health::Unhealthy(why.clone()),
        }
    }
}

/// Checks a container that runs, by what its package says, at its address and port.
pub(super) async fn check(
    http: &reqwest::Client,
    place: Option<&str>,
    check: &Check,
) -> Result<(), String> {
    let place = || place.ok_or_else(|| "it has no address on its network".to_owned());
    match check {
        Check::Running => Ok(()),
        Check::Connect => connect(place()?).await,
        Check::Get(path) => get(http, &format!("http://{}{path}", place()?)).await,
    }
}

async fn connect(place: &str) -> Result<(), String> {
    match timeout(CHECK, TcpStream::connect(place)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err(format!("it takes no connection at {place}")),
        Err(_) => Err(format!(
            "it takes no connection at {place} within {CHECK:?}"
        )),
    }
}

/// Any 2xx is well.
async fn get(http: &reqwest::Client, url: &str) -> Result<(), String> {
    match http.get(url).timeout(CHECK).send().await {
        Ok(response) if response.status().is_success() => {
            read(response).await;
            Ok(())
        }
        Ok(response) => Err(format!(
            "it answers GET {url} with {}",
            response.status().as_u16()
        )),
        Err(error) if error.is_timeout() => {
            Err(format!("it does not answer GET {url} within {CHECK:?}"))
        }
        Err(_) => Err(format!("GET {url} does not reach it")),
    }
}

/// Reads an answer whose body says nothing.
async fn read(mut response: reqwest::Response) {
    let mut length = 0;
    while length < MAX_ANSWER {
        match response.chunk().await {
            Ok(Some(chunk)) => length += chunk.len(),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn a_container_is_starting_until_it_is_well_or_its_time_is_over() {
        let began = Instant::now();
        let mut pulse = Pulse::new(began);
        assert_eq!(pulse.health(began, PATIENCE), Health::Starting);
        pulse.take(began, Err("refused".into()));
        let Health::Unhealthy(why) = pulse.health(began + PATIENCE, PATIENCE) else {
            panic!("it still starts");
        };
        assert_eq!(why, "refused, and was not well within 60s");
        pulse.take(began + PATIENCE, Ok(()));
        assert_eq!(pulse.health(began + PATIENCE, PATIENCE), Health::Healthy);
    }

    #[test]
    fn one_check_that_fails_is_borne_with_and_a_row_of_them_is_not() {
        let began = Instant::now();
        let mut pulse = Pulse::new(began);
        pulse.take(began, Ok(()));
        assert!(!pulse.is_due(began) && pulse.is_due(began + AGAIN.0));
        let late = began + Duration::from_secs(20);
        pulse.take(late, Err("503".into()));
        assert_eq!(pulse.health(late, PATIENCE), Health::Healthy);
        assert!(pulse.is_due(late));
        pulse.take(late, Err("503".into()));
        assert_eq!(
            pulse.health(late, PATIENCE),
            Health::Unhealthy("503".into())
        );
    }

    #[test]
    fn one_that_has_long_been_well_is_asked_less_often() {
        let began = Instant::now();
        let mut pulse = Pulse::new(began);
        pulse.take(began, Ok(()));
        let later = began + STEADY;
        pulse.take(later, Ok(()));
        assert!(!pulse.is_due(later + AGAIN.0) && pulse.is_due(later + AGAIN.1));
        pulse.take(later, Err("503".into()));
        pulse.take(later, Ok(()));
        assert!(pulse.is_due(later + AGAIN.0));
    }

    #[tokio::test]
    async fn a_service_is_well_if_its_port_takes_a_connection() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap().to_string();
        assert_eq!(connect(&place).await, Ok(()));
        drop(listener);
        assert!(connect(&place).await.unwrap_err().contains(&place));
    }
}

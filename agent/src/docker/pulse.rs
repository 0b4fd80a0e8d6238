//! Whether a container is well: what its health checks have shown so far, and what follows from that.

use belfry_mesh::port::runtime::Health;
use std::time::Duration;
use tokio::time::Instant;

/// How long one health check may take.
const CHECK: Duration = Duration::from_secs(1);

/// How long a container that is well is left alone before it is checked again.
const AGAIN: Duration = Duration::from_secs(5);

/// How long one that was well is borne with, and how many failed checks in a row at least.
const BORNE: (Duration, u32) = (Duration::from_secs(10), 2);

/// What the health checks of a running container have shown.
#[derive(Debug, Clone)]
pub(super) struct Pulse {
    since: Instant,
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
            well: None,
            failed: (0, String::new()),
        }
    }

    /// Whether it is to be checked again.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.failed.0 > 0
            || self
                .well
                .is_none_or(|well| now.duration_since(well) >= AGAIN)
    }

    /// Takes note of a check.
    pub(super) fn take(&mut self, now: Instant, check: Result<(), String>) {
        match check {
            Ok(()) => {
                self.well = Some(now);
                self.failed.0 = 0;
            }
            Err(why) => self.failed = (self.failed.0.saturating_add(1), why),
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

/// Checks a container: `GET /health` (the trigger contract), where any 2xx is well.
pub(super) async fn check(http: &reqwest::Client, origin: &str) -> Result<(), String> {
    let url = format!("{origin}/health");
    match http.get(&url).timeout(CHECK).send().await {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => Err(format!(
            "it answers GET /health with {}",
            response.status().as_u16()
        )),
        Err(error) if error.is_timeout() => {
            Err(format!("it does not answer GET {url} within {CHECK:?}"))
        }
        Err(_) => Err(format!("GET {url} does not reach it")),
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
        assert!(!pulse.is_due(began) && pulse.is_due(began + AGAIN));
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
}

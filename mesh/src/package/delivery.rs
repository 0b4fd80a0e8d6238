//! How a package wants its events delivered.

use super::Error;
use crate::document::Node;
use crate::retry::Policy;
use std::time::Duration;

/// How a package wants its events delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// How long one attempt may take: `timeout_seconds`, 1 to 86,400, default 900. A run may take minutes, since an agent team
    /// works while the call is open.
    pub timeout: Duration,
    /// When an attempt is made again: `max_attempts`, 1 to 100, default 20; `backoff_seconds`, 0.1 to 3,600, default 1;
    /// `max_backoff_seconds`, as much to 86,400, default 3,600: some hours of an outage in all.
    pub retry: Policy,
    /// How many events a trigger works on at once: `max_in_flight`, 1 to 1,024, default 16.
    pub max_in_flight: u32,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(900),
            retry: Policy {
                max_attempts: 20,
                base: Duration::from_secs(1),
                cap: Duration::from_secs(3_600),
            },
            max_in_flight: 16,
        }
    }
}

impl Delivery {
    pub(super) fn read(node: &Node<'_>) -> Result<Self, Error> {
        let object = node.object()?;
        object.only(&[
            "timeout_seconds",
            "max_attempts",
            "backoff_seconds",
            "max_backoff_seconds",
            "max_in_flight",
        ])?;
        let seconds = |key, bounds, default| {
            object
                .get(key)
                .map_or(Ok(default), |node| node.seconds(bounds))
        };
        let count = |key, max: u32, default| {
            let count = object.read(key, |node| node.whole(1..=u64::from(max)))?;
            Ok::<u32, Error>(count.and_then(|n| n.try_into().ok()).unwrap_or(default))
        };
        let default = Self::default();
        let base = seconds("backoff_seconds", 0.1..=3_600.0, default.retry.base)?;
        // The default cap gives way to a longer base; a cap that is written does not.
        let cap = seconds(
            "max_backoff_seconds",
            base.as_secs_f64()..=86_400.0,
            default.retry.cap.max(base),
        )?;
        Ok(Self {
            timeout: seconds("timeout_seconds", 1.0..=86_400.0, default.timeout)?,
            retry: Policy {
                max_attempts: count("max_attempts", 100, default.retry.max_attempts)?,
                base,
                cap,
            },
            max_in_flight: count("max_in_flight", 1_024, default.max_in_flight)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Form;
    use serde_json::{Value, json};

    fn read(value: Value) -> Result<Delivery, Error> {
        Delivery::read(&Node::root(&value, "delivery", Form::Strict))
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        assert_eq!(read(json!({})), Ok(Delivery::default()));
        let delivery =
            read(json!({"timeout_seconds": 30, "backoff_seconds": 0.5, "max_in_flight": 1}))
                .unwrap();
        assert_eq!(delivery.timeout, Duration::from_secs(30));
        assert_eq!(delivery.retry.base, Duration::from_millis(500));
        assert_eq!(
            (delivery.retry.max_attempts, delivery.max_in_flight),
            (20, 1)
        );
    }

    #[test]
    fn every_number_is_bounded() {
        for (key, bad) in [
            ("timeout_seconds", json!(0)),
            ("timeout_seconds", json!(86_401)),
            ("max_attempts", json!(0)),
            ("max_attempts", json!(101)),
            ("max_attempts", json!(1.5)),
            ("backoff_seconds", json!(0)),
            ("max_backoff_seconds", json!(0.5)),
            ("max_in_flight", json!(4_294_967_297_u64)),
            ("max_in_flight", json!("16")),
        ] {
            let error = read(json!({key: bad})).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("delivery.{key}: found ")),
                "{error}"
            );
        }
    }

    #[test]
    fn the_cap_is_never_below_the_base() {
        assert_eq!(
            read(json!({"backoff_seconds": 3_600})).unwrap().retry.cap,
            Duration::from_secs(3_600)
        );
        let error = read(json!({"backoff_seconds": 60, "max_backoff_seconds": 30}))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "delivery.max_backoff_seconds: found 30; a number of seconds from 60 to 86400 is needed"
        );
    }
}

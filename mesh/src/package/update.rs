//! When an update to a package counts as failed.

use super::Error;
use crate::document::Node;
use std::time::Duration;

/// When an update to a package counts as failed, so that it is rolled back by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// How long its container may take until it is well: `deadline_seconds`, 1 to 3,600, default 60.
    pub deadline: Duration,
    /// How long its outcomes are watched from then on: `probation_seconds`, 0 to 3,600, default 60.
    pub probation: Duration,
    /// Which share of its attempts may fail in that time: `max_failure_ratio`, 0 to 1, default 0.5.
    pub max_failure_ratio: f64,
    /// How many attempts there must be before the share says something: `min_attempts`, 1 to 20, default 5.
    pub min_attempts: u32,
}

impl Default for Update {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(60),
            probation: Duration::from_secs(60),
            max_failure_ratio: 0.5,
            min_attempts: 5,
        }
    }
}

impl Update {
    pub(super) fn read(node: &Node<'_>) -> Result<Self, Error> {
        let object = node.object()?;
        object.only(&[
            "deadline_seconds",
            "probation_seconds",
            "max_failure_ratio",
            "min_attempts",
        ])?;
        let seconds = |key, bounds, default| {
            object
                .get(key)
                .map_or(Ok(default), |node| node.seconds(bounds))
        };
        let default = Self::default();
        let ratio = object.read("max_failure_ratio", |node| node.number(0.0..=1.0))?;
        let attempts = object.read("min_attempts", |node| node.whole(1..=20))?;
        Ok(Self {
            deadline: seconds("deadline_seconds", 1.0..=3_600.0, default.deadline)?,
            probation: seconds("probation_seconds", 0.0..=3_600.0, default.probation)?,
            max_failure_ratio: ratio.unwrap_or(default.max_failure_ratio),
            min_attempts: attempts
                .and_then(|attempts| attempts.try_into().ok())
                .unwrap_or(default.min_attempts),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Form;
    use serde_json::{Value, json};

    fn read(value: Value) -> Result<Update, Error> {
        Update::read(&Node::root(&value, "update", Form::Strict))
    }

    #[test]
    fn what_is_not_said_is_the_default_and_every_number_is_bounded() {
        assert_eq!(read(json!({})), Ok(Update::default()));
        assert_eq!(
            read(json!({"deadline_seconds": 5})).unwrap().deadline,
            Duration::from_secs(5)
        );
        for (key, bad) in [
            ("deadline_seconds", json!(0)),
            ("probation_seconds", json!(3_601)),
            ("max_failure_ratio", json!(1.1)),
            ("min_attempts", json!(0)),
            ("min_attempts", json!(21)),
        ] {
            let error = read(json!({key: bad})).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("update.{key}: found ")),
                "{error}"
            );
        }
    }
}

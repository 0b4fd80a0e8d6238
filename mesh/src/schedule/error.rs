//! Why a schedule is refused.

use super::field::Field;

/// Why a schedule is refused, where, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A field of the expression does not hold.
    #[error("field `{field}`, column {column}: {reason}")]
    Field {
        /// Which one.
        field: Field,
        /// Where in the expression, in characters, from 1.
        column: usize,
        /// What is wrong, and the mend.
        reason: String,
    },
    /// The expression as a whole does not hold.
    #[error("cron expression: {reason}")]
    Expression {
        /// What is wrong, and the mend.
        reason: String,
    },
    /// There is no such time zone.
    #[error("time zone `{name}`: {reason}")]
    Zone {
        /// What was asked for, cut short when long.
        name: String,
        /// What is wrong, and the nearest one that there is.
        reason: String,
    },
    /// The interval does not hold.
    #[error("interval `{text}`: {reason}")]
    Interval {
        /// What was written, cut short when long.
        text: String,
        /// What is wrong, and the mend.
        reason: String,
    },
    /// The instant does not hold.
    #[error("instant `{text}`: {reason}")]
    Instant {
        /// What was written, cut short when long.
        text: String,
        /// What is wrong, and the mend.
        reason: String,
    },
}

impl Error {
    /// Where in the expression, in characters, from 1; none if it is about the whole or about something else.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        match self {
            Self::Field { column, .. } => Some(*column),
            _ => None,
        }
    }

    pub(super) fn expression(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Expression { reason }
    }
}

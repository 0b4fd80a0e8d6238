//! What a trigger asks of a node.

use crate::node::Node;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a trigger asks of a node: `{label}={value}` or `{label}!={value}`. The labels are the node's own, and `node` (its name)
/// and `runtime` besides. A node without the label is unlike every value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Constraint {
    label: String,
    value: String,
    equal: bool,
}

/// Why a text is not a constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a constraint: write `label=value` or `label!=value`, such as `zone=eu` or `node!=a`"
)]
pub struct Malformed(String);

impl Constraint {
    /// Reads a constraint.
    ///
    /// # Errors
    /// [`Malformed`] if the label or the value is empty, or there is no `=`.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed(text.to_owned());
        let (label, value) = text.split_once('=').ok_or_else(malformed)?;
        let value = value.strip_prefix('=').unwrap_or(value).trim();
        let (label, equal) = match label.strip_suffix('!') {
            Some(label) => (label, false),
            None => (label, true),
        };
        let label = label.trim();
        if label.is_empty() || value.is_empty() {
            return Err(malformed());
        }
        Ok(Self {
            label: label.to_owned(),
            value: value.to_owned(),
            equal,
        })
    }

    /// Whether a node meets it.
    #[must_use]
    pub fn holds(&self, node: &Node) -> bool {
        let found = match self.label.as_str() {
            "node" => Some(node.name.as_str()),
            "runtime" => Some(node.runtime.as_str()),
            label => node.labels.get(label).map(String::as_str),
        };
        (found == Some(self.value.as_str())) == self.equal
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.equal { "=" } else { "!=" };
        write!(f, "{}{sign}{}", self.label, self.value)
    }
}

impl std::str::FromStr for Constraint {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Constraint {
    type Error = Malformed;

    fn try_from(text: String) -> Result<Self, Malformed> {
        Self::parse(&text)
    }
}

impl From<Constraint> for String {
    fn from(constraint: Constraint) -> Self {
        constraint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::NodeName;

    fn node(labels: &[(&str, &str)]) -> Node {
        Node {
            name: NodeName::parse("a").unwrap(),
            version: String::new(),
            runtime: "docker".into(),
            labels: labels
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            availability: crate::node::Availability::Active,
            capacity: crate::node::Capacity::default(),
            used: crate::node::Load::default(),
            trouble: None,
            seen_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_constraint_holds_by_label_name_or_runtime() {
        let node = node(&[("zone", "eu")]);
        for (text, holds) in [
            ("zone=eu", true),
            ("zone == eu", true),
            ("zone=us", false),
            ("zone!=us", true),
            ("gpu=yes", false),
            ("gpu!=yes", true),
            ("node=a", true),
            ("node!=a", false),
            ("runtime=docker", true),
        ] {
            let constraint = Constraint::parse(text).unwrap();
            assert_eq!(constraint.holds(&node), holds, "{text}");
            assert_eq!(Constraint::parse(&constraint.to_string()), Ok(constraint));
        }
        for bad in ["", "zone", "=eu", "zone=", "!=eu"] {
            assert!(Constraint::parse(bad).is_err(), "{bad} was taken");
        }
    }
}

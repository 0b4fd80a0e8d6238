//! What a trigger runs.

use serde::{Deserialize, Serialize};

/// What a trigger runs when an event passes its filter. Exactly one of the two ids is given at install.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A workflow of the orchestrator, by its id.
    #[serde(rename = "workflow_id")]
    Workflow(String),
    /// A team of agents of the orchestrator, by its id.
    #[serde(rename = "team_id")]
    Team(String),
}

/// Why no target can be made of what was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Neither id was given. The text is the one that existing clients know.
    #[error("Must specify workflow_id or team_id")]
    Missing,
    /// Both ids were given, and a trigger runs one thing.
    #[error(
        "both workflow_id `{workflow}` and team_id `{team}` are given; a trigger runs one of them"
    )]
    Both {
        /// The workflow that was named.
        workflow: String,
        /// The team that was named.
        team: String,
    },
}

impl Target {
    /// The target of an install request; an empty id counts as none.
    ///
    /// # Errors
    /// If not exactly one of the two is given.
    pub fn try_new(workflow_id: Option<String>, team_id: Option<String>) -> Result<Self, Error> {
        let given = |id: Option<String>| id.filter(|id| !id.trim().is_empty());
        match (given(workflow_id), given(team_id)) {
            (Some(id), None) => Ok(Self::Workflow(id)),
            (None, Some(id)) => Ok(Self::Team(id)),
            (Some(workflow), Some(team)) => Err(Error::Both { workflow, team }),
            (None, None) => Err(Error::Missing),
        }
    }

    /// The environment variable by which a trigger container learns its target (the trigger contract), and its value.
    #[must_use]
    pub fn environment(&self) -> (&'static str, &str) {
        match self {
            Self::Workflow(id) => ("WORKFLOW_ID", id),
            Self::Team(id) => ("TEAM_ID", id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_target_is_taken() {
        let id = |text: &str| Some(text.to_owned());
        assert_eq!(
            Target::try_new(id("w"), None),
            Ok(Target::Workflow("w".into()))
        );
        assert_eq!(
            Target::try_new(id(""), id("t")),
            Ok(Target::Team("t".into()))
        );
        assert_eq!(Target::try_new(None, id(" ")), Err(Error::Missing));
        assert!(matches!(
            Target::try_new(id("w"), id("t")),
            Err(Error::Both { .. })
        ));
    }
}

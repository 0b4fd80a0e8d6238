//! Why a command was refused.

use crate::name::{self, NodeName, TriggerName};
use crate::{package, port, target};

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// There is no trigger of that name.
    #[error("trigger `{0}` is not installed; `belfry list` shows those that are")]
    NotInstalled(TriggerName),
    /// There is no node of that name.
    #[error("there is no node `{0}`; `belfry nodes` shows those that are known")]
    NoNode(NodeName),
    /// The revision is not kept, or there is none to go back to.
    #[error("{}", no_revision(name, *asked))]
    NoRevision {
        /// The trigger.
        name: TriggerName,
        /// The revision that was asked for; the last one with another package if none was.
        asked: Option<u64>,
    },
    /// There is nothing to go back to but the update that did not hold.
    #[error(
        "`{name}` was rolled back from {version} by itself already, and has had no other version of its package that is kept; \
         `belfry rollback {name} --to {revision}` takes {version} back all the same"
    )]
    RolledBack {
        /// The trigger.
        name: TriggerName,
        /// The version that did not hold.
        version: String,
        /// The revision that brought it.
        revision: u64,
    },
    /// The name belongs to something else.
    #[error(
        "the name `{name}` is taken by {what}; uninstall it first, or install under another name"
    )]
    NameTaken {
        /// The name.
        name: TriggerName,
        /// What has it.
        what: String,
    },
    /// The request does not fit the package.
    #[error("{0}")]
    Unfit(String),
    /// A name is not one.
    #[error(transparent)]
    Name(#[from] name::Error),
    /// No target, or two.
    #[error(transparent)]
    Target(#[from] target::Error),
    /// The package is not to be had.
    #[error(transparent)]
    Packages(#[from] port::packages::Error),
    /// The package is not one.
    #[error(transparent)]
    Package(#[from] package::Error),
    /// A backend did not do its part.
    #[error(transparent)]
    Port(#[from] port::Error),
}

fn no_revision(name: &TriggerName, asked: Option<u64>) -> String {
    match asked {
        Some(revision) => format!(
            "revision {revision} of `{name}` is not kept; `belfry history {name}` lists those that are"
        ),
        None => format!(
            "`{name}` has had no other version of its package; there is nothing to roll back to"
        ),
    }
}

impl Error {
    /// The HTTP status that says the same.
    #[must_use]
    pub fn status(&self) -> http::StatusCode {
        use http::StatusCode as S;
        use port::packages::Error as P;
        match self {
            Self::NotInstalled(_)
            | Self::NoNode(_)
            | Self::NoRevision { .. }
            | Self::RolledBack { .. }
            | Self::Packages(P::NotFound { .. } | P::UnknownRegistry { .. }) => S::NOT_FOUND,
            Self::NameTaken { .. } | Self::Port(port::Error::Conflict { .. }) => S::CONFLICT,
            Self::Unfit(_) | Self::Name(_) | Self::Target(_) | Self::Package(_) => S::BAD_REQUEST,
            Self::Packages(P::Unavailable { .. } | P::Invalid { .. }) => S::BAD_GATEWAY,
            Self::Port(port::Error::TooLarge { .. }) => S::PAYLOAD_TOO_LARGE,
            Self::Port(port::Error::NotFound(_)) => S::NOT_FOUND,
            Self::Port(port::Error::Corrupt { .. } | port::Error::Refused { .. }) => {
                S::INTERNAL_SERVER_ERROR
            }
            Self::Port(_) => S::SERVICE_UNAVAILABLE,
        }
    }
}

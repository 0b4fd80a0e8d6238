//! Where trigger containers run.

use crate::package::Manifest;
use crate::placement::Slot;
use crate::target::Target;
use async_trait::async_trait;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What to run, complete: a runtime looks nothing up.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The slot that it is for.
    pub slot: Slot,
    /// The trigger's revision.
    pub revision: u64,
    /// The package.
    pub manifest: Arc<Manifest>,
    /// What it runs.
    pub target: Target,
    /// Its environment, resolved on this node: the trigger contract's, the package's, the installer's, and its secrets.
    pub environment: BTreeMap<String, SecretString>,
}

/// A container that a runtime runs for Belfry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The runtime's name for it.
    pub id: String,
    /// What people call it.
    pub container_name: String,
    /// The slot that it was made for.
    pub slot: Slot,
    /// The revision that it was made from.
    pub revision: u64,
    /// How it is.
    pub health: Health,
    /// Where it takes events: the whole URL of its `POST /event`. None while it has no address.
    pub event_url: Option<String>,
}

/// How an instance is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It runs and has not answered its health check yet.
    Starting,
    /// It answers its health check.
    Healthy,
    /// It runs and fails its health check, for this reason.
    Unhealthy(String),
    /// It ended, with this status if it is known.
    Exited(Option<i64>),
}

/// Why a runtime did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The runtime cannot be reached; the same may work later.
    #[error("the {runtime} runtime is unavailable: {why}")]
    Unavailable {
        /// Which runtime.
        runtime: &'static str,
        /// What happened.
        why: String,
    },
    /// What is to run cannot: the manifest, the image, a port. It says what to do.
    #[error("{slot} cannot run: {why}")]
    Unrunnable {
        /// The slot.
        slot: Slot,
        /// What is wrong, and what to do.
        why: String,
    },
    /// There is no such instance, or no more.
    #[error("instance `{0}` does not exist")]
    NotFound(String),
}

/// A place where trigger containers run. It marks what it makes with slot and revision, so that an agent that was restarted finds
/// its instances again, and it touches nothing that it did not make.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// What kind of runtime it is, such as `docker` or `in-process`.
    fn kind(&self) -> &'static str;

    /// Creates an instance and starts it. If one of the same slot and revision is there, that one is returned. It need not be
    /// healthy yet; one of another revision of the same slot stays beside it.
    ///
    /// # Errors
    /// See [`Error`]. Nothing half-made is left behind.
    async fn start(&self, spec: &Spec) -> Result<Instance, Error>;

    /// All instances that this runtime made and that are still there, in whatever state, with their health as it is now.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn list(&self) -> Result<Vec<Instance>, Error>;

    /// Stops an instance, gives it `grace` to end by itself, and removes it. One that is not there is no error.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn remove(&self, id: &str, grace: Duration) -> Result<(), Error>;

    /// The last `lines` lines that an instance wrote.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Unavailable`].
    async fn logs(&self, id: &str, lines: usize) -> Result<Vec<String>, Error>;
}

//! Tells the mesh how this gateway is, so that an operator sees at one place which deliveries are refused where, and what waits
//! in spools.

use crate::doors::Doors;
use crate::outage::Outage;
use belfry_mesh::gateway::{self, BEAT, Gateway, Spool};
use belfry_mesh::port;
use belfry_mesh::port::state::Bucket;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long the state may take to take the word, or to forget it.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the gateway stands on, as far as an operator is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    /// What waits in the spool, if there is one.
    pub(crate) spool: Option<Spool>,
    /// What the gateway does without meanwhile: `bus`, `dedup`.
    pub(crate) degraded: Vec<String>,
}

/// Says how the gateway is every [`BEAT`], and at once when other triggers are refused than before. At `shutdown` the word is taken
/// back.
pub(crate) async fn keep(
    doors: Arc<Doors>,
    standing: impl Fn() -> Standing + Send + 'static,
    shutdown: CancellationToken,
) {
    let since = doors.ports.clock.now();
    let compose = || {
        let Standing { spool, degraded } = standing();
        Gateway {
            name: doors.config.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since,
            spool,
            refusing: doors.table.refusing(doors.ports.clock.now()),
            degraded,
        }
    };
    let telling = Outage::new(
        "telling the mesh how this gateway is",
        "`belfry gateways` does not show it as it is",
    );
    while !shutdown.is_cancelled() {
        let said = compose();
        telling.note(doors.tell(&said).await).ok();
        let beat = doors.ports.clock.sleep(BEAT);
        let changed = async {
            loop {
                doors.table.changed().await;
                let now = doors.ports.clock.now();
                if doors.table.refusing(now) != said.refusing {
                    return;
                }
            }
        };
        tokio::select! {
            () = beat => {}
            () = changed => {}
            () = shutdown.cancelled() => {}
        }
    }
    // If it cannot be taken back, it counts no more after three beats.
    doors.take_back().await.ok();
}

impl Doors {
    async fn tell(&self, said: &Gateway) -> Result<(), port::Error> {
        let value = serde_json::to_vec(said).expect("it has only string keys");
        let key = gateway::key(&said.name);
        let told = self.ports.state.put(Bucket::Nodes, &key, value.into());
        in_time(told).await.map(drop)
    }

    async fn take_back(&self) -> Result<(), port::Error> {
        let key = gateway::key(&self.config.name);
        in_time(self.ports.state.delete(Bucket::Nodes, &key, None)).await
    }
}

async fn in_time<T>(done: impl Future<Output = Result<T, port::Error>>) -> Result<T, port::Error> {
    let late = |_| port::Error::Deadline {
        who: "the state".to_owned(),
        after: PATIENCE,
    };
    tokio::time::timeout(PATIENCE, done).await.map_err(late)?
}

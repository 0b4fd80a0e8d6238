//! The in-process runtime: any package runs in this process, with the standard program, from its declarations. It is what
//! `belfry dev` uses where there is no container runtime.

mod log;
mod table;

use crate::environment::Environment;
use crate::program::{Program, Tools};
use crate::server::{self, Stop};
use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::routing::{get, post};
use belfry_mesh::placement::Slot;
use belfry_mesh::port::clock::Clock;
use belfry_mesh::port::runtime::{Error, Health, Instance, LogLine, Logs, Runtime, Spec, Stats};
use belfry_mesh::problem::Problem;
use belfry_mesh::target::Target;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::{HeaderMap, Response, StatusCode};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use table::{Cell, Found, Table};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const KIND: &str = "in-process";

/// Runs triggers in this process, all behind one listener on the loopback interface.
///
/// Each instance lives under a path of 128 random bits, so that no other process of the machine can run a trigger without a
/// verified event. An event URL is therefore a secret: it is for the pump, and for no log and no answer.
pub struct InProcess {
    shared: Arc<Shared>,
    address: SocketAddr,
    http: reqwest::Client,
    rng: Mutex<StdRng>,
}

struct Shared {
    table: Table,
    clock: Arc<dyn Clock>,
    /// Cancelled when all calls that are still in flight are to be dropped.
    dropped: CancellationToken,
    /// Cancelled when the listener has ended.
    ended: CancellationToken,
    /// Cancelled when nothing more is to be started.
    closed: CancellationToken,
    /// Grows whenever an instance comes or goes.
    changes: watch::Sender<u64>,
}

impl InProcess {
    /// Begins to listen, on a free port. After `shutdown` is cancelled no event is taken any more; calls in flight get `grace` to
    /// end by themselves, then they are dropped. The listener's task is on `tracker`. `tools.http` makes the calls of all
    /// triggers, see [`client`](crate::orchestrator::client).
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn listen(
        tools: Tools,
        tracker: &TaskTracker,
        shutdown: CancellationToken,
        grace: Duration,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let dropped = CancellationToken::new();
        let (stop, ended) = (
            Stop {
                shutdown,
                grace,
                dropped: dropped.clone(),
            },
            CancellationToken::new(),
        );
        let shared = Arc::new(Shared {
            table: Table::default(),
            clock: tools.clock,
            dropped,
            ended,
            closed: CancellationToken::new(),
            changes: watch::Sender::default(),
        });
        tracker.spawn(listen(listener, shared.clone(), stop));
        Ok(Self {
            shared,
            address,
            http: tools.http,
            rng: Mutex::new(tools.rng),
        })
    }

    fn instance(&self, cell: &Cell) -> Instance {
        Instance {
            id: cell.id.clone(),
            container_name: cell.container_name.clone(),
            slot: cell.slot.clone(),
            revision: cell.revision,
            health: Health::Healthy,
            event_url: Some(format!(
                "http://{}/{}/{}/event",
                self.address, cell.secret, cell.slot
            )),
        }
    }

    fn available(&self) -> Result<(), Error> {
        if self.shared.ended.is_cancelled() {
            return Err(Error::Unavailable {
                runtime: KIND,
                why: "it was shut down".into(),
            });
        }
        Ok(())
    }

    fn program(&self, spec: &Spec, rng: StdRng) -> Result<Program, Error> {
        let (workflow, team) = match &spec.target {
            Some(Target::Workflow(id)) => (Some(id.as_str()), None),
            Some(Target::Team(id)) => (None, Some(id.as_str())),
            None => (None, None),
        };
        let environment = Environment::new(spec.environment.clone())
            .with("WORKFLOW_ID", workflow)
            .with("TEAM_ID", team)
            .with("TRIGGER_NAME", Some(spec.slot.trigger.as_str()));
        let tools = Tools {
            http: self.http.clone(),
            clock: self.shared.clock.clone(),
            rng,
        };
        Program::try_new(Some(spec.manifest.clone()), &environment, tools)
            .map(Program::with_journal_in_memory)
            .map_err(|error| Error::Unrunnable {
                slot: spec.slot.clone(),
                why: error.to_string(),
            })
    }
}

#[async_trait]
impl Runtime for InProcess {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn start(&self, spec: &Spec) -> Result<Instance, Error> {
        self.available()?;
        if self.shared.closed.is_cancelled() {
            return Err(Error::Unavailable {
                runtime: KIND,
                why: "it starts nothing more".into(),
            });
        }
        let id = instance_id(&spec.slot, spec.revision);
        match self.shared.table.by_id(&id) {
            Some(cell) if cell.calls.is_closed() => {
                return Err(Error::Unavailable {
                    runtime: KIND,
                    why: format!("instance `{id}` is still being removed"),
                });
            }
            Some(cell) => return Ok(self.instance(&cell)),
            None => {}
        }
        let (secret, rng) = {
            let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
            (
                table::Secret::random(&mut *rng),
                StdRng::from_rng(&mut *rng),
            )
        };
        let program = self.program(spec, rng)?;
        let cell = Cell {
            container_name: spec.slot.container_name(),
            id,
            slot: spec.slot.clone(),
            revision: spec.revision,
            secret,
            program,
            calls: TaskTracker::new(),
            dropped: self.shared.dropped.child_token(),
        };
        let cell = self.shared.table.insert(cell);
        self.shared.changed();
        Ok(self.instance(&cell))
    }

    async fn list(&self) -> Result<Vec<Instance>, Error> {
        self.available()?;
        Ok(self
            .shared
            .table
            .all()
            .iter()
            .map(|cell| self.instance(cell))
            .collect())
    }

    async fn remove(&self, id: &str, grace: Duration) -> Result<(), Error> {
        let Some(cell) = self.shared.table.by_id(id) else {
            return Ok(());
        };
        cell.calls.close();
        tokio::select! {
            () = cell.calls.wait() => {}
            () = self.shared.clock.sleep(grace) => cell.dropped.cancel(),
        }
        cell.calls.wait().await;
        self.shared.table.remove(&cell);
        cell.dropped.cancel();
        self.shared.changed();
        Ok(())
    }

    fn logs(&self, id: &str, what: Logs) -> BoxStream<'static, Result<LogLine, Error>> {
        match self.shared.table.by_id(id) {
            Some(cell) => log::read(cell, what),
            None => stream::iter([Err(Error::NotFound(id.to_owned()))]).boxed(),
        }
    }

    /// All run in one process, and nobody can tell their shares of it.
    async fn stats(&self, id: &str) -> Result<Stats, Error> {
        let found = self.shared.table.by_id(id);
        found
            .map(|_| Stats::default())
            .ok_or_else(|| Error::NotFound(id.to_owned()))
    }

    fn changes(&self) -> BoxStream<'static, ()> {
        let (shared, changes) = (self.shared.clone(), self.shared.changes.subscribe());
        stream::unfold((shared, changes), |(shared, mut changes)| async {
            // The sender is in `shared`, so that it never goes.
            changes.changed().await.ok();
            Some(((), (shared, changes)))
        })
        .boxed()
    }

    async fn close(&self) {
        self.shared.closed.cancel();
    }
}

impl Shared {
    fn changed(&self) {
        self.changes.send_modify(|times| *times += 1);
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>, stop: Stop) {
    let router = Router::new()
        .route("/{secret}/{slot}/event", post(take))
        .route("/{secret}/{slot}/health", get(health))
        .fallback(nowhere)
        .layer(DefaultBodyLimit::max(server::MAX_BODY))
        .with_state(shared.clone());
    let ended = shared.ended.clone().drop_guard();
    if let Err(error) = server::serve(listener, router, &*shared.clock, &stop).await {
        tracing::error!(%error, "the listener of the in-process runtime failed; its triggers take no events");
    }
    drop(ended);
}

async fn take(
    State(shared): State<Arc<Shared>>,
    Path((secret, slot)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response<String> {
    match shared.table.find(&secret, &slot) {
        Found::Open(cell) => {
            let answered = server::answer(&cell.program, &cell.dropped, &headers, body);
            cell.calls.track_future(answered).await
        }
        Found::Closed => server::stopped().into_response(),
        Found::Nothing => nowhere().await,
    }
}

async fn health(
    State(shared): State<Arc<Shared>>,
    Path((secret, slot)): Path<(String, String)>,
) -> Response<String> {
    match shared.table.find(&secret, &slot) {
        Found::Open(_) => server::well(),
        Found::Closed => server::stopped().into_response(),
        Found::Nothing => nowhere().await,
    }
}

async fn nowhere() -> Response<String> {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing here").into_response()
}

fn instance_id(slot: &Slot, revision: u64) -> String {
    format!("{slot}.r{revision}")
}

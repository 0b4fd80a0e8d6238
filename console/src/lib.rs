//! Private HTTP: the management API and the history projection.
//!
//! The API is unauthenticated and meant for a loopback address, or for a network whose members may do what operators may. It
//! defends itself against web pages in an operator's browser: no request that comes from one, and no request for a host that it is
//! not, is answered.

mod answer;
mod api;
mod bus;
mod config;
mod desk;
mod history;

pub use config::{Config, Retention};

use api::{Api, Guard};
use belfry_mesh::control::Control;
use belfry_mesh::port::Ports;
use belfry_mesh::port::packages::Packages;
use belfry_serve::Tasks;
use desk::{Commands, Desk};
use history::History;
use rand::rngs::StdRng;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Why a console does not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value of the [`Config`] is out of its bounds.
    #[error("console setting `{setting}` must be {bound}")]
    Config {
        /// The setting.
        setting: &'static str,
        /// What it must be.
        bound: &'static str,
    },
    /// The history cannot be opened.
    #[error("the console's history {} cannot be opened: {why}", path.display())]
    History {
        /// The file.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// The listener has no address.
    #[error("the console's listener cannot be used: {0}")]
    Listener(#[source] io::Error),
    /// Requests that did not end within the grace were cut off.
    #[error("{left} requests to the console did not end within {} ms and were cut off", grace.as_millis())]
    Unfinished {
        /// How many connections and commands.
        left: usize,
        /// [`Config::shutdown_grace`].
        grace: Duration,
    },
}

/// The console, built but not yet listening.
pub struct Console {
    config: Config,
    ports: Ports,
    packages: Arc<dyn Packages>,
    rng: StdRng,
    history: History,
    /// What keeps the history.
    tasks: TaskTracker,
}

impl Console {
    /// A console over these ports. It opens its history, and does nothing else before [`Console::run`]. `rng` draws the ids of
    /// the runs that operators ask for, and their traces.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::History`].
    pub fn build(
        config: Config,
        ports: Ports,
        packages: Arc<dyn Packages>,
        rng: StdRng,
    ) -> Result<Self, Error> {
        config.check()?;
        let tasks = TaskTracker::new();
        let history = History::open(&config.data, &tasks)?;
        Ok(Self {
            config,
            ports,
            packages,
            rng,
            history,
            tasks,
        })
    }

    /// Serves `listener` until `shutdown`. Then it takes no more, finishes what it has taken, and returns when everything it
    /// started has ended, requests at the latest after [`Config::shutdown_grace`].
    ///
    /// # Errors
    /// [`Error::Listener`]; [`Error::Unfinished`] if something had to be cut off.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), Error> {
        let address = listener.local_addr().map_err(Error::Listener)?;
        let Self {
            config,
            ports,
            packages,
            rng,
            history,
            tasks,
        } = self;
        let following = shutdown.child_token();
        let _ends_if_dropped = following.clone().drop_guard();
        history.follow(&(&ports).into(), config.retention, &tasks, &following);

        let requests = TaskTracker::new();
        let cut_off = CancellationToken::new();
        let _cut_off_if_dropped = cut_off.clone().drop_guard();
        let control = Control::new(&ports, packages.clone(), config.patience);
        let desk = Arc::new(Desk {
            control,
            calls: ports.calls.clone(),
            commands: Commands {
                tasks: requests.clone(),
                cut_off: cut_off.clone(),
            },
            closing: shutdown.clone(),
        });
        let (calls, clock) = (ports.calls.clone(), ports.clock.clone());
        requests.spawn(bus::serve(desk.clone(), calls, clock, shutdown.clone()));
        let api = Api {
            ports,
            packages,
            desk,
            history,
            rng: Mutex::new(rng),
        };
        let router = api::router(
            Arc::new(api),
            Guard::new(address.ip(), &config.hosts),
            config.max_body,
        );
        let connections = belfry_serve::Config::default();
        let served = Tasks::new(requests.clone(), cut_off.clone());
        let answer = belfry_serve::routed(router);
        belfry_serve::serve(listener, answer, &connections, &shutdown, &served).await;

        requests.close();
        let ended = tokio::time::timeout(config.shutdown_grace, requests.wait()).await;
        let left = requests.len();
        cut_off.cancel();
        requests.wait().await;
        // The threads of the history end with its last handle, which the last request had.
        tasks.close();
        tasks.wait().await;
        ended.map_err(|_| Error::Unfinished {
            left,
            grace: config.shutdown_grace,
        })
    }
}

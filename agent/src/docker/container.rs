//! The container of a trigger: a pure function of what it is to run and of what the operator allows.

use super::labels::Marks;
use super::policy::Policy;
use super::{Config, mount};
use belfry_mesh::package::{Kind, Port, Restart};
use belfry_mesh::port::runtime::Spec;
use belfry_mesh::template::Text;
use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, PortBinding, PortMap, RestartPolicy,
    RestartPolicyNameEnum,
};
use secrecy::ExposeSecret;
use std::collections::HashMap;

/// The variable by which a container is told its package.
const PACKAGE: &str = "BELFRY_PACKAGE";

/// The longest value of one variable that Linux hands to a process, with its name and two bytes more (`MAX_ARG_STRLEN`, 32 pages).
const MAX_VARIABLE: usize = 128 * 1024 - 2;

/// What a container gets whose package does not say.
const MEMORY: u64 = 256 << 20;
const CPUS: f64 = 1.0;
const PIDS: u32 = 128;

/// The user and the group of an image that names none: neither root nor anybody whom the node knows.
const NOBODY: u32 = 65_532;

/// A container, ready to be created.
#[derive(Debug)]
pub(super) struct Container {
    /// What people call it.
    pub(super) name: String,
    pub(super) body: ContainerCreateBody,
    /// The networks that it joins besides the one that it is created on.
    pub(super) networks: Vec<String>,
}

/// What is asked for and not to be had, and what to do.
pub(super) type Refusal = String;

/// The container of a spec, or why there is to be none. Its image is named and its user is not set yet: see [`user`].
///
/// # Errors
/// If the package asks for what the operator does not allow, or for what cannot be.
pub(super) fn container(spec: &Spec, image: &str, config: &Config) -> Result<Container, Refusal> {
    let (deployment, policy) = (spec.manifest.deployment(), &config.policy);
    refuse_privileged(spec)?;
    let (network, networks) = networks(spec, config)?;
    let ports = ports(spec, config)?;
    // The engine publishes only what is exposed, too, by the image or here.
    let exposed = ports.keys().cloned().collect();
    let host_config = HostConfig {
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(capabilities(&deployment.cap_add, policy)?),
        security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
        readonly_rootfs: Some(true),
        tmpfs: Some(HashMap::from([(
            "/tmp".to_owned(),
            "rw,noexec,nosuid,nodev,size=64m,mode=1777".to_owned(),
        )])),
        mounts: Some(mount::mounts(spec, config)?),
        port_bindings: Some(ports),
        network_mode: Some(network),
        // By this name a container reaches what listens on the node beyond its loopback interface, such as an orchestrator.
        extra_hosts: Some(vec!["host.docker.internal:host-gateway".to_owned()]),
        restart_policy: Some(restart(deployment.restart)),
        // Within bounds, which the engine sets none by itself. Its `local` driver, as of 20.10, loses the end of the line that follows
        // a long one.
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([
                ("max-size".to_owned(), "10m".to_owned()),
                ("max-file".to_owned(), "3".to_owned()),
            ])),
        }),
        ..limits(spec, policy)?
    };
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        env: Some(environment(spec)?),
        exposed_ports: Some(exposed),
        labels: Some(Marks::of(spec).write(&config.owner)),
        host_config: Some(host_config),
        ..ContainerCreateBody::default()
    };
    Ok(Container {
        name: format!(
            "belfry-{}-{}-{}",
            spec.slot.trigger, spec.slot.index, spec.revision
        ),
        body,
        networks,
    })
}

impl Container {
    /// Whether it is created on this network.
    pub(super) fn is_on(&self, network: &str) -> bool {
        let host = self.body.host_config.as_ref();
        host.and_then(|host| host.network_mode.as_deref()) == Some(network)
    }

    /// Has it created on this network.
    pub(super) fn set_network(&mut self, network: String) {
        self.host().network_mode = Some(network);
    }

    /// Follows the symbolic links of what it mounts, see [`mount::follow`].
    pub(super) async fn follow_mounts(&mut self, policy: &Policy) -> Result<(), Refusal> {
        mount::follow(self.host().mounts.get_or_insert_default(), policy).await
    }

    fn host(&mut self) -> &mut HostConfig {
        self.body.host_config.get_or_insert_default()
    }
}

/// Who a container of an image runs as: whom the image names by a number, but never root, nor in root's group. What a name means
/// stands in a file of the image, which may have it mean root.
pub(super) fn user(of_image: Option<&str>) -> String {
    let name = of_image.unwrap_or_default();
    let (user, group) = name.split_once(':').unwrap_or((name, ""));
    let group = plain_id(group).unwrap_or(NOBODY);
    match plain_id(user) {
        Some(user) => format!("{user}:{group}"),
        None => format!("{NOBODY}:{NOBODY}"),
    }
}

/// A plain number that the engine takes as an id, and not root's.
fn plain_id(text: &str) -> Option<u32> {
    let is_plain = text.chars().all(|c| c.is_ascii_digit());
    let id = text.parse().ok().filter(|_| is_plain)?;
    (1..=i32::MAX.unsigned_abs()).contains(&id).then_some(id)
}

/// A text of the deployment with its variables put in: those of the trigger's environment, then those that the operator allows.
/// Secrets are for the environment: they are not put in here, where the engine, a registry and errors would show them.
pub(super) fn resolve(text: &Text, spec: &Spec, config: &Config) -> Result<String, Refusal> {
    let is_secret = |name: &str| spec.manifest.secrets().iter().any(|secret| secret == name);
    let allowed = |name: &str| config.variables.get(name);
    let is_hidden =
        |name: &&str| !is_secret(name) && spec.concealed.contains(*name) && allowed(name).is_none();
    if let Some(name) = text.variables().find(is_hidden) {
        return Err(format!(
            "`{text}`: `{name}` comes from this node's secrets or its agent's environment, and would be shown; if it is none, allow it on this node with --allow-variables {name}"
        ));
    }
    let plain = |name: &str| {
        if is_secret(name) {
            return None;
        }
        let own = spec.environment.get(name);
        let own = own.filter(|_| !spec.concealed.contains(name));
        own.map(|value| value.expose_secret().to_owned())
            .or_else(|| allowed(name).cloned())
    };
    text.resolve(plain)
        .map_err(|error| format!("`{text}`: {error}"))
}

/// Manifest 2 has no such key; an older one would be left without what it counts on.
fn refuse_privileged(spec: &Spec) -> Result<(), Refusal> {
    let asked = &spec.manifest.document()["deployment"]["privileged"];
    if asked.as_bool() == Some(true) {
        return Err(
            "its package asks to be privileged, which no trigger is; name what it needs in `cap_add`, and allow it with --allow-capabilities".to_owned(),
        );
    }
    Ok(())
}

/// The network that the container is created on, and those that it joins then.
fn networks(spec: &Spec, config: &Config) -> Result<(String, Vec<String>), Refusal> {
    let deployment = spec.manifest.deployment();
    let own = config.network();
    let allowed = |name: &str| name == own || config.policy.networks.contains(name);
    let first = match deployment.network_mode.as_deref() {
        None | Some("" | "bridge" | "default") => own.clone(),
        Some("none") => {
            return Err("its package asks for no network at all, where no event reaches it; leave `network_mode` out".to_owned());
        }
        Some(mode) if mode.starts_with("container:") => {
            return Err(format!(
                "its package asks for the network of another container (`network_mode` is `{mode}`), which no trigger gets; leave it out"
            ));
        }
        Some("host") if !allowed("host") => {
            return Err("its package asks for the node's own network (`network_mode` is `host`), from which all that the node reaches can be reached; leave it out, or allow it on this node with --allow-networks host".to_owned());
        }
        Some(name) => name.to_owned(),
    };
    let joined = deployment.networks.iter().filter(|name| **name != first);
    let mut more: Vec<String> = Vec::new();
    for name in joined {
        if !more.contains(name) {
            more.push(name.clone());
        }
    }
    if let Some(name) = std::iter::once(&first)
        .chain(&more)
        .find(|name| !allowed(name))
    {
        return Err(format!(
            "its package asks for the network `{name}`; leave it out, or allow it on this node with --allow-networks {name}"
        ));
    }
    if first == "host" && !more.is_empty() {
        return Err("its package asks for the node's own network and for others, and a container cannot have both; leave one out".to_owned());
    }
    Ok((first, more))
}

fn capabilities(asked: &[String], policy: &Policy) -> Result<Vec<String>, Refusal> {
    let plain = |name: &String| {
        let name = name.trim().to_ascii_uppercase();
        name.strip_prefix("CAP_").unwrap_or(&name).to_owned()
    };
    let asked: Vec<String> = asked.iter().map(plain).collect();
    match asked
        .iter()
        .find(|name| !policy.capabilities.contains(*name))
    {
        Some(name) => Err(format!(
            "its package asks for the capability {name}; leave it out of `cap_add`, or allow it on this node with --allow-capabilities {name}"
        )),
        None => Ok(asked),
    }
}

/// The ports to publish. The one on which a trigger takes events is not among them: the agent reaches it on the container's own
/// address, and anybody else would get past the gateway.
fn ports(spec: &Spec, config: &Config) -> Result<PortMap, Refusal> {
    let deployment = spec.manifest.deployment();
    let mut bindings = PortMap::new();
    for Port { host, container } in &deployment.ports {
        let inside = port(container, spec, config)?;
        if spec.manifest.kind() == Kind::Trigger && inside == deployment.port {
            continue;
        }
        let outside = host
            .as_ref()
            .map(|text| port(text, spec, config))
            .transpose()?;
        let binding = PortBinding {
            host_ip: Some(config.policy.publish.to_string()),
            host_port: outside.map(|port| port.to_string()),
        };
        bindings
            .entry(format!("{inside}/tcp"))
            .or_insert_with(|| Some(Vec::new()))
            .get_or_insert_default()
            .push(binding);
    }
    Ok(bindings)
}

fn port(text: &Text, spec: &Spec, config: &Config) -> Result<u16, Refusal> {
    let resolved = resolve(text, spec, config)?;
    let port = resolved.trim().parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| format!("its package publishes a port `{text}`, which is not a number from 1 to 65535 on this node; set its variable, or correct it"))
}

fn restart(policy: Restart) -> RestartPolicy {
    let name = match policy {
        Restart::No => RestartPolicyNameEnum::NO,
        Restart::Always => RestartPolicyNameEnum::ALWAYS,
        Restart::OnFailure => RestartPolicyNameEnum::ON_FAILURE,
        Restart::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
    };
    RestartPolicy {
        name: Some(name),
        maximum_retry_count: None,
    }
}

/// What it may use: what the package says, within what the operator gives at most.
fn limits(spec: &Spec, policy: &Policy) -> Result<HostConfig, Refusal> {
    let limits = spec.manifest.deployment().limits;
    let least = spec.manifest.requirements().min_memory.unwrap_or(0);
    let memory = limits
        .memory
        .map_or(MEMORY.min(policy.max_memory), |memory| memory)
        .max(least);
    let cpus = limits.cpus.unwrap_or(CPUS.min(policy.max_cpus));
    let pids = limits.pids.unwrap_or(PIDS.min(policy.max_pids));
    let above = |what: &str, asked: String, most: String, flag: &str| {
        Err(format!(
            "its package asks for {asked} {what}, and this node gives a container {most} at most; lower it, or raise --{flag}"
        ))
    };
    if memory > policy.max_memory {
        let (asked, most) = (memory.to_string(), policy.max_memory.to_string());
        return above("bytes of memory", asked, most, "max-memory-bytes");
    }
    if cpus > policy.max_cpus {
        let (asked, most) = (cpus.to_string(), policy.max_cpus.to_string());
        return above("processors", asked, most, "max-cpus");
    }
    if pids > policy.max_pids {
        let (asked, most) = (pids.to_string(), policy.max_pids.to_string());
        return above("processes", asked, most, "max-pids");
    }
    let bytes = i64::try_from(memory).unwrap_or(i64::MAX);
    Ok(HostConfig {
        memory: Some(bytes),
        // As much as the memory itself: none of it is swap.
        memory_swap: Some(bytes),
        #[expect(clippy::cast_possible_truncation, reason = "at most 1,024 processors")]
        nano_cpus: Some((cpus * 1e9) as i64),
        pids_limit: Some(i64::from(pids)),
        ..HostConfig::default()
    })
}

/// The only place where secrets are told.
fn environment(spec: &Spec) -> Result<Vec<String>, Refusal> {
    let mut all: Vec<String> = spec
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={}", value.expose_secret()))
        .collect();
    if !spec.environment.contains_key(PACKAGE) {
        all.push(format!("{PACKAGE}={}", spec.manifest.document()));
    }
    let too_long = all.iter().find(|variable| variable.len() > MAX_VARIABLE);
    match too_long.and_then(|variable| variable.split('=').next()) {
        Some(name) => Err(format!(
            "the variable `{name}` is longer than the {MAX_VARIABLE} bytes that Linux hands to a process; shorten it"
        )),
        None => Ok(all),
    }
}

#[cfg(test)]
mod tests;

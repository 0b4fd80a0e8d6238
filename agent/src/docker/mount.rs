//! What is mounted into a container, and what never is.

use super::container::{Refusal, resolve};
use super::policy::Policy;
use belfry_mesh::package::Volume;
use belfry_mesh::port::runtime::Spec;
use bollard::models::{Mount, MountType};
use std::path::{Component, Path};

/// Where a container would find the engine, and with it the node.
const SOCKETS: [&str; 4] = ["docker.sock", "containerd.sock", "podman.sock", "crio.sock"];

/// Where sockets of engines and system services are, by either name: not mounted, nor what is above or below.
const RUN: [&str; 2] = ["/run", "/var/run"];

/// The mounts of a spec.
///
/// # Errors
/// If one is of a directory that the operator does not allow, or would show the engine's socket.
pub(super) fn mounts(spec: &Spec, policy: &Policy) -> Result<Vec<Mount>, Refusal> {
    let volumes = &spec.manifest.deployment().volumes;
    volumes
        .iter()
        .map(|volume| mount(volume, spec, policy))
        .collect()
}

fn mount(volume: &Volume, spec: &Spec, policy: &Policy) -> Result<Mount, Refusal> {
    let (source, target) = (
        resolve(&volume.host, spec)?,
        resolve(&volume.container, spec)?,
    );
    if !is_plain(Path::new(&target)) || target == "/" {
        return Err(format!(
            "its package mounts at `{target}`, which is not an absolute path below `/`; correct it"
        ));
    }
    let (typ, source) = if is_volume_name(&source) {
        // Its own: a volume of somebody else's may have the same name.
        let own = format!("belfry-{}-{source}", spec.slot.trigger);
        (MountType::VOLUME, own)
    } else {
        allow(&source, policy)?;
        (MountType::BIND, source)
    };
    Ok(Mount {
        target: Some(target),
        source: Some(source),
        typ: Some(typ),
        read_only: Some(volume.read_only),
        ..Mount::default()
    })
}

fn allow(source: &str, policy: &Policy) -> Result<(), Refusal> {
    let path = Path::new(source);
    if !is_plain(path) {
        return Err(format!(
            "its package mounts `{source}`, which is neither the name of a volume nor an absolute path without `..`; correct it"
        ));
    }
    let is_socket = path
        .file_name()
        .is_some_and(|name| SOCKETS.iter().any(|socket| name == *socket));
    let shows_run = |run: &&str| Path::new(run).starts_with(path) || path.starts_with(run);
    if is_socket || RUN.iter().any(shows_run) {
        return Err(format!(
            "its package mounts `{source}`, by which it would have the container engine and with it the node; no trigger gets that, so leave it out"
        ));
    }
    if policy
        .mounts
        .iter()
        .any(|allowed| path.starts_with(allowed))
    {
        return Ok(());
    }
    Err(format!(
        "its package mounts the node's directory `{source}`; use a named volume, or allow it on this node with --allow-mounts {source}"
    ))
}

/// Absolute, and what it seems to be.
fn is_plain(path: &Path) -> bool {
    path.is_absolute()
        && path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

/// What the engine takes as a volume's name.
fn is_volume_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_s_socket_is_never_mounted_not_even_if_all_is_allowed() {
        let all = Policy {
            mounts: vec!["/".into()],
            ..Policy::default()
        };
        for path in [
            "/",
            "/var",
            "/run",
            "/var/run",
            "/var/run/docker.sock",
            "/run/docker.sock",
            "/run/containerd",
            "/srv/docker.sock",
        ] {
            let refusal = allow(path, &all).unwrap_err();
            assert!(refusal.contains("container engine"), "{path}: {refusal}");
        }
        assert_eq!(allow("/srv/data", &all), Ok(()));
    }

    #[test]
    fn a_directory_needs_leave_and_no_detour_leads_around_it() {
        let policy = Policy {
            mounts: vec!["/srv/data".into()],
            ..Policy::default()
        };
        assert_eq!(allow("/srv/data/a", &policy), Ok(()));
        assert!(
            allow("/srv/database", &policy)
                .unwrap_err()
                .contains("--allow-mounts /srv/database")
        );
        assert!(
            allow("/srv/data/../secret", &policy)
                .unwrap_err()
                .contains("`..`")
        );
        assert!(allow("./data", &policy).is_err() && allow("~/data", &policy).is_err());
        assert!(is_volume_name("history-1") && !is_volume_name("a/b") && !is_volume_name("."));
    }
}

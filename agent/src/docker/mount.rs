//! What is mounted into a container, and what never is.

use super::container::{Refusal, resolve};
use super::policy::Policy;
use super::{Config, labels};
use belfry_mesh::package::Volume;
use belfry_mesh::port::runtime::Spec;
use bollard::models::{Mount, MountType, MountVolumeOptions};
use std::collections::HashMap;
use std::path::{Component, Path};
use tokio::fs::canonicalize;

/// Where a container would find the engine, and with it the node.
const SOCKETS: [&str; 4] = ["docker.sock", "containerd.sock", "podman.sock", "crio.sock"];

/// Where sockets of engines and system services are, by either name: not mounted, nor what is above or below.
const RUN: [&str; 2] = ["/run", "/var/run"];

/// The mounts of a spec.
///
/// # Errors
/// If one is of a directory that the operator does not allow, or would show the engine's socket.
pub(super) fn mounts(spec: &Spec, config: &Config) -> Result<Vec<Mount>, Refusal> {
    let volumes = &spec.manifest.deployment().volumes;
    volumes
        .iter()
        .map(|volume| mount(volume, spec, config))
        .collect()
}

fn mount(volume: &Volume, spec: &Spec, config: &Config) -> Result<Mount, Refusal> {
    let (source, target) = (
        resolve(&volume.host, spec, config)?,
        resolve(&volume.container, spec, config)?,
    );
    if !is_plain(Path::new(&target)) || target == "/" {
        return Err(format!(
            "its package mounts at `{target}`, which is not an absolute path below `/`; correct it"
        ));
    }
    let mount = Mount {
        target: Some(target),
        read_only: Some(volume.read_only),
        ..Mount::default()
    };
    if is_volume_name(&source) {
        return Ok(Mount {
            source: Some(volume_name(spec, config, &source)),
            typ: Some(MountType::VOLUME),
            volume_options: Some(volume_options(spec, config)),
            ..mount
        });
    }
    allow(&source, &config.policy)?;
    Ok(Mount {
        source: Some(source),
        typ: Some(MountType::BIND),
        ..mount
    })
}

/// A volume's name on the engine: the trigger's own in its mesh, for one of somebody else's may have the same name. Neither a mesh
/// nor a trigger has a dot in its name, so no two of them make the same one.
fn volume_name(spec: &Spec, config: &Config, name: &str) -> String {
    format!("belfry.{}.{}.{name}", config.owner.mesh, spec.slot.trigger)
}

/// What a volume is made with where it is not there. Nothing here ever removes one: by the labels, people find whose it was.
fn volume_options(spec: &Spec, config: &Config) -> MountVolumeOptions {
    let labels = [
        (labels::MESH, config.owner.mesh.clone()),
        (labels::TRIGGER, spec.slot.trigger.to_string()),
    ];
    let owned = |(key, value): (&str, String)| (key.to_owned(), value);
    MountVolumeOptions {
        labels: Some(HashMap::from(labels.map(owned))),
        ..MountVolumeOptions::default()
    }
}

/// Makes mounts of the node's directories be of what they really are, where symbolic links lead.
///
/// # Errors
/// If one is not there, or leads out of what the operator allows.
pub(super) async fn follow(mounts: &mut [Mount], policy: &Policy) -> Result<(), Refusal> {
    let is_bind = |mount: &&mut Mount| mount.typ == Some(MountType::BIND);
    for mount in mounts.iter_mut().filter(is_bind) {
        let Some(source) = &mount.source else {
            continue;
        };
        let real = canonicalize(source).await.map_err(|error| {
            format!("its package mounts `{source}`, which the agent cannot find on this node: {error}; create it, or correct it")
        })?;
        let text = real.to_str().ok_or_else(|| {
            format!("its package mounts `{source}`, which leads to a name that is no text")
        })?;
        refuse_engine(source, &real)?;
        if !is_below(&real, &policy.mounts).await {
            return Err(format!(
                "its package mounts the node's directory `{source}`, which leads to {text} by a symbolic link; leave it out, or allow it on this node with --allow-mounts {text}"
            ));
        }
        mount.source = Some(text.to_owned());
    }
    Ok(())
}

/// Whether a real path is one of these directories or below, where their own symbolic links lead.
pub(super) async fn is_below(real: &Path, directories: &[impl AsRef<Path>]) -> bool {
    for directory in directories {
        if canonicalize(directory.as_ref())
            .await
            .is_ok_and(|directory| real.starts_with(directory))
        {
            return true;
        }
    }
    false
}

fn allow(source: &str, policy: &Policy) -> Result<(), Refusal> {
    let path = Path::new(source);
    if !is_plain(path) {
        return Err(format!(
            "its package mounts `{source}`, which is neither the name of a volume nor an absolute path without `..`; correct it"
        ));
    }
    refuse_engine(source, path)?;
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

/// Refuses what would show the engine's socket.
fn refuse_engine(source: &str, path: &Path) -> Result<(), Refusal> {
    let is_socket = path
        .file_name()
        .is_some_and(|name| SOCKETS.iter().any(|socket| name == *socket));
    let shows_run = |run: &&str| Path::new(run).starts_with(path) || path.starts_with(run);
    if is_socket || RUN.iter().any(shows_run) {
        return Err(format!(
            "its package mounts `{source}`, by which it would have the container engine and with it the node; no trigger gets that, so leave it out"
        ));
    }
    Ok(())
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

    #[tokio::test]
    async fn a_symbolic_link_does_not_lead_out_of_what_is_allowed() {
        let node = tempfile::tempdir().unwrap();
        let at = |name: &str| node.path().join(name);
        for name in ["data", "data/real", "secret"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        for (link, to) in [
            ("data/out", at("secret")),
            ("data/in", at("data/real")),
            ("data/engine", "/run".into()),
            ("alias", at("data")),
        ] {
            std::os::unix::fs::symlink(to, at(link)).unwrap();
        }
        let follow = async |name: &str, allowed: &str| {
            let policy = Policy {
                mounts: vec![at(allowed), "/run".into()],
                ..Policy::default()
            };
            let mut mounts = [Mount {
                typ: Some(MountType::BIND),
                source: Some(at(name).to_string_lossy().into_owned()),
                ..Mount::default()
            }];
            follow(&mut mounts, &policy).await?;
            Ok::<_, Refusal>(mounts[0].source.clone().unwrap())
        };
        let real = at("data/real").canonicalize().unwrap();
        for (name, allowed) in [
            ("data/in", "data"),
            ("alias/real", "alias"),
            ("alias/in", "data"),
        ] {
            let followed = follow(name, allowed).await.unwrap();
            assert_eq!(Path::new(&followed), real, "{name}");
        }
        let refusal = follow("data/out", "data").await.unwrap_err();
        assert!(refusal.contains("by a symbolic link"), "{refusal}");
        let refusal = follow("data/engine", "data").await.unwrap_err();
        assert!(refusal.contains("container engine"), "{refusal}");
        let refusal = follow("data/none", "data").await.unwrap_err();
        assert!(refusal.contains("cannot find"), "{refusal}");
    }
}

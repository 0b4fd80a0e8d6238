//! The architecture, checked: who may know whom, and who may use which vendor's crate.

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use std::collections::{BTreeMap, BTreeSet};

/// The crates of each vendor or kind of I/O, and the only ones that may use them.
const FENCES: [(&[&str], &[&str]); 9] = [
    // The benchmark sets the bare pipeline beside Belfry: the same clients and the same server, and nothing of ours between.
    (
        &["async-nats", "redis"],
        &["belfry-backends", "belfry-bench"],
    ),
    (&["rusqlite"], &["belfry-backends", "belfry-console"]),
    (&["bollard"], &["belfry-agent"]),
    (
        &["clap", "toml"],
        &["belfry", "belfry-bench", "belfry-triggers"],
    ),
    (&["anyhow"], &["belfry", "belfry-bench", "belfry-tests"]),
    (&["utoipa"], &["belfry-console"]),
    // Connections are bounded, and ended in good order, in one place.
    (&["hyper-util"], &["belfry-bench", "belfry-serve"]),
    (&["tokio-rustls"], &["belfry-serve"]),
    // The binaries choose the one implementation of cryptography for all clients.
    (&["rustls"], &["belfry", "belfry-serve", "belfry-triggers"]),
];

/// What `mesh` must do without: a runtime, a socket, a file, a vendor.
const NOT_IN_MESH: [&str; 10] = [
    "async-nats",
    "axum",
    "bollard",
    "hyper",
    "redis",
    "reqwest",
    "rusqlite",
    "tokio",
    "tokio-util",
    "tracing",
];

const ROLES: [&str; 5] = [
    "belfry-agent",
    "belfry-console",
    "belfry-gateway",
    "belfry-registry",
    "belfry-triggers",
];

fn metadata() -> Result<Metadata> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .other_options(["--offline".into()])
        .exec()
        .context("cargo metadata")
}

/// What a package is built with, tests aside.
fn uses(package: &Package) -> BTreeSet<&str> {
    let built = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development);
    built.map(|dependency| dependency.name.as_str()).collect()
}

fn crates(metadata: &Metadata) -> BTreeMap<&str, BTreeSet<&str>> {
    metadata
        .packages
        .iter()
        .map(|package| (package.name.as_str(), uses(package)))
        .collect()
}

#[test]
fn dependencies_point_inward_and_no_role_knows_another() -> Result<()> {
    let metadata = metadata()?;
    let mut wrong = Vec::new();
    for (name, uses) in crates(&metadata) {
        let ours: BTreeSet<&str> = uses
            .into_iter()
            .filter(|used| used.starts_with("belfry"))
            .collect();
        let allowed: BTreeSet<&str> = match name {
            "belfry-mesh" | "belfry-tests" => BTreeSet::new(),
            "belfry" => ROLES
                .into_iter()
                .chain(["belfry-backends", "belfry-mesh", "belfry-serve"])
                .collect(),
            role if ROLES.contains(&role) => BTreeSet::from(["belfry-mesh", "belfry-serve"]),
            _ => BTreeSet::from(["belfry-mesh"]),
        };
        wrong.extend(
            ours.difference(&allowed)
                .map(|used| format!("{name} knows {used}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}

#[test]
fn a_vendor_s_crate_is_used_behind_its_fence_only() -> Result<()> {
    let metadata = metadata()?;
    let mut wrong = Vec::new();
    for (name, uses) in crates(&metadata) {
        for (fenced, allowed) in FENCES {
            if !allowed.contains(&name) {
                wrong.extend(
                    fenced
                        .iter()
                        .filter(|vendor| uses.contains(*vendor))
                        .map(|vendor| format!("{name} uses {vendor}")),
                );
            }
        }
        if name == "belfry-mesh" {
            wrong.extend(
                NOT_IN_MESH
                    .iter()
                    .filter(|io| uses.contains(*io))
                    .map(|io| format!("{name} uses {io}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}

#[test]
fn every_dependency_is_stated_once_for_the_workspace() -> Result<()> {
    let mut wrong = Vec::new();
    for package in &metadata()?.packages {
        let text = std::fs::read_to_string(&package.manifest_path)?;
        let section = text
            .split("\n[")
            .filter(|part| part.contains("dependencies]"));
        for line in section
            .flat_map(str::lines)
            .skip(1)
            .filter(|line| line.contains('='))
        {
            if !line.contains("workspace = true") {
                wrong.push(format!("{}: {line}", package.name));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "stated outside [workspace.dependencies]: {}",
        wrong.join("; ")
    );
    Ok(())
}

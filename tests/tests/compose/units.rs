//! What `deploy/` says beside `compose.yaml`: the units of systemd, and the names of settings.

use super::project::root;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The units, with what they hold.
fn units() -> Result<Vec<(PathBuf, String)>> {
    let mut units = Vec::new();
    for entry in std::fs::read_dir(root().join("deploy/systemd"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "service") {
            let text = std::fs::read_to_string(&path)?;
            units.push((path, text));
        }
    }
    ensure!(units.len() >= 5, "units are missing: {units:?}");
    Ok(units)
}

/// The environment variables that roles know, as `belfry config` tells them.
fn known() -> BTreeSet<String> {
    let printed = belfry::config::print();
    let named = printed
        .lines()
        .filter_map(|line| line.strip_prefix("# Environment: "));
    named.map(str::to_owned).collect()
}

/// The words of a text that look like variables.
fn variables(text: &str) -> BTreeSet<String> {
    let word = |c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let ours = |word: &&str| word.starts_with("BELFRY_") || word.starts_with("ORCHESTRATOR_");
    text.split(word).filter(ours).map(str::to_owned).collect()
}

#[test]
fn every_unit_starts_a_role_that_there_is_and_may_do_little_else() -> Result<()> {
    let there = Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_ok();
    let directory = tempfile::tempdir()?;
    for (path, text) in units()? {
        let name = path
            .file_name()
            .context("no name")?
            .to_string_lossy()
            .into_owned();
        for line in [
            "DynamicUser=yes",
            "NoNewPrivileges=yes",
            "Restart=always",
            "WantedBy=multi-user.target",
        ] {
            assert!(
                text.lines().any(|told| told == line),
                "{name} has no {line}"
            );
        }
        let start = text
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart="))
            .context("no ExecStart")?;
        if let Some(role) = start.strip_prefix("/usr/local/bin/belfry ") {
            assert_eq!(name, format!("belfry-{role}.service"));
            let help = Command::new(belfry()?).args([role, "--help"]).output()?;
            assert!(
                help.status.success(),
                "{role}: {}",
                String::from_utf8_lossy(&help.stderr)
            );
        }
        for variable in variables(&text) {
            assert!(
                known().contains(&variable),
                "{name}: no role knows {variable}"
            );
        }
        if there {
            verify(&directory.path().join(&name), &text)?;
        }
    }
    println!("systemd-analyze is here: {there}");
    Ok(())
}

/// Has systemd itself look at a unit, with a program that is there.
fn verify(copy: &Path, text: &str) -> Result<()> {
    let start = text
        .lines()
        .find(|line| line.starts_with("ExecStart="))
        .context("no ExecStart")?;
    std::fs::write(copy, text.replace(start, "ExecStart=/bin/true"))?;
    let output = Command::new("systemd-analyze")
        .arg("verify")
        .arg(copy)
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let name = copy
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let about: Vec<&str> = told.lines().filter(|line| line.contains(&name)).collect();
    ensure!(output.status.success() && about.is_empty(), "{told}");
    Ok(())
}

#[test]
fn what_the_documents_say_to_set_there_is_to_set() -> Result<()> {
    let read = |name: &str| std::fs::read_to_string(root().join(name));
    let (compose, readme) = (read("compose.yaml")?, read("deploy/README.md")?);
    // What compose asks for by itself, `${NAME…}`, and what the bus is given.
    let asked: BTreeSet<String> = compose
        .split("${")
        .skip(1)
        .flat_map(|rest| variables(rest.split(['}', ':']).next().unwrap_or_default()))
        .collect();
    let bus = variables(&read("deploy/nats/belfry.conf")?)
        .into_iter()
        .chain(variables(&read("deploy/nats/cluster.conf")?))
        .chain(variables(&read("deploy/nats/compose.conf")?));
    let bus: BTreeSet<String> = bus.collect();
    let known = known();
    for line in compose.lines() {
        let Some((key, _)) = line.trim().split_once(": ") else {
            continue;
        };
        for variable in variables(key).iter().filter(|variable| *variable == key) {
            assert!(
                known.contains(variable) || bus.contains(variable),
                "compose.yaml gives {variable} to nobody"
            );
        }
    }
    let help = Command::new(belfry()?).args(["list", "--help"]).output()?;
    let client = variables(&String::from_utf8(help.stdout)?);
    for variable in variables(&readme) {
        assert!(
            known.contains(&variable)
                || asked.contains(&variable)
                || bus.contains(&variable)
                || client.contains(&variable),
            "deploy/README.md: nobody knows {variable}"
        );
    }
    let passwords = |names: &BTreeSet<String>| {
        names
            .iter()
            .filter(|name| name.ends_with("_PASSWORD") && name.contains("NATS"))
            .cloned()
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(
        passwords(&asked),
        passwords(&bus),
        "the passwords that NATS wants and those that compose asks for"
    );
    Ok(())
}

/// The binary that was built with the tests.
fn belfry() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("BELFRY_TEST_BELFRY") {
        return Ok(named.into());
    }
    let test = std::env::current_exe()?;
    let built = test
        .ancestors()
        .nth(2)
        .context("no target directory")?
        .join("belfry");
    ensure!(
        built.exists(),
        "there is no {}: run cargo build",
        built.display()
    );
    Ok(built)
}

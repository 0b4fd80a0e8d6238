//! Where and with what it was measured.

use crate::target::Tools;
use anyhow::Result;
use serde::Serialize;
use std::path::Path;
use std::process::Command;

/// The machine, and the versions of what ran on it.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor.
    pub processor: String,
    /// How many of them there are.
    pub processors: usize,
    /// Memory in GiB.
    pub memory: u64,
    /// The kernel.
    pub kernel: String,
    /// Programs and their versions.
    pub versions: Vec<(&'static str, String)>,
}

impl Machine {
    /// Looks around.
    ///
    /// # Errors
    /// If the kernel does not tell.
    pub fn look(tools: &Tools) -> Result<Self> {
        let processors = std::fs::read_to_string("/proc/cpuinfo")?;
        let memory = std::fs::read_to_string("/proc/meminfo")?;
        let kibibytes: u64 = field(&memory, "MemTotal")
            .and_then(|text| text.strip_suffix(" kB")?.parse().ok())
            .unwrap_or_default();
        let python = tools.venv.join("bin/python");
        let packages = "import importlib.metadata as m, platform; \
             print(f\"FastAPI {m.version('fastapi')}, uvicorn {m.version('uvicorn')}, uvloop {m.version('uvloop')}, \
             Python {platform.python_version()}\")";
        Ok(Self {
            processor: field(&processors, "model name")
                .unwrap_or("unknown")
                .to_owned(),
            processors: std::thread::available_parallelism()?.get(),
            memory: kibibytes.div_ceil(1 << 20),
            kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")?
                .trim()
                .to_owned(),
            versions: vec![
                ("Belfry", first_line(&tools.built("belfry"), &["--version"])),
                (
                    "commit",
                    first_line(
                        Path::new("git"),
                        &["describe", "--always", "--dirty", "--abbrev=12"],
                    ),
                ),
                ("Rust", first_line(Path::new("rustc"), &["--version"])),
                ("NATS", first_line(&tools.nats, &["--version"])),
                (
                    "Redis",
                    first_line(Path::new("redis-server"), &["--version"]),
                ),
                ("webhook", first_line(Path::new("webhook"), &["-version"])),
                ("FastAPI", first_line(&python, &["-c", packages])),
            ],
        })
    }
}

/// The first line that a program prints.
fn first_line(program: &Path, arguments: &[&str]) -> String {
    let printed = Command::new(program).args(arguments).output();
    let printed = printed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    printed
        .ok()
        .and_then(|text| Some(text.lines().next()?.trim().to_owned()))
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The value of the first line `name : value`.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_proc_writes_them() {
        let text = "processor\t: 0\nmodel name\t: A: fast one\nMemTotal:       24 kB\n";
        assert_eq!(field(text, "model name"), Some("A: fast one"));
        assert_eq!(field(text, "MemTotal"), Some("24 kB"));
        assert_eq!(field(text, "flags"), None);
    }
}

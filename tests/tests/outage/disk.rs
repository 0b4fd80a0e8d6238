//! A disk that is soon full.

use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Mounts the disk on the directory, and takes both away when its input ends: with its drop, and with the test's death.
const KEEPER: &str = r#"
mount -t tmpfs -o size="$2",mode=700 belfry-test "$1" || exit 1
echo mounted
read -r _
umount -l "$1"
rmdir "$1"
"#;

/// A file system in memory, of its own.
pub(super) struct Disk {
    keeper: Child,
    hold: Option<ChildStdin>,
    path: PathBuf,
}

impl Disk {
    /// A disk of so many bytes. Only root may mount one.
    pub(super) fn of(bytes: u64) -> Result<Self> {
        let path = tempfile::Builder::new()
            .prefix("belfry-disk-")
            .tempdir()?
            .keep();
        // A group of its own, so that Ctrl-C at the test's terminal does not end the keeper before its work is done.
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&path)
            .arg(bytes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("no `sh` to keep a disk with")?;
        let hold = keeper.stdin.take();
        let said = keeper.stdout.take().context("the keeper has no output")?;
        let disk = Self { keeper, hold, path };
        let mut answer = String::new();
        BufReader::new(said).read_line(&mut answer)?;
        ensure!(
            answer == "mounted\n",
            "no disk could be mounted on {}; run this test as root",
            disk.path.display()
        );
        Ok(disk)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.hold = None;
        let _ = self.keeper.wait();
    }
}

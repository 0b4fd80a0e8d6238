//! The directory of a spool: who may use it, what lies in it, and what is put beside the segments.

use super::Error;
use super::frame::Mark;
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file whose lock is the hold on the directory.
const LOCK: &str = "lock";

/// Where refused records lie.
const REFUSED: &str = "refused";

/// How the name of a segment's file ends.
const SEGMENT: &str = "spool";

/// How the name of a file ends that is not yet written to its end.
const DRAFT: &str = "draft";

/// A directory that this spool holds, and nobody else while it does.
pub(super) struct Directory {
    path: PathBuf,
    lock: File,
}

/// The name of a segment: its number and its mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) number: u64,
    pub(super) mark: Mark,
}

/// Why bytes are put beside the segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// They were a record, and are none any more.
    Damaged,
    /// They are what a crash left of a write that was never acknowledged.
    Torn,
    /// They are an event that the event log does not take.
    Refused,
}

/// What lies beside the segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Aside {
    /// Records and stretches of damaged bytes, which somebody should look at.
    pub(super) count: u64,
    /// The size of all of it.
    pub(super) bytes: u64,
}

impl Directory {
    /// Makes the directory if it is not there, and takes hold of it.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |what| move |error: io::Error| Error::io(what, path, &error);
        make(path).map_err(failed("cannot be made"))?;
        make(&path.join(REFUSED)).map_err(failed("cannot be made"))?;
        let lock = write_only(&path.join(LOCK), |options| {
            options.create(true).truncate(false)
        })
        .map_err(failed("cannot be written to"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Held {
                    directory: path.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => {
                return Err(Error::io("cannot be locked", path, &error));
            }
        }
        let directory = Self {
            path: path.to_owned(),
            lock,
        };
        directory.sweep().map_err(failed("cannot be cleaned"))?;
        Ok(directory)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a segment.
    pub(super) fn segment(&self, name: Name) -> PathBuf {
        self.path.join(name.file())
    }

    /// The segments, by their numbers.
    pub(super) fn segments(&self) -> io::Result<Vec<Name>> {
        let mut names = Vec::new();
        for entry in self.path.read_dir()? {
            names.extend(entry?.file_name().to_str().and_then(Name::parse));
        }
        names.sort_by_key(|name| name.number);
        Ok(names)
    }

    /// Puts bytes beside the segments. Doing so again for the same place changes nothing; answers whether it was new.
    pub(super) fn put_aside(
        &self,
        kind: Kind,
        from: Name,
        at: u64,
        bytes: &[u8],
    ) -> io::Result<bool> {
        let name = kind.file(from, at);
        let is_new = !self.path.join(&name).try_exists()?;
        self.replace(&name, bytes)?;
        Ok(is_new)
    }

    /// Counts what lies beside the segments.
    pub(super) fn aside(&self) -> io::Result<Aside> {
        let mut aside = Aside::default();
        for directory in [&self.path, &self.path.join(REFUSED)] {
            for entry in directory.read_dir()? {
                let entry = entry?;
                let ending = entry.path();
                let ending = ending.extension().and_then(|ending| ending.to_str());
                let Some(kind) = ending.and_then(Kind::of) else {
                    continue;
                };
                aside.bytes += entry.metadata()?.len();
                aside.count += u64::from(kind != Kind::Torn);
            }
        }
        Ok(aside)
    }

    /// The bytes of a file, if it is there.
    pub(super) fn read(&self, file: &str) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.path.join(file)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a file so that, whenever the machine stops, it is whole: as it was, or as it shall be.
    pub(super) fn replace(&self, file: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path.join(file);
        let draft = path.with_extension(DRAFT);
        let written = write_only(&draft, |options| options.create(true).truncate(true))
            .and_then(|mut draft| {
                draft.write_all(bytes)?;
                draft.sync_data()
            })
            .and_then(|()| std::fs::rename(&draft, &path));
        if let Err(error) = written {
            // On a full disk the draft would only take more room.
            let _ = std::fs::remove_file(&draft);
            return Err(error);
        }
        sync(path.parent().unwrap_or(&self.path))
    }

    /// Takes a file away; one that is not there is no error.
    pub(super) fn remove(&self, name: Name) -> io::Result<()> {
        match std::fs::remove_file(self.segment(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes the drafts away that a crash left.
    fn sweep(&self) -> io::Result<()> {
        for directory in [&self.path, &self.path.join(REFUSED)] {
            for entry in directory.read_dir()? {
                let path = entry?.path();
                if path.extension().is_some_and(|ending| ending == DRAFT) {
                    std::fs::remove_file(path)?;
                }
            }
        }
        Ok(())
    }

    /// Returns when what was made or renamed in the directory survives the machine's end.
    pub(super) fn sync(&self) -> io::Result<()> {
        sync(&self.path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Closing the file would do, but for a child process that is being started right now and has not let go of its copy yet.
        let _ = self.lock.unlock();
    }
}

impl Name {
    fn file(self) -> String {
        format!("{:012}-{}.{SEGMENT}", self.number, self.mark)
    }

    fn parse(file: &str) -> Option<Self> {
        let (number, mark) = file
            .strip_suffix(SEGMENT)?
            .strip_suffix('.')?
            .split_once('-')?;
        let name = Self {
            number: number.parse().ok()?,
            mark: Mark::parse(mark)?,
        };
        (name.file() == file).then_some(name)
    }
}

impl Kind {
    fn file(self, from: Name, at: u64) -> String {
        let place = format!("{:012}-{}-{at:012}", from.number, from.mark);
        match self {
            Self::Damaged => format!("{place}.bad"),
            Self::Torn => format!("{place}.torn"),
            Self::Refused => format!("{REFUSED}/{place}.event"),
        }
    }

    fn of(ending: &str) -> Option<Self> {
        match ending {
            "bad" => Some(Self::Damaged),
            "torn" => Some(Self::Torn),
            "event" => Some(Self::Refused),
            _ => None,
        }
    }
}

/// Opens a file that only its owner may read.
pub(super) fn write_only(
    path: &Path,
    how: impl FnOnce(&mut OpenOptions) -> &mut OpenOptions,
) -> io::Result<File> {
    let mut options = OpenOptions::new();
    how(options.write(true).mode(0o600)).open(path)
}

/// Says that bytes were put aside.
pub(super) fn report(kind: Kind, name: Name, at: u64, bytes: usize, why: &str) {
    let segment = name.number;
    if kind == Kind::Torn {
        tracing::warn!(
            segment,
            at,
            bytes,
            "the last write to the spool was torn by a crash and is cut off; it was never acknowledged. Its bytes are kept in a `.torn` file"
        );
    } else {
        tracing::error!(
            segment,
            at,
            bytes,
            why,
            "a stretch of the spool is damaged; the events in it are not stored. Its bytes are kept in a `.bad` file"
        );
    }
}

/// Makes a directory that only its owner may enter: what lies in it is taken for proven.
fn make(path: &Path) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let mode = path.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(|error| {
            let why = format!(
                "others may enter it (mode {:o}) and that cannot be changed ({error}); name a directory in it that is not there yet",
                mode & 0o777
            );
            io::Error::new(error.kind(), why)
        })?;
    }
    for made in missing {
        match made.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync(parent)?,
            _ => sync(Path::new("."))?,
        }
    }
    Ok(())
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

//! What an image is built from, packed for the engine.

use super::ignore::Ignored;
use bytes::Bytes;
use std::fs::{self, DirEntry};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

/// The most that is packed, in bytes: it is held in memory while the engine takes it.
const MAX_CONTEXT: usize = 64 << 20;

/// The file that says what is left out.
const IGNORE: &str = ".dockerignore";

/// Packs a directory: symbolic links as such, and without what its `.dockerignore` leaves out. That file itself and the one with
/// the instructions are always in, as the engine wants them.
///
/// # Errors
/// If it cannot be read, or is larger than [`MAX_CONTEXT`].
pub(super) async fn pack(directory: PathBuf, dockerfile: String) -> io::Result<Bytes> {
    let packed = tokio::task::spawn_blocking(move || {
        let mut archive = tar::Builder::new(Bounded(Vec::new()));
        archive.follow_symlinks(false);
        let packing = Packing {
            ignored: ignored(&directory)?,
            instructions: plain(&dockerfile),
            directory,
        };
        packing.add_below(&mut archive, Path::new(""))?;
        archive.into_inner()
    });
    let Bounded(bytes) = packed.await.map_err(io::Error::other)??;
    Ok(bytes.into())
}

fn ignored(directory: &Path) -> io::Result<Ignored> {
    match fs::read_to_string(directory.join(IGNORE)) {
        Ok(text) => {
            Ignored::parse(&text).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ignored::default()),
        Err(error) => Err(error),
    }
}

struct Packing {
    directory: PathBuf,
    ignored: Ignored,
    instructions: PathBuf,
}

impl Packing {
    fn add_below(&self, archive: &mut tar::Builder<Bounded>, below: &Path) -> io::Result<()> {
        let entries = fs::read_dir(self.directory.join(below))?;
        let mut entries: Vec<DirEntry> = entries.collect::<Result<_, _>>()?;
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            let path = below.join(entry.file_name());
            let is_in = !self.ignored.has(&path) || self.is_needed(&path);
            if is_in {
                archive.append_path_with_name(entry.path(), &path)?;
            }
            let leads_on = is_in || self.ignored.has_exceptions() || self.leads_to_needed(&path);
            if leads_on && entry.file_type()?.is_dir() {
                self.add_below(archive, &path)?;
            }
        }
        Ok(())
    }

    fn is_needed(&self, path: &Path) -> bool {
        path == Path::new(IGNORE) || path == self.instructions
    }

    fn leads_to_needed(&self, path: &Path) -> bool {
        self.instructions.starts_with(path)
    }
}

/// A path without a `./` before it.
fn plain(path: &str) -> PathBuf {
    let parts = Path::new(path).components();
    parts.filter(|part| *part != Component::CurDir).collect()
}

/// A buffer that takes no more than [`MAX_CONTEXT`].
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_CONTEXT {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!(
                    "it is larger than the {MAX_CONTEXT} bytes that an image is built from; leave out what is not needed in {IGNORE}"
                ),
            ));
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_ignored_stays_out_but_for_what_the_engine_needs() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        for path in ["docker", "target/keep"] {
            fs::create_dir_all(at(path)).unwrap();
        }
        for path in [
            "docker/File",
            "docker/notes",
            "main",
            "target/big",
            "target/keep/small",
        ] {
            fs::write(at(path), path).unwrap();
        }
        fs::write(at(IGNORE), "docker\ntarget\n!target/keep\n.dockerignore\n").unwrap();
        std::os::unix::fs::symlink("/etc", at("link")).unwrap();

        let packed = pack(directory.path().to_owned(), "./docker/File".to_owned()).await;
        let packed = packed.unwrap();
        let mut archive = tar::Archive::new(&*packed);
        let entries = archive.entries().unwrap();
        let mut paths: Vec<String> = entries
            .map(|entry| {
                entry
                    .unwrap()
                    .path()
                    .unwrap()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        paths.sort();
        let wanted = [
            ".dockerignore",
            "docker/File",
            "link",
            "main",
            "target/keep",
            "target/keep/small",
        ];
        let plain = paths.iter().map(|path| path.trim_end_matches('/'));
        assert_eq!(plain.collect::<Vec<_>>(), wanted);
    }
}

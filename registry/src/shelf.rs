//! Where the files of a registry lie: in the program itself, or in a directory.

use bytes::Bytes;
use serde::Serialize;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

macro_rules! standard {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!("../packages/", $path)))),+]
    };
}

/// The standard packages, which are part of the program.
const STANDARD: [(&str, &str); 5] = standard![
    "triggers/daily-scan-1.0.0.json",
    "triggers/github-pr-webhook-1.0.0.json",
    "triggers/linear-webhook-1.0.0.json",
    "triggers/simple-webhook-1.0.0.json",
    "triggers/webhook-1.0.0.json",
];

/// A tree of files. A path in it is relative, its parts joined by `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// The standard packages.
    Standard,
    /// A directory, read anew each time, so that it may change at any time.
    Directory(PathBuf),
}

/// Which shelf a package lies on, as the catalogue says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    /// It is part of the program.
    Standard,
    /// It lies in the directory.
    Directory,
}

/// Why a file or a folder is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("a link that leads out of the packages' directory is not followed")]
    Outside,
    #[error("it is not a regular file")]
    Special,
    #[error("it is longer than {0} bytes")]
    TooLarge(usize),
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl Shelf {
    pub(crate) fn origin(&self) -> Origin {
        match self {
            Self::Standard => Origin::Standard,
            Self::Directory(_) => Origin::Directory,
        }
    }

    /// Whether there is something to read from.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Standard => Ok(()),
            Self::Directory(root) => Ok(root.read_dir().map(drop)?),
        }
    }

    /// The names in a folder, sorted, without hidden ones (editors, git and Kubernetes volumes keep their own things there).
    /// None if there is no such folder.
    pub(crate) fn names(&self, folder: &str) -> Result<Option<Vec<String>>, Error> {
        let mut names: Vec<String> = match self {
            Self::Standard => {
                let inside = |(path, _): &(&str, &str)| {
                    Some(path.strip_prefix(folder)?.strip_prefix('/')?.to_owned())
                };
                STANDARD.iter().filter_map(inside).collect()
            }
            Self::Directory(root) => {
                let Some(folder) = resolve(root, folder)? else {
                    return Ok(None);
                };
                let names = match folder.read_dir() {
                    Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
                    entries => entries?
                        .map(|entry| Ok(entry?.file_name().into_string()))
                        .collect::<io::Result<Vec<_>>>()?,
                };
                // A name that is not UTF-8 is the name of no package.
                names.into_iter().filter_map(Result::ok).collect()
            }
        };
        names.retain(|name| !name.starts_with('.'));
        names.sort_unstable();
        Ok(Some(names))
    }

    /// Whether there is such a file, or something else by that name.
    pub(crate) fn has(&self, path: &str) -> bool {
        match self {
            Self::Standard => STANDARD.iter().any(|(known, _)| *known == path),
            Self::Directory(root) => root.join(path).symlink_metadata().is_ok(),
        }
    }

    /// The bytes of a file, none if there is no such file.
    pub(crate) fn read(&self, path: &str, limit: usize) -> Result<Option<Bytes>, Error> {
        match self {
            Self::Standard => {
                let file = STANDARD.iter().find(|(known, _)| *known == path);
                Ok(file.map(|(_, text)| Bytes::from_static(text.as_bytes())))
            }
            Self::Directory(root) => match resolve(root, path)? {
                Some(path) => read(&path, limit).map(Some),
                None => Ok(None),
            },
        }
    }
}

/// The way to a file with all links followed, none if there is none. Links within the tree are followed, since Kubernetes
/// mounts files in this way; that nobody swaps a folder for a link in between is for the directory's permissions to see to.
fn resolve(root: &Path, path: &str) -> Result<Option<PathBuf>, Error> {
    let root = root.canonicalize()?;
    match root.join(path).canonicalize() {
        Ok(path) if path.starts_with(&root) => Ok(Some(path)),
        Ok(_) => Err(Error::Outside),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn read(path: &Path, limit: usize) -> Result<Bytes, Error> {
    // Before it is opened, since to open a pipe is to wait for its other end.
    if !path.metadata()?.is_file() {
        return Err(Error::Special);
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        Err(Error::TooLarge(limit))
    } else {
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn tree() -> (tempfile::TempDir, Shelf) {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("triggers")).unwrap();
        let shelf = Shelf::Directory(directory.path().to_owned());
        (directory, shelf)
    }

    #[test]
    fn every_standard_package_is_part_of_the_program() {
        let checkout = Shelf::Directory(Path::new(env!("CARGO_MANIFEST_DIR")).join("packages"));
        let files = checkout.names("triggers").unwrap().unwrap();
        assert_eq!(Shelf::Standard.names("triggers").unwrap().unwrap(), files);
        for file in files {
            let path = format!("triggers/{file}");
            assert_eq!(
                Shelf::Standard.read(&path, 1 << 20).unwrap(),
                checkout.read(&path, 1 << 20).unwrap(),
                "{path}"
            );
        }
    }

    #[test]
    fn a_link_is_followed_within_the_tree_and_not_out_of_it() {
        let (directory, shelf) = tree();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "s").unwrap();
        fs::create_dir(directory.path().join("..data")).unwrap();
        fs::write(directory.path().join("..data/a.json"), "{}").unwrap();
        symlink("../..data/a.json", directory.path().join("triggers/a.json")).unwrap();
        symlink(
            outside.path().join("secret"),
            directory.path().join("triggers/b.json"),
        )
        .unwrap();
        symlink(outside.path(), directory.path().join("triggers/c")).unwrap();

        assert_eq!(shelf.read("triggers/a.json", 10).unwrap().unwrap(), "{}");
        assert!(matches!(
            shelf.read("triggers/b.json", 10),
            Err(Error::Outside)
        ));
        assert!(matches!(
            shelf.read("triggers/c/secret", 10),
            Err(Error::Outside)
        ));
        assert!(matches!(shelf.names("triggers/c"), Err(Error::Outside)));
        assert_eq!(
            shelf.names("triggers").unwrap().unwrap(),
            ["a.json", "b.json", "c"]
        );
    }

    #[test]
    fn what_is_too_long_or_no_file_is_not_read() {
        let (directory, shelf) = tree();
        fs::write(directory.path().join("triggers/long"), "12345").unwrap();
        assert_eq!(shelf.read("triggers/long", 5).unwrap().unwrap(), "12345");
        assert!(matches!(
            shelf.read("triggers/long", 4),
            Err(Error::TooLarge(4))
        ));
        assert!(matches!(shelf.read("triggers", 4), Err(Error::Special)));
        assert!(shelf.read("triggers/long/deeper", 4).unwrap().is_none());
        assert!(shelf.read("triggers/none", 4).unwrap().is_none());
        assert!(shelf.names("none").unwrap().is_none());
    }
}

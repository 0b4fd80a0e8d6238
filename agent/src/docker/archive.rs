//! What an image is built from, packed for the engine.

use bytes::Bytes;
use std::io::{self, Write};
use std::path::PathBuf;

/// The most that is packed, in bytes: it is held in memory while the engine takes it.
const MAX_CONTEXT: usize = 64 << 20;

/// Packs a directory as it is: symbolic links as such, and nothing is left out by a `.dockerignore`.
///
/// # Errors
/// If it cannot be read, or is larger than [`MAX_CONTEXT`].
pub(super) async fn pack(directory: PathBuf) -> io::Result<Bytes> {
    let packed = tokio::task::spawn_blocking(move || {
        let mut archive = tar::Builder::new(Bounded(Vec::new()));
        archive.follow_symlinks(false);
        archive.append_dir_all(".", directory)?;
        archive.into_inner()
    });
    let Bounded(bytes) = packed.await.map_err(io::Error::other)??;
    Ok(bytes.into())
}

/// A buffer that takes no more than [`MAX_CONTEXT`].
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_CONTEXT {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it is larger than the {MAX_CONTEXT} bytes that an image is built from"),
            ));
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! The files that records are added to, behind a trait so that a test can make them fail.

use super::directory::write_only;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where segments are made.
pub(super) trait Disk: Send {
    /// Makes a file that was not there.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Medium>>;
}

/// A segment's file.
pub(super) trait Medium: Send {
    /// Writes all of it at this offset. After an error any part of it may be written.
    fn write(&mut self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Returns when all that was written survives the machine's end.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file to this length.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

/// The files of the system.
pub(super) struct Files;

impl Disk for Files {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Medium>> {
        Ok(Box::new(write_only(path, |options| {
            options.create_new(true)
        })?))
    }
}

impl Medium for File {
    fn write(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

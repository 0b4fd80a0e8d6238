//! Reading: on connections of its own, beside the writer, which it never holds up.

use super::fault::{closed, failure};
use super::schema::Directory;
use belfry_mesh::port::Error;
use rusqlite::Connection;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// How many read at once.
const CONNECTIONS: usize = 4;

/// The connections that read.
pub(super) struct Readers {
    directory: Directory,
    name: Arc<str>,
    idle: Mutex<Vec<Connection>>,
    free: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(directory: Directory, name: Arc<str>) -> Arc<Self> {
        Arc::new(Self {
            directory,
            name,
            idle: Mutex::default(),
            free: Arc::new(Semaphore::new(CONNECTIONS)),
        })
    }

    /// Reads on a thread that may block.
    pub(super) async fn run<R: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<R, rusqlite::Error> + Send + 'static,
    ) -> Result<R, Error> {
        let permit = self
            .free
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| closed(&self.name))?;
        let readers = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            readers
                .read(read)
                .map_err(|error| failure(&readers.name, &error))
        });
        task.await.unwrap_or_else(|_| Err(closed(&self.name)))
    }

    /// Lets no one read any more, and closes what nobody reads on.
    pub(super) fn close(&self) {
        self.free.close();
        self.idle().clear();
    }

    fn read<R>(
        &self,
        read: impl FnOnce(&Connection) -> Result<R, rusqlite::Error>,
    ) -> Result<R, rusqlite::Error> {
        let idle = self.idle().pop();
        let conn = idle.map_or_else(|| self.directory.open_reader(), Ok)?;
        let result = read(&conn);
        let mut idle = self.idle();
        if !self.free.is_closed() {
            idle.push(conn);
        }
        result
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Spools in directories of their own, disks that fail, and event logs that do.

use crate::spool::disk::{Disk, Files, Medium};
use crate::spool::{Config, Spool};
use async_trait::async_trait;
use belfry_mesh::port::{self, clock::Clock};
use belfry_mesh::trace::TraceParent;
use belfry_mesh::{EventId, Proven, TriggerName};
use jiff::Timestamp;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

pub(crate) struct Rig {
    pub(crate) home: tempfile::TempDir,
    pub(crate) clock: Arc<Hand>,
    pub(crate) disk: Arc<Faults>,
    pub(crate) segment_bytes: u64,
    pub(crate) max_bytes: u64,
    marks: Arc<AtomicU64>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            clock: Arc::default(),
            disk: Arc::default(),
            segment_bytes: 1 << 20,
            max_bytes: 1 << 30,
            marks: Arc::default(),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.home.path().join("spool")
    }

    pub(crate) fn open(&self) -> Spool {
        self.open_at(&self.path())
    }

    pub(crate) fn open_at(&self, directory: &Path) -> Spool {
        let config = Config {
            directory: directory.to_owned(),
            max_bytes: self.max_bytes,
            segment_bytes: self.segment_bytes,
        };
        let marks = self.marks.clone();
        // Bits that differ from segment to segment and occur nowhere else.
        let random =
            move || (marks.fetch_add(1, Ordering::Relaxed) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Spool::open_on(
            config,
            self.clock.clone(),
            random,
            Box::new(self.disk.clone()),
        )
        .unwrap()
    }

    /// What the directory would hold had the process been killed now: a copy that can be opened beside it.
    pub(crate) fn as_if_killed(&self) -> tempfile::TempDir {
        let copy = scratch();
        copy_all(&self.path(), &copy.path().join("spool"));
        copy
    }

    /// The paths of the segments, the oldest first.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        files(&self.path(), "spool")
    }
}

/// A directory for one of hundreds of small spools: in memory where the system has a place for that, since what is looked at is
/// what the bytes say, and an fsync for each would take minutes.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// The files of a directory whose names end so, sorted.
pub(crate) fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = directory
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    found.sort();
    found
}

/// Copies a directory, while its files may be coming and going.
pub(crate) fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_all(&path, &copy);
        } else if let Err(error) = std::fs::copy(&path, &copy) {
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
        }
    }
}

pub(crate) fn id(number: usize) -> EventId {
    EventId::parse(&format!("e-{number}")).unwrap()
}

/// An event of its own for each number.
pub(crate) fn event(number: usize) -> Proven {
    sized(number, 10)
}

pub(crate) fn sized(number: usize, size: usize) -> Proven {
    Proven::run(
        &TriggerName::parse("t").unwrap(),
        id(number),
        vec![b'x'; size].into(),
        "2026-11-22T08:00:00Z".parse().unwrap(),
        TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap(),
    )
}

pub(crate) fn ids(numbers: impl IntoIterator<Item = usize>) -> Vec<EventId> {
    numbers.into_iter().map(id).collect()
}

pub(crate) async fn fill(spool: &Spool, numbers: impl IntoIterator<Item = usize>) {
    for number in numbers {
        spool.append(&event(number)).await.unwrap();
    }
}

/// Waits until it is so. The thread tells nobody when, so it is asked again and again.
pub(crate) async fn until(mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .expect("it was never so");
}

/// Drains the spool until it is empty, closes it, and says what was stored, in order.
pub(crate) async fn drain_all(spool: Spool) -> Vec<EventId> {
    let log = Log::default();
    log.drain(&spool, || spool.is_empty()).await;
    spool.close().await;
    log.stored()
}

/// An event log in memory.
#[derive(Default)]
pub(crate) struct Log {
    stored: Mutex<Vec<EventId>>,
    /// What it answers instead, by turns; nothing when the list is at its end.
    pub(crate) answers: Mutex<Vec<Result<(), port::Error>>>,
    /// What it answers to the events of these ids.
    pub(crate) refuses: Mutex<Vec<(EventId, port::Error)>>,
}

impl Log {
    pub(crate) fn stored(&self) -> Vec<EventId> {
        self.stored.lock().unwrap().clone()
    }

    pub(crate) fn store(&self, event: &Proven) -> Result<(), port::Error> {
        let id = &event.event().id;
        let mut answers = self.answers.lock().unwrap();
        if !answers.is_empty() {
            answers.remove(0)?;
        }
        let refuses = self.refuses.lock().unwrap();
        if let Some((_, error)) = refuses.iter().find(|(refused, _)| refused == id) {
            return Err(error.clone());
        }
        self.stored.lock().unwrap().push(id.clone());
        Ok(())
    }

    /// Drains the spool until it is so.
    pub(crate) async fn drain(&self, spool: &Spool, is_so: impl FnMut() -> bool) {
        tokio::select! {
            () = spool.drain(async |event| self.store(&event)) => panic!("a drain ended"),
            () = until(is_so) => {}
        }
    }
}

pub(crate) fn away() -> port::Error {
    port::Error::Unavailable {
        what: "the bus".into(),
        why: "it is away".into(),
    }
}

pub(crate) fn too_large() -> port::Error {
    port::Error::TooLarge {
        what: "the event".into(),
        size: 2,
        limit: 1,
    }
}

/// A clock that is set by hand, on which every sleep ends at once.
#[derive(Default)]
pub(crate) struct Hand {
    seconds: AtomicI64,
    pub(crate) slept: Mutex<Vec<Duration>>,
}

impl Hand {
    pub(crate) fn set(&self, seconds: i64) {
        self.seconds.store(seconds, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.seconds.load(Ordering::Relaxed)).unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        self.slept.lock().unwrap().push(duration);
        tokio::task::yield_now().await;
    }
}

/// The system's files, and what is wrong with them.
#[derive(Default)]
pub(crate) struct Faults {
    /// How many more bytes fit on the disk, if it is bounded.
    pub(crate) room: Mutex<Option<usize>>,
    pub(crate) no_sync: Mutex<bool>,
    pub(crate) no_cut: Mutex<bool>,
    /// How many fsyncs have begun.
    pub(crate) syncs: AtomicU64,
    held: Mutex<bool>,
    released: Condvar,
}

impl Faults {
    /// Makes each fsync wait.
    pub(crate) fn hold(&self) {
        *self.held.lock().unwrap() = true;
    }

    pub(crate) fn release(&self) {
        *self.held.lock().unwrap() = false;
        self.released.notify_all();
    }
}

struct Faulty {
    file: Box<dyn Medium>,
    faults: Arc<Faults>,
}

impl Disk for Arc<Faults> {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Medium>> {
        Ok(Box::new(Faulty {
            file: Files.create(path)?,
            faults: self.clone(),
        }))
    }
}

impl Medium for Faulty {
    fn write(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut room = self.faults.room.lock().unwrap();
        if let Some(left) = room.as_mut() {
            let fits = bytes.len().min(*left);
            *left -= fits;
            self.file.write(&bytes[..fits], at)?;
            if fits < bytes.len() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            return Ok(());
        }
        self.file.write(bytes, at)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.faults.syncs.fetch_add(1, Ordering::SeqCst);
        let held = self.faults.held.lock().unwrap();
        drop(self.faults.released.wait_while(held, |held| *held).unwrap());
        if *self.faults.no_sync.lock().unwrap() {
            return Err(io::Error::other("the disk does not answer"));
        }
        self.file.sync()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        if *self.faults.no_cut.lock().unwrap() {
            return Err(io::Error::other("the disk does not answer"));
        }
        self.file.cut(length)
    }
}

//! What is known of a connection from outside it: what it is at, and since when.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A connection's pulse. It is felt by the connection itself and by those who look for room.
#[derive(Debug)]
pub(crate) struct Pulse {
    opened: Instant,
    /// Requests that were begun, ever.
    begun: AtomicU64,
    /// Answers that are being made.
    calls: AtomicU32,
    /// Bodies of requests that have not arrived in full.
    bodies: AtomicU32,
    /// Answers that were made and are not yet handed to the connection in full.
    answers: AtomicU32,
    /// Those of them whose next part is not there yet.
    sources: AtomicU32,
    /// Milliseconds after `opened` at which a request was last begun or answered.
    turned: AtomicU64,
    /// The same of the first byte of a head that has not arrived in full, plus one; zero if there is none.
    head: AtomicU64,
    /// Counts parts of answers, and writes to the socket.
    progress: AtomicU64,
    /// Counts reads from the socket.
    reads: AtomicU64,
    /// Whether something is written that the socket has not taken.
    unflushed: AtomicBool,
    /// Whether a body was given up before its end, so that nobody knows where the next request begins.
    astray: AtomicBool,
    /// Told when the connection should make room for another.
    pub(crate) leave: Notify,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self {
            opened: Instant::now(),
            begun: AtomicU64::new(0),
            calls: AtomicU32::new(0),
            bodies: AtomicU32::new(0),
            answers: AtomicU32::new(0),
            sources: AtomicU32::new(0),
            turned: AtomicU64::new(0),
            head: AtomicU64::new(0),
            progress: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            unflushed: AtomicBool::new(false),
            astray: AtomicBool::new(false),
            leave: Notify::new(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn ago(&self, then: u64) -> Duration {
        Duration::from_millis(self.now().saturating_sub(then))
    }

    /// A request's head has arrived.
    pub(crate) fn begin(&self) {
        self.begun.fetch_add(1, Relaxed);
        self.head.store(0, Relaxed);
        self.turned.store(self.now(), Relaxed);
        self.calls.fetch_add(1, Relaxed);
    }

    /// Its answer is made.
    pub(crate) fn end(&self) {
        self.turned.store(self.now(), Relaxed);
        self.calls.fetch_sub(1, Relaxed);
    }

    pub(crate) fn body_begins(&self) {
        self.bodies.fetch_add(1, Relaxed);
    }

    /// A request's body has arrived, or is given up.
    pub(crate) fn body_ends(&self, arrived: bool) {
        self.bodies.fetch_sub(1, Relaxed);
        if !arrived {
            self.astray.store(true, Relaxed);
        }
    }

    pub(crate) fn answer_begins(&self) {
        self.answers.fetch_add(1, Relaxed);
    }

    pub(crate) fn answer_ends(&self) {
        self.turned.store(self.now(), Relaxed);
        self.answers.fetch_sub(1, Relaxed);
    }

    pub(crate) fn source_waits(&self, waits: bool) {
        if waits {
            self.sources.fetch_add(1, Relaxed);
        } else {
            self.sources.fetch_sub(1, Relaxed);
        }
    }

    /// A part of an answer was handed over, or bytes were written.
    pub(crate) fn progressed(&self) {
        self.progress.fetch_add(1, Relaxed);
    }

    /// Bytes have arrived.
    pub(crate) fn heard(&self) {
        self.reads.fetch_add(1, Relaxed);
        if self.head.load(Relaxed) == 0 && self.is_free() {
            self.head.store(self.now() + 1, Relaxed);
        }
    }

    pub(crate) fn unflushed(&self, unflushed: bool) {
        self.unflushed.store(unflushed, Relaxed);
    }

    /// Whether nothing is under way.
    pub(crate) fn is_free(&self) -> bool {
        self.calls.load(Relaxed) == 0
            && self.answers.load(Relaxed) == 0
            && self.bodies.load(Relaxed) == 0
    }

    /// Whether the next byte that arrives is the first one of a request, if nothing has been read since.
    pub(crate) fn is_between_requests(&self) -> bool {
        self.is_free() && !self.unflushed.load(Relaxed) && !self.astray.load(Relaxed)
    }

    /// Whether all there is to do is up to a client that does not read its answers.
    pub(crate) fn waits_for_reader(&self) -> bool {
        let answers = self.answers.load(Relaxed) > 0
            && self.calls.load(Relaxed) == 0
            && self.bodies.load(Relaxed) == 0
            && self.sources.load(Relaxed) == 0;
        answers || self.unflushed.load(Relaxed)
    }

    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }

    pub(crate) fn progress(&self) -> u64 {
        self.progress.load(Relaxed)
    }

    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Relaxed)
    }

    /// For how long a head has been arriving.
    pub(crate) fn head_for(&self) -> Option<Duration> {
        let since = self.head.load(Relaxed).checked_sub(1)?;
        Some(self.ago(since))
    }

    /// How long ago a request was last begun or answered, or the connection opened.
    pub(crate) fn turned(&self) -> Duration {
        self.ago(self.turned.load(Relaxed))
    }

    /// Since when it could be spared, if it can: nothing of it is being worked on, and whatever it is about to send has not come.
    pub(crate) fn spare_since(&self) -> Option<Instant> {
        let worked_on = self.calls.load(Relaxed) > 0 || self.answers.load(Relaxed) > 0;
        let can_be = !worked_on || self.bodies.load(Relaxed) > 0;
        can_be.then(|| self.opened + Duration::from_millis(self.turned.load(Relaxed)))
    }
}

//! What the gateway counts, and how Prometheus reads it: OpenMetrics text, with the names of OpenTelemetry's semantic conventions
//! (<https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>) where they have one. Counting takes no lock.

mod histogram;
mod scrape;

pub(crate) use histogram::Histogram;
pub(crate) use scrape::{MEDIA_TYPE, text};

use http::StatusCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The status codes that there can be, from the first.
const FIRST: u16 = 100;
const CODES: usize = 500;

/// What is counted of all deliveries together.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// By status code: how long requests to hooks took, from their head to their answer. Made at the first one of each.
    requests: Box<[OnceLock<Histogram>]>,
    /// How long the event log took to store an event.
    pub(crate) store: Histogram,
    /// How long it took to look a delivery up.
    pub(crate) check: Histogram,
}

/// What is counted of the deliveries of one trigger.
#[derive(Debug, Default)]
pub(crate) struct Tally([AtomicU64; Counted::ALL.len()]);

/// What a delivery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// A new event is in the log.
    Stored,
    /// A new event is in the spool.
    Spooled,
    /// It was there already.
    Duplicate,
    /// It was a provider's handshake.
    Handshake,
    /// The sender's fault, or at least not for us to take: a 4xx.
    Refused,
    /// Over the trigger's rate: 429.
    Limited,
    /// Our fault: a 5xx. Its sender repeats it.
    Failed,
}

impl Counted {
    pub(crate) const ALL: [Self; 7] = [
        Self::Stored,
        Self::Spooled,
        Self::Duplicate,
        Self::Handshake,
        Self::Refused,
        Self::Limited,
        Self::Failed,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Spooled => "spooled",
            Self::Duplicate => "duplicate",
            Self::Handshake => "handshake",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::Failed => "failed",
        }
    }

    /// What an answer with this status that stores nothing is counted as.
    pub(crate) fn refused(status: StatusCode) -> Self {
        match status {
            StatusCode::TOO_MANY_REQUESTS => Self::Limited,
            _ if status.is_server_error() => Self::Failed,
            _ => Self::Refused,
        }
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            requests: (0..CODES).map(|_| OnceLock::new()).collect(),
            store: Histogram::default(),
            check: Histogram::default(),
        }
    }

    /// A request to a hook was answered.
    pub(crate) fn answered(&self, status: StatusCode, took: Duration) {
        let code = usize::from(status.as_u16().saturating_sub(FIRST)).min(CODES - 1);
        self.requests[code]
            .get_or_init(Histogram::default)
            .observe(took);
    }

    /// The status codes that were answered, with how long it took.
    fn requests(&self) -> impl Iterator<Item = (u16, &Histogram)> {
        let codes = (FIRST..).zip(&self.requests);
        codes.filter_map(|(code, histogram)| Some((code, histogram.get()?)))
    }
}

impl Tally {
    pub(crate) fn count(&self, what: Counted) {
        self.0[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn counts(&self) -> impl Iterator<Item = (Counted, u64)> {
        let counts = self.0.each_ref().map(|count| count.load(Ordering::Relaxed));
        Counted::ALL.into_iter().zip(counts)
    }
}

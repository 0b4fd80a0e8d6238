//! How far the history has got with a log.

/// How far the history has got with a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// What it is doing.
    pub(crate) phase: Phase,
    /// How long the latest entry took from the log to where it can be seen, in milliseconds, judged by the clocks of both. None
    /// until an entry has come in live.
    pub(crate) lag_ms: Option<u64>,
}

/// What the history does with a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It reads what the log held when it began.
    #[default]
    CatchingUp,
    /// It has all that there was, and takes in what comes.
    Live,
    /// It failed for this reason and will try again.
    Failed(String),
}

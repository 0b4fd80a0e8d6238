//! The program of the standard trigger container over real sockets, against a scripted orchestrator.

#![allow(
    clippy::unwrap_used,
    reason = "a test may, and what tests share is no less a test"
)]

mod answers;
mod binary;
mod params;
mod runtime;
mod scripted;
mod server;
mod story;

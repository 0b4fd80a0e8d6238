//! The gateway over a real socket, with the world behind its ports in memory.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

mod answers;
mod bodies;
mod client;
mod fakes;
mod gateway;
mod log;
mod metrics;
mod order;
mod ready;
mod report;
mod routes;
mod shutdown;
mod spool;
mod vectors;
mod waiting;

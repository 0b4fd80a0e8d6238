//! The registry and its client over real sockets.
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, and misses what they share"
)]

mod distrust;
mod finding;
mod house;
mod keeping;
mod kinds;
mod older;
mod serving;

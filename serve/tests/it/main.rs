//! Connections over real sockets.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

mod house;
mod lives;
mod protocols;
mod room;
mod tls;

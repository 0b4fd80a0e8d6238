//! Ports for servers that come back on the port they had.

use anyhow::{Result, bail};
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

/// Below what Linux hands out by itself (`net.ipv4.ip_local_port_range`, from 32768): while a server is down, no outgoing
/// connection can get its port, not even that of a client that tries to reach the server there, which would then talk to itself.
const RANGE: std::ops::Range<u16> = 10_000..32_000;

/// A port that nobody listens on.
///
/// # Errors
/// If there is none.
pub fn free() -> Result<u16> {
    for attempt in 0..200_u32 {
        let draw = RandomState::new().hash_one((std::process::id(), attempt));
        let port = RANGE.start + (draw % u64::from(RANGE.end - RANGE.start)) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {} and {}", RANGE.start, RANGE.end)
}

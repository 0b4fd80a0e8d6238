//! What crosses crates: real servers, real faults.

pub mod servers;

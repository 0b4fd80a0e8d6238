//! The console over real sockets and embedded storage, with an agent that the tests play. Every answer is held against the OpenAPI
//! document, whatever else a test is about.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

mod bus;
mod dead_letters;
mod document;
mod events;
mod forgetful;
mod harness;
mod health;
mod hooks;
mod http;
mod install;
mod lifecycle;
mod logs;
mod mcps;
mod nodes;
mod refusals;
mod shutdown;
mod stamped;
mod versions;

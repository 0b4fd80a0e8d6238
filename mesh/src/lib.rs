//! The vocabulary of Belfry and its ports.
//!
//! Everything that decides (is this delivery genuine, does it pass, where does it run, when is it tried again) is a pure
//! function in this crate, tested without a runtime. Everything that acts stands behind a trait in [`port`], documented by
//! what it guarantees. This crate opens no socket and no file, and knows no vendor.

pub mod command;
pub mod condition;
pub mod control;
mod document;
pub mod event;
pub mod extract;
pub mod filter;
pub mod gateway;
pub mod limit;
pub mod name;
pub mod node;
pub mod outcome;
pub mod package;
pub mod path;
pub mod placement;
pub mod port;
pub mod problem;
pub mod retry;
pub mod schedule;
pub mod signature;
pub mod target;
pub mod template;
pub mod trace;
pub mod trigger;

pub use event::{Address, Event, EventId, Proven};
pub use name::{GatewayName, NodeName, TriggerName};
pub use outcome::{DeadLetter, Outcome};
pub use problem::Problem;
pub use target::Target;
pub use trigger::Trigger;

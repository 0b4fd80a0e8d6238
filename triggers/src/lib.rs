//! The program inside the standard trigger container: filter, map, call.
//!
//! What decides (filters, conditions, parameters) is pure and lives in `belfry_mesh`. This crate puts it to work: [`Program`]
//! takes an event and calls the orchestrator, [`Server`] is the HTTP door in front of it, and [`InProcess`] runs any number of
//! programs in one process, as a runtime of the agent.

pub mod answer;
pub mod environment;
mod journal;
pub mod orchestrator;
pub mod program;
mod quote;
pub mod runtime;
pub mod server;

pub use answer::Answer;
pub use environment::Environment;
pub use program::{Program, Tools};
pub use runtime::InProcess;
pub use server::Server;

//! Serves packages, of triggers and of other services, and finds them in the registries that are configured.
//!
//! [`server`] is a registry: the standard packages, which are part of the program, and a directory of one's own. [`client`]
//! looks packages up in the registries that [`registries`] reads from `registries.conf`, those of earlier systems included.

mod catalog;
pub mod client;
mod connection;
mod layout;
mod listing;
pub mod registries;
pub mod server;
mod shelf;

pub use client::Client;
pub use server::{Config, Registry};

//! The console over real sockets and embedded storage, with an agent that the tests play. Every answer is held against the OpenAPI
//! document, whatever else a test is about.

mod dead_letters;
mod document;
mod events;
mod harness;
mod health;
mod http;
mod install;
mod lifecycle;
mod refusals;
mod shutdown;

//! Real servers for tests: NATS with JetStream and Redis, each on a free port with a directory of its own. They can be stopped,
//! killed, paused and restarted. Nothing of them outlives the test: neither a panic nor the death of the test process by
//! `SIGKILL` leaves a process or a directory behind.

mod belfry;
mod nats;
mod port;
mod redis;
mod server;

pub use belfry::{Belfry, Role};
pub use nats::{Cluster, Nats, password};
pub use port::free as free_port;
pub use redis::Redis;
pub use server::Server;

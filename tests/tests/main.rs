//! What crosses crates, on real parts: one binary, so that it is linked once.

mod agents;
mod answers;
mod bus;
mod compose;
mod crash;
mod docker;
mod door;
mod doors;
mod faults;
mod fence;
mod measures;
mod nodes;
mod outage;
mod packages;
mod refusals;
mod servers;
mod spine;
mod world;

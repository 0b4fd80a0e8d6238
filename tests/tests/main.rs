//! What crosses crates, on real parts: one binary, so that it is linked once.

mod bus;
mod compose;
mod crash;
mod docker;
mod faults;
mod fence;
mod measures;
mod packages;
mod refusals;
mod servers;
mod spine;
mod world;

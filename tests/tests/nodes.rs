//! Many nodes, on real parts: agents that die, that are cut off, that are told to leave, and that are many triggers' home.

mod crowd;
mod deaths;
mod load;
mod mesh;
mod outcomes;
mod partition;
mod placement;
mod relay;
mod rolling;

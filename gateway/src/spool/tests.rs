mod crash;
mod damage;
mod draining;
mod faults;
mod holding;
mod rig;

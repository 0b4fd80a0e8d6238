//! Benchmarks: a load generator, and Belfry's gateway side by side with what else receives webhooks.

pub mod body;
pub mod load;
pub mod machine;
pub mod process;
pub mod report;
pub mod run;
pub mod target;
pub mod timing;

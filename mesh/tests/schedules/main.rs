//! Schedules from the outside: against a plain reading of the rules, against other implementations, over all zones.

#![allow(clippy::unwrap_used)]

mod across_edges;
mod against_croner;
mod against_oracles;
mod answers;
mod laws;
mod plain;
mod refusals;
mod speed;

use belfry_mesh::schedule::Schedule;
use jiff::Timestamp;

fn schedule(expression: &str, zone: &str) -> Schedule {
    Schedule::parse(expression, zone).unwrap_or_else(|error| panic!("{expression}: {error}"))
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The next instants, in universal time.
fn next(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = schedule(expression, zone);
    let found = schedule.after(instant(after)).take(count);
    found.map(|instant| instant.to_string()).collect()
}

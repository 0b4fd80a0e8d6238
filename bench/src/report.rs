//! What was measured, as a table for people, as JSON for programs, and as a plot.

mod plot;

use crate::body::Size;
use crate::machine::Machine;
use crate::run::{Cell, Course, Round, SHARE, Spread};
use crate::target::Target;
use crate::timing::{CROPS, Outcome, THRESHOLD};
use anyhow::Result;
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

/// A comparison, told.
pub struct Report<'a> {
    /// The day, `2026-11-22`.
    pub date: &'a str,
    /// The command that made it.
    pub command: &'a str,
    /// Where it was made.
    pub machine: &'a Machine,
    /// How it was made.
    pub course: &'a Course,
    /// What it showed.
    pub cells: &'a [Cell],
}

impl Report<'_> {
    /// Writes `{date}-gateway.json`, `gateway.md` and `gateway.svg`.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write(&self, directory: &Path) -> Result<()> {
        std::fs::create_dir_all(directory)?;
        let json = serde_json::to_string_pretty(&self.json())? + "\n";
        std::fs::write(directory.join(format!("{}-gateway.json", self.date)), json)?;
        std::fs::write(directory.join("gateway.md"), self.table()?)?;
        std::fs::write(directory.join("gateway.svg"), plot::draw(self.cells))?;
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "date": self.date,
            "command": self.command,
            "machine": self.machine,
            "connections": self.course.connections,
            "rounds": self.course.rounds,
            "warm_up_seconds": self.course.warm_up.as_secs_f64(),
            "measured_seconds": self.course.measured.as_secs_f64(),
            "cells": self.cells,
        })
    }

    /// The table.
    ///
    /// # Errors
    /// None but those of writing to a string.
    pub fn table(&self) -> Result<String> {
        let mut out = String::new();
        self.introduce(&mut out)?;
        for &size in &self.course.sizes {
            let of = |target, open: bool| {
                let mut cells = self.cells.iter();
                cells.find(|cell| {
                    (cell.target, cell.size, cell.rate.is_some()) == (target, size, open)
                })
            };
            writeln!(out, "\n## {} ({} bytes)\n", size.label(), size.bytes())?;
            self.promises(&mut out, &of)?;
            self.throughput(&mut out, &of)?;
            self.latency(&mut out, &of)?;
        }
        writeln!(out, "\n## What each does before it answers\n")?;
        for target in &self.course.targets {
            writeln!(out, "- **{}**: {}.", target.label(), target.does())?;
        }
        Ok(out)
    }

    fn introduce(&self, out: &mut String) -> Result<()> {
        let Machine {
            processor,
            processors,
            memory,
            kernel,
            versions,
        } = self.machine;
        writeln!(
            out,
            "# How fast deliveries are taken\n\n![Throughput and latency](gateway.svg)\n"
        )?;
        writeln!(
            out,
            "{}, `{}`. {processors} × {processor}, {memory} GiB, Linux {kernel}: the sender, the receiver, NATS and Redis share them.",
            self.date, self.command
        )?;
        let versions: Vec<_> = versions
            .iter()
            .map(|(name, version)| format!("{name}: {version}"))
            .collect();
        writeln!(out, "{}.\n", versions.join("; "))?;
        let seconds = |duration: std::time::Duration| duration.as_secs_f64();
        writeln!(
            out,
            "{} connections, kept alive. Each receiver is started afresh for each run, {} of {} s in each kind of loop after {} s of \
             warm-up, the receivers in turn, so that whatever else the machine does hits all of them alike; of several runs the \
             median is given, and the least and the most. *Closed loop*: each connection sends its next request when the last one \
             is answered. *Open loop*: requests are due at fixed times, {:.0} % of what the bare pipeline carried (of what the \
             receiver itself carried, if that was less; Belfry on NATS always gets the bare pipeline's), and latency counts from \
             when a request was due. Each delivery has an id of its own and a valid signature. NATS stores in files with its \
             default `sync_interval` of two minutes: an acknowledged event outlives the server's process, not the power. Redis \
             keeps in memory only. Processor time is the kernel's count for the receiver, and for NATS, Redis or the orchestrator \
             behind it.",
            self.course.connections,
            self.course.rounds,
            seconds(self.course.measured),
            seconds(self.course.warm_up),
            SHARE * 100.0
        )?;
        Ok(())
    }

    fn promises<'c>(
        &self,
        out: &mut String,
        of: &impl Fn(Target, bool) -> Option<&'c Cell>,
    ) -> Result<()> {
        let pair = |open| Some((of(Target::Belfry, open)?, of(Target::Bare, open)?));
        let spread =
            |Spread { median, min, max }: Spread| format!("{median:.2} [{min:.2} … {max:.2}]");
        let throughput = |round: &Round| round.throughput;
        let p99 = |round: &Round| round.latency.p99;
        if let Some((belfry, bare)) = pair(false) {
            writeln!(
                out,
                "Belfry by the bare pipeline, run by run: throughput {} (to be at least 0.95), p99 of the closed loop {}",
                spread(belfry.ratio(bare, throughput)),
                spread(belfry.ratio(bare, p99)),
            )?;
        }
        if let Some((belfry, bare)) = pair(true) {
            writeln!(
                out,
                "and of the open loop {} (to be at most 1.2).\n",
                spread(belfry.ratio(bare, p99))
            )?;
        }
        Ok(())
    }

    fn throughput<'c>(
        &self,
        out: &mut String,
        of: &impl Fn(Target, bool) -> Option<&'c Cell>,
    ) -> Result<()> {
        writeln!(
            out,
            "| closed loop | requests/s | of the bare pipeline | p50 ms | p99 ms | p99.9 ms | receiver µs/request | behind it µs/request |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|"
        )?;
        for cell in self
            .course
            .targets
            .iter()
            .filter_map(|target| of(*target, false))
        {
            let Spread { median, min, max } = cell.throughput();
            let ratio = of(Target::Bare, false)
                .map(|bare| cell.ratio(bare, |round| round.throughput).median);
            let ratio = ratio.map_or("—".to_owned(), |ratio| format!("{ratio:.2}"));
            let (receiver, behind) = cell.cpu();
            writeln!(
                out,
                "| {}{} | {median:.0} [{min:.0} … {max:.0}] | {ratio} | {:.2} | {:.2} | {:.2} | {receiver:.0} | {behind:.0} |",
                cell.target.label(),
                remark(cell),
                cell.latency.p50,
                cell.latency.p99,
                cell.latency.p999
            )?;
        }
        Ok(())
    }

    fn latency<'c>(
        &self,
        out: &mut String,
        of: &impl Fn(Target, bool) -> Option<&'c Cell>,
    ) -> Result<()> {
        writeln!(
            out,
            "\n| open loop | requests/s | p50 ms | p99 ms | p99.9 ms | max ms |\n|---|--:|--:|--:|--:|--:|"
        )?;
        for cell in self
            .course
            .targets
            .iter()
            .filter_map(|target| of(*target, true))
        {
            writeln!(
                out,
                "| {}{} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} |",
                cell.target.label(),
                remark(cell),
                cell.rate.unwrap_or_default(),
                cell.latency.p50,
                cell.latency.p99,
                cell.latency.p999,
                cell.latency.max
            )?;
        }
        Ok(())
    }
}

/// What the timing test showed.
///
/// # Errors
/// None but those of writing to a string.
pub fn timing(date: &str, command: &str, samples: usize, outcomes: &[Outcome]) -> Result<String> {
    let mut out = String::new();
    writeln!(
        out,
        "# Whether the time of a refusal tells where a signature is wrong\n"
    )?;
    writeln!(
        out,
        "{date}, `{command}`: {samples} measurements each, of signatures that are right but for one byte, the first or the last, in \
         random order. Welch's t between the two classes, over all measurements and over the fastest shares of them; from \
         |t| = {THRESHOLD} on a difference is taken for real. A test like this can show a leak, and never that there is none. \
         It is reported, not asserted.\n"
    )?;
    let shares = CROPS
        .map(|share| format!("t, fastest {:.0} %", share * 100.0))
        .join(" | ");
    writeln!(
        out,
        "| what | {shares} | mean ns, fastest half | verdict |\n|---|{}--:|---|",
        "--:|".repeat(CROPS.len())
    )?;
    for outcome in outcomes {
        let t = outcome.t.map(|t| format!("{t:.2}")).join(" | ");
        let verdict = if outcome.worst() < THRESHOLD {
            "no difference seen"
        } else {
            "**they differ**"
        };
        let (first, last) = outcome.means;
        writeln!(
            out,
            "| {} | {t} | {first:.1} and {last:.1} | {verdict} |",
            outcome.what
        )?;
    }
    Ok(out)
}

/// What must be said beside a receiver's name.
fn remark(cell: &Cell) -> &'static str {
    if cell.is_clean() {
        ""
    } else {
        " (not all were answered with a 2xx: see the JSON)"
    }
}

/// The sizes of the cells, in their order.
fn sizes(cells: &[Cell]) -> Vec<Size> {
    Size::ALL
        .into_iter()
        .filter(|size| cells.iter().any(|cell| cell.size == *size))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::tests::cell;
    use std::time::Duration;

    #[test]
    fn a_report_tells_the_ratios_and_every_receiver() {
        let cells = [
            cell(Target::Bare, Size::Small, None, &[1000.0, 1100.0, 900.0]),
            cell(Target::Belfry, Size::Small, None, &[970.0, 1067.0, 891.0]),
            cell(Target::Bare, Size::Small, Some(700.0), &[700.0]),
            cell(Target::Belfry, Size::Small, Some(700.0), &[700.0]),
        ];
        let machine = Machine {
            processor: "P".into(),
            processors: 2,
            memory: 8,
            kernel: "6".into(),
            versions: vec![("NATS", "2.15".into())],
        };
        let course = Course {
            targets: vec![Target::Bare, Target::Belfry],
            sizes: vec![Size::Small],
            rounds: 3,
            connections: 64,
            warm_up: Duration::from_secs(2),
            measured: Duration::from_secs(5),
        };
        let report = Report {
            date: "2026-11-22",
            command: "scripts/bench",
            machine: &machine,
            course: &course,
            cells: &cells,
        };
        let table = report.table().unwrap();
        for part in [
            "throughput 0.97 [0.97 … 0.99] (to be at least 0.95)",
            "open loop 1.00 [1.00 … 1.00] (to be at most 1.2)",
            "| Belfry, NATS + Redis | 970 [891 … 1067] | 0.97 | 1.00 | 4.00 | 9.00 | 50 | 30 |",
            "| bare pipeline | 700 | 1.00 | 4.00 | 9.00 | 20.00 |",
            "NATS: 2.15",
        ] {
            assert!(table.contains(part), "{part}\n{table}");
        }
        let directory = tempfile::tempdir().unwrap();
        report.write(directory.path()).unwrap();
        let json =
            std::fs::read_to_string(directory.path().join("2026-11-22-gateway.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["cells"][1]["rounds"][2]["throughput"], 891.0);
    }
}

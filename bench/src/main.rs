//! `belfry-bench`: measures.

mod cli;

use anyhow::{Context, Result};
use belfry_bench::load::{self, Plan};
use belfry_bench::machine::Machine;
use belfry_bench::report::{self, Report};
use belfry_bench::run::{self, Course};
use belfry_bench::target::Target;
use belfry_bench::{body, timing};
use clap::{Parser, ValueEnum};
use cli::{Cli, Command, Load, Run, Timing};
use jiff::{Timestamp, tz::TimeZone};
use std::time::Duration;

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Run(args) => compare(&args),
        Command::Load(args) => put_load(&args),
        Command::Timing(args) => time(&args),
    }
}

/// All receivers, side by side.
fn compare(args: &Run) -> Result<()> {
    let targets = match &args.only[..] {
        [] => Target::value_variants().to_vec(),
        only => only.to_vec(),
    };
    let sizes = args.sizes.iter().map(|size| (*size).into()).collect();
    let (rounds, warm_up, seconds) = if args.quick {
        (1, 1.0, 2.0)
    } else {
        (args.rounds, args.warm_up, args.seconds)
    };
    let course = Course {
        targets,
        sizes,
        rounds,
        connections: args.connections,
        warm_up: Duration::from_secs_f64(warm_up),
        measured: Duration::from_secs_f64(seconds),
    };
    let tools = args.tools.find()?;
    let machine = Machine::look(&tools)?;
    let cells = run::run(&course, &tools, |line| println!("{line}"))?;
    let report = Report {
        date: &today(),
        command: &args.command,
        machine: &machine,
        course: &course,
        cells: &cells,
    };
    report.write(&args.out)?;
    println!("\n{}", report.table()?);
    println!("written to {}", args.out.display());
    Ok(())
}

/// One receiver.
fn put_load(args: &Load) -> Result<()> {
    let samples = body::samples(args.size.into())?;
    let running = args.target.start(&args.tools.find()?)?;
    for (name, id) in running.processes() {
        println!("{name}: process {id}");
    }
    let plan = Plan {
        address: running.address,
        path: running.path.clone(),
        connections: args.connections,
        rate: args.rate,
        warm_up: Duration::from_secs_f64(args.warm_up),
        measured: Duration::from_secs_f64(args.seconds),
    };
    let before = running.cpu()?;
    let measured = load::run(&plan, &samples)?;
    let after = running.cpu()?;
    println!(
        "{:.0}/s; p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms; statuses {:?}, broken {}, unanswered {}",
        measured.throughput,
        measured.latency(0.5),
        measured.latency(0.99),
        measured.latency(0.999),
        measured.statuses,
        measured.broken,
        measured.unanswered
    );
    for ((name, before), (_, after)) in before.iter().zip(&after) {
        let micros = (*after - *before).as_secs_f64() * 1e6 / measured.sent as f64;
        println!("processor time a request: {name} {micros:.1} µs");
    }
    if let Some(stored) = running.stored()? {
        println!("stored {stored} of {} accepted", measured.accepted());
    }
    Ok(())
}

/// The time that refusals take.
fn time(args: &Timing) -> Result<()> {
    let outcomes = timing::run(args.samples)?;
    let table = report::timing(&today(), &args.command, args.samples, &outcomes)?;
    print!("{table}");
    std::fs::create_dir_all(&args.out)?;
    let file = args.out.join("timing.md");
    std::fs::write(&file, table).with_context(|| file.display().to_string())
}

fn today() -> String {
    #[expect(
        clippy::disallowed_methods,
        reason = "a report has the date of its machine"
    )]
    let now = Timestamp::now();
    now.to_zoned(TimeZone::UTC).date().to_string()
}

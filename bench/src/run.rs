//! The comparison: every receiver in turn, round after round, so that whatever else the machine does hits all of them alike.

use crate::body::{self, Sample, Size};
use crate::load::{self, Measured, Plan};
use crate::target::{Target, Tools};
use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// The share of the bare pipeline's throughput at which latency is measured.
pub const SHARE: f64 = 0.7;

/// How much is measured, and of whom.
#[derive(Debug, Clone)]
pub struct Course {
    /// The receivers.
    pub targets: Vec<Target>,
    /// The sizes of the bodies.
    pub sizes: Vec<Size>,
    /// How often each is measured in each kind of loop.
    pub rounds: usize,
    /// How many connections are kept open.
    pub connections: usize,
    /// How long is sent before anything counts.
    pub warm_up: Duration,
    /// How long counts.
    pub measured: Duration,
}

/// A receiver under one kind of load.
#[derive(Debug, Serialize)]
pub struct Cell {
    /// The receiver.
    #[serde(serialize_with = "label")]
    pub target: Target,
    /// The size of the bodies.
    #[serde(serialize_with = "bytes")]
    pub size: Size,
    /// Requests a second that were asked for; none in a closed loop.
    pub rate: Option<f64>,
    /// Its rounds, in order.
    pub rounds: Vec<Round>,
    /// Latencies of all rounds together, in milliseconds.
    pub latency: Latency,
}

/// One run.
#[derive(Debug, Serialize)]
pub struct Round {
    /// Answers a second.
    pub throughput: f64,
    /// Latencies in milliseconds.
    pub latency: Latency,
    /// Requests that were sent, the warm-up's too.
    pub sent: u64,
    /// Answers by status, the warm-up's too.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests whose connection broke.
    pub broken: u64,
    /// Requests that were never answered.
    pub unanswered: u64,
    /// Processor time a request in microseconds, by process, the receiver first.
    pub cpu: Vec<(&'static str, f64)>,
}

/// Latencies in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[expect(missing_docs, reason = "they are called what they are")]
pub struct Latency {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// A value in each round: the middle one, and between which they all are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[expect(missing_docs, reason = "they are called what they are")]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

/// Measures all. `tell` hears of each run as it ends.
///
/// # Errors
/// If a receiver does not come up, breaks, or has stored fewer events than it has accepted.
pub fn run(course: &Course, tools: &Tools, mut tell: impl FnMut(&str)) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for &size in &course.sizes {
        let samples = body::samples(size)?;
        let none: Vec<_> = course
            .targets
            .iter()
            .map(|target| (*target, None))
            .collect();
        let closed = rounds(course, tools, size, &samples, &none, &mut tell)?;
        let rates = rates(&closed);
        cells.extend(closed);
        cells.extend(rounds(course, tools, size, &samples, &rates, &mut tell)?);
    }
    Ok(cells)
}

/// The rates for the open loop: [`SHARE`] of what the bare pipeline carries. Belfry gets the same, since it is measured against it;
/// who carries less gets that share of what it carries.
fn rates(closed: &[Cell]) -> Vec<(Target, Option<f64>)> {
    let carries = |cell: &Cell| cell.throughput().median;
    let bare = closed.iter().find(|cell| cell.target == Target::Bare);
    let most = bare.map_or(f64::INFINITY, carries);
    let rate = |cell: &Cell| match (cell.target, bare) {
        (Target::Belfry, Some(bare)) => carries(bare),
        _ => carries(cell).min(most),
    };
    closed
        .iter()
        .map(|cell| (cell.target, Some((SHARE * rate(cell)).max(1.0).round())))
        .collect()
}

fn rounds(
    course: &Course,
    tools: &Tools,
    size: Size,
    samples: &[Sample],
    rates: &[(Target, Option<f64>)],
    tell: &mut impl FnMut(&str),
) -> Result<Vec<Cell>> {
    let mut found: BTreeMap<Target, Vec<(Round, Measured)>> = BTreeMap::new();
    for round in 0..course.rounds {
        // There and back again, so that none is always the first.
        let order: Vec<_> = match round % 2 {
            0 => rates.iter().collect(),
            _ => rates.iter().rev().collect(),
        };
        for (target, rate) in order {
            let (one, measured) = once(course, tools, *target, samples, *rate)
                .with_context(|| format!("measuring {}", target.label()))?;
            tell(&format!(
                "{}, {}, {}: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms{}",
                target.label(),
                size.label(),
                rate.map_or("closed".to_owned(), |rate| format!("{rate}/s")),
                one.throughput,
                one.latency.p50,
                one.latency.p99,
                if measured.is_clean() {
                    ""
                } else {
                    " (not all were answered with a 2xx)"
                },
            ));
            found.entry(*target).or_default().push((one, measured));
        }
    }
    let cell = |(target, rate): &(Target, Option<f64>)| {
        let rounds = found.remove(target).unwrap_or_default();
        let all = merged(rounds.iter().map(|(_, measured)| &measured.latencies))?;
        Ok(Cell {
            target: *target,
            size,
            rate: *rate,
            latency: Latency::of(&all),
            rounds: rounds.into_iter().map(|(round, _)| round).collect(),
        })
    };
    rates.iter().map(cell).collect()
}

/// One run of one receiver, which is started for it and ended after it.
fn once(
    course: &Course,
    tools: &Tools,
    target: Target,
    samples: &[Sample],
    rate: Option<f64>,
) -> Result<(Round, Measured)> {
    let running = target.start(tools)?;
    let plan = Plan {
        address: running.address,
        path: running.path.clone(),
        connections: course.connections,
        rate,
        warm_up: course.warm_up,
        measured: course.measured,
    };
    let before = running.cpu()?;
    let measured = load::run(&plan, samples)?;
    let after = running.cpu()?;
    if let Some(stored) = running.stored()? {
        let accepted = measured.accepted();
        ensure!(
            stored >= accepted,
            "{stored} events are stored of {accepted} that were accepted"
        );
    }
    let cpu = before
        .iter()
        .zip(&after)
        .map(|((name, before), (_, after))| {
            let taken = after.saturating_sub(*before).as_secs_f64();
            (*name, taken * 1e6 / measured.sent.max(1) as f64)
        });
    let round = Round {
        throughput: measured.throughput,
        latency: Latency::of(&measured.latencies),
        sent: measured.sent,
        statuses: measured.statuses.clone(),
        broken: measured.broken,
        unanswered: measured.unanswered,
        cpu: cpu.collect(),
    };
    Ok((round, measured))
}

impl Cell {
    /// Answers a second.
    #[must_use]
    pub fn throughput(&self) -> Spread {
        Spread::of(self.rounds.iter().map(|round| round.throughput))
    }

    /// Processor time a request in microseconds, in the middle of the rounds: of the receiver, and of all behind it.
    #[must_use]
    pub fn cpu(&self) -> (f64, f64) {
        let receiver = |round: &Round| round.cpu.first().map_or(0.0, |(_, micros)| *micros);
        let behind = |round: &Round| {
            let others = round.cpu.iter().skip(1);
            others.fold(0.0, |sum, (_, micros)| sum + micros)
        };
        let median = |of: &dyn Fn(&Round) -> f64| Spread::of(self.rounds.iter().map(of)).median;
        (median(&receiver), median(&behind))
    }

    /// What `of` says of this receiver's rounds by what it says of the other's, round by round.
    #[must_use]
    pub fn ratio(&self, other: &Self, of: impl Fn(&Round) -> f64) -> Spread {
        let pairs = self.rounds.iter().zip(&other.rounds);
        Spread::of(pairs.map(|(one, other)| of(one) / of(other)))
    }

    /// Whether each request of each round was answered with a 2xx.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.rounds.iter().all(|round| {
            let good: u64 = round.statuses.range(200..300).map(|(_, count)| count).sum();
            good == round.sent && round.broken == 0 && round.unanswered == 0
        })
    }
}

impl Latency {
    fn of(nanos: &Histogram<u64>) -> Self {
        let at = |share| nanos.value_at_quantile(share) as f64 / 1e6;
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: nanos.max() as f64 / 1e6,
        }
    }
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match (values.get(middle), values.len() % 2) {
            (Some(one), 1) => *one,
            (Some(one), _) => f64::midpoint(values[middle - 1], *one),
            (None, _) => f64::NAN,
        };
        Self {
            median,
            min: values.first().copied().unwrap_or(f64::NAN),
            max: values.last().copied().unwrap_or(f64::NAN),
        }
    }
}

fn merged<'a>(mut all: impl Iterator<Item = &'a Histogram<u64>>) -> Result<Histogram<u64>> {
    let mut sum = all.next().context("a cell without rounds")?.clone();
    for one in all {
        sum.add(one)?;
    }
    Ok(sum)
}

fn label<S: serde::Serializer>(target: &Target, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(target.label())
}

fn bytes<S: serde::Serializer>(size: &Size, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(size.bytes() as u64)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A cell whose rounds had these throughputs.
    pub(crate) fn cell(target: Target, size: Size, rate: Option<f64>, throughputs: &[f64]) -> Cell {
        let latency = Latency {
            p50: 1.0,
            p90: 2.0,
            p99: 4.0,
            p999: 9.0,
            max: 20.0,
        };
        let round = |throughput: &f64| Round {
            throughput: *throughput,
            latency,
            sent: 10,
            statuses: BTreeMap::from([(202, 10)]),
            broken: 0,
            unanswered: 0,
            cpu: vec![
                ("gateway", 50.0),
                ("nats-server", 20.0),
                ("redis-server", 10.0),
            ],
        };
        Cell {
            target,
            size,
            rate,
            latency,
            rounds: throughputs.iter().map(round).collect(),
        }
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let bare = cell(Target::Bare, Size::Small, None, &[100.0, 50.0, 200.0]);
        let belfry = cell(Target::Belfry, Size::Small, None, &[90.0, 50.0, 100.0]);
        let ratio = belfry.ratio(&bare, |round| round.throughput);
        assert_eq!((ratio.median, ratio.min, ratio.max), (0.9, 0.5, 1.0));
        assert_eq!(bare.throughput().median, 100.0);
        assert_eq!(belfry.cpu(), (50.0, 30.0));
        assert_eq!(Spread::of([4.0, 1.0].into_iter()).median, 2.5);
    }

    #[test]
    fn the_open_loop_is_paced_by_the_bare_pipeline() {
        let closed = [
            cell(Target::Bare, Size::Small, None, &[1000.0]),
            cell(Target::Belfry, Size::Small, None, &[600.0]),
            cell(Target::Http, Size::Small, None, &[9000.0]),
            cell(Target::Fastapi, Size::Small, None, &[100.0]),
        ];
        let rates: Vec<_> = rates(&closed).into_iter().map(|(_, rate)| rate).collect();
        assert_eq!(rates, [Some(700.0), Some(700.0), Some(700.0), Some(70.0)]);
    }

    #[test]
    fn a_refusal_spoils_a_cell() {
        let mut one = cell(Target::Bare, Size::Small, None, &[1.0]);
        assert!(one.is_clean());
        one.rounds[0].statuses = BTreeMap::from([(202, 9), (503, 1)]);
        assert!(!one.is_clean());
    }
}

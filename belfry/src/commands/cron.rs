//! `belfry cron`: schedules in words and instants, without a server.

use crate::cli;
use anyhow::{Context, anyhow, bail};
use belfry_mesh::port::clock::Clock;
use belfry_mesh::schedule::{Error, Schedule, Zone};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};

/// How many instants may be asked for at once.
const MOST: u64 = 10_000;

/// How many instants an explanation names.
const NAMED: usize = 10;

/// For how long an explanation looks at clock changes, in days: two years and one leap day.
const AHEAD: i64 = 731;

/// The longest line of standard input that is read, in bytes.
const LINE: u64 = 4 << 20;

/// The widest expression under which its error is marked, in characters.
const MARKED: usize = 100;

/// Does the command, and returns what is to be printed.
pub(super) fn cron(args: cli::Cron) -> anyhow::Result<String> {
    let now = belfry_backends::clock::System.now();
    match args {
        cli::Cron::Explain(args) => explain(&args, now),
        cli::Cron::Next(args) if args.jsonl => {
            match answer_lines(io::stdin().lock(), BufWriter::new(io::stdout().lock()), now) {
                // A reader that has seen enough is no error.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
                _ => Ok(String::new()),
            }
        }
        cli::Cron::Next(args) => {
            let expression = args.expression.unwrap_or_default();
            let after = instant(args.after.as_deref(), now)?;
            let schedule = parse(&expression, &args.tz)?;
            let next = next(&schedule, after, args.count)?;
            Ok(next.into_iter().map(|at| format!("{at}\n")).collect())
        }
    }
}

/// An expression in words, with its next instants and the clock changes that touch it.
fn explain(args: &cli::CronExplain, now: Timestamp) -> anyhow::Result<String> {
    let after = instant(args.after.as_deref(), now)?;
    let schedule = parse(&args.expression, &args.tz)?;
    let mut text = format!("{schedule}\n\n");
    let kind = if schedule.is_fixed() {
        "It names times of day: each fires once a day, also when clocks change."
    } else {
        "It keeps a pace (seconds, minutes or hours begin with `*`): it fires at every instant at which clocks show what is named."
    };
    writeln!(text, "{kind}\n\nnext:")?;
    for at in schedule.after(after).take(NAMED) {
        writeln!(text, "  {}   {at}", schedule.local(at))?;
    }
    writeln!(text, "\nclock changes in the next two years that touch it:")?;
    let until = after
        .checked_add(SignedDuration::from_hours(24 * AHEAD))
        .unwrap_or(Timestamp::MAX);
    let edges: Vec<_> = schedule.edges(after, until).collect();
    for edge in &edges {
        writeln!(text, "  {edge}")?;
    }
    if edges.is_empty() {
        writeln!(text, "  none")?;
    }
    writeln!(text, "\nzone data: {}", Zone::release())?;
    Ok(text)
}

/// The schedule, or why not, with a mark under the expression where it is wrong.
fn parse(expression: &str, zone: &str) -> anyhow::Result<Schedule> {
    Schedule::parse(expression, zone).map_err(|error| match marked(expression, &error) {
        Some(mark) => anyhow!("{error}\n{mark}"),
        None => error.into(),
    })
}

/// The expression and below it a caret where it is wrong.
fn marked(expression: &str, error: &Error) -> Option<String> {
    let column = error.column()?;
    let plain = expression.chars().all(|c| !c.is_control());
    if !plain || expression.chars().count() > MARKED {
        return None;
    }
    Some(format!("  {expression}\n  {:>column$}", '^'))
}

/// The instant that was asked from.
fn instant(text: Option<&str>, now: Timestamp) -> anyhow::Result<Timestamp> {
    let Some(text) = text else {
        return Ok(now);
    };
    let shown: String = text.chars().take(40).collect();
    text.parse().map_err(|_| {
        anyhow!("after `{shown}`: it is no instant; write it as in `2026-01-31T09:00:00Z`")
    })
}

fn next(schedule: &Schedule, after: Timestamp, count: u64) -> anyhow::Result<Vec<Timestamp>> {
    if !(1..=MOST).contains(&count) {
        bail!("count {count}: write 1 to {MOST}");
    }
    Ok(schedule.after(after).take(count as usize).collect())
}

/// A line of `--jsonl`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question<'q> {
    #[serde(borrow)]
    expr: Cow<'q, str>,
    #[serde(borrow)]
    tz: Option<Cow<'q, str>>,
    #[serde(borrow)]
    after: Option<Cow<'q, str>>,
    count: Option<u64>,
}

/// The line that answers it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Next(Vec<Timestamp>),
    Error(String),
}

/// Answers each line with a line, at once if no further line is there.
fn answer_lines(input: impl Read, mut output: impl Write, now: Timestamp) -> io::Result<()> {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.by_ref().take(LINE).read_until(b'\n', &mut line)? == 0 {
            return output.flush();
        }
        let answer = if line.len() as u64 == LINE && !line.ends_with(b"\n") {
            input.skip_until(b'\n')?;
            Answer::Error(format!("the line is longer than {LINE} bytes"))
        } else {
            answer(&line, now).unwrap_or_else(|error| Answer::Error(format!("{error:#}")))
        };
        serde_json::to_writer(&mut output, &answer)?;
        output.write_all(b"\n")?;
        if !input.buffer().contains(&b'\n') {
            output.flush()?;
        }
    }
}

fn answer(line: &[u8], now: Timestamp) -> anyhow::Result<Answer> {
    const FORM: &str = "the line is not of the form {\"expr\":\"0 9 * * 1\",\"tz\":\"UTC\",\"after\":\"2026-01-31T09:00:00Z\",\"count\":1}";
    let question: Question<'_> = serde_json::from_slice(line).context(FORM)?;
    let after = instant(question.after.as_deref(), now)?;
    let schedule = Schedule::parse(&question.expr, question.tz.as_deref().unwrap_or("UTC"))?;
    let next = next(&schedule, after, question.count.unwrap_or(1))?;
    Ok(Answer::Next(next))
}

//! What a container of this node wrote, in pages, for whoever may ask for commands: without the secrets of the node.

use crate::{Agent, environment};
use belfry_mesh::command::{LogPage, ReadLog};
use belfry_mesh::control;
use belfry_mesh::placement::Slot;
use belfry_mesh::port::runtime::{Error, Instance, LogLine, Logs};
use belfry_mesh::port::state::Bucket;
use belfry_mesh::{Problem, Trigger};
use futures::StreamExt;
use http::StatusCode;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How much of a log is told at once, in bytes as it is written.
const MAX_BYTES: usize = 256 << 10;

/// What a line takes besides its text.
const AROUND: usize = 64;

/// How long a container that has ended is left alone before it is looked for again: another may take its place.
const AGAIN: Duration = Duration::from_millis(500);

/// Reads a page. If there is nothing to read it waits for that, as long as it was told to and the agent runs.
///
/// # Errors
/// If there is no such container here, or its log cannot be told.
pub(super) async fn read(
    agent: &Agent,
    asked: ReadLog,
    shutdown: &CancellationToken,
) -> Result<LogPage, Problem> {
    let (most, until) = (asked.lines()?, Instant::now() + asked.wait()?);
    let trigger = find(agent, &asked).await?;
    let mut waits = true;
    loop {
        let instances = agent.runtime.list().await.map_err(|error| sick(&error))?;
        let instance = choose(&asked, &instances).ok_or_else(|| missing(agent, &asked))?;
        let mut page = Page::new(&asked, most);
        page.fill(agent, &instance.id, false).await?;
        if page.lines.is_empty() && waits {
            let wait = async {
                page.fill(agent, &instance.id, true).await?;
                if page.lines.is_empty() {
                    tokio::time::sleep(AGAIN).await;
                }
                Ok(())
            };
            tokio::select! {
                ended = wait => ended?,
                () = tokio::time::sleep_until(until) => waits = false,
                () = shutdown.cancelled() => waits = false,
            }
        }
        if !page.lines.is_empty() || !waits {
            return tell(agent, &trigger, instance, page, &asked).await;
        }
    }
}

/// What is installed under the name: its package says which secrets are to be concealed.
async fn find(agent: &Agent, asked: &ReadLog) -> Result<Trigger, Problem> {
    let state = &agent.ports.state;
    let found = state.get(Bucket::Triggers, asked.name.as_str()).await;
    let found = found.and_then(|entry| entry.as_ref().map(control::decode).transpose());
    let found = found
        .map_err(control::Error::from)
        .and_then(|found| found.ok_or_else(|| control::Error::NotInstalled(asked.name.clone())));
    found.map_err(|error| Problem::new(error.status(), error.to_string()))
}

/// The container that is meant: the newest of the slot, the first slot if none is named.
fn choose<'a>(asked: &ReadLog, instances: &'a [Instance]) -> Option<&'a Instance> {
    let is_meant = |slot: &Slot| {
        slot.trigger == asked.name && asked.slot.is_none_or(|index| index == slot.index)
    };
    let meant = instances.iter().filter(|one| is_meant(&one.slot));
    meant.min_by_key(|one| (one.slot.index, std::cmp::Reverse(one.revision)))
}

/// A page that is being filled.
struct Page {
    what: Logs,
    lines: VecDeque<LogLine>,
    most: usize,
    bytes: usize,
}

impl Page {
    fn new(asked: &ReadLog, most: usize) -> Self {
        let what = Logs {
            // What comes next is wanted from its beginning.
            lines: asked.after.map_or(most, |_| usize::MAX),
            after: asked.after,
            follow: false,
        };
        Self {
            what,
            lines: VecDeque::new(),
            most,
            bytes: 0,
        }
    }

    /// Takes the lines that are there; with `follow`, those that come next. A container that is gone has none.
    async fn fill(&mut self, agent: &Agent, id: &str, follow: bool) -> Result<(), Problem> {
        let what = Logs {
            follow,
            ..self.what
        };
        // What has come together is taken together.
        let mut chunks = agent.runtime.logs(id, what).ready_chunks(self.most);
        while let Some(chunk) = chunks.next().await {
            for line in chunk {
                match line {
                    Ok(line) => {
                        if !self.add(line) {
                            return Ok(());
                        }
                    }
                    Err(Error::NotFound(_)) => return Ok(()),
                    Err(error) => return Err(sick(&error)),
                }
            }
            if follow {
                break;
            }
        }
        Ok(())
    }

    /// Adds a line: at the end of the next ones as long as there is room, and to the last ones for an older one. Answers whether
    /// there may be room for more.
    fn add(&mut self, mut line: LogLine) -> bool {
        line.text.retain(|c| c != '\n');
        let takes = size(&line);
        let is_full = self.lines.len() >= self.most || self.bytes + takes > MAX_BYTES;
        if self.what.after.is_some() {
            // The next page begins after an instant, so none is cut in two.
            let is_apart = self.lines.back().is_none_or(|last| last.at != line.at);
            if is_full && is_apart && !self.lines.is_empty() {
                return false;
            }
        }
        self.bytes += takes;
        self.lines.push_back(line);
        while self.what.after.is_none() && self.is_too_much() {
            self.bytes -= self.lines.pop_front().as_ref().map_or(0, size);
        }
        true
    }

    fn is_too_much(&self) -> bool {
        self.lines.len() > self.most || self.bytes > MAX_BYTES
    }
}

/// What a line takes on the wire, where some characters are written as several.
fn size(line: &LogLine) -> usize {
    let text = serde_json::to_string(&line.text).map_or(0, |text| text.len());
    text + AROUND
}

/// The page as it may leave the node.
async fn tell(
    agent: &Agent,
    trigger: &Trigger,
    instance: &Instance,
    page: Page,
    asked: &ReadLog,
) -> Result<LogPage, Problem> {
    let last = page.lines.iter().map(|line| line.at).max();
    let texts: Vec<&str> = page.lines.iter().map(|line| line.text.as_str()).collect();
    let told = environment::conceal(&texts.join("\n"), trigger, agent.secrets.as_ref()).await;
    let told = told.map_err(|error| {
        let why =
            format!("the log is not told, since what is to be concealed is not known: {error}");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, why)
    })?;
    let lines = page.lines.iter().zip(told.split('\n'));
    let line = |(line, text): (&LogLine, &str)| LogLine {
        at: line.at,
        text: text.to_owned(),
    };
    Ok(LogPage {
        node: agent.config.node.clone(),
        slot: instance.slot.index,
        container_name: instance.container_name.clone(),
        lines: lines.map(line).collect(),
        after: last.or(asked.after).unwrap_or(Timestamp::UNIX_EPOCH),
    })
}

fn missing(agent: &Agent, asked: &ReadLog) -> Problem {
    let which = asked
        .slot
        .map_or_else(|| "a slot".to_owned(), |slot| format!("slot {slot}"));
    let detail = format!(
        "node `{}` has no container for {which} of `{}` now; `belfry status {}` says why",
        agent.config.node, asked.name, asked.name
    );
    Problem::new(StatusCode::NOT_FOUND, detail)
}

fn sick(error: &Error) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use belfry_mesh::TriggerName;
    use belfry_mesh::port::runtime::{Health, MAX_LINE};

    fn asked(slot: Option<u32>, after: Option<Timestamp>) -> ReadLog {
        ReadLog {
            name: TriggerName::parse("hook").unwrap(),
            slot,
            lines: None,
            after,
            wait_seconds: None,
        }
    }

    fn line(at: i64, text: &str) -> LogLine {
        LogLine {
            at: Timestamp::from_second(at).unwrap(),
            text: text.into(),
        }
    }

    fn times(page: &Page) -> Vec<i64> {
        page.lines.iter().map(|line| line.at.as_second()).collect()
    }

    #[test]
    fn the_newest_container_of_the_slot_is_meant() {
        let instance = |trigger: &str, index, revision| Instance {
            id: format!("{trigger}.{index}.{revision}"),
            container_name: String::new(),
            slot: Slot {
                trigger: TriggerName::parse(trigger).unwrap(),
                index,
            },
            revision,
            health: Health::Healthy,
            event_url: None,
        };
        let all = [
            instance("other", 0, 9),
            instance("hook", 2, 7),
            instance("hook", 1, 3),
            instance("hook", 1, 5),
        ];
        for (slot, meant) in [
            (None, Some("hook.1.5")),
            (Some(2), Some("hook.2.7")),
            (Some(0), None),
        ] {
            let found = choose(&asked(slot, None), &all);
            assert_eq!(found.map(|one| one.id.as_str()), meant);
        }
    }

    #[test]
    fn without_a_place_to_go_on_from_the_last_lines_are_told() {
        let mut page = Page::new(&asked(None, None), 3);
        for at in 1..=9 {
            assert!(page.add(line(at, "x")));
        }
        assert_eq!(times(&page), [7, 8, 9]);
        let long = "\u{1b}".repeat(MAX_LINE);
        for at in 10..=12 {
            page.add(line(at, &long));
        }
        // An escape is written as six characters, so two of them are all that there is room for.
        assert_eq!(times(&page), [11, 12]);
        assert!(page.bytes <= MAX_BYTES);
    }

    #[test]
    fn from_a_place_on_the_next_lines_are_told_and_no_instant_is_cut_in_two() {
        let mut page = Page::new(&asked(None, Some(Timestamp::UNIX_EPOCH)), 2);
        let room: Vec<bool> = [1, 2, 2, 2, 3, 4]
            .map(|at| page.add(line(at, "x")))
            .to_vec();
        assert_eq!(room, [true, true, true, true, false, false]);
        assert_eq!(times(&page), [1, 2, 2, 2]);
    }
}

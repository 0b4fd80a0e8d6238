//! What containers write, slot by slot, as it is or as it comes.

use super::{list_of, text};
use crate::cli;
use crate::client::{self, Console};
use anyhow::bail;
use futures::future::{join_all, try_join_all};
use reqwest::StatusCode;
use serde_json::Value;
use std::io::{ErrorKind, IsTerminal, Write};
use std::time::Duration;

/// How long one request waits for a line, in seconds.
const WAIT: u64 = 20;

/// How long a log that cannot be read just now is left alone.
const RETRY: Duration = Duration::from_secs(1);

/// The log of a slot.
struct Log<'a> {
    console: &'a Console,
    args: &'a cli::Logs,
    slot: u32,
    /// Whether other slots' lines stand among this one's.
    among_others: bool,
}

/// Prints by itself, since what follows a log does not end.
pub(super) async fn logs(args: cli::Logs) -> anyhow::Result<String> {
    let console = Console::new(&args.client)?;
    let slots = match args.slot {
        Some(slot) => vec![slot],
        None => {
            let status = console.ask(&args.name, "status", &[]).await?;
            (0..u32::try_from(status["replicas"].as_u64().unwrap_or(1))?).collect()
        }
    };
    let logs: Vec<Log<'_>> = slots
        .iter()
        .map(|slot| Log {
            console: &console,
            args: &args,
            slot: *slot,
            among_others: slots.len() > 1,
        })
        .collect();
    if args.follow {
        try_join_all(logs.iter().map(Log::follow)).await?;
        return Ok(String::new());
    }
    let pages = join_all(logs.iter().map(|log| log.page(None))).await;
    let mut refused = Vec::new();
    for (log, page) in logs.iter().zip(pages) {
        match page {
            Ok(page) => {
                log.print(&page)?;
            }
            Err(error) => refused.push(error.to_string()),
        }
    }
    if !refused.is_empty() {
        bail!("{}", refused.join("; "));
    }
    Ok(String::new())
}

impl Log<'_> {
    /// The last lines, or with a place to go on from the next ones, once there are some.
    async fn page(&self, after: Option<&str>) -> anyhow::Result<Value> {
        let mut query = vec![("slot", self.slot.to_string())];
        match after {
            Some(after) => {
                let most = belfry_mesh::command::MAX_LINES.to_string();
                query.extend([
                    ("after", after.to_owned()),
                    ("wait_seconds", WAIT.to_string()),
                    ("lines", most),
                ]);
            }
            None => query.push(("lines", self.args.lines.to_string())),
        }
        self.console.ask(&self.args.name, "logs", &query).await
    }

    /// Goes on until nobody reads any more. While the log cannot be read, say because its container moves, it says so and tries.
    async fn follow(&self) -> anyhow::Result<()> {
        let (mut after, mut said) = (None::<String>, String::new());
        loop {
            match self.page(after.as_deref()).await {
                Ok(page) => {
                    if !self.print(&page)? {
                        return Ok(());
                    }
                    after = page["after"].as_str().map(str::to_owned);
                    said.clear();
                }
                Err(error) if client::is(&error, StatusCode::SERVICE_UNAVAILABLE) => {
                    let why = error.to_string();
                    if why != said {
                        eprintln!("{why}; waiting");
                        said = why;
                    }
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Prints a page. Answers whether anybody reads on.
    fn print(&self, page: &Value) -> anyhow::Result<bool> {
        let text = if list_of(&page["lines"]).is_empty() && self.args.follow {
            String::new()
        } else if self.args.client.json {
            page.to_string() + "\n"
        } else {
            self.words(page, std::io::stdout().is_terminal())
        };
        let mut out = std::io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn words(&self, page: &Value, to_terminal: bool) -> String {
        let mut words = String::new();
        for line in list_of(&page["lines"]) {
            if self.among_others {
                words += &format!("{} | ", self.slot);
            }
            let text = text(&line["text"]);
            // What a container writes, it may have from a stranger: it is not to command the terminal.
            let is_shown = |c: &char| !to_terminal || !c.is_control() || *c == '\t';
            words.extend(text.chars().filter(is_shown));
            words.push('\n');
        }
        words
    }
}

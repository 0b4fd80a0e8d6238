//! Why an instance failed: how it ended, and the last that it wrote.

use crate::{Agent, environment, plan};
use belfry_mesh::Trigger;
use belfry_mesh::port::runtime::{Instance, Logs};
use futures::TryStreamExt;

/// How many lines of its log are told.
const LINES: usize = 3;

/// How much of them, in characters, from the end.
const MAX_WORDS: usize = 400;

/// Why an instance failed, in words that may leave the node.
pub(crate) async fn tell(agent: &Agent, trigger: &Trigger, failed: &Instance) -> String {
    let how = plan::describe(failed);
    let lines = agent.runtime.logs(&failed.id, Logs::last(LINES));
    let lines: Vec<String> = lines
        .map_ok(|line| line.text)
        .try_collect()
        .await
        .unwrap_or_default();
    // Concealed before it is cut: half a secret would not be recognised. Without knowing the secrets, nothing is told.
    let text = lines.join("\n");
    let told = environment::conceal(&text, trigger, agent.secrets.as_ref()).await;
    match bounded(&told.unwrap_or_default()) {
        words if words.is_empty() => how,
        words => format!("{how}; it wrote: {words}"),
    }
}

/// The end of a text, on one line.
fn bounded(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let text: Vec<char> = lines
        .join(" / ")
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    text[text.len().saturating_sub(MAX_WORDS)..]
        .iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_what_was_written_is_told_on_one_line() {
        let told = bounded(&format!("{}\n \u{1b}boom \n\n", "x".repeat(1_000)));
        assert!(
            told.ends_with("xx / boom") && told.chars().count() == MAX_WORDS,
            "{told}"
        );
        assert_eq!(bounded(""), "");
    }
}

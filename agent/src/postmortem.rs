//! Why an instance failed: how it ended, and the last that it wrote.

use crate::{Agent, environment, plan};
use belfry_mesh::Trigger;
use belfry_mesh::port::runtime::Instance;

/// How many lines of its log are told.
const LINES: usize = 3;

/// How much of them, in characters, from the end.
const MAX_WORDS: usize = 400;

/// Why an instance failed, in words that may leave the node.
pub(crate) async fn tell(agent: &Agent, trigger: &Trigger, failed: &Instance) -> String {
    let how = plan::describe(failed);
    let lines = agent.runtime.logs(&failed.id, LINES).await;
    let words = bounded(&lines.unwrap_or_default());
    if words.is_empty() {
        return how;
    }
    // Without knowing what a secret is, nothing that was written is told.
    match environment::conceal(&words, trigger, agent.secrets.as_ref()).await {
        Ok(words) => format!("{how}; it wrote: {words}"),
        Err(_) => how,
    }
}

fn bounded(lines: &[String]) -> String {
    let lines: Vec<&str> = lines
        .iter()
        .map(|line| line.trim())
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
        let lines = ["x".repeat(1_000), " \u{1b}boom ".to_owned(), String::new()];
        let told = bounded(&lines);
        assert!(
            told.ends_with("xx / boom") && told.chars().count() == MAX_WORDS,
            "{told}"
        );
        assert_eq!(bounded(&[]), "");
    }
}

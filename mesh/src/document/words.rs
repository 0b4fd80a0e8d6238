//! How values and words are shown in a message.

use serde_json::Value;
use std::fmt::{self, Display};

/// How much of a value a message shows.
const SHOWN_CHARS: usize = 80;

/// A value as a message shows it: JSON between backticks, a string bare, cut short when long.
pub(crate) struct Shown<'a>(pub(crate) &'a Value);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::String(text) => write!(f, "`{}`", shorten(text)),
            Value::Object(_) => f.write_str("an object"),
            Value::Array(_) => f.write_str("a list"),
            other => write!(f, "{other}"),
        }
    }
}

/// What is said of a word that is not among the known ones.
pub(crate) fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    let refusal = format!(
        "unknown {what} `{}`; known: {}",
        shorten(word),
        known.join(", ")
    );
    match nearest(word, known) {
        Some(near) => format!("{refusal}; did you mean `{near}`?"),
        None => refusal,
    }
}

/// The text, or its beginning and `…` if it is too long for a message.
pub(crate) fn shorten(text: &str) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// The candidate that a misspelt word most likely means: at most a third of its letters are off.
pub(crate) fn nearest<'k>(word: &str, candidates: &[&'k str]) -> Option<&'k str> {
    let word = shorten(word).to_lowercase();
    let (distance, near) = candidates
        .iter()
        .map(|known| (distance(&word, &known.to_lowercase()), *known))
        .min()?;
    (distance <= (word.chars().count().max(near.len()) / 3).max(1)).then_some(near)
}

/// The Levenshtein distance, with two neighbours that changed places counted as one (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_misspelt_word_is_met_with_the_one_that_was_meant() {
        let known = ["webhook", "schedule", "event", "manual"];
        assert_eq!(nearest("webook", &known), Some("webhook"));
        assert_eq!(nearest("WEBHOOK", &known), Some("webhook"));
        assert_eq!(nearest("evnet", &known), Some("event"));
        assert_eq!(nearest("kafka", &known), None);
        assert_eq!(nearest("", &known), None);
    }

    #[test]
    fn a_long_value_is_cut_short_in_a_message() {
        let long = json!("ä".repeat(500));
        assert!(Shown(&long).to_string().chars().count() < 100);
    }
}

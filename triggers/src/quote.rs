//! What of an orchestrator's answer may be passed on: one bounded line, without the trigger's secrets.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// The longest quote, in characters.
const MAX_CHARS: usize = 300;

/// The secrets that must not come back. An orchestrator that refuses a request may repeat it in its answer (validators do).
#[derive(Debug, Clone, Default)]
pub(crate) struct Redaction(Vec<SecretString>);

impl Redaction {
    pub(crate) fn of(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        Self(
            secrets
                .into_iter()
                .filter(|secret| !secret.expose_secret().is_empty())
                .collect(),
        )
    }

    /// The text without the secrets, as they are and as JSON writes them.
    fn apply(&self, mut text: String) -> String {
        for secret in &self.0 {
            let plain = secret.expose_secret();
            let escaped = Value::from(plain).to_string();
            for form in [&escaped[1..escaped.len() - 1], plain] {
                if text.contains(form) {
                    text = text.replace(form, "[redacted]");
                }
            }
        }
        text
    }
}

/// A quote from an answer's body: its `detail`, `message` or `error` if it is JSON and has one, else the body itself. `None` if
/// there is nothing to quote.
pub(crate) fn quote(body: &[u8], redaction: &Redaction) -> Option<String> {
    let said = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|answer| {
            let said = ["detail", "message", "error"]
                .iter()
                .find_map(|key| answer.get(key).cloned())?;
            Some(match said {
                Value::String(text) => text,
                other => other.to_string(),
            })
        });
    let text = redaction.apply(said.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()));
    let line = text
        .replace(char::is_control, " ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    match line.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => Some(format!("{}…", &line[..end])),
        None => Some(line).filter(|line| !line.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(body: &str) -> Option<String> {
        quote(
            body.as_bytes(),
            &Redaction::of(["s3\"cret".into(), "plain".into(), "".into()]),
        )
    }

    #[test]
    fn the_detail_is_quoted_on_one_bounded_line() {
        assert_eq!(
            quoted(r#"{"detail":"no such\n\tteam"}"#).as_deref(),
            Some("no such team")
        );
        assert_eq!(
            quoted(r#"{"detail":[{"loc":["body"]}]}"#).as_deref(),
            Some(r#"[{"loc":["body"]}]"#)
        );
        assert_eq!(
            quoted("<h1>\u{1b}[31m no</h1>\r\n").as_deref(),
            Some("<h1> [31m no</h1>")
        );
        assert_eq!(quoted(" \n"), None);
        let long = quoted(&"ä".repeat(5_000)).unwrap();
        assert_eq!(long.chars().count(), MAX_CHARS + 1);
    }

    #[test]
    fn a_secret_that_is_repeated_is_redacted_in_whatever_form() {
        for body in [
            r#"{"detail":"got s3\"cret"}"#,
            r#"{"detail":[{"input":{"client_secret":"s3\"cret"}}]}"#,
            r#"got s3"cret and plain, not JSON"#,
        ] {
            let said = quoted(body).unwrap();
            assert!(
                !said.contains("cret") || said.contains("client_secret"),
                "{said}"
            );
            assert!(
                said.contains("[redacted]") && !said.contains("plain"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_secret_at_the_cut_leaves_no_half_behind() {
        let body = format!("{}plain", "x".repeat(MAX_CHARS - 2));
        assert!(!quoted(&body).unwrap().contains("pl"));
    }
}

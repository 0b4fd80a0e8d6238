//! The environment of a trigger's container, resolved on this node: secrets come from here and go nowhere else.

use belfry_mesh::Trigger;
use belfry_mesh::port::runtime::MAX_LINE;
use belfry_mesh::port::secrets::{self, Secrets};
use belfry_mesh::template::Text;
use secrecy::{ExposeSecret, SecretString};
use std::collections::{BTreeMap, BTreeSet};

/// A resolved environment.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    pub(crate) values: Values,
    /// Which of them hold something that came from this node's secrets.
    pub(crate) concealed: BTreeSet<String>,
}

type Values = BTreeMap<String, SecretString>;

/// Why no environment can be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Secrets that the package names are not set on this node.
    #[error(
        "not set on this node: secret {}; set it in the agent's environment or its secrets directory, then it starts by itself",
        .0.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    )]
    Missing(Vec<String>),
    /// A secret is there and cannot be read.
    #[error(transparent)]
    Unreadable(#[from] secrets::Error),
}

/// The environment of a trigger: the package's own, the installer's over it, its secrets, and the trigger contract's over all.
///
/// # Errors
/// If a secret that the package names is not set. Other variables that are not set are empty, as in a compose file.
pub(crate) async fn resolve(
    trigger: &Trigger,
    contract: &BTreeMap<String, String>,
    secrets: &dyn Secrets,
) -> Result<Environment, Error> {
    let texts = texts(trigger);
    let named: BTreeSet<&str> = texts
        .values()
        .flat_map(Text::variables)
        .filter(|name| !contract.contains_key(*name))
        .collect();
    let mut known = Values::new();
    for name in named {
        if let Some(value) = secrets.resolve(&trigger.secret_name(name)).await? {
            known.insert(name.to_owned(), value);
        }
    }
    assemble(trigger, contract, &texts, &known)
}

/// A text without what this node keeps for the trigger: what is not to leave the node stands in it as `***`.
///
/// # Errors
/// If a secret is there and cannot be read.
pub(crate) async fn conceal(
    text: &str,
    trigger: &Trigger,
    secrets: &dyn Secrets,
) -> Result<String, Error> {
    let texts = texts(trigger);
    let named: BTreeSet<&str> = texts.values().flat_map(Text::variables).collect();
    let mut known = Vec::new();
    for name in named {
        known.extend(secrets.resolve(&trigger.secret_name(name)).await?);
    }
    Ok(without(text, &known))
}

/// A text without these values, nor any line of one.
fn without(text: &str, values: &[SecretString]) -> String {
    let lines = values
        .iter()
        .flat_map(|value| value.expose_secret().lines());
    let mut lines: Vec<&str> = lines
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    // The longest first: one may be part of another.
    lines.sort_by_key(|line| std::cmp::Reverse(line.len()));
    let conceal = |text: String, line: &&str| text.replace(line, "***");
    let concealed = lines.iter().fold(text.to_owned(), conceal);
    let whole = concealed.lines().map(|line| match line.len() {
        0..CUT => line.to_owned(),
        _ => without_beginning(line, &lines),
    });
    let mut whole = whole.collect::<Vec<_>>().join("\n");
    if concealed.ends_with('\n') {
        whole.push('\n');
    }
    whole
}

/// From this length on a line may have been cut by its runtime, within a character of several bytes.
const CUT: usize = MAX_LINE - 3;

/// A line that was cut, without the beginning of a secret at its end.
fn without_beginning(line: &str, secrets: &[&str]) -> String {
    let begun = secrets
        .iter()
        .flat_map(|secret| secret.char_indices().map(|(at, _)| &secret[..at]))
        .filter(|begun| !begun.is_empty() && line.ends_with(begun))
        .map(str::len)
        .max();
    match begun {
        Some(length) => format!("{}***", &line[..line.len() - length]),
        None => line.to_owned(),
    }
}

/// What the package and the installer say of each variable. A secret that the package names and says nothing more of stands for
/// itself.
fn texts(trigger: &Trigger) -> BTreeMap<String, Text> {
    let mut texts: BTreeMap<String, Text> = BTreeMap::new();
    for name in trigger.manifest.secrets() {
        texts.insert(name.clone(), reference(name));
    }
    for (name, text) in trigger.manifest.environment() {
        texts.insert(name.clone(), text.clone());
    }
    for (name, value) in &trigger.user_config {
        // A reference to a secret is followed by `secret_name`, under the package's name for it.
        let renamed = trigger.secret_name(name) != *name;
        let text = if renamed {
            reference(name)
        } else {
            Text::parse(value).unwrap_or_else(|_| Text::literal(value))
        };
        texts.insert(name.clone(), text);
    }
    texts
}

fn reference(name: &str) -> Text {
    let text = format!("${{{name}}}");
    Text::parse(&text).unwrap_or_else(|_| Text::literal(&text))
}

fn assemble(
    trigger: &Trigger,
    contract: &BTreeMap<String, String>,
    texts: &BTreeMap<String, Text>,
    known: &Values,
) -> Result<Environment, Error> {
    let lookup = |name: &str| {
        let plain = contract.get(name).cloned();
        plain
            .or_else(|| {
                known
                    .get(name)
                    .map(|value| value.expose_secret().to_owned())
            })
            .or_else(|| Some(String::new()))
    };
    let mut environment = Environment::default();
    for (name, text) in texts {
        let value = text.resolve(lookup).unwrap_or_default();
        environment.values.insert(name.clone(), value.into());
        if text.variables().any(|named| known.contains_key(named)) {
            environment.concealed.insert(name.clone());
        }
    }
    let empty = |name: &String| {
        environment
            .values
            .get(name)
            .is_none_or(|value| value.expose_secret().is_empty())
    };
    let required = trigger
        .manifest
        .secrets()
        .iter()
        .filter(|name| !trigger.manifest.is_optional(name));
    let missing: Vec<String> = required
        .filter(|name| empty(name))
        .map(|name| trigger.secret_name(name))
        .collect();
    if !missing.is_empty() {
        return Err(Error::Missing(missing));
    }
    for (name, value) in contract {
        environment
            .values
            .insert(name.clone(), value.clone().into());
        environment.concealed.remove(name);
    }
    Ok(environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_secret_is_left_in_a_text() {
        let values = ["key", "key-and-more", "BEGIN\nlong line\n", " "].map(SecretString::from);
        assert_eq!(
            without("a key-and-more b key\nlong line", &values),
            "a *** b ***\n***"
        );
    }

    #[test]
    fn a_line_that_was_cut_in_the_middle_of_a_secret_does_not_show_its_beginning() {
        let secret = [SecretString::from("hunter2-hunter2")];
        let cut = format!("{}hunter2-hu", "x".repeat(MAX_LINE - 10));
        let told = without(&cut, &secret);
        assert!(told.ends_with("x***"), "{}", &told[told.len() - 20..]);
        assert_eq!(without("a hunter", &secret), "a hunter");
        assert_eq!(without("a\nb\n", &secret), "a\nb\n");
    }
}

//! Naming secrets, which are never written.

use super::Error;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;

/// The name of a secret that is set on the nodes. It is written `${NAME}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretRef(String);

/// References to secrets as written: one, a list, or a list of objects with an end each. They are kept as they are until they are
/// read, so that no message of a parser repeats a secret that somebody wrote in the place of its name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Written(Value);

impl SecretRef {
    /// Reads `${NAME}`.
    ///
    /// # Errors
    /// [`Error::LiteralSecret`] for anything else. The message does not repeat what was found, since it may be a secret.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let name = text
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
            .ok_or(Error::LiteralSecret)?;
        Self::named(name)
    }

    /// The secret of this name: 1 to 128 letters, digits and `_`, not beginning with a digit.
    ///
    /// # Errors
    /// [`Error::LiteralSecret`] if it cannot be a name.
    pub fn named(name: &str) -> Result<Self, Error> {
        let fits =
            (1..=128).contains(&name.len()) && !name.starts_with(|c: char| c.is_ascii_digit());
        if fits && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            Ok(Self(name.to_owned()))
        } else {
            Err(Error::LiteralSecret)
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Written {
    /// The secrets and their ends, as they are written again.
    pub(super) fn of(secrets: &[(SecretRef, Option<Timestamp>)]) -> Self {
        let one = |(secret, until): &(SecretRef, Option<Timestamp>)| match until {
            None => Value::String(secret.to_string()),
            Some(until) => json!({"secret": secret.to_string(), "until": until.to_string()}),
        };
        Self(match secrets {
            [(secret, None)] => Value::String(secret.to_string()),
            many => many.iter().map(one).collect(),
        })
    }

    /// Whether it is a list.
    pub(super) fn is_list(&self) -> bool {
        self.0.is_array()
    }

    /// The texts of a list, or the one.
    pub(super) fn texts(&self) -> Option<Vec<&str>> {
        self.items().iter().map(Value::as_str).collect()
    }

    /// The secrets, and until when each of them is good.
    pub(super) fn secrets(&self) -> Result<Vec<(SecretRef, Option<Timestamp>)>, Error> {
        self.items().iter().map(read).collect()
    }

    fn items(&self) -> &[Value] {
        match &self.0 {
            Value::Array(list) => list,
            one => std::slice::from_ref(one),
        }
    }
}

/// Reads `"${NAME}"` or `{"secret": "${NAME}", "until": "2026-12-01T00:00:00Z"}`.
fn read(item: &Value) -> Result<(SecretRef, Option<Timestamp>), Error> {
    match item {
        Value::String(text) => Ok((SecretRef::parse(text)?, None)),
        Value::Object(map) => read_object(map),
        _ => Err(Error::LiteralSecret),
    }
}

fn read_object(map: &Map<String, Value>) -> Result<(SecretRef, Option<Timestamp>), Error> {
    let text = |key: &str| map.get(key).and_then(Value::as_str);
    if map.keys().any(|key| key != "secret" && key != "until") {
        return Err(Error::LiteralSecret);
    }
    let secret = SecretRef::parse(text("secret").unwrap_or_default())?;
    let until = match map.get("until") {
        None => None,
        Some(_) => Some(
            text("until")
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| {
                    let why = "`until` is no time such as `2026-12-01T00:00:00Z`";
                    Error::invalid("secrets", format!("{secret}: {why}"))
                })?,
        ),
    };
    Ok((secret, until))
}

/// Without the text, which may be a secret.
impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written(..)")
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${{{}}}", self.0)
    }
}

impl TryFrom<String> for SecretRef {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        Self::parse(&text)
    }
}

impl From<SecretRef> for String {
    fn from(reference: SecretRef) -> Self {
        reference.to_string()
    }
}

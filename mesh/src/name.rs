//! Names that become parts of subjects, keys, URLs and container names, so that each is checked once, at the edge.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` is not a {what}: use 1 to {max} lower-case letters, digits, `-` and `_`, beginning with a letter or a digit"
)]
pub struct Error {
    what: &'static str,
    found: String,
    max: usize,
}

/// The longest name, in bytes: a DNS label, so that a name can be a host name too (RFC 1035, section 2.3.4).
pub const MAX_LEN: usize = 63;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Takes the text if it is a name.
            ///
            /// # Errors
            /// [`Error`] for anything but 1 to 63 lower-case letters, digits, `-` and `_`, the first a letter or a digit.
            pub fn parse(text: &str) -> Result<Self, Error> {
                if is_name(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(Error { what: $what, found: shorten(text), max: MAX_LEN })
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self, Error> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// The name of an installed trigger. Cheap to clone.
    TriggerName,
    "trigger name"
);
name!(
    /// The name of a node: a machine with an agent. Cheap to clone.
    NodeName,
    "node name"
);
name!(
    /// The name of a gateway: a process that receives webhooks. Cheap to clone.
    GatewayName,
    "gateway name"
);
name!(
    /// The name of a package in a registry. Cheap to clone. It is bounded like a trigger's name, which it is by default.
    PackageName,
    "package name"
);

fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= MAX_LEN
        && bytes.first().copied().is_some_and(plain)
        && bytes.iter().all(|&b| plain(b) || b == b'-' || b == b'_')
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_LEN + 1).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_leave_its_subject_or_its_path_is_refused() {
        for bad in [
            "",
            "-a",
            "_a",
            "a.b",
            "a b",
            "a/b",
            "..",
            "a>",
            "*",
            "Ä",
            "A",
            &"a".repeat(64),
        ] {
            assert!(TriggerName::parse(bad).is_err(), "{bad:?} was taken");
        }
        for good in ["a", "7", "github-pr", "a_b", &"a".repeat(63)] {
            assert_eq!(TriggerName::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn the_error_says_what_was_found_and_what_is_allowed() {
        let error = TriggerName::parse("My Hook").unwrap_err().to_string();
        assert!(
            error.contains("`My Hook`") && error.contains("lower-case letters"),
            "{error}"
        );
    }
}

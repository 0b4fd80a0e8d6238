//! Strings of a deployment, in which only variables may stand.

use super::Error;
use super::placeholder::{Piece, Placeholder, Reference, pieces};
use std::fmt;

/// A string with variables, such as `${PORT:-8100}`. It is resolved on the node that runs it, where the variables are.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    source: String,
    pieces: Vec<Piece>,
}

/// A variable that has no value and no default.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not set and has no default; set it, or write `${{{0}:-default}}`")]
pub struct Missing(pub String);

impl Text {
    /// Reads the text.
    ///
    /// # Errors
    /// [`Error`] if a placeholder is malformed, or is not a variable.
    pub fn parse(source: &str) -> Result<Self, Error> {
        let pieces = pieces(source)?;
        match pieces.iter().find(|piece| !is_plain(piece)) {
            Some(_) => Err(Error::Unknown(format!(
                "`{}` refers to an event, and there is none where this is resolved; use variables, or write `$${{` for a literal `${{`",
                crate::document::shorten(source)
            ))),
            None => Ok(Self {
                source: source.to_owned(),
                pieces,
            }),
        }
    }

    /// The text as it is, without variables.
    #[must_use]
    pub fn literal(source: &str) -> Self {
        let pieces = if source.is_empty() {
            Vec::new()
        } else {
            vec![Piece::Literal(source.to_owned())]
        };
        Self {
            source: source.to_owned(),
            pieces,
        }
    }

    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The names of its variables.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Placeholder(Placeholder {
                reference: Reference::Variable(name),
                ..
            }) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The variable that the whole text is, if it is one.
    #[must_use]
    pub fn as_variable(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Placeholder(_)] => self.variables().next(),
            _ => None,
        }
    }

    /// The text with its variables put in. An empty value counts as none where there is a default, as in a shell.
    ///
    /// # Errors
    /// [`Missing`] for the first variable that has neither a value nor a default.
    pub fn resolve(&self, variable: impl Fn(&str) -> Option<String>) -> Result<String, Missing> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Placeholder(Placeholder {
                    reference: Reference::Variable(name),
                    default,
                }) => match (variable(name), default) {
                    (Some(value), None) => text.push_str(&value),
                    (Some(value), Some(_)) if !value.is_empty() => text.push_str(&value),
                    (_, Some(default)) => text.push_str(default),
                    (None, None) => return Err(Missing(name.clone())),
                },
                // Not built: see `parse`.
                Piece::Placeholder(_) => {}
            }
        }
        Ok(text)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

fn is_plain(piece: &Piece) -> bool {
    matches!(
        piece,
        Piece::Literal(_)
            | Piece::Placeholder(Placeholder {
                reference: Reference::Variable(_),
                ..
            })
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "SET" => Some("value".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_resolved_as_a_shell_would() {
        for (text, resolved) in [
            ("${SET}", "value"),
            ("a-${SET:-x}-b", "a-value-b"),
            ("${EMPTY}", ""),
            ("${EMPTY:-8100}", "8100"),
            ("${UNSET:-0 2 * * *}", "0 2 * * *"),
            ("${UNSET:-}", ""),
            ("$${SET} $5", "${SET} $5"),
            ("", ""),
        ] {
            assert_eq!(
                Text::parse(text).unwrap().resolve(lookup).as_deref(),
                Ok(resolved),
                "{text}"
            );
        }
    }

    #[test]
    fn a_variable_without_value_and_default_is_named() {
        let text = Text::parse("${SET}${UNSET}").unwrap();
        assert_eq!(text.resolve(lookup), Err(Missing("UNSET".into())));
        assert_eq!(text.variables().collect::<Vec<_>>(), ["SET", "UNSET"]);
        assert!(
            Missing("UNSET".into())
                .to_string()
                .contains("${UNSET:-default}")
        );
    }

    #[test]
    fn a_deployment_cannot_refer_to_an_event() {
        assert!(
            Text::parse("${event.a}")
                .unwrap_err()
                .to_string()
                .contains("there is none")
        );
        assert!(Text::parse("${PORT").is_err());
        assert_eq!(
            Text::literal("${PORT").resolve(lookup).as_deref(),
            Ok("${PORT")
        );
    }
}

//! How the CloudEvents type of an event follows from a delivery, as data.

use super::place::Place;
use std::borrow::Cow;

/// How the CloudEvents type follows from a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Naming {
    /// Whose events they are, such as `com.github`; empty if the names say it.
    pub(super) domain: &'static str,
    /// Whether the provider's names may be reverse domain names already, to which no domain is added.
    pub(super) is_open: bool,
    /// Where the provider names the event: the first of these that does.
    pub(super) kind: Vec<Place>,
    /// How the provider's name becomes a part of a type.
    pub(super) spelling: Spelling,
    /// Where the provider numbers its kinds of events, what the numbers mean.
    pub(super) numbers: &'static [(i128, &'static str)],
    /// The body's field with what was done.
    pub(super) action: Option<&'static str>,
    /// A field that only forms of one kind have, and what that kind is called.
    pub(super) form: Option<(&'static str, &'static str)>,
    /// What an event is called that the provider gives no name.
    pub(super) otherwise: Option<&'static str>,
}

/// How a provider's name for an event becomes a part of a type: without the words around it, in the letters of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spelling {
    /// What is left out at the beginning.
    pub(super) after: &'static str,
    /// What is left out at the end.
    pub(super) before: &'static str,
    /// What becomes a dot.
    pub(super) dot: Option<char>,
    /// Whether it is a title, whose words are joined by `_` in lower case.
    pub(super) title: bool,
}

impl Spelling {
    /// As the provider writes it.
    pub(super) const AS_IS: Self = Self {
        after: "",
        before: "",
        dot: None,
        title: false,
    };

    /// As the provider writes it, with dots for its separator.
    pub(super) const fn dotted(separator: char) -> Self {
        Self {
            dot: Some(separator),
            ..Self::AS_IS
        }
    }

    pub(super) fn spell<'a>(&self, name: Cow<'a, str>) -> Cow<'a, str> {
        if *self == Self::AS_IS {
            return name;
        }
        let core = name.strip_prefix(self.after).unwrap_or(&name);
        let core = core.strip_suffix(self.before).unwrap_or(core);
        let letter = |letter: char| match letter {
            letter if Some(letter) == self.dot => '.',
            ' ' if self.title => '_',
            letter if self.title => letter.to_ascii_lowercase(),
            letter => letter,
        };
        Cow::Owned(core.chars().map(letter).collect())
    }
}

impl Default for Spelling {
    fn default() -> Self {
        Self::AS_IS
    }
}

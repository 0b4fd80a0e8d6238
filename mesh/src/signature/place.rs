//! Where in a delivery a value is.

use http::HeaderName;
use std::fmt;

/// A place in a delivery that holds a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A header.
    Header(HeaderName),
    /// An item of a header that is a list: `t` in `t=1,v1=2`.
    Item(HeaderName, &'static str),
    /// A field of the JSON body: keys and indices, joined by dots.
    Field(String),
    /// A field of every item of an array in the JSON body: the way to it, in which `*` stands for the items.
    Each(&'static str),
    /// A field of the body where that is a form.
    Form(&'static str),
}

impl Place {
    /// A header, by its lower-case name.
    pub(super) fn header(name: &'static str) -> Self {
        Self::Header(HeaderName::from_static(name))
    }

    pub(super) fn field(path: &str) -> Self {
        Self::Field(path.to_owned())
    }

    pub(super) fn as_header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(name) => Some(name),
            Self::Item(..) | Self::Field(_) | Self::Each(_) | Self::Form(_) => None,
        }
    }

    /// The way to it, if it is in a JSON body.
    pub(super) fn path(&self) -> Option<&str> {
        match self {
            Self::Field(path) => Some(path),
            Self::Each(path) => Some(path),
            Self::Header(_) | Self::Item(..) | Self::Form(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header `{name}`"),
            Self::Item(name, item) => write!(f, "`{item}` in header `{name}`"),
            Self::Field(path) => write!(f, "body field `{path}`"),
            Self::Each(path) => write!(f, "body field `{path}`"),
            Self::Form(name) => write!(f, "form field `{name}`"),
        }
    }
}

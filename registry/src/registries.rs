//! Which registries there are: the INI file `registries.conf`, a section an id.
//!
//! ```ini
//! [house]
//! name = The packages of this house
//! baseurl = https://packages.example/belfry
//! enabled = true
//! priority = 10
//! ```

mod address;

pub use address::{Address, AddressError};

use std::fmt;
use std::path::{Path, PathBuf};

/// The priority of a registry that states none.
pub const DEFAULT_PRIORITY: i64 = 100;

const KEYS: [&str; 4] = ["name", "baseurl", "enabled", "priority"];

/// A registry that packages can come from.
#[derive(Debug, Clone)]
pub struct Registry {
    /// What it is called in commands, answers and errors: the section's name.
    pub id: String,
    /// What it is called by people. Default: the id.
    pub name: String,
    /// Where it is. In the file: `baseurl`.
    pub address: Address,
    /// Whether it is asked at all. Default: yes.
    pub enabled: bool,
    /// Lower is asked first; of equals the one that is written first. Default: [`DEFAULT_PRIORITY`].
    pub priority: i64,
}

/// Why a text does not say which registries there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not an INI file.
    #[error("line {line}: {why}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A section or a key in it is wrong.
    #[error("{place}: {why}")]
    Entry {
        /// The section, and the line where it can be told.
        place: String,
        /// What is wrong with it, and what is allowed.
        why: String,
    },
    /// There is nothing to look packages up in.
    #[error(
        "no registry is enabled; write a section such as `[local]` with `baseurl = http://127.0.0.1:9000`"
    )]
    NoneEnabled,
}

/// Why the registries are not known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the registries in `{}`: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        why: std::io::Error,
    },
    /// The file is wrong.
    #[error("the registries in `{}` are not clear: {fault}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: Fault,
    },
}

impl Registry {
    /// A registry that is enabled, named as its id, with the default priority.
    #[must_use]
    pub fn new(id: &str, address: Address) -> Self {
        Self {
            id: id.to_owned(),
            name: id.to_owned(),
            address,
            enabled: true,
            priority: DEFAULT_PRIORITY,
        }
    }

    /// The one registry there is when none is configured: `local`, at this address.
    #[must_use]
    pub fn local(address: Address) -> Self {
        Self::new("local", address)
    }
}

/// Reads `registries.conf`: see [`parse`].
///
/// # Errors
/// If the file cannot be read, or is wrong.
pub fn load(path: &Path) -> Result<Vec<Registry>, Error> {
    let text = std::fs::read_to_string(path).map_err(|why| Error::Unreadable {
        path: path.to_owned(),
        why,
    })?;
    parse(&text).map_err(|fault| Error::Invalid {
        path: path.to_owned(),
        fault,
    })
}

/// The registries that a text in the form of `registries.conf` names, in the order in which it names them.
///
/// # Errors
/// If it is not INI; names a section or a key twice; has a key that is none of `name`, `baseurl`, `enabled` and `priority`, or a
/// value that cannot be one; or if no registry is enabled.
pub fn parse(text: &str) -> Result<Vec<Registry>, Fault> {
    // A backslash in a value is a backslash, as it was to the systems that the file comes from.
    let options = ini::ParseOption {
        enabled_escape: false,
        ..ini::ParseOption::default()
    };
    let file = ini::Ini::load_from_str_opt(text, options).map_err(|error| Fault::Syntax {
        line: error.line + 1,
        why: error.msg.into_owned(),
    })?;
    let mut registries = Vec::<Registry>::new();
    for (section, keys) in &file {
        let Some(id) = section else {
            if let Some((key, _)) = keys.iter().next() {
                return Err(entry(
                    text,
                    None,
                    Some(key),
                    "stands before the first section",
                ));
            }
            continue;
        };
        if id.is_empty() || id.chars().any(char::is_control) {
            return Err(entry(
                text,
                Some(id),
                None,
                "a registry's id is the text between `[` and `]`, on one line",
            ));
        }
        if registries.iter().any(|earlier| earlier.id == id) {
            return Err(entry(
                text,
                Some(id),
                None,
                "there are two registries with this id",
            ));
        }
        registries.push(registry(text, id, keys)?);
    }
    if registries.iter().any(|registry| registry.enabled) {
        Ok(registries)
    } else {
        Err(Fault::NoneEnabled)
    }
}

fn registry(text: &str, id: &str, keys: &ini::Properties) -> Result<Registry, Fault> {
    let wrong = |key: &str, why: &dyn fmt::Display| entry(text, Some(id), Some(key), why);
    let mut seen = Vec::new();
    for (key, _) in keys {
        let known = key.to_ascii_lowercase();
        if !KEYS.contains(&known.as_str()) {
            return Err(wrong(
                key,
                &format!(
                    "is not a key of a registry; there are `{}`",
                    KEYS.join("`, `")
                ),
            ));
        }
        if seen.contains(&known) {
            return Err(wrong(key, &"is there twice"));
        }
        seen.push(known);
    }
    let value = |key: &str| {
        keys.iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(key))
            .map(|(_, value)| value.trim())
    };
    let baseurl = value("baseurl").ok_or_else(|| {
        entry(
            text,
            Some(id),
            None,
            "`baseurl` is missing; write `baseurl = http://127.0.0.1:9000`",
        )
    })?;
    let mut registry = Registry::new(
        id,
        Address::parse(baseurl).map_err(|error| wrong("baseurl", &error))?,
    );
    if let Some(name) = value("name") {
        registry.name = name.to_owned();
    }
    if let Some(enabled) = value("enabled") {
        registry.enabled = truth(enabled).ok_or_else(|| {
            wrong(
                "enabled",
                &format!("is `{enabled}`; write `true` or `false`"),
            )
        })?;
    }
    if let Some(priority) = value("priority") {
        registry.priority = priority.parse().map_err(|_| {
            wrong(
                "priority",
                &format!("is `{priority}`; write a whole number, lower is asked first"),
            )
        })?;
    }
    Ok(registry)
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn entry(text: &str, section: Option<&str>, key: Option<&str>, why: impl fmt::Display) -> Fault {
    let place = match (section, line_of(text, section, key)) {
        (Some(section), Some(line)) => format!("section `{section}`, line {line}"),
        (Some(section), None) => format!("section `{section}`"),
        (None, Some(line)) => format!("line {line}"),
        (None, None) => "before the first section".to_owned(),
    };
    let why = match key {
        Some(key) => format!("`{key}` {why}"),
        None => why.to_string(),
    };
    Fault::Entry { place, why }
}

/// The last line with this section's head, or with this key in it, from 1: of two of the same it is the second that is wrong.
/// The INI parser does not tell lines.
fn line_of(text: &str, section: Option<&str>, key: Option<&str>) -> Option<usize> {
    let (mut current, mut found) = (None, None);
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if let Some(head) = line.strip_prefix('[') {
            current = Some(head.split(']').next().unwrap_or_default().trim());
            if key.is_none() && current == section {
                found = Some(number);
            }
        } else if current == section
            && key.is_some()
            && line.split_once(['=', ':']).map(|(name, _)| name.trim()) == key
        {
            found = Some(number);
        }
    }
    found
}

#[cfg(test)]
mod tests;

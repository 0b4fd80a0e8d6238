//! The variables that tell a trigger what to do (the trigger contract).

use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;

/// The environment of a trigger. Any value may be a secret, so none is shown.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, SecretString>);

impl Environment {
    /// The environment of these variables.
    #[must_use]
    pub fn new(variables: BTreeMap<String, SecretString>) -> Self {
        Self(variables)
    }

    /// The environment of this process. What is not Unicode is left out.
    #[must_use]
    pub fn of_process() -> Self {
        let unicode = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((
                name.into_string().ok()?,
                SecretString::from(value.into_string().ok()?),
            ))
        };
        Self(std::env::vars_os().filter_map(unicode).collect())
    }

    /// The value of a variable, verbatim. A blank one counts as not set, since that is how a deployment leaves one out.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(ExposeSecret::expose_secret)
            .filter(|value| !value.trim().is_empty())
    }

    /// The value of a variable that is a secret, verbatim; a blank one counts as not set.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<&SecretString> {
        self.0
            .get(name)
            .filter(|value| !value.expose_secret().trim().is_empty())
    }

    pub(crate) fn with(mut self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.0.insert(name.to_owned(), value.into()),
            None => self.0.remove(name),
        };
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_variable_counts_as_not_set_and_none_is_shown() {
        let environment = Environment::default()
            .with("A", Some(" "))
            .with("B", Some("hunter2 "));
        assert_eq!(environment.get("A"), None);
        assert_eq!(environment.get("B"), Some("hunter2 "));
        assert!(!format!("{environment:?}").contains("hunter2"));
    }
}

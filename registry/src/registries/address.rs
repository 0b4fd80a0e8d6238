//! Where a registry is.

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;

/// The base URL of a registry. Neither `Display` nor `Debug` shows the login that it may contain.
#[derive(Clone)]
pub struct Address {
    /// Without the login, and without a slash at the end.
    url: Url,
    login: Option<Login>,
}

/// As in the URL, percent-encoded.
#[derive(Clone)]
struct Login {
    user: String,
    password: Option<SecretString>,
}

/// Why a text is not the address of a registry. It does not repeat the text, which may contain a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not an absolute URL of a web server.
    #[error("is not an address; write it as `http://host:port` or `https://host/path`")]
    NotHttp,
    /// A query or a fragment, which would be lost behind the paths of the registry API.
    #[error("has a `?` or a `#`; a registry's address ends with its path")]
    Query,
}

impl Address {
    /// Takes an `http` or `https` URL, which may have a login and a path, with or without a slash at its end.
    ///
    /// # Errors
    /// [`AddressError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let mut url = Url::parse(text).map_err(|_| AddressError::NotHttp)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(AddressError::NotHttp);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(AddressError::Query);
        }
        let password = url.password().map(SecretString::from);
        let login = (!url.username().is_empty() || password.is_some()).then(|| Login {
            user: url.username().to_owned(),
            password,
        });
        let cannot_fail = "a URL with a host can be without a login and has a path";
        url.set_username("")
            .and_then(|()| url.set_password(None))
            .expect(cannot_fail);
        url.path_segments_mut().expect(cannot_fail).pop_if_empty();
        Ok(Self { url, login })
    }

    /// The URL of something in the registry, with the login: to be requested, never to be shown.
    pub(crate) fn of(&self, path: &[&str]) -> Url {
        let mut url = self.url.clone();
        let cannot_fail = "a URL with a host can have a login and a path";
        url.path_segments_mut().expect(cannot_fail).extend(path);
        if let Some(Login { user, password }) = &self.login {
            url.set_username(user).expect(cannot_fail);
            url.set_password(password.as_ref().map(ExposeSecret::expose_secret))
                .expect(cannot_fail);
        }
        url
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

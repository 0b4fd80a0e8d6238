//! Addresses of servers, and what stands in them beside.

use crate::config::without_credentials;
use async_nats::{ConnectOptions, ServerAddr};
use belfry_mesh::port::Error;
use secrecy::{ExposeSecret, SecretString};

/// What a configured address says.
pub(super) struct Address {
    pub(super) servers: Vec<ServerAddr>,
    /// The address as errors and logs may show it.
    pub(super) shown: String,
}

impl Address {
    pub(super) fn parse(url: &SecretString) -> Result<Self, Error> {
        let shown = without_credentials(url.expose_secret());
        let servers = url
            .expose_secret()
            .split(',')
            .map(|one| one.trim().parse())
            .collect::<Result<_, _>>();
        match servers {
            Ok(servers) => Ok(Self {
                servers,
                shown: format!("NATS at {shown}"),
            }),
            Err(error) => Err(Error::Refused {
                what: format!("the NATS address {shown}"),
                why: format!(
                    "it is not one ({error}): write nats://[user:password@]host[:port], several parted by commas"
                ),
            }),
        }
    }

    /// Where this process has its answers sent: a user's own place, so that its permissions can keep everybody else's from it.
    pub(super) fn inbox(&self) -> String {
        let is_token = |user: &String| {
            let mut bytes = user.bytes();
            !user.is_empty() && bytes.all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        let user = self
            .servers
            .iter()
            .find_map(|server| server.password().and(server.username()).map(decode))
            .filter(is_token);
        user.map_or_else(|| "_INBOX".to_owned(), |user| format!("_INBOX_{user}"))
    }

    /// The options with the credentials of the first server that has any: a user and a password, or a token alone.
    pub(super) fn authenticate(&self, options: ConnectOptions) -> ConnectOptions {
        match self
            .servers
            .iter()
            .find_map(|server| Some((decode(server.username()?), server.password().map(decode))))
        {
            Some((user, Some(password))) => options.user_and_password(user, password),
            Some((token, None)) => options.token(token),
            None => options,
        }
    }
}

/// Undoes the percent encoding (RFC 3986, section 2.1).
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail
            .first_chunk::<2>()
            .filter(|_| *first == b'%')
            .and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_may_have_any_character() {
        for (text, decoded) in [
            ("p%40ss%2Fword", "p@ss/word"),
            ("100%", "100%"),
            ("%zz", "%zz"),
            ("%C3%A4", "ä"),
            ("", ""),
        ] {
            assert_eq!(decode(text), decoded);
        }
    }

    #[test]
    fn a_user_has_an_inbox_of_its_own() {
        for (url, inbox) in [
            ("nats://a:1", "_INBOX"),
            ("nats://t0ken@a:1", "_INBOX"),
            ("nats://gateway:s3cret@a:1,nats://b:1", "_INBOX_gateway"),
            ("nats://a:1,nats://node%2D1:s3cret@b:1", "_INBOX_node-1"),
            ("nats://who.ever%3E:s3cret@a:1", "_INBOX"),
        ] {
            assert_eq!(Address::parse(&url.into()).unwrap().inbox(), inbox);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        let error = Address::parse(&"nats://u:s3cret@host:port".into())
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("nats://host:port") && !error.contains("s3cret"),
            "{error}"
        );
    }
}

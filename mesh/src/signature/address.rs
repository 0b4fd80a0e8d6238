//! Addresses: the trigger's own, which some providers sign, and those at a provider's that deliveries name.

use super::recipe::Spelt;
use super::{Error, form};
use std::borrow::Cow;

/// The longest address that is read, in bytes.
const MAX: usize = 2048;
/// The escapes that HubSpot resolves before it signs an address
/// (<https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation>).
const RESOLVED: &[u8] = b":/?@!$'()*,;";

/// The trigger's public address in the ways in which it may have been signed.
#[derive(Debug)]
pub(super) struct Signed(Vec<Way>);

#[derive(Debug)]
struct Way {
    address: String,
    query: Query,
}

/// What becomes of a request's query in the address that is signed.
#[derive(Debug, Clone, Copy)]
enum Query {
    Left,
    Kept,
    Decoded,
}

/// An address in its parts.
struct Split<'a> {
    scheme: &'a str,
    /// The host and its port.
    authority: &'a str,
    path: &'a str,
    query: Option<&'a str>,
}

impl Signed {
    /// The ways in which a configured `public_url` may be spelt.
    pub(super) fn of(url: &str, spelt: Spelt) -> Result<Self, Error> {
        let invalid = |why: &str| Error::invalid("public_url", why);
        let split = Split::of(url).ok_or_else(|| {
            invalid("it is not an address such as `https://hooks.example.com/hooks/billing`, in visible ASCII, without user or fragment")
        })?;
        if split.query.is_some() && spelt != Spelt::AsConfigured {
            return Err(invalid(
                "it has a query; the one that is signed is the request's",
            ));
        }
        let way = |address: String, query| Way { address, query };
        Ok(Self(match spelt {
            Spelt::AsConfigured => vec![way(url.to_owned(), Query::Left)],
            Spelt::WithQueryDecoded => vec![
                way(decode(url).into_owned(), Query::Decoded),
                way(url.to_owned(), Query::Kept),
            ],
            Spelt::WithQuery => split
                .with_and_without_port()
                .map(|address| way(address, Query::Kept))
                .into(),
        }))
    }

    /// Each of the ways: the address, and the query after it.
    pub(super) fn ways<'a>(
        &'a self,
        query: &'a str,
    ) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> {
        self.0.iter().map(move |way| {
            let query = match way.query {
                Query::Left => Cow::Borrowed(""),
                Query::Kept => Cow::Borrowed(query),
                Query::Decoded => decode(query),
            };
            (way.address.as_str(), query)
        })
    }
}

impl<'a> Split<'a> {
    /// Reads an address in visible ASCII, without a user and without a fragment.
    fn of(url: &'a str) -> Option<Self> {
        let plain = url.len() <= MAX
            && url.bytes().all(|byte| byte.is_ascii_graphic())
            && !url.contains(['\\', '#']);
        let (scheme, rest) = url.split_once("://").filter(|_| plain)?;
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = authority.split_once(':').unwrap_or((authority, "0"));
        let is_host = !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        (matches!(scheme, "http" | "https") && is_host && port.parse::<u16>().is_ok()).then_some(
            Self {
                scheme,
                authority,
                path,
                query,
            },
        )
    }

    /// The address without its port, and with the one that is meant where none is written.
    fn with_and_without_port(&self) -> [String; 2] {
        let Self {
            scheme,
            authority,
            path,
            ..
        } = self;
        let (host, port) = authority
            .split_once(':')
            .unwrap_or((authority, if *scheme == "https" { "443" } else { "80" }));
        [
            format!("{scheme}://{host}{path}"),
            format!("{scheme}://{host}:{port}{path}"),
        ]
    }
}

/// Whether the address is at one of these hosts, over https and without a user. What a host may be followed by is a port that is
/// written with it.
pub(super) fn is_at(url: &str, is_known: impl Fn(&str) -> bool) -> bool {
    Split::of(url).is_some_and(|split| split.scheme == "https" && is_known(split.authority))
}

/// Whether the address is that of a file of certificates, and nothing else.
pub(super) fn is_pem(url: &str) -> bool {
    Split::of(url).is_some_and(|split| split.query.is_none() && split.path.ends_with(".pem"))
}

/// Whether a text can be a host, with a port or without.
pub(super) fn is_host(text: &str) -> bool {
    Split::of(&format!("https://{text}"))
        .is_some_and(|split| split.authority == text && split.query.is_none())
}

fn decode(url: &str) -> Cow<'_, str> {
    if !url.contains('%') {
        return Cow::Borrowed(url);
    }
    let mut plain = String::with_capacity(url.len());
    let mut rest = url;
    while let Some(at) = rest.find('%') {
        let (before, tail) = rest.split_at(at);
        plain.push_str(before);
        let resolved = form::escape(tail.as_bytes()).filter(|byte| RESOLVED.contains(byte));
        let read = match resolved {
            Some(byte) => {
                plain.push(char::from(byte));
                3
            }
            None => {
                plain.push('%');
                1
            }
        };
        rest = &tail[read..];
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

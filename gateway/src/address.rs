//! Who sends: the address of the client behind the proxies that are trusted to tell it.
//!
//! A proxy adds the address that it was asked from at the right end of `X-Forwarded-For`, or of `Forwarded` (RFC 7239). What is
//! left of that was there before, and anybody could have written it. So the client is the right-most address that is no trusted
//! proxy's own, and a header counts only if the connection itself comes from a trusted proxy. If both headers are there and lead
//! to different clients, one of them was passed on as a stranger wrote it: then neither counts.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    /// Its address, as far as is known.
    pub(crate) address: IpAddr,
    /// Whether that is the client's own. What a proxy could not tell rightly is a proxy's address, which opens no door.
    pub(crate) is_known: bool,
}

/// Who sent a request that came from `peer`.
pub(crate) fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
    let address = client(peer, headers, trusted);
    let is_told =
        headers.contains_key(&X_FORWARDED_FOR) || headers.contains_key(&header::FORWARDED);
    Client {
        address,
        is_known: !(is_told && is_trusted(address, trusted)),
    }
}

/// The address of the client of a request that came from `peer`. IPv4 addresses in the form of IPv6 are IPv4 addresses.
///
/// An entry that is no address ends the way back: the client is then the last proxy before it, which no list of clients should
/// have.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let by = |name: &HeaderName, entries: fn(&str) -> Vec<Option<IpAddr>>| {
        let named = headers.get_all(name).iter();
        headers.contains_key(name).then(|| {
            walk_back(
                peer,
                named.rev().flat_map(|line| line_of(line, entries)),
                trusted,
            )
        })
    };
    match (
        by(&X_FORWARDED_FOR, x_forwarded_for),
        by(&header::FORWARDED, forwarded),
    ) {
        (Some(one), Some(other)) if one != other => peer,
        (Some(client), _) | (None, Some(client)) => client,
        (None, None) => peer,
    }
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// From the right, the first address that is not trusted, or the last one before there is none or no address.
fn walk_back(
    peer: IpAddr,
    entries: impl Iterator<Item = Option<IpAddr>>,
    trusted: &[IpNet],
) -> IpAddr {
    let mut last = peer;
    for entry in entries {
        match entry {
            Some(address) if is_trusted(address, trusted) => last = address,
            Some(address) => return address,
            None => break,
        }
    }
    last
}

/// The entries of one line of a header, the last one first.
fn line_of(line: &HeaderValue, entries: fn(&str) -> Vec<Option<IpAddr>>) -> Vec<Option<IpAddr>> {
    line.to_str().map_or_else(|_| vec![None], entries)
}

/// Addresses, some with a port, separated by commas.
fn x_forwarded_for(line: &str) -> Vec<Option<IpAddr>> {
    let entries = line.rsplit(',').map(str::trim);
    entries
        .filter(|entry| !entry.is_empty())
        .map(address)
        .collect()
}

/// Elements of `name=value` pairs separated by semicolons, of which `for` tells the address (RFC 7239, section 4).
fn forwarded(line: &str) -> Vec<Option<IpAddr>> {
    let elements = split(line, ',').into_iter().rev();
    elements
        .filter(|element| !element.trim().is_empty())
        .map(|element| {
            let pairs = split(element, ';');
            let mut addresses = pairs.iter().filter_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim()
                    .eq_ignore_ascii_case("for")
                    .then(|| value.trim())
            });
            let value = addresses.next()?;
            // Two of them say two things.
            addresses
                .next()
                .is_none()
                .then(|| address(unquoted(value)))?
        })
        .collect()
}

/// The parts between separators that are not in quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(|c: char| {
        let plain = !std::mem::take(&mut escaped);
        match c {
            '"' if plain => quoted = !quoted,
            '\\' if plain && quoted => escaped = true,
            _ => return c == separator && !quoted,
        }
        false
    });
    parts.collect()
}

fn unquoted(value: &str) -> &str {
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or(value)
}

/// An address, with or without a port, that of IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || {
        text.strip_prefix('[')?
            .strip_suffix(']')?
            .parse::<Ipv6Addr>()
            .ok()
    };
    let address = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| bracketed().map(IpAddr::V6))
        .or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PROXIES: [&str; 3] = ["10.0.0.0/8", "192.0.2.1/32", "2001:db8:1::/48"];

    fn trusted() -> Vec<IpNet> {
        PROXIES.iter().map(|net| net.parse().unwrap()).collect()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Who sent a request from `peer` with these headers.
    fn sent_by(peer: &str, lines: &[(&'static str, &str)]) -> Client {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        super::of(ip(peer), &headers, &trusted())
    }

    /// Its address.
    fn of(peer: &str, lines: &[(&'static str, &str)]) -> String {
        sent_by(peer, lines).address.to_string()
    }

    #[test]
    fn a_proxy_that_could_not_tell_its_client_is_not_taken_for_one() {
        let told = ("x-forwarded-for", "9.9.9.9");
        assert!(sent_by("10.0.0.1", &[told]).is_known);
        for doubtful in [
            [told, ("forwarded", "for=8.8.8.8")],
            [("x-forwarded-for", "nonsense"), ("via", "1.1 proxy")],
        ] {
            let client = sent_by("10.0.0.1", &doubtful);
            assert!(!client.is_known && client.address == ip("10.0.0.1"));
        }
        assert!(sent_by("10.0.0.1", &[]).is_known, "it asks for itself");
    }

    #[test]
    fn who_is_no_trusted_proxy_is_the_client_whatever_it_says() {
        let says = [("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=1.1.1.1")];
        assert_eq!(of("9.9.9.9", &says), "9.9.9.9");
        assert_eq!(of("::ffff:9.9.9.9", &says), "9.9.9.9");
        assert_eq!(of("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn the_client_is_the_right_most_address_that_is_no_proxy() {
        for (line, client) in [
            ("1.1.1.1", "1.1.1.1"),
            ("6.6.6.6, 1.1.1.1", "1.1.1.1"),
            ("6.6.6.6, 1.1.1.1, 10.1.2.3,192.0.2.1", "1.1.1.1"),
            ("10.0.0.2, 10.0.0.3", "10.0.0.2"),
            ("1.1.1.1:4711", "1.1.1.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("::ffff:1.1.1.1, ::ffff:10.0.0.9", "1.1.1.1"),
            ("1.1.1.1, 2001:db8:1::7", "1.1.1.1"),
            ("1.1.1.1, ,", "1.1.1.1"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(
                of("10.0.0.1", &[("x-forwarded-for", line)]),
                client,
                "{line}"
            );
        }
    }

    #[test]
    fn what_is_no_address_ends_the_way_back() {
        for line in [
            "unknown",
            "1.1.1.1, unknown",
            "1.1.1.1, 1.1.1",
            "1.1.1.1 6.6.6.6",
            "é",
        ] {
            assert_eq!(
                of("10.0.0.1", &[("x-forwarded-for", line)]),
                "10.0.0.1",
                "{line}"
            );
        }
        assert_eq!(
            of(
                "10.0.0.1",
                &[("x-forwarded-for", "1.1.1.1, junk, 10.0.0.7")]
            ),
            "10.0.0.7"
        );
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines = [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-for", "1.1.1.1, 10.0.0.7"),
        ];
        assert_eq!(of("10.0.0.1", &lines), "1.1.1.1");
        let lines = [
            ("forwarded", "for=6.6.6.6"),
            ("forwarded", "for=1.1.1.1,for=10.0.0.7"),
        ];
        assert_eq!(of("10.0.0.1", &lines), "1.1.1.1");
    }

    #[test]
    fn the_standard_header_is_understood() {
        for (line, client) in [
            ("for=1.1.1.1", "1.1.1.1"),
            (
                "For=\"[2001:db8::1]:4711\";proto=https;by=10.0.0.1",
                "2001:db8::1",
            ),
            ("proto=http; for = 1.1.1.1 , for=\"10.0.0.5\"", "1.1.1.1"),
            ("for=1.1.1.1;secret=\"a,for=6.6.6.6;\\\",b\"", "1.1.1.1"),
            ("for=1.1.1.1, proto=https", "10.0.0.1"),
            ("for=_hidden", "10.0.0.1"),
            ("for=1.1.1.1;for=6.6.6.6", "10.0.0.1"),
            ("for=1.1.1.1, for=\"6.6.6.6", "10.0.0.1"),
        ] {
            assert_eq!(of("10.0.0.1", &[("forwarded", line)]), client, "{line}");
        }
    }

    #[test]
    fn headers_that_contradict_each_other_do_not_count() {
        let both = |one, other| {
            of(
                "10.0.0.1",
                &[("x-forwarded-for", one), ("forwarded", other)],
            )
        };
        assert_eq!(both("1.1.1.1", "for=1.1.1.1"), "1.1.1.1");
        assert_eq!(both("1.1.1.1", "for=6.6.6.6"), "10.0.0.1");
        assert_eq!(both("1.1.1.1", "for=unknown"), "10.0.0.1");
        assert_eq!(both("", "for=6.6.6.6"), "10.0.0.1");
    }

    fn stranger() -> impl Strategy<Value = IpAddr> {
        let four = any::<[u8; 4]>().prop_map(IpAddr::from);
        let six = any::<[u8; 16]>().prop_map(IpAddr::from);
        prop_oneof![four, six]
            .prop_map(|address| address.to_canonical())
            .prop_filter("no proxy", |address| !is_trusted(*address, &trusted()))
    }

    /// What a client may write into a header: anything, and things that look like what a proxy writes.
    fn written() -> impl Strategy<Value = Vec<HeaderValue>> {
        let likely = "((for=|by=|\"|\\[|\\]|,|;| |:|\\.|10\\.0\\.0\\.1|1\\.1\\.1\\.1|::1|x){0,20})";
        let line = prop_oneof![any::<Vec<u8>>(), likely.prop_map(String::into_bytes),];
        let value = line.prop_filter_map("a value", |line| HeaderValue::from_bytes(&line).ok());
        proptest::collection::vec(value, 0..4)
    }

    proptest! {
        #[test]
        fn a_stranger_cannot_be_somebody_else(peer in stranger(), one in written(), other in written()) {
            let mut headers = HeaderMap::new();
            one.into_iter().for_each(|line| { headers.append(X_FORWARDED_FOR, line); });
            other.into_iter().for_each(|line| { headers.append(header::FORWARDED, line); });
            prop_assert_eq!(client(peer, &headers, &trusted()), peer);
        }

        /// Behind a proxy that adds what it sees, whether to the last line, to a line of its own, or to both headers.
        #[test]
        fn what_a_stranger_writes_never_wins_over_what_a_proxy_adds(
            real in stranger(), one in written(), other in written(), own_line in any::<bool>(),
            hops in proptest::collection::vec("10\\.0\\.0\\.[1-9]", 0..3),
        ) {
            let proxy = ip("10.0.0.1");
            let chain: Vec<String> = std::iter::once(real.to_string()).chain(hops).collect();
            let added = chain.join(", ");
            let mut headers = HeaderMap::new();
            let mut lines = one;
            match lines.pop() {
                Some(last) if !own_line => {
                    let joined = [last.as_bytes(), b", ", added.as_bytes()].concat();
                    lines.push(HeaderValue::from_bytes(&joined).unwrap());
                }
                last => lines.extend(last.into_iter().chain([added.parse().unwrap()])),
            }
            lines.into_iter().for_each(|line| { headers.append(X_FORWARDED_FOR, line); });
            // The proxy passes on the other header as it is.
            other.into_iter().for_each(|line| { headers.append(header::FORWARDED, line); });
            let told = client(proxy, &headers, &trusted());
            // A line that is not text is not looked into.
            let is_text = headers.get_all(X_FORWARDED_FOR).iter().next_back().is_some_and(|line| line.to_str().is_ok());
            if is_text && !headers.contains_key(header::FORWARDED) {
                prop_assert_eq!(told, real);
            } else {
                prop_assert!(told == real || told == proxy, "{}", told);
            }
        }
    }
}

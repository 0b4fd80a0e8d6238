//! How often a trigger's hook may be called, and from where.

use crate::document::{Error, Form, Node};
use crate::limit::Rate;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;

/// How many deliveries are admitted: `requests`, 1 to 1,000,000, in `window_seconds`, 1 to 86,400, and `burst` of them at once,
/// default `requests`. It is one count for all gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct RateLimit(Rate);

/// Where deliveries may come from: `allow_ips`, 1 to 1,000 addresses and networks such as `203.0.113.7`, `192.0.2.0/24` or
/// `2001:db8::/32`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Vec<String>")]
pub struct AllowIps(Arc<[IpNet]>);

/// The most that is counted at once.
const MOST: u64 = 1_000_000;
/// The longest list of networks: it is gone through at every delivery.
const LONGEST: usize = 1_000;

impl RateLimit {
    /// The rate.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.0
    }

    /// The limit of a rate.
    pub(crate) fn of(rate: Rate) -> Self {
        Self(rate)
    }

    /// Reads a limit. An older manifest may switch its own off.
    pub(crate) fn read(node: &Node<'_>) -> Result<Option<Self>, Error> {
        let object = node.object()?;
        object.only(&["requests", "window_seconds", "burst"])?;
        if object.form() == Form::Older
            && matches!(
                object.get("enabled").map(|node| node.truth()),
                Some(Ok(false))
            )
        {
            return Ok(None);
        }
        let count = |node: &Node<'_>| {
            Ok::<_, Error>(u32::try_from(node.whole(1..=MOST)?).unwrap_or(u32::MAX))
        };
        let requests = count(&object.require("requests", "how many are admitted in a window")?)?;
        let window = object
            .require("window_seconds", "the length of the window")?
            .seconds(1.0..=86_400.0)?;
        let burst = object.read("burst", count)?.unwrap_or(requests);
        Ok(Some(Self(Rate {
            requests,
            window,
            burst,
        })))
    }
}

impl AllowIps {
    /// The networks.
    #[must_use]
    pub fn networks(&self) -> &[IpNet] {
        &self.0
    }

    /// Whether deliveries may come from this address. An IPv4 address that a socket shows as IPv6 is the IPv4 address.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Reads the list.
    pub(crate) fn read(node: &Node<'_>) -> Result<Self, Error> {
        let list = node.list()?;
        if list.is_empty() {
            return Err(node.refuse(
                "is empty, which would admit nobody; leave it out to admit all, or `belfry stop` the trigger",
            ));
        }
        if list.len() > LONGEST {
            return Err(node.refuse(format_args!(
                "has {} networks; at most {LONGEST} are taken",
                list.len()
            )));
        }
        list.iter().map(network).collect::<Result<_, _>>().map(Self)
    }
}

fn network(node: &Node<'_>) -> Result<IpNet, Error> {
    let text = node.text()?.trim();
    let parsed = match text.parse::<IpAddr>() {
        Ok(address) => Ok(IpNet::from(address)),
        Err(_) => text.parse::<IpNet>(),
    };
    let network = parsed.map_err(|_| {
        node.expected(
            "an address such as `203.0.113.7`, or a network such as `192.0.2.0/24` or `2001:db8::/32`,",
        )
    })?;
    if network.addr().to_canonical() != network.addr() {
        return Err(node.refuse(format_args!(
            "`{text}` is an IPv4 address written as IPv6, as which no delivery comes; write `{}`",
            network.addr().to_canonical()
        )));
    }
    if network.trunc() != network {
        return Err(node.refuse(format_args!(
            "`{text}` has bits set behind its prefix; write `{}` for the network, or `{}` for the address alone",
            network.trunc(),
            network.addr()
        )));
    }
    Ok(network)
}

impl From<RateLimit> for Value {
    fn from(RateLimit(rate): RateLimit) -> Self {
        let window = rate.window;
        let seconds = match window.subsec_nanos() {
            0 => json!(window.as_secs()),
            _ => json!(window.as_secs_f64()),
        };
        json!({"requests": rate.requests, "window_seconds": seconds, "burst": rate.burst})
    }
}

impl TryFrom<Value> for RateLimit {
    type Error = Error;

    fn try_from(value: Value) -> Result<Self, Error> {
        let node = Node::root(&value, "rate_limit", Form::Strict);
        // Only the older form switches limits off.
        Self::read(&node)?.ok_or_else(|| node.refuse("is switched off"))
    }
}

impl From<AllowIps> for Vec<String> {
    fn from(list: AllowIps) -> Self {
        list.0.iter().map(ToString::to_string).collect()
    }
}

impl TryFrom<Value> for AllowIps {
    type Error = Error;

    fn try_from(value: Value) -> Result<Self, Error> {
        Self::read(&Node::root(&value, "allow_ips", Form::Strict))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(list: Value) -> Result<AllowIps, String> {
        AllowIps::try_from(list).map_err(|error| error.to_string())
    }

    fn limit(value: Value) -> Result<RateLimit, String> {
        RateLimit::try_from(value).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_is_admitted_by_itself_and_by_its_network_in_either_spelling() {
        let list = allowed(json!(["203.0.113.7", "192.0.2.0/24", "2001:db8::/32"])).unwrap();
        for (address, admitted) in [
            ("203.0.113.7", true),
            ("203.0.113.8", false),
            ("192.0.2.255", true),
            ("192.0.3.0", false),
            ("::ffff:192.0.2.1", true),
            ("::ffff:192.0.3.1", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(list.admits(address.parse().unwrap()), admitted, "{address}");
        }
        let everybody = allowed(json!(["0.0.0.0/0", "::/0"])).unwrap();
        assert!(everybody.admits("198.51.100.1".parse().unwrap()));
    }

    #[test]
    fn a_network_that_cannot_be_meant_is_refused_with_the_way_to_mend_it() {
        for (list, says) in [
            (
                json!(["10.0.0.1/8"]),
                "allow_ips[0]: `10.0.0.1/8` has bits set behind its prefix; write `10.0.0.0/8`",
            ),
            (
                json!(["192.0.2.1", "2001:db8::1/32"]),
                "allow_ips[1]: `2001:db8::1/32` has bits set behind its prefix; write `2001:db8::/32`",
            ),
            (json!(["::ffff:10.0.0.1"]), "write `10.0.0.1`"),
            (json!(["10.0.0.0/33"]), "allow_ips[0]: found `10.0.0.0/33`"),
            (json!(["example.com"]), "an address such as `203.0.113.7`"),
            (json!([7]), "allow_ips[0]: found"),
            (json!([]), "would admit nobody"),
            (json!("10.0.0.0/8"), "a list is needed"),
            (json!(vec!["10.0.0.1"; 1_001]), "at most 1000"),
        ] {
            let refusal = allowed(list).unwrap_err();
            assert!(refusal.contains(says), "{refusal}");
        }
    }

    #[test]
    fn limits_are_read_as_they_are_written() {
        let list = json!(["203.0.113.7/32", "2001:db8::/32"]);
        assert_eq!(json!(allowed(list.clone()).unwrap()), list);
        for value in [
            json!({"requests": 5, "window_seconds": 60, "burst": 2}),
            json!({"requests": 5, "window_seconds": 1.5, "burst": 5}),
        ] {
            assert_eq!(json!(limit(value.clone()).unwrap()), value);
        }
        let burst = limit(json!({"requests": 5, "window_seconds": 60})).unwrap();
        assert_eq!(burst.rate().burst, 5);
    }

    #[test]
    fn a_rate_that_cannot_be_kept_is_refused() {
        for (value, says) in [
            (json!({"requests": 5}), "rate_limit.window_seconds: missing"),
            (
                json!({"requests": 0, "window_seconds": 1}),
                "rate_limit.requests: found 0; a whole number from 1 to 1000000 is needed",
            ),
            (
                json!({"requests": 1, "window_seconds": 0.5}),
                "rate_limit.window_seconds: found",
            ),
            (
                json!({"requests": 1, "window": 1}),
                "unknown key `window`; known: requests, window_seconds, burst",
            ),
            (json!(7), "rate_limit: found"),
        ] {
            let refusal = limit(value).unwrap_err();
            assert!(refusal.contains(says), "{refusal}");
        }
    }
}

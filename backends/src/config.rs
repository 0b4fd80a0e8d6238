//! What may be configured of the backends.

use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const GIB: u64 = 1 << 30;

/// The configuration of the backends.
#[derive(Debug, Clone)]
pub struct Config {
    /// The NATS servers, `nats://[user:password@]host[:port]` or `nats://token@host[:port]` (`tls://` for TLS), several parted by
    /// commas. None means embedded.
    pub nats_url: Option<SecretString>,
    /// The Redis server, `redis://[user:password@]host[:port][/database]`. None means the memory of this process.
    pub redis_url: Option<SecretString>,
    /// The directory of the embedded storage. Default `.belfry`.
    pub data: PathBuf,
    /// What the logs keep.
    pub retention: Retention,
    /// How many NATS servers hold each stream: 1, 3 or 5. Default 1; with three, one may lose its disk or its power and nothing
    /// that was acknowledged is lost.
    pub replicas: u8,
    /// How long NATS recognises an event that is published again by its id. Default 2 minutes, the least; more costs memory.
    pub window: Duration,
    /// Where answers of NATS are sent, as the first part of a subject. Default: `_INBOX_{user}` for a user with a password, so that
    /// permissions can keep one user's answers from the others; else `_INBOX`.
    pub nats_inbox: Option<String>,
    /// What this process says of itself to whoever asks NATS for services, such as its `role` and its `node`.
    pub metadata: BTreeMap<String, String>,
    /// How long an answer of NATS is waited for. Default 2 s.
    pub nats_deadline: Duration,
    /// How long an answer of Redis, or a connection to it, is waited for. Default 100 ms: every delivery passes it.
    pub redis_deadline: Duration,
}

/// What the logs keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Events. Default 7 days and 4 GiB; when it is full, new events are refused.
    pub events: Limits,
    /// Outcomes. Default 30 days and 1 GiB; when it is full, the oldest go.
    pub outcomes: Limits,
    /// Dead letters. Default 1 GiB without an age; when it is full, new ones are refused.
    pub dead_letters: Limits,
}

/// How much a log keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How old an entry gets. None means that it stays.
    pub age: Option<Duration>,
    /// How many bytes all entries have together.
    pub bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            nats_url: None,
            redis_url: None,
            data: PathBuf::from(".belfry"),
            retention: Retention::default(),
            replicas: 1,
            window: Duration::from_secs(120),
            nats_inbox: None,
            metadata: BTreeMap::new(),
            nats_deadline: Duration::from_secs(2),
            redis_deadline: Duration::from_millis(100),
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            events: Limits {
                age: Some(7 * DAY),
                bytes: 4 * GIB,
            },
            outcomes: Limits {
                age: Some(30 * DAY),
                bytes: GIB,
            },
            dead_letters: Limits {
                age: None,
                bytes: GIB,
            },
        }
    }
}

/// An address, or several parted by commas, without what is in front of an `@`: fit to be shown.
pub(crate) fn without_credentials(url: &str) -> String {
    let strip = |one: &str| {
        let (scheme, rest) = one.trim().split_once("://").unwrap_or(("", one.trim()));
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let host = rest[..end]
            .rsplit_once('@')
            .map_or(&rest[..end], |(_, host)| host);
        if scheme.is_empty() {
            host.to_owned()
        } else {
            format!("{scheme}://{host}")
        }
    };
    url.split(',').map(strip).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::without_credentials;

    #[test]
    fn an_address_is_shown_without_its_credentials() {
        for (url, shown) in [
            ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
            ("nats://user:s3cret@bus:4222", "nats://bus:4222"),
            (
                "nats://t0ken@a:1, tls://user:p@ss@b:2",
                "nats://a:1,tls://b:2",
            ),
            (
                "redis://:s3cret@cache:6379/2?password=s3cret",
                "redis://cache:6379",
            ),
            ("user:s3cret@bus", "bus"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }
}

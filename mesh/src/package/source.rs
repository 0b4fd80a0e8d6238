//! Where a package's events come from.

use super::{Error, Requirements, auth};
use crate::document::{Form, Node, Object};
use crate::extract::Extraction;
use crate::filter::Filter;
use crate::limit::Rate;
use crate::signature::Auth;
use crate::template::Text;
use crate::trigger::{AllowIps, RateLimit};

/// Where a package's events come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// Whoever posts to the trigger's hook.
    Webhook(Box<Webhook>),
    /// A clock.
    Schedule {
        /// The cron expression, not resolved: `${CRON_EXPRESSION:-0 2 * * *}`.
        cron: Text,
        /// The IANA time zone, not resolved. Default `UTC`.
        timezone: Text,
    },
    /// Signals on the bus.
    Event {
        /// The types of signals: tokens joined by dots, in which `*` is any one token and `>`, at the end, one or more.
        pattern: String,
        /// The CloudEvents `source` that a signal must have, if any.
        source: Option<String>,
    },
    /// Nobody but an operator.
    Manual,
    /// Nowhere: a service takes no events.
    None,
}

/// What a package says of its webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// How a delivery proves where it comes from, and by what it is recognised. None: an older manifest that does not say, and
    /// anyone may post.
    pub auth: Option<Auth>,
    /// Whether the installer must say how a delivery proves where it comes from: `"auth": "install"`, only of manifest 2. There is
    /// no `auth` then, and no trigger without the installer's.
    pub auth_at_install: bool,
    /// Where the package's own container takes what the provider sends.
    pub endpoints: Vec<Endpoint>,
    /// Which events it wants.
    pub filters: Filter,
    /// Whether a repeated delivery is recognised: `deduplication.enabled`, default true. The header by which, in older manifests
    /// `deduplication.header`, is a part of `auth`.
    pub deduplication: bool,
    /// How many deliveries are admitted: `requests`, 1 to 1,000,000, in `window_seconds`, 1 to 86,400, and `burst` of them at
    /// once, default `requests`. None: as many as come.
    pub rate_limit: Option<Rate>,
    /// Where deliveries may come from: `allow_ips`, a list of addresses and networks. None: anywhere. Only of
    /// manifest 2.
    pub allow_ips: Option<AllowIps>,
}

/// A path of the package's own container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The path; begins with `/`.
    pub path: String,
    /// The method, in capitals. Default `POST`.
    pub method: String,
}

/// What stands in the place of `auth` where the installer must say it.
const AT_INSTALL: &str = "install";

#[derive(Clone, Copy)]
enum Kind {
    Webhook,
    Schedule,
    Event,
    Manual,
}

const KINDS: [(&str, Kind); 4] = [
    ("webhook", Kind::Webhook),
    ("schedule", Kind::Schedule),
    ("event", Kind::Event),
    ("manual", Kind::Manual),
];

impl Source {
    /// The word for it, as manifests write it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Schedule { .. } => "schedule",
            Self::Event { .. } => "event",
            Self::Manual => "manual",
            Self::None => "none",
        }
    }

    /// Whether there is anything that events come from.
    #[must_use]
    pub fn takes_events(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// How a delivery proves where it comes from, if the package says so.
    #[must_use]
    pub fn auth(&self) -> Option<&Auth> {
        match self {
            Self::Webhook(webhook) => webhook.auth.as_ref(),
            Self::Schedule { .. } | Self::Event { .. } | Self::Manual | Self::None => None,
        }
    }

    /// What it says of its webhook, if it is one.
    #[must_use]
    pub fn webhook(&self) -> Option<&Webhook> {
        match self {
            Self::Webhook(webhook) => Some(webhook),
            Self::Schedule { .. } | Self::Event { .. } | Self::Manual | Self::None => None,
        }
    }

    pub(super) fn extraction(&self) -> Extraction {
        match self {
            Self::Schedule { .. } => Extraction::Schedule,
            Self::Webhook(_) => self.auth().map_or(Extraction::Simple, auth::extraction),
            Self::Event { .. } | Self::Manual | Self::None => Extraction::Simple,
        }
    }

    pub(super) fn read(node: &Node<'_>, requirements: &Requirements) -> Result<Self, Error> {
        let object = node.object()?;
        let kind = object
            .require("type", "one of webhook, schedule, event, manual")?
            .word("trigger type", &KINDS)?;
        match kind {
            Kind::Webhook => {
                Webhook::read(&object, requirements).map(|webhook| Self::Webhook(Box::new(webhook)))
            }
            Kind::Schedule => schedule(&object),
            Kind::Event => signal(&object),
            Kind::Manual => object.only(&["type"]).map(|()| Self::Manual),
        }
    }
}

impl Webhook {
    fn read(object: &Object<'_>, requirements: &Requirements) -> Result<Self, Error> {
        object.only(&[
            "type",
            "auth",
            "endpoint",
            "endpoints",
            "filters",
            "deduplication",
            "rate_limit",
            "allow_ips",
        ])?;
        let auth_at_install = object.form() == Form::Strict
            && object
                .get("auth")
                .is_some_and(|node| node.value() == AT_INSTALL);
        let auth = match auth_at_install {
            true => None,
            false => auth::read(object, requirements)?,
        };
        let declared = object.read("filters", Filter::read)?.unwrap_or_default();
        let filters = match auth.as_ref().map(auth::extraction) {
            _ if object.form() == Form::Strict || declared.names_kinds() => declared,
            Some(Extraction::GitHub) => declared.with_kinds_of(Filter::github()),
            Some(Extraction::Linear) => declared.with_kinds_of(Filter::linear()),
            _ => declared,
        };
        Ok(Self {
            endpoints: endpoints(object)?,
            deduplication: object.read("deduplication", deduplication)?.unwrap_or(true),
            rate_limit: object
                .read("rate_limit", RateLimit::read)?
                .flatten()
                .map(|limit| limit.rate()),
            allow_ips: match object.get("allow_ips") {
                Some(node) if object.form() == Form::Strict => Some(AllowIps::read(&node)?),
                _ => None,
            },
            auth,
            auth_at_install,
            filters,
        })
    }
}

fn schedule(object: &Object<'_>) -> Result<Source, Error> {
    object.only(&["type", "cron", "timezone"])?;
    const CRON: &str = "a cron expression such as `0 2 * * *`";
    let inner = object
        .get("schedule")
        .filter(|_| object.form() == Form::Older);
    let (cron, timezone) = match inner.map(|node| node.object()).transpose()? {
        Some(inner) => (
            inner.require("cron_expression", CRON)?,
            inner.get("timezone"),
        ),
        None => (object.require("cron", CRON)?, object.get("timezone")),
    };
    let text = |node: &Node<'_>| Text::parse(node.text()?).map_err(|error| node.refuse(error));
    Ok(Source::Schedule {
        cron: text(&cron)?,
        timezone: timezone.map_or_else(|| Ok(Text::literal("UTC")), |node| text(&node))?,
    })
}

fn signal(object: &Object<'_>) -> Result<Source, Error> {
    object.only(&["type", "event", "source"])?;
    let node = object.require(
        "event",
        "the type of a signal, such as `workflow.completed` or `workflow.*`,",
    )?;
    let pattern = node.text()?;
    if !is_pattern(pattern) {
        return Err(node.expected(
            "tokens of letters, digits, `-` and `_`, joined by dots, in which `*` is any one token and `>`, at the end, one or more",
        ));
    }
    let source = object.read("source", |node| node.text().map(str::to_owned))?;
    Ok(Source::Event {
        pattern: pattern.to_owned(),
        source,
    })
}

/// What can stand in a subject of the bus (<https://docs.nats.io/nats-concepts/subjects>) and take no other subject in.
fn is_pattern(text: &str) -> bool {
    let word = |token: &str| {
        !token.is_empty()
            && token
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    let (tokens, last) = text
        .rsplit_once('.')
        .map_or((None, text), |(tokens, last)| (Some(tokens), last));
    let inner = tokens.into_iter().flat_map(|tokens| tokens.split('.'));
    (word(last) || last == "*" || last == ">")
        && inner.into_iter().all(|token| word(token) || token == "*")
}

fn deduplication(node: &Node<'_>) -> Result<bool, Error> {
    let object = node.object()?;
    object.only(&["enabled"])?;
    object.get("enabled").map_or(Ok(true), |node| node.truth())
}

fn endpoints(object: &Object<'_>) -> Result<Vec<Endpoint>, Error> {
    let path = |node: &Node<'_>| match node.text()? {
        path if path.starts_with('/') => Ok(path.to_owned()),
        _ => Err(node.expected("a path that begins with `/`")),
    };
    let mut endpoints = Vec::new();
    if let Some(node) = object.get("endpoint") {
        endpoints.push(Endpoint {
            path: path(&node)?,
            method: "POST".to_owned(),
        });
    }
    for node in object.read("endpoints", Node::list)?.unwrap_or_default() {
        let endpoint = node.object()?;
        endpoint.only(&["path", "method"])?;
        let method = endpoint.read("method", method)?;
        endpoints.push(Endpoint {
            path: path(&endpoint.require("path", "a path that begins with `/`")?)?,
            method: method.unwrap_or_else(|| "POST".to_owned()),
        });
    }
    Ok(endpoints)
}

fn method(node: &Node<'_>) -> Result<String, Error> {
    let method = node.text()?.to_ascii_uppercase();
    http::Method::try_from(method.as_str()).map_err(|_| node.expected("an HTTP method"))?;
    Ok(method)
}

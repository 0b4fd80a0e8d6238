//! What the gateway says, and the one place where it becomes HTTP. What the outside reads names no backend and no address.

use crate::metrics::Counted;
use belfry_mesh::name::TriggerName;
use belfry_mesh::port;
use belfry_mesh::signature::{self, Handshake};
use belfry_mesh::{EventId, Problem};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;
use std::net::IpAddr;
use std::time::Duration;

/// After how long a delivery that could not be stored is worth repeating.
const REPEAT_AFTER: Duration = Duration::from_secs(5);

/// After how long a gateway that is at its bound is worth asking again.
const BUSY_FOR: Duration = Duration::from_secs(1);

/// An HTTP answer of the gateway.
pub(crate) type Reply = Response<Full<Bytes>>;

/// What a genuine request comes to.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Its event is stored.
    Stored(Stored),
    /// It was a provider's handshake.
    Handshake(Handshake),
}

/// A delivery that is stored.
#[derive(Debug, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(crate) enum Stored {
    /// It was new.
    Accepted {
        event_id: EventId,
        #[serde(skip_serializing_if = "Option::is_none")]
        durability: Option<Durability>,
    },
    /// It was there already, as this event.
    Duplicate {
        event_id: EventId,
        #[serde(skip_serializing_if = "Option::is_none")]
        delivery_id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        durability: Option<Durability>,
    },
}

/// Where an event is stored that is not in the event log yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Durability {
    /// On this gateway's disk.
    Spooled,
}

/// Why a request gets no 2xx.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("there is nothing here; deliveries go to `/hooks/{{trigger}}`")]
    NoSuchPath,
    #[error("trigger `{0}` is not installed")]
    NotInstalled(String),
    #[error("trigger `{0}` takes no webhooks: its source is `{1}`")]
    NoWebhook(TriggerName, &'static str),
    #[error("the gateway has not yet read which triggers there are; repeat the delivery")]
    NotLoaded,
    #[error(
        "the record of trigger `{0}` cannot be read by this gateway; repeat the delivery once its operator has mended it"
    )]
    Unreadable(String),
    #[error("only {0} is answered here")]
    Method(String),
    #[error("the gateway works on as many deliveries as it may; repeat the delivery")]
    Busy,
    #[error("trigger `{0}` takes no deliveries from {1}: it is not in its `allow_ips`")]
    NotAllowed(TriggerName, IpAddr),
    #[error("a body may be sent as it is or with `Content-Encoding: gzip`, and in no other coding")]
    Encoded,
    #[error("the body is said to be gzip, and is not, or not all of it")]
    NotGzip,
    #[error(
        "the body inflates to more than {times} times its size; send it without `Content-Encoding`"
    )]
    Bomb { times: usize },
    #[error("the body is too large: at most {limit} bytes are taken")]
    TooLarge { limit: usize },
    #[error("the body is genuine and said to be JSON, and is not; send what its content type says")]
    NotJson,
    #[error("the body did not arrive within {} ms", deadline.as_millis())]
    TooSlow { deadline: Duration },
    #[error("the body broke off or is malformed")]
    Broken,
    #[error("trigger `{0}`: secret `{1}` is not set on this gateway; set it, no restart is needed")]
    SecretNotSet(TriggerName, String),
    #[error(
        "trigger `{0}`: secret `{1}` cannot be read on this gateway at the moment; repeat the delivery"
    )]
    SecretUnreadable(TriggerName, String),
    #[error("trigger `{0}`: {1}")]
    Misconfigured(TriggerName, String),
    #[error("trigger `{0}`: {1}")]
    Unverified(TriggerName, signature::Refusal),
    #[error("trigger `{0}` is over its rate limit; repeat the delivery later")]
    Limited(TriggerName, Duration),
    #[error("{}", not_stored(.0))]
    NotStored(port::Error),
    #[error(
        "the event log is away and the spool is full, so the event was not stored; repeat the delivery"
    )]
    SpoolFull,
    #[error(
        "the event log is away and the spool cannot be written, so the event was not stored; repeat the delivery"
    )]
    NotSpooled,
    #[error("trigger `{0}`: {1}; repeat the delivery")]
    ProviderAway(TriggerName, String),
    #[error("the delivery was cut off; repeat it")]
    CutOff,
}

impl Stored {
    pub(crate) fn event_id(&self) -> &EventId {
        match self {
            Self::Accepted { event_id, .. } | Self::Duplicate { event_id, .. } => event_id,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Accepted { .. } => StatusCode::ACCEPTED,
            Self::Duplicate { .. } => StatusCode::OK,
        }
    }

    fn counted(&self) -> Counted {
        match self {
            Self::Accepted {
                durability: None, ..
            } => Counted::Stored,
            Self::Accepted {
                durability: Some(_),
                ..
            } => Counted::Spooled,
            Self::Duplicate { .. } => Counted::Duplicate,
        }
    }
}

impl Refused {
    /// The status: 4xx for what the sender can change, 5xx for what only we can. Senders give up on a 4xx.
    fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPath | Self::NotInstalled(_) | Self::NoWebhook(..) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAllowed(..) => StatusCode::FORBIDDEN,
            Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. }
            | Self::Bomb { .. }
            | Self::NotStored(port::Error::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Broken | Self::NotGzip | Self::NotJson => StatusCode::BAD_REQUEST,
            Self::SecretNotSet(..) | Self::Misconfigured(..) => StatusCode::UNAUTHORIZED,
            Self::Unverified(_, refusal) => refusal.status(),
            Self::Limited(..) => StatusCode::TOO_MANY_REQUESTS,
            Self::NotLoaded
            | Self::Unreadable(_)
            | Self::Busy
            | Self::SecretUnreadable(..)
            | Self::NotStored(_)
            | Self::SpoolFull
            | Self::NotSpooled
            | Self::ProviderAway(..)
            | Self::CutOff => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// What the outside learns of an event that the log did not take.
fn not_stored(error: &port::Error) -> String {
    match error {
        port::Error::Full { .. } => {
            "the event log is full, so the event was not stored; repeat the delivery".into()
        }
        port::Error::TooLarge { limit, .. } => {
            format!("the event is too large: the event log takes at most {limit} bytes")
        }
        _ => "the event could not be stored; repeat the delivery".into(),
    }
}

/// The status of the answer to a request to a hook, and what it is counted as.
pub(crate) fn status(outcome: &Result<Taken, Refused>) -> (StatusCode, Counted) {
    match outcome {
        Ok(Taken::Stored(stored)) => (stored.status(), stored.counted()),
        Ok(Taken::Handshake(handshake)) => (handshake.status, Counted::Handshake),
        Err(refused) => (refused.status(), counted(refused)),
    }
}

/// What a no that nothing was stored with is counted as.
pub(crate) fn counted(refused: &Refused) -> Counted {
    Counted::refused(refused.status())
}

/// The answer to a request to a hook.
pub(crate) fn to_delivery(outcome: Result<Taken, Refused>) -> Reply {
    match outcome {
        Ok(Taken::Stored(stored)) => json(stored.status(), &stored),
        Ok(Taken::Handshake(handshake)) => {
            let mut reply = Response::new(Full::new(handshake.body));
            *reply.status_mut() = handshake.status;
            reply.headers_mut().extend(handshake.headers);
            reply
        }
        Err(refused) => problem(&refused),
    }
}

/// A no, as problem details.
pub(crate) fn problem(refused: &Refused) -> Reply {
    let status = refused.status();
    let problem = Problem::new(status, refused.to_string());
    let problem = match refused {
        Refused::Limited(_, after) => problem.retry_after(*after),
        Refused::Busy => problem.retry_after(BUSY_FOR),
        _ if status == StatusCode::SERVICE_UNAVAILABLE => problem.retry_after(REPEAT_AFTER),
        _ => problem,
    };
    let mut reply = problem.into_response().map(|body| Full::new(body.into()));
    match refused {
        Refused::Method(allowed) => {
            reply
                .headers_mut()
                .extend(HeaderValue::from_str(allowed).map(|allowed| (header::ALLOW, allowed)));
        }
        // RFC 9110, section 15.5.16: what would have been taken.
        Refused::Encoded => {
            reply.headers_mut().insert(
                header::ACCEPT_ENCODING,
                HeaderValue::from_static("gzip, identity"),
            );
        }
        _ => {}
    }
    reply
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    let body = serde_json::to_vec(value).expect("answers have only string keys and no numbers");
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    reply
}

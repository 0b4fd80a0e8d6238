//! What the gateway says, and the one place where it becomes HTTP. What the outside reads names no backend and no address.

use belfry_mesh::name::TriggerName;
use belfry_mesh::port;
use belfry_mesh::{EventId, Problem, signature};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;
use std::time::Duration;

/// After how long a delivery that could not be stored is worth repeating.
const REPEAT_AFTER: Duration = Duration::from_secs(5);

/// After how long a gateway that is at its bound is worth asking again.
const BUSY_FOR: Duration = Duration::from_secs(1);

/// An HTTP answer of the gateway.
pub(crate) type Reply = Response<Full<Bytes>>;

/// A delivery that is stored.
#[derive(Debug, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(crate) enum Stored {
    /// It was new.
    Accepted { event_id: EventId },
    /// It was there already, as this event.
    Duplicate {
        event_id: EventId,
        #[serde(skip_serializing_if = "Option::is_none")]
        delivery_id: Option<String>,
    },
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
    Method(&'static str),
    #[error("the gateway works on as many deliveries as it may; repeat the delivery")]
    Busy,
    #[error("an encoded body cannot be verified; send it without `Content-Encoding`")]
    Encoded,
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
    #[error("the delivery was cut off; repeat it")]
    CutOff,
}

impl Stored {
    pub(crate) fn event_id(&self) -> &EventId {
        match self {
            Self::Accepted { event_id } | Self::Duplicate { event_id, .. } => event_id,
        }
    }
}

impl Refused {
    /// The status: 4xx for what the sender can change, 5xx for what only we can. Senders give up on a 4xx.
    fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPath | Self::NotInstalled(_) | Self::NoWebhook(..) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } | Self::NotStored(port::Error::TooLarge { .. }) => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Broken | Self::NotJson => StatusCode::BAD_REQUEST,
            Self::SecretNotSet(..) | Self::Misconfigured(..) => StatusCode::UNAUTHORIZED,
            Self::Unverified(_, refusal) => refusal.status(),
            Self::Limited(..) => StatusCode::TOO_MANY_REQUESTS,
            Self::NotLoaded
            | Self::Unreadable(_)
            | Self::Busy
            | Self::SecretUnreadable(..)
            | Self::NotStored(_)
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

/// The status of the answer to a delivery.
pub(crate) fn status(outcome: &Result<Stored, Refused>) -> StatusCode {
    match outcome {
        Ok(Stored::Accepted { .. }) => StatusCode::ACCEPTED,
        Ok(Stored::Duplicate { .. }) => StatusCode::OK,
        Err(refused) => refused.status(),
    }
}

/// The answer to a delivery.
pub(crate) fn to_delivery(outcome: &Result<Stored, Refused>) -> Reply {
    match outcome {
        Ok(stored) => json(status(outcome), stored),
        Err(refused) => problem(refused),
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
                .insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        // RFC 9110, section 15.5.16: what would have been taken.
        Refused::Encoded => {
            reply.headers_mut().insert(
                header::ACCEPT_ENCODING,
                HeaderValue::from_static("identity"),
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

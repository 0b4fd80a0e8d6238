//! Request and reply over the bus, with a deadline.

use super::Error;
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// Answers a request.
pub type Handler = Arc<dyn Fn(Bytes) -> BoxFuture<'static, Answer> + Send + Sync>;

/// What a request is answered with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The reply's body; beside a fault, what there is to say of it (a problem document).
    pub payload: Bytes,
    /// Why the request was not done, if it was not.
    pub fault: Option<Fault>,
}

/// Why a request was not done, for whoever does not read the body: on NATS the two headers of its services protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A status as in HTTP.
    pub code: u16,
    /// In words, one line.
    pub description: String,
}

/// Request and reply. Not durable: a request that nobody hears is lost, and its caller learns so.
#[async_trait]
pub trait Calls: Send + Sync {
    /// Asks whoever serves `subject`, and waits for one answer. That the answer tells of a fault is no error.
    ///
    /// # Errors
    /// [`Error::NotFound`] at once if nobody serves it; [`Error::Deadline`]; [`Error::Refused`] if this process may not ask there;
    /// [`Error::TooLarge`]; [`Error::Unavailable`].
    async fn request(
        &self,
        subject: &str,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<Answer, Error>;

    /// Serves `subject` until what is returned is dropped. Of several who serve it each request reaches one. Requests are
    /// answered side by side. Once this returns, requests are heard, and where the bus can be asked who serves what, it tells.
    ///
    /// # Errors
    /// [`Error::Refused`] if this process may not serve that; [`Error::Unavailable`].
    async fn serve(&self, subject: &str, handler: Handler) -> Result<Serving, Error>;
}

/// Keeps a service up; dropped, it takes no more requests.
pub struct Serving(#[allow(dead_code, reason = "held for its drop")] Box<dyn Send + Sync>);

impl Answer {
    /// A request that was not done.
    #[must_use]
    pub fn fault(code: u16, description: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        let description = description.into();
        Self {
            payload: payload.into(),
            fault: Some(Fault { code, description }),
        }
    }
}

impl From<Bytes> for Answer {
    /// A request that was done.
    fn from(payload: Bytes) -> Self {
        Self {
            payload,
            fault: None,
        }
    }
}

impl Serving {
    /// Serves for as long as `guard` lives.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self(Box::new(guard))
    }
}

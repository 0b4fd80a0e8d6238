//! Request and reply over the bus, with a deadline.

use super::Error;
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// Answers a request. What it returns is the reply's payload.
pub type Handler = Arc<dyn Fn(Bytes) -> BoxFuture<'static, Bytes> + Send + Sync>;

/// Request and reply. Not durable: a request that nobody hears is lost, and its caller learns so.
#[async_trait]
pub trait Calls: Send + Sync {
    /// Asks whoever serves `subject`, and waits for one answer.
    ///
    /// # Errors
    /// [`Error::NotFound`] at once if nobody serves it; [`Error::Deadline`]; [`Error::Unavailable`].
    async fn request(
        &self,
        subject: &str,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, Error>;

    /// Serves `subject` until what is returned is dropped. Of several who serve it each request reaches one. Requests are
    /// answered side by side. Once this returns, requests are heard.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    async fn serve(&self, subject: &str, handler: Handler) -> Result<Serving, Error>;
}

/// Keeps a service up; dropped, it takes no more requests.
pub struct Serving(#[allow(dead_code, reason = "held for its drop")] Box<dyn Send + Sync>);

impl Serving {
    /// Serves for as long as `guard` lives.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self(Box::new(guard))
    }
}

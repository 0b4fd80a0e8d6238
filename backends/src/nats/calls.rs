//! Request and reply on NATS itself, without JetStream.

use super::link::Link;
use async_nats::{Message, Request, RequestErrorKind};
use async_trait::async_trait;
use belfry_mesh::port::Error;
use belfry_mesh::port::calls::{Calls, Handler, Serving};
use bytes::Bytes;
use futures::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The queue group of all who serve a subject, the one that NATS' own services use
/// (<https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-32.md>).
const QUEUE: &str = "q";

/// Request and reply.
pub(super) struct Core {
    link: Arc<Link>,
}

impl Core {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// Returns once the server has taken what was sent before: it answers in order, and knows at once that nobody listens here.
    async fn sync(&self) -> Result<(), Error> {
        let nobody = self.link.client().new_inbox();
        let request = Request::new().timeout(Some(self.link.deadline()));
        match self.link.client().send_request(nobody, request).await {
            Err(error) if error.kind() != RequestErrorKind::NoResponders => {
                Err(self.link.unavailable(error))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Calls for Core {
    async fn request(
        &self,
        subject: &str,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, Error> {
        let late = || Error::Deadline {
            who: subject.to_owned(),
            after: deadline,
        };
        let size = payload.len();
        let request = Request::new().payload(payload).timeout(Some(deadline));
        let answer = self.link.client().send_request(subject.to_owned(), request);
        match tokio::time::timeout(deadline, answer).await {
            Ok(Ok(message)) => Ok(message.payload),
            Ok(Err(error)) => Err(match error.kind() {
                RequestErrorKind::NoResponders => {
                    Error::NotFound(format!("a service of {subject}"))
                }
                RequestErrorKind::TimedOut => late(),
                RequestErrorKind::MaxPayloadExceeded => Error::TooLarge {
                    what: format!("a request to {subject}"),
                    size,
                    limit: self.link.max_payload(),
                },
                _ => self.link.unavailable(error),
            }),
            Err(_) => Err(late()),
        }
    }

    async fn serve(&self, subject: &str, handler: Handler) -> Result<Serving, Error> {
        let mut requests = self.link.listen(subject.to_owned(), Some(QUEUE)).await?;
        self.sync().await?;
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let link = self.link.clone();
        self.link.tracker().spawn(async move {
            let answer = |request| {
                let (link, handler) = (link.clone(), handler.clone());
                link.clone()
                    .tracker()
                    .spawn(async move { answer(&link, &handler, request).await });
            };
            while let Some(Some(request)) = ended.run_until_cancelled(requests.next()).await {
                answer(request);
            }
            // What the server had sent before it heard of the end is answered too.
            if requests.drain().await.is_ok() {
                while let Some(request) = requests.next().await {
                    answer(request);
                }
            }
        });
        Ok(Serving::new(guard))
    }
}

/// Answers one request, whether or not its caller still waits.
async fn answer(link: &Link, handler: &Handler, request: Message) {
    let answer = handler(request.payload).await;
    let Some(reply) = request.reply else { return };
    if let Err(error) = link.say(reply, answer).await {
        tracing::warn!(subject = request.subject.as_str(), %error, "an answer was not sent");
    }
}

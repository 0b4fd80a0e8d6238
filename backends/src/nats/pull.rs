//! Pulling messages through one consumer of JetStream, one request at a time
//! (<https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-37.md>).
//!
//! The messages of all requests come over one subscription, which outlives them: a future that is dropped while it waits loses
//! nothing that was on its way. A request that the server has forgotten (it was restarted, the connection was lost, another
//! server leads) is noticed, at once by the connection's number, and at the latest when its heartbeats stay out.

use super::link::Link;
use async_nats::{Message, StatusCode, Subscriber};
use belfry_mesh::port::Error;
use futures::{FutureExt, StreamExt};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long the server keeps a request. Until then it gives messages to a process that is frozen or cut off, and whose connection
/// it does not miss yet, so that they wait for the end of their claim; and each end costs a consumer that is idle a request.
const EXPIRES: Duration = Duration::from_secs(8);

/// The requests of a process end together: at the multiples of this time.
const STEP: Duration = Duration::from_secs(1);

/// How long nothing may be heard before a request counts as forgotten.
const SILENCE: Duration = Duration::from_secs(10);

/// A consumer that is pulled.
pub(super) struct Pull {
    link: Arc<Link>,
    subject: String,
    inbox: String,
    messages: Subscriber,
    serial: u64,
    request: Option<Request>,
}

/// A request that the server has, as far as is known.
struct Request {
    reply: String,
    left: usize,
    heard: Instant,
    connection: u64,
}

/// What kind of request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// It ends with the last of the messages that are there; if none is, with the next that comes.
    Burst,
    /// It ends when all messages that it asks for have come.
    All,
}

/// What a request came to.
#[derive(Debug)]
pub(super) enum News {
    /// A message.
    Message(Message),
    /// It ended as it should: another may be made.
    Ended,
    /// Too many others wait for too few messages, so that this one was not taken.
    Crowded,
    /// The consumer was deleted.
    Deleted,
    /// The server has forgotten it, for this reason. Whether the consumer is still there is not known.
    Forgotten(String),
    /// The server does not take it.
    Refused(String),
}

impl Pull {
    pub(super) async fn open(link: Arc<Link>, stream: &str, consumer: &str) -> Result<Self, Error> {
        let inbox = link.client().new_inbox();
        let messages = link.listen(format!("{inbox}.*"), None).await?;
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
        Ok(Self {
            link,
            subject,
            inbox,
            messages,
            serial: 0,
            request: None,
        })
    }

    /// Whether the server has a request.
    pub(super) fn is_waiting(&self) -> bool {
        self.request.is_some()
    }

    /// Asks for up to `batch` messages. An earlier request is forgotten, though what it asked for may still come.
    pub(super) async fn request(&mut self, batch: usize, wait: Wait) -> Result<(), Error> {
        self.serial += 1;
        let reply = format!("{}.{}", self.inbox, self.serial);
        let expires = self.link.together(EXPIRES, STEP);
        let body = json!({
            "batch": batch,
            "no_wait": wait == Wait::Burst,
            "expires": expires.as_nanos() as u64,
            // The server says once, half-way, that it still has the request, if it has no message for it.
            "idle_heartbeat": (expires / 2).as_nanos() as u64,
        });
        let connection = self.link.connection();
        let client = self.link.client();
        let sent =
            client.publish_with_reply(self.subject.clone(), reply.clone(), body.to_string().into());
        match tokio::time::timeout(self.link.deadline(), sent).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.link.unavailable(error)),
            Err(_) => return Err(self.link.unavailable("it takes no more requests")),
        }
        self.request = Some(Request {
            reply,
            left: batch,
            heard: Instant::now(),
            connection,
        });
        Ok(())
    }

    /// A message that is here already.
    pub(super) fn ready(&mut self) -> Option<Message> {
        while let Some(message) = self.messages.next().now_or_never().flatten() {
            if message.status.is_none() {
                self.count();
                return Some(message);
            }
            // What a status says of the request is heard again when the next request is made.
            if self.is_current(&message)
                && !matches!(message.status, Some(StatusCode::IDLE_HEARTBEAT))
            {
                self.request = None;
            }
        }
        None
    }

    /// Waits for the next news of the request. Without a request there is none but stray messages.
    pub(super) async fn next(&mut self) -> News {
        loop {
            let message = match &self.request {
                None => self.messages.next().await,
                Some(request) => {
                    let silent = tokio::time::sleep_until(request.heard + SILENCE);
                    tokio::select! {
                        biased;
                        message = self.messages.next() => message,
                        () = self.link.broken(request.connection) => return self.forget("the connection was lost"),
                        () = silent => return self.forget("it has been silent for too long"),
                    }
                }
            };
            let Some(message) = message else {
                return self.forget("the connection was closed");
            };
            let Some(status) = message.status else {
                self.count();
                return News::Message(message);
            };
            if !self.is_current(&message) {
                continue;
            }
            if status == StatusCode::IDLE_HEARTBEAT {
                if let Some(request) = &mut self.request {
                    request.heard = Instant::now();
                }
                continue;
            }
            self.request = None;
            return judge(status, message.description.unwrap_or_default());
        }
    }

    /// Ends the subscription, and hands over what is still on its way.
    pub(super) async fn close(mut self) -> impl futures::Stream<Item = Message> {
        // Without an answer there is nothing to hand over either.
        let _ = self.messages.drain().await;
        self.messages
            .filter(|message| futures::future::ready(message.status.is_none()))
    }

    fn count(&mut self) {
        if let Some(request) = &mut self.request {
            request.heard = Instant::now();
            request.left = request.left.saturating_sub(1);
            if request.left == 0 {
                self.request = None;
            }
        }
    }

    fn is_current(&self, status: &Message) -> bool {
        self.request
            .as_ref()
            .is_some_and(|request| request.reply == status.subject.as_str())
    }

    fn forget(&mut self, why: &str) -> News {
        self.request = None;
        News::Forgotten(why.to_owned())
    }
}

/// What a status says of the request that it ends.
fn judge(status: StatusCode, description: String) -> News {
    match status {
        StatusCode::NOT_FOUND => News::Ended,
        StatusCode::TIMEOUT if description.eq_ignore_ascii_case("Requests Pending") => {
            News::Crowded
        }
        StatusCode::TIMEOUT => News::Ended,
        StatusCode::REQUEST_TERMINATED if description.eq_ignore_ascii_case("Consumer Deleted") => {
            News::Deleted
        }
        // Another leader, a server that stops, too many requests at once: all pass.
        StatusCode::REQUEST_TERMINATED => News::Forgotten(description),
        StatusCode::NO_RESPONDERS => News::Forgotten("nobody there has this consumer".to_owned()),
        _ => News::Refused(format!("{status}: {description}")),
    }
}

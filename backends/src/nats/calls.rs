//! Request and reply on NATS itself, without JetStream, as a service that can be found (see [`super::service`]).

use super::link::Link;
use super::service::{Endpoint, Service};
use async_nats::service::{NATS_SERVICE_ERROR, NATS_SERVICE_ERROR_CODE};
use async_nats::{HeaderMap, Message, Request, RequestErrorKind};
use async_trait::async_trait;
use belfry_mesh::port::Error;
use belfry_mesh::port::calls::{Answer, Calls, Fault, Handler, Serving};
use belfry_mesh::port::clock::Clock;
use bytes::Bytes;
use futures::StreamExt;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The queue group of all who serve a subject, the one that NATS' own services use
/// (<https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-32.md>).
pub(super) const QUEUE: &str = "q";

/// How long what the server says against a subscription may take from the connection to here: it comes before the answer to what was
/// asked after it, and beside.
const BESIDE: Duration = Duration::from_millis(10);

/// The code of a fault that does not tell its own.
const INTERNAL: u16 = 500;

/// Request and reply.
pub(super) struct Core {
    link: Arc<Link>,
    clock: Arc<dyn Clock>,
    metadata: BTreeMap<String, String>,
    /// The one service of this process, for as long as it serves anything.
    service: Mutex<Weak<Service>>,
}

impl Core {
    pub(super) fn new(
        link: Arc<Link>,
        clock: Arc<dyn Clock>,
        metadata: BTreeMap<String, String>,
    ) -> Self {
        Self {
            link,
            clock,
            metadata,
            service: Mutex::default(),
        }
    }

    async fn service(&self) -> Result<Arc<Service>, Error> {
        let mut known = self.service.lock().await;
        if let Some(service) = known.upgrade() {
            return Ok(service);
        }
        let started = self.clock.now();
        let service = Service::begin(&self.link, started, self.metadata.clone()).await?;
        *known = Arc::downgrade(&service);
        Ok(service)
    }
}

#[async_trait]
impl Calls for Core {
    async fn request(
        &self,
        subject: &str,
        payload: Bytes,
        deadline: Duration,
    ) -> Result<Answer, Error> {
        let late = || Error::Deadline {
            who: subject.to_owned(),
            after: deadline,
        };
        let (size, since) = (payload.len(), self.link.complaints());
        let request = Request::new().payload(payload).timeout(Some(deadline));
        let client = self.link.client();
        let answer =
            tokio::time::timeout(deadline, client.send_request(subject.to_owned(), request));
        let answer = tokio::select! {
            biased;
            answer = answer => answer,
            refused = self.link.forbidden(since, subject) => return Err(refused),
        };
        match answer {
            Ok(Ok(message)) => Ok(read(message)),
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
        let service = self.service().await?;
        let since = self.link.complaints();
        let mut requests = self.link.listen(subject.to_owned(), Some(QUEUE)).await?;
        self.link.sync().await?;
        let refused = self.link.forbidden(since, subject);
        if let Ok(refused) = tokio::time::timeout(BESIDE, refused).await {
            return Err(refused);
        }
        let line = Arc::new(Line {
            link: self.link.clone(),
            endpoint: service.endpoint(subject),
            handler,
        });
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let tasks = self.link.tracker().clone();
        self.link.tracker().spawn(async move {
            while let Some(Some(request)) = ended.run_until_cancelled(requests.next()).await {
                tasks.spawn(line.clone().take(request));
            }
            // What the server had sent before it heard of the end is answered too.
            if requests.drain().await.is_ok() {
                while let Some(request) = requests.next().await {
                    tasks.spawn(line.clone().take(request));
                }
            }
        });
        Ok(Serving::new(guard))
    }
}

/// One who serves a subject.
struct Line {
    link: Arc<Link>,
    endpoint: Endpoint,
    handler: Handler,
}

impl Line {
    /// Answers one request, whether or not its caller still waits.
    async fn take(self: Arc<Self>, request: Message) {
        // Who may make a consumer may have it deliver to any subject, be it one that he may not publish to.
        if let Some(consumer) = request.reply.as_ref().filter(|to| to.starts_with("$JS.")) {
            tracing::warn!(subject = request.subject.as_str(), %consumer, "what a consumer delivers is no request; it is ignored");
            return;
        }
        let began = Instant::now();
        let answer = (self.handler)(request.payload).await;
        self.endpoint.count(began.elapsed(), answer.fault.as_ref());
        let Some(reply) = request.reply else { return };
        let headers = answer.fault.as_ref().map(headers).unwrap_or_default();
        if let Err(error) = self.link.say(reply, headers, answer.payload).await {
            tracing::warn!(subject = request.subject.as_str(), %error, "an answer was not sent");
        }
    }
}

fn headers(fault: &Fault) -> HeaderMap {
    // A header is one line.
    let description = fault.description.replace(char::is_control, " ");
    let mut headers = HeaderMap::new();
    headers.insert(NATS_SERVICE_ERROR_CODE, fault.code.to_string());
    headers.insert(NATS_SERVICE_ERROR, description);
    headers
}

fn read(message: Message) -> Answer {
    let header = |name| Some(message.headers.as_ref()?.get(name)?.as_str());
    let (code, description) = (header(NATS_SERVICE_ERROR_CODE), header(NATS_SERVICE_ERROR));
    let fault = (code.is_some() || description.is_some()).then(|| Fault {
        code: code.and_then(|code| code.parse().ok()).unwrap_or(INTERNAL),
        description: description.unwrap_or_default().to_owned(),
    });
    Answer {
        payload: message.payload,
        fault,
    }
}

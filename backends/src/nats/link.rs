//! The one connection of this process to the bus, and how what goes wrong on it is told.

mod news;
mod refusal;

pub(super) use refusal::Refusal;

use super::address::Address;
use crate::Config;
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::response::Response;
use async_nats::subject::ToSubject;
use async_nats::{
    Client, ConnectOptions, HeaderMap, Message, Request, RequestErrorKind, ServerAddr, Subscriber,
};
use belfry_mesh::port::Error;
use bytes::Bytes;
use news::{News, note};
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::TaskTracker;

/// The oldest server that has what Belfry needs: a time to live for each key.
const OLDEST: (i64, i64) = (2, 11);

/// How often the server is asked whether it is there. Two silent times are an outage.
const PING: Duration = Duration::from_secs(5);

/// The longest wait between two attempts to connect. There is no last attempt.
const RECONNECT: Duration = Duration::from_millis(250);

/// How many messages may wait for the connection: so many at most are held in memory while the server is silent.
const QUEUE: usize = 256;

/// A subject that nobody listens to.
const NOBODY: &str = "belfry.nobody";

/// The connection.
pub(super) struct Link {
    client: Client,
    address: String,
    inbox: String,
    deadline: Duration,
    news: watch::Receiver<News>,
    tracker: TaskTracker,
    /// When it began: what recurs is timed from here, so that it recurs together.
    began: Instant,
}

impl Link {
    /// Connects, once: an address that is wrong must not be tried for ever. From then on the connection comes back by itself.
    pub(super) async fn connect(
        url: &SecretString,
        config: &Config,
        tracker: TaskTracker,
    ) -> Result<Self, Error> {
        let address = Address::parse(url)?;
        let deadline = config.nats_deadline;
        let inbox = config.nats_inbox.clone().unwrap_or_else(|| address.inbox());
        let (sender, mut news) = watch::channel(News::default());
        let shown = address.shown.clone();
        let options = ConnectOptions::new()
            .name("belfry")
            .connection_timeout(deadline)
            .request_timeout(Some(deadline))
            .ping_interval(PING)
            .client_capacity(QUEUE)
            .custom_inbox_prefix(&inbox)
            .reconnect_delay_callback(backoff)
            .event_callback(move |event| {
                note(&sender, event, &shown);
                async {}
            });
        let options = address.authenticate(options);
        let Address {
            servers,
            shown: address,
        } = address;
        let client = connect(options, servers, &address, deadline).await?;
        // The news of the first connection is not to be taken for that of a second.
        let _ = timeout(deadline, news.wait_for(|news| news.up)).await;
        let link = Self {
            client,
            address,
            inbox,
            deadline,
            news,
            tracker,
            began: Instant::now(),
        };
        link.check_version()?;
        Ok(link)
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The server, as errors name it.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// What is left of `wait` when its end is put back to a whole number of steps since the connection began: by less than a step. Of
    /// hundreds that each recur after the same while, most then fall together, and an idle process wakes up for all of them at once.
    pub(super) fn together(&self, wait: Duration, step: Duration) -> Duration {
        aligned(self.began.elapsed(), wait, step)
    }

    /// Whether the connection is there.
    pub(super) fn is_up(&self) -> bool {
        self.news.borrow().up
    }

    /// The number of the connection: another after it was lost.
    pub(super) fn connection(&self) -> u64 {
        self.news.borrow().connection
    }

    /// Returns once the connection of this number is no more.
    pub(super) async fn broken(&self, connection: u64) {
        let mut news = self.news.clone();
        // The sender lives as long as the client, which lives as long as this.
        let _ = news
            .wait_for(|news| !news.up || news.connection != connection)
            .await;
    }

    /// Waits for the connection, as long as for an answer.
    pub(super) async fn up(&self) -> Result<(), Error> {
        match timeout(self.deadline, self.news.clone().wait_for(|news| news.up)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(self.unavailable("not connected")),
        }
    }

    /// Listens to a subject, as one of a group if there is one.
    pub(super) async fn listen(
        &self,
        subject: String,
        group: Option<&str>,
    ) -> Result<Subscriber, Error> {
        let listen = async {
            match group {
                Some(group) => self.client.queue_subscribe(subject, group.to_owned()).await,
                None => self.client.subscribe(subject).await,
            }
        };
        match timeout(self.deadline, listen).await {
            Ok(heard) => heard.map_err(|error| self.unavailable(error)),
            Err(_) => Err(self.unavailable("it takes no more subscriptions")),
        }
    }

    /// Says something, without knowing whether it is heard.
    pub(super) async fn say(
        &self,
        subject: impl ToSubject,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<(), Error> {
        let say = async {
            if headers.is_empty() {
                self.client.publish(subject, payload).await
            } else {
                let client = &self.client;
                client.publish_with_headers(subject, headers, payload).await
            }
        };
        match timeout(self.deadline, say).await {
            Ok(said) => said.map_err(|error| self.unavailable(error)),
            Err(_) => Err(self.unavailable("it takes no more messages")),
        }
    }

    /// How often the server has complained so far.
    pub(super) fn complaints(&self) -> u64 {
        self.news.borrow().complaints
    }

    /// Returns once the server says, after it had complained so often, that this subject is not for this process.
    pub(super) async fn forbidden(&self, since: u64, subject: &str) -> Error {
        let mut news = self.news.clone();
        let told = news.wait_for(|news| news.complaint(since, subject).is_some());
        match told.await.ok().as_deref() {
            Some(news) => self.refused(news.complaint(since, subject).unwrap_or_default()),
            None => self.unavailable("the connection was closed"),
        }
    }

    /// Returns once the server has taken what was sent before: it answers in order, and knows at once that nobody listens here.
    pub(super) async fn sync(&self) -> Result<(), Error> {
        let since = self.complaints();
        let request = Request::new().timeout(Some(self.deadline));
        let answer = self.client.send_request(NOBODY, request);
        tokio::select! {
            answer = answer => match answer {
                Err(error) if error.kind() != RequestErrorKind::NoResponders => {
                    Err(self.unavailable(error))
                }
                _ => Ok(()),
            },
            // That too is said in order.
            _ = self.forbidden(since, NOBODY) => Ok(()),
        }
    }

    /// Asks and waits for one answer. While the server is away the question waits for it, until the deadline.
    pub(super) async fn ask(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> Result<Message, Error> {
        let since = self.complaints();
        let trouble = |news: &News, subject: &str| {
            let complaint = news.complaint(since, subject)?;
            Some(self.refused(complaint))
        };
        self.question(subject, headers, payload, trouble).await
    }

    /// The same, given up when what is known of the connection is `trouble` for the subject. This is on the way of every event:
    /// one timer and one watch.
    async fn question(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
        trouble: impl Fn(&News, &str) -> Option<Error>,
    ) -> Result<Message, Error> {
        let asked = subject.clone();
        // The deadline below is for the way into the queue as well.
        let mut request = Request::new().payload(payload).timeout(None);
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        let mut news = self.news.clone();
        let troubled = async {
            let told = news.wait_for(|news| trouble(news, &asked).is_some()).await;
            let found = told.ok().and_then(|news| trouble(&news, &asked));
            found.unwrap_or_else(|| self.unavailable("the connection was closed"))
        };
        let answer = timeout(self.deadline, self.client.send_request(subject, request));
        let answer = tokio::select! {
            biased;
            answer = answer => answer,
            trouble = troubled => return Err(trouble),
        };
        match answer {
            Ok(Ok(message)) => Ok(message),
            Ok(Err(error)) => Err(match error.kind() {
                RequestErrorKind::NoResponders => {
                    self.unavailable(format!("nobody there takes {asked}"))
                }
                RequestErrorKind::InvalidSubject => Error::Refused {
                    what: asked,
                    why: "it cannot be a subject".into(),
                },
                RequestErrorKind::MaxPayloadExceeded
                | RequestErrorKind::TimedOut
                | RequestErrorKind::Other => self.unavailable(error),
            }),
            Err(_) => Err(self.silent(&asked)),
        }
    }

    /// Asks JetStream's API: `verb` is the subject without its prefix.
    pub(super) async fn api<T: DeserializeOwned>(
        &self,
        verb: &str,
        body: &impl Serialize,
    ) -> Result<T, Refusal> {
        let payload = serde_json::to_vec(body)
            .map_err(|error| Refusal::Failed(self.unreadable("a request", error)))?;
        let answer = self
            .ask(format!("$JS.API.{verb}"), None, payload.into())
            .await?;
        self.read(&answer)
    }

    /// Publishes to whatever stream takes the subject, and waits until it is stored. A connection that is down, or goes down
    /// meanwhile, is an error at once: whoever publishes has a better place to wait.
    pub(super) async fn publish(
        &self,
        subject: String,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<PublishAck, Refusal> {
        let (up, connection, since) = {
            let news = self.news.borrow();
            (news.up, news.connection, news.complaints)
        };
        if !up {
            return Err(self.unavailable("not connected").into());
        }
        let trouble = |news: &News, subject: &str| {
            if !news.up || news.connection != connection {
                return Some(self.unavailable("the connection was lost"));
            }
            let complaint = news.complaint(since, subject)?;
            Some(self.refused(complaint))
        };
        let answer = self
            .question(subject, Some(headers), payload, trouble)
            .await?;
        self.read(&answer)
    }

    /// The largest message that the server takes, headers included, in bytes.
    pub(super) fn max_payload(&self) -> usize {
        self.client.max_payload()
    }

    pub(super) fn unavailable(&self, why: impl Display) -> Error {
        Error::Unavailable {
            what: self.address.clone(),
            why: why.to_string(),
        }
    }

    fn read<T: DeserializeOwned>(&self, answer: &Message) -> Result<T, Refusal> {
        match serde_json::from_slice(&answer.payload) {
            Ok(Response::Ok(value)) => Ok(value),
            Ok(Response::Err { error }) => Err(Refusal::Said(error)),
            Err(error) => Err(self.unreadable("an answer", error).into()),
        }
    }

    fn unreadable(&self, what: &str, error: serde_json::Error) -> Error {
        Error::Corrupt {
            what: format!("{what} of {}", self.address),
            why: error.to_string(),
        }
    }

    fn refused(&self, why: &str) -> Error {
        Error::Refused {
            what: self.address.clone(),
            why: why.to_owned(),
        }
    }

    /// No answer came. A server that forbids a subject says so only beside it, and then says nothing more; so it does where the
    /// answers would have come.
    fn silent(&self, subject: &str) -> Error {
        let news = self.news.borrow();
        if let Some(why) = news.complaint(0, subject) {
            return self.refused(why);
        }
        match news.inbox_complaint(&self.inbox) {
            Some(why) => self.refused(&format!(
                "{why}: its answers would come there; let the user subscribe to `{}.>`, or name the inbox that it may use",
                self.inbox
            )),
            None => self.unavailable(format!("no answer within {} ms", self.deadline.as_millis())),
        }
    }

    fn check_version(&self) -> Result<(), Error> {
        let version = self.client.server_info().version;
        let (major, minor) = OLDEST;
        if self.client.is_server_compatible(major, minor, 0) {
            return Ok(());
        }
        let why = format!("it is version {version}, and Belfry needs {major}.{minor} or later");
        Err(Error::Refused {
            what: self.address.clone(),
            why,
        })
    }
}

async fn connect(
    options: ConnectOptions,
    servers: Vec<ServerAddr>,
    address: &str,
    deadline: Duration,
) -> Result<Client, Error> {
    let unavailable = |why: String| Error::Unavailable {
        what: address.to_owned(),
        why,
    };
    // Each server may be tried once, and once more for an address that resolves to two.
    let patience = Instant::now() + deadline.saturating_mul(2 * servers.len() as u32);
    match timeout_at(patience, options.connect(servers)).await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) => match error.kind() {
            async_nats::ConnectErrorKind::AuthorizationViolation
            | async_nats::ConnectErrorKind::Authentication => Err(Error::Refused {
                what: address.to_owned(),
                why: format!("{error}: check the user and the password"),
            }),
            _ => Err(unavailable(error.to_string())),
        },
        Err(_) => Err(unavailable("no connection in time".to_owned())),
    }
}

/// How long to wait at a time so that the end is a whole number of steps, and at most `wait` away.
fn aligned(now: Duration, wait: Duration, step: Duration) -> Duration {
    let over = (now + wait).as_nanos() % step.as_nanos().max(1);
    wait.saturating_sub(Duration::from_nanos(
        u64::try_from(over).unwrap_or_default(),
    ))
}

/// At once, then after 10 ms, and twice as long each time up to a quarter of a second.
fn backoff(attempts: usize) -> Duration {
    match attempts {
        0 | 1 => Duration::ZERO,
        n => Duration::from_millis(10)
            .saturating_mul(1 << (n - 2).min(10))
            .min(RECONNECT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_recurs_falls_together() {
        let (wait, step) = (Duration::from_millis(3_333), Duration::from_millis(833));
        let end = |now: u64| {
            let now = Duration::from_millis(now);
            now + aligned(now, wait, step)
        };
        for now in 0..5_000 {
            let at = Duration::from_millis(now) + wait;
            assert_eq!(end(now).as_millis() % step.as_millis(), 0);
            assert!(end(now) <= at && end(now) + step > at);
        }
        // Once together, it stays so, a little late as a timer is.
        assert_eq!(end(833 * 7 + 2), end(833 * 7));
    }

    #[test]
    fn attempts_to_connect_wait_longer_each_time_and_never_long() {
        let waits: Vec<_> = (0..20).map(backoff).collect();
        assert!(waits.is_sorted());
        assert_eq!(waits[..3], [0, 0, 10].map(Duration::from_millis));
        assert_eq!(waits[19], RECONNECT);
        assert_eq!(backoff(usize::MAX), RECONNECT);
    }
}

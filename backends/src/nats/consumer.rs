//! A reader of one trigger's deliveries.

use super::claim::Claimed;
use super::link::Link;
use super::message::{Entry, Place};
use super::pull::{News, Pull, Wait};
use super::{events, layout};
use async_nats::{HeaderMap, Message};
use async_trait::async_trait;
use belfry_mesh::name::TriggerName;
use belfry_mesh::port::Error;
use belfry_mesh::port::log::{Consumer, Delivery};
use futures::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// How long the rest of a burst is waited for once its first message is there. It is needed only while the consumer is at its
/// limit: otherwise the server says when a burst is over.
const LINGER: Duration = Duration::from_millis(5);

/// How long a reader that is dropped listens on for what its last request brings. A message that the server sends just when nobody
/// listens any more is lost until its claim ends. Where many come, the request is soon answered, and what came is handed back; where
/// few come, hardly one comes just then.
const FAREWELL: Duration = Duration::from_millis(250);

/// The first wait after the server has forgotten a request. It doubles each time, up to [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// A reader. Of what it holds nothing is forgotten: what comes when nobody waits is handed out by the next call, or handed back to
/// the server when that call comes too late for the claim, or never.
pub(super) struct Deliveries {
    link: Arc<Link>,
    trigger: TriggerName,
    claim: Duration,
    /// None only while it is dropped.
    pull: Option<Pull>,
    /// What has come and was not handed out yet.
    found: Vec<Delivery>,
    /// When somebody last waited.
    waited: Instant,
    /// How often in a row a request was forgotten.
    forgotten: u32,
}

impl Deliveries {
    /// A reader of the trigger's place, whose claims last as long as that says.
    pub(super) async fn open(link: Arc<Link>, trigger: &TriggerName) -> Result<Self, Error> {
        let place = events::place(&link, trigger).await?;
        let pull = Pull::open(link.clone(), layout::EVENTS, &events::consumer(trigger)).await?;
        Ok(Self {
            link,
            trigger: trigger.clone(),
            claim: Duration::from_nanos(place.config.ack_wait),
            pull: Some(pull),
            found: Vec::new(),
            waited: Instant::now(),
            forgotten: 0,
        })
    }

    async fn wait(&mut self, max: usize) -> Result<Vec<Delivery>, Error> {
        // What came while nobody waited may have lost half of its claim already.
        let mut is_stale = self.waited.elapsed() > self.claim / 2;
        if is_stale {
            give_back(std::mem::take(&mut self.found)).await;
        }
        loop {
            while self.found.len() < max {
                let Some(message) = self.pull().ready() else {
                    break;
                };
                if is_stale {
                    hand_back(&self.link, &message).await;
                } else {
                    self.find(message).await;
                }
            }
            is_stale = false;
            if !self.found.is_empty() {
                return Ok(self.hand_out(max));
            }
            if !self.pull().is_waiting() {
                self.link.up().await?;
                self.pull().request(max, Wait::Burst).await?;
            }
            if let Some(message) = self.first().await? {
                self.find(message).await;
                self.gather(max).await;
            }
            if !self.found.is_empty() {
                return Ok(self.hand_out(max));
            }
        }
    }

    fn hand_out(&mut self, max: usize) -> Vec<Delivery> {
        let most = self.found.len().min(max);
        self.found.drain(..most).collect()
    }

    /// The first message of a request, or none if another request is to be made.
    async fn first(&mut self) -> Result<Option<Message>, Error> {
        loop {
            let news = self.pull().next().await;
            if !matches!(news, News::Forgotten(_)) {
                self.forgotten = 0;
            }
            match news {
                News::Message(message) => return Ok(Some(message)),
                News::Ended => return Ok(None),
                News::Crowded => self.pull().request(1, Wait::All).await?,
                News::Deleted => return Err(self.unsubscribed()),
                News::Refused(why) => {
                    return Err(Error::Refused {
                        what: self.link.address().to_owned(),
                        why: format!("{}: {why}", self.name()),
                    });
                }
                News::Forgotten(why) => {
                    tracing::debug!(trigger = %self.trigger, why, "asking for deliveries again");
                    self.link.up().await?;
                    events::place(&self.link, &self.trigger).await?;
                    tokio::time::sleep(
                        PAUSE
                            .saturating_mul(1 << self.forgotten.min(10))
                            .min(MAX_PAUSE),
                    )
                    .await;
                    self.forgotten += 1;
                    return Ok(None);
                }
            }
        }
    }

    /// What comes with the first message.
    async fn gather(&mut self, max: usize) {
        let mut patience = Instant::now() + LINGER;
        while self.found.len() < max && self.pull().is_waiting() {
            let Ok(News::Message(message)) = timeout_at(patience, self.pull().next()).await else {
                return;
            };
            self.find(message).await;
            patience = Instant::now() + LINGER;
        }
    }

    /// Keeps the delivery that a message is, so that it is not forgotten if nobody waits for it any more.
    async fn find(&mut self, message: Message) {
        let delivery = self.delivery(message).await;
        self.found.extend(delivery);
    }

    /// The delivery that a message is. One that is no event is settled, since it would come again for ever; it stays in the log.
    async fn delivery(&self, message: Message) -> Option<Delivery> {
        let reply = message.reply.as_ref()?.to_string();
        let place = Place::parse(&reply)?;
        let claim = Claimed::new(self.link.clone(), reply);
        let entry = Entry::of(message, &place);
        let subject = entry.subject.clone();
        match entry.event(layout::EVENTS, &subject) {
            Ok(stored) => Some(Delivery {
                event: stored.value,
                sequence: place.sequence,
                attempt: place.delivered,
                claim: Box::new(claim),
            }),
            Err(error) => {
                tracing::error!(trigger = %self.trigger, sequence = place.sequence, %error, "skipped what is no event");
                if let Err(error) = claim.discard().await {
                    tracing::warn!(trigger = %self.trigger, sequence = place.sequence, %error, "it will come again");
                }
                None
            }
        }
    }

    fn pull(&mut self) -> &mut Pull {
        self.pull.as_mut().expect("it is taken only by the drop")
    }

    fn name(&self) -> String {
        events::place_name(&self.trigger)
    }

    fn unsubscribed(&self) -> Error {
        Error::NotFound(self.name())
    }
}

#[async_trait]
impl Consumer for Deliveries {
    async fn next(&mut self, max: usize) -> Result<Vec<Delivery>, Error> {
        let waiting = Waiting(self);
        waiting.0.wait(max.max(1)).await
    }
}

/// Notes, when it ends or is dropped, that somebody waited until then.
struct Waiting<'a>(&'a mut Deliveries);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waited = Instant::now();
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        let Some(mut pull) = self.pull.take() else {
            return;
        };
        let (link, found) = (self.link.clone(), std::mem::take(&mut self.found));
        // Without a runtime there is nobody to hand back with; the claims end by themselves.
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        self.link.tracker().spawn(async move {
            let rest = async {
                give_back(found).await;
                timeout(FAREWELL, answered(&mut pull, &link)).await.ok();
                let mut rest = std::pin::pin!(pull.close().await);
                while let Some(message) = rest.next().await {
                    hand_back(&link, &message).await;
                }
            };
            let _ = timeout(link.deadline(), rest).await;
        });
    }
}

/// Hands back what the last request brings, until it is answered.
async fn answered(pull: &mut Pull, link: &Link) {
    while pull.is_waiting()
        && let News::Message(message) = pull.next().await
    {
        hand_back(link, &message).await;
    }
}

/// Hands back what was found and never handed out.
async fn give_back(found: Vec<Delivery>) {
    for delivery in found {
        if let Err(error) = delivery.claim.retry_after(Duration::ZERO).await {
            tracing::debug!(sequence = delivery.sequence, %error, "a claim is left to end by itself");
        }
    }
}

/// Hands back what was never handed out. If that is lost, its claim ends by itself.
async fn hand_back(link: &Link, message: &Message) {
    if let Some(reply) = &message.reply {
        let _ = link
            .say(reply.clone(), HeaderMap::new(), "-NAK".into())
            .await;
    }
}

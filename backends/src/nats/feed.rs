//! Reading a stream in order without claiming anything, through a short-lived consumer that is made anew, from where the reading
//! was, whenever it is lost.

mod transient;

use super::link::Link;
use super::message::{Entry, Place};
use super::pull::{News, Wait};
use belfry_mesh::port::Error;
use belfry_mesh::port::log::{Entries, Range, Sequence, Stored};
use futures::stream;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use transient::Transient;

/// How many messages are asked for at once.
const BATCH: usize = 64;

/// How long nothing comes of a snapshot before it is looked into.
const STANDSTILL: Duration = Duration::from_millis(50);

/// What to read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    stream: String,
    filter: Option<String>,
    from: From,
    live: bool,
}

/// Where to begin.
#[derive(Debug, Clone, Copy)]
enum From {
    After(Sequence),
    LastOfEachSubject,
}

/// A reading.
pub(super) struct Feed {
    link: Arc<Link>,
    source: Source,
    consumer: Option<Transient>,
    /// The sequence that was read last.
    read: Sequence,
    /// How many of those that were there at the beginning are still to come.
    rest: u64,
}

/// What there is to read next.
pub(super) enum Next {
    /// An entry.
    Entry(Box<Entry>),
    /// All that is to be read was.
    End,
    /// The consumer was lost, for this reason.
    Lost(Error),
}

impl Source {
    /// A range of a log.
    pub(super) fn log(stream: &str, range: Range) -> Self {
        Self {
            stream: stream.to_owned(),
            filter: None,
            from: From::After(range.after),
            live: range.live,
        }
    }

    /// All that is kept of one subject.
    pub(super) fn subject(stream: &str, subject: &str) -> Self {
        Self {
            stream: stream.to_owned(),
            filter: Some(subject.to_owned()),
            from: From::After(0),
            live: false,
        }
    }

    /// The latest of each of these subjects, then what comes.
    pub(super) fn latest(stream: &str, subjects: &str) -> Self {
        Self {
            stream: stream.to_owned(),
            filter: Some(subjects.to_owned()),
            from: From::LastOfEachSubject,
            live: true,
        }
    }
}

impl Feed {
    pub(super) async fn open(link: Arc<Link>, source: Source) -> Result<Self, Error> {
        let read = match source.from {
            From::After(sequence) => sequence,
            From::LastOfEachSubject => 0,
        };
        let mut feed = Self {
            link,
            source,
            consumer: None,
            read,
            rest: 0,
        };
        feed.begin().await?;
        Ok(feed)
    }

    /// All that was there at the beginning, or came since instead of it.
    ///
    /// It is read at once: of the latest of each subject the server makes a list, and for each of the list that is replaced before
    /// it is read, the consumer stands still until something wakes it.
    pub(super) async fn snapshot(&mut self) -> Result<Vec<Entry>, Error> {
        let mut snapshot = Vec::new();
        let mut patience = Instant::now() + self.link.deadline();
        while self.rest > 0 {
            let gone = || self.link.unavailable("the reading was ended by the server");
            let consumer = self.consumer.as_mut().ok_or_else(gone)?;
            if !consumer.pull.is_waiting() {
                consumer.pull.request(BATCH, Wait::All).await?;
            }
            match timeout(STANDSTILL, consumer.pull.next()).await {
                Ok(News::Message(message)) => {
                    snapshot.extend(self.take(message));
                    patience = Instant::now() + self.link.deadline();
                }
                Ok(News::Ended | News::Crowded) => {}
                Ok(News::Deleted) => return Err(gone()),
                // In a cluster the server that is asked may not have heard yet of the consumer that another one has just made.
                Ok(News::Forgotten(_)) if Instant::now() < patience => sleep(STANDSTILL).await,
                Ok(News::Forgotten(why) | News::Refused(why)) => {
                    return Err(self.link.unavailable(why));
                }
                Err(_) if Instant::now() > patience => {
                    return Err(self.link.unavailable("the reading stands still"));
                }
                Err(_) => {
                    let pending = consumer.pending().await?;
                    if pending == 0 {
                        break;
                    }
                    if pending < self.rest {
                        patience = Instant::now() + self.link.deadline();
                    }
                    self.rest = pending;
                    // A request is what wakes it.
                    consumer.pull.request(BATCH, Wait::All).await?;
                }
            }
        }
        Ok(snapshot)
    }

    /// The next entry.
    pub(super) async fn next(&mut self) -> Next {
        loop {
            if self.rest == 0 && !self.source.live {
                return Next::End;
            }
            let Some(consumer) = &mut self.consumer else {
                match self.begin().await {
                    Ok(()) => continue,
                    Err(error) => return Next::Lost(error),
                }
            };
            if !consumer.pull.is_waiting()
                && let Some(message) = consumer.pull.ready()
            {
                if let Some(entry) = self.take(message) {
                    return Next::Entry(Box::new(entry));
                }
                continue;
            }
            if !consumer.pull.is_waiting()
                && let Err(error) = consumer.pull.request(BATCH, Wait::All).await
            {
                return self.lost(error);
            }
            match consumer.pull.next().await {
                News::Message(message) => {
                    if let Some(entry) = self.take(message) {
                        return Next::Entry(Box::new(entry));
                    }
                }
                News::Ended | News::Crowded => {}
                News::Deleted => {
                    let error = self.link.unavailable("the reading was ended by the server");
                    return self.lost(error);
                }
                News::Forgotten(why) | News::Refused(why) => {
                    let error = self.link.unavailable(why);
                    return self.lost(error);
                }
            }
        }
    }

    /// The entries as a stream, which goes on after an outage by itself if it is live, and ends with the error if it is not.
    pub(super) fn entries<T: Send + 'static>(
        self,
        decode: impl Fn(Entry) -> Result<Stored<T>, Error> + Send + Sync + 'static,
    ) -> Entries<T> {
        let live = self.source.live;
        let state = (Some(self), decode);
        Box::pin(stream::unfold(state, move |(feed, decode)| async move {
            let mut feed = feed?;
            let mut pause = Duration::from_millis(50);
            loop {
                match feed.next().await {
                    Next::Entry(entry) => return Some((decode(*entry), (Some(feed), decode))),
                    Next::End => return None,
                    Next::Lost(error) if live => {
                        tracing::debug!(%error, "reading goes on when the bus is back");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(Duration::from_secs(2));
                    }
                    Next::Lost(error) => return Some((Err(error), (None, decode))),
                }
            }
        }))
    }

    /// Makes the consumer.
    async fn begin(&mut self) -> Result<(), Error> {
        self.link.up().await?;
        let (consumer, pending) = Transient::create(&self.link, &self.source, self.read).await?;
        self.consumer = Some(consumer);
        self.rest = pending;
        Ok(())
    }

    fn lost(&mut self, error: Error) -> Next {
        self.consumer = None;
        Next::Lost(error)
    }

    fn take(&mut self, message: async_nats::Message) -> Option<Entry> {
        let place = Place::parse(message.reply.as_ref()?)?;
        self.read = place.sequence;
        // What was there may have been deleted meanwhile, so the count alone would wait for ever.
        self.rest = if place.pending == 0 {
            0
        } else {
            self.rest.saturating_sub(1)
        };
        Some(Entry::of(message, &place))
    }
}

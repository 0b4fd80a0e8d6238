//! Answers in the words of a package.

use super::render::{self, Said};
use super::{End, Full, Waiter, Waiting};
use crate::answer::{self, Refused, Reply, Stored, Taken};
use belfry_mesh::event::{Event, Proven};
use belfry_mesh::package::Response;
use belfry_mesh::port::clock::Clock;
use belfry_mesh::template::Template;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What the answer to a stored delivery is made of, where its package has a say in it.
pub(crate) struct Wording {
    response: Arc<Response>,
    event: Event,
    waiter: Option<Waiter>,
}

/// Gets ready to answer a delivery that is about to be stored, which may mean to wait for what becomes of it. Most packages say
/// nothing of it, and nothing is done.
///
/// # Errors
/// [`Refused::Busy`] if as many wait as may: nothing is stored yet, so the sender may repeat it.
pub(crate) fn begin(
    waiting: &Arc<Waiting>,
    response: Option<&Arc<Response>>,
    event: Proven,
) -> Result<(Proven, Option<Wording>), Refused> {
    let Some(response) = response else {
        return Ok((event, None));
    };
    let waiter = if response.sync {
        waiting
            .begin(&event.event().id)
            .map_err(|Full| Refused::Busy)?
    } else {
        None
    };
    let event = match &waiter {
        Some(waiter) => event.answered_to(waiter.address()),
        None => event,
    };
    let wording = Wording::new(response, event.event(), waiter);
    Ok((event, Some(wording)))
}

/// Gets ready to answer the repetition of a delivery that is stored: with the same as the first one, if that is known or awaited
/// here.
pub(crate) fn repeated(
    waiting: &Arc<Waiting>,
    response: Option<&Arc<Response>>,
    event: &Event,
) -> Option<Wording> {
    let response = response?;
    let waiter = match response.sync {
        true => Some(waiting.join(&event.id)?),
        false => None,
    };
    Some(Wording::new(response, event, waiter))
}

impl Wording {
    fn new(response: &Arc<Response>, event: &Event, waiter: Option<Waiter>) -> Self {
        let mut event = event.clone();
        let body = response.body.as_ref();
        if !body.is_some_and(Template::needs_body) {
            // Those who wait are many, and what they sent may be large.
            event.data = Bytes::new();
        }
        Self {
            response: response.clone(),
            event,
            waiter,
        }
    }

    /// Takes note that the event log has taken the event. Only an event that it has with this gateway's address is waited for: not
    /// one that is spooled, nor the repetition of one that another gateway has stored.
    pub(crate) fn note(&self, stored: &Stored) {
        if let (Some(waiter), Stored::Accepted { .. }) = (&self.waiter, stored) {
            waiter.stored();
        }
    }

    /// The answer, once it is known. Dropped, it waits no more.
    pub(crate) async fn answer(self, stored: Stored, clock: &dyn Clock) -> Reply {
        let as_it_is = |stored| answer::to_delivery(Ok(Taken::Stored(stored)));
        match &self.waiter {
            Some(waiter) if waiter.is_stored() => {
                let began = Instant::now();
                let end = waiter.end(self.response.timeout).await;
                let now = clock.now();
                let said = match &end {
                    End::Told(ending) => render::ended(&self.response, &self.event, ending, now),
                    End::Late => render::late(&self.event, self.response.timeout),
                    End::Closed => return as_it_is(stored),
                };
                self.log(&said, began.elapsed());
                said.into_reply()
            }
            Some(_) => as_it_is(stored),
            None if self.response.sync => as_it_is(stored),
            None => match render::at_once(&self.response, &self.event, &stored, clock.now()) {
                Some(said) => said.into_reply(),
                None => as_it_is(stored),
            },
        }
    }

    fn log(&self, said: &Said, waited: Duration) {
        tracing::debug!(
            trigger = self.event.address.trigger().map(tracing::field::display),
            event_id = self.event.id.as_str(),
            status = said.status.as_u16(),
            waited_ms = waited.as_secs_f64() * 1e3,
            "a sender that waited was answered"
        );
    }
}

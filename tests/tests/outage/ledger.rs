//! What must be in the event log once a flood is over, read from the stream itself.

use super::flood::Record;
use anyhow::{Context, Result, ensure};
use async_nats::jetstream::consumer::pull::OrderedConfig;
use belfry_tests::servers::Nats;
use futures::StreamExt;
use std::collections::BTreeMap;
use std::time::Duration;

/// The stream of the events.
pub(super) const EVENTS: &str = "BELFRY_EVENTS";

/// What is in the stream: the ids of the events of each delivery, by its number, in the order in which they were stored.
pub(super) type Stream = BTreeMap<u64, Vec<String>>;

/// Reads the stream to its end.
pub(super) async fn read(nats: &Nats) -> Result<Stream> {
    let jetstream = async_nats::jetstream::new(async_nats::connect(nats.url()).await?);
    let mut stream = jetstream.get_stream(EVENTS).await?;
    let stored = stream.info().await?.state.messages;
    let headers = OrderedConfig {
        headers_only: true,
        ..OrderedConfig::default()
    };
    let mut messages = stream.create_consumer(headers).await?.messages().await?;
    let mut found = Stream::new();
    for _ in 0..stored {
        let next = tokio::time::timeout(Duration::from_secs(10), messages.next());
        let message = next.await?.context("the stream ended")??;
        let headers = message
            .headers
            .as_ref()
            .context("an event without attributes")?;
        let header = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
        let delivery = header("ce-deliveryid").context("an event without its delivery's id")?;
        let number = delivery.strip_prefix("delivery-").map(str::parse::<u64>);
        let number = number.with_context(|| format!("nobody sent delivery {delivery}"))??;
        let id = header("ce-id").context("an event without an id")?;
        found.entry(number).or_default().push(id);
    }
    Ok(found)
}

/// Sees that every delivery of the record was acknowledged, that each is in the stream exactly once, under the id that it was
/// acknowledged with each time, and that nothing else of this flood is. Answers how many there are.
pub(super) fn balance(stream: &Stream, record: &Record) -> Result<usize> {
    let mut sent: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for answer in &record.answers {
        let events = sent.entry(answer.number).or_default();
        events.extend(answer.event.as_deref());
    }
    let (lost, twice): (Vec<u64>, Vec<u64>) = {
        let stored = |number: &&u64| stream.get(number).map_or(0, Vec::len);
        let lost = sent.keys().filter(|number| stored(number) == 0);
        let twice = sent.keys().filter(|number| stored(number) > 1);
        (lost.copied().collect(), twice.copied().collect())
    };
    ensure!(
        lost.is_empty() && twice.is_empty(),
        "of {} deliveries {} are lost, such as {:?}, and {} are in the log more than once, such as {:?}",
        sent.len(),
        lost.len(),
        &lost[..lost.len().min(3)],
        twice.len(),
        &twice[..twice.len().min(3)]
    );
    for (number, events) in &sent {
        ensure!(!events.is_empty(), "delivery {number} was not acknowledged");
        let stored = &stream[number][0];
        ensure!(
            events.iter().all(|event| event == stored),
            "delivery {number} was acknowledged as {events:?} and stored as {stored}"
        );
    }
    let first = sent.keys().next().context("nothing was sent")?;
    let of_this_flood = stream.range(first..).count();
    ensure!(
        of_this_flood == sent.len(),
        "{of_this_flood} deliveries are in the log, of {} that were sent",
        sent.len()
    );
    Ok(sent.len())
}

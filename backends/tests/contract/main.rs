//! The contract of each port, and the backends that must keep it. A suite is a list of sentences; `contract!` makes a test of each
//! sentence for one backend.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on is to end there"
)]

mod calls;
mod dedup;
mod deliveries;
mod embedded;
mod leases;
mod log;
mod nats;
mod outcomes;
mod state;
mod watch;

use belfry_mesh::event::{Event, EventId, Proven};
use belfry_mesh::name::TriggerName;
use belfry_mesh::port::Ports;
use belfry_mesh::port::log::{Consumer, Delivery, Stored, Subscription};
use belfry_mesh::trace::TraceParent;
use bytes::Bytes;
use jiff::Timestamp;
use std::future::Future;
use std::time::Duration;

/// How long a sentence waits for what must come, before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a sentence waits for what must not come.
const QUIET: Duration = Duration::from_millis(300);

/// A backend under test, on storage of its own, which is gone when the fixture is dropped.
trait Fixture: Sized {
    /// A body that is as large as the backend surely takes, in bytes. One of twice the size is refused.
    const LARGEST_BODY: usize;

    /// Whether several processes share the backend, so that what they hold outlives it: their ports heal by themselves once it is
    /// back. Otherwise backend and process live and die together.
    const SHARED: bool;

    /// A running backend with nothing in it.
    async fn open(limits: Limits) -> Self;

    /// The ports of one process on the running backend. Asked for again after [`Fixture::start`]: those from before may be dead.
    fn ports(&self) -> Ports;

    /// Ends the backend without a warning; its storage stays. What holds ports from before must fail soon, and never hang.
    async fn stop(&mut self);

    /// Starts a stopped backend on the storage that it had.
    async fn start(&mut self);

    /// Stores bytes that are no event under this trigger's subject, behind the adapter's back.
    async fn store_nonsense(&mut self, trigger: &TriggerName);
}

/// How much the logs of a backend may hold.
#[derive(Clone, Copy)]
struct Limits {
    /// The event log, in bytes.
    events: u64,
    /// The dead letters, in bytes.
    dead_letters: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            events: 1 << 30,
            dead_letters: 1 << 30,
        }
    }
}

/// Makes a test of every sentence for one fixture.
macro_rules! contract {
    ($fixture:ty) => {
        crate::sentences! { $fixture, log:
            an_event_published_twice_is_stored_once
            copies_published_at_once_are_stored_once
            sequences_grow_in_the_order_of_publishing
            a_stored_event_survives_a_restart
            publishing_while_the_backend_is_away_fails_and_works_again_after
            a_body_survives_byte_for_byte
            every_attribute_survives_those_with_other_scripts_too
            an_event_that_is_too_large_is_refused_and_the_largest_is_not
            a_full_log_refuses_and_drops_nothing_unread
            a_read_ends_with_what_is_stored_when_it_began
            a_read_of_an_empty_log_ends_at_once
            a_live_read_goes_on_with_what_is_stored_later
            reading_claims_nothing
            an_entry_that_is_not_there_is_none
            a_read_goes_on_after_an_entry_that_is_no_event
        }
        crate::sentences! { $fixture, deliveries:
            a_new_subscription_begins_with_what_is_published_after_it
            a_changed_subscription_keeps_its_position
            a_trigger_receives_its_own_events_and_no_others
            a_trigger_without_a_place_has_no_consumer
            unsubscribing_forgets_what_was_left_to_do
            a_consumer_that_waits_learns_that_its_trigger_was_unsubscribed
            first_deliveries_come_in_the_order_of_the_log
            a_consumer_that_waits_is_woken_by_a_publish
            two_consumers_share_the_work_and_no_event_goes_to_both
            what_waits_for_its_retry_holds_up_nothing_fresh
            an_acknowledged_event_is_not_delivered_again
            an_unacked_delivery_comes_again_when_its_claim_ends
            extend_keeps_a_claim
            a_retry_is_never_early
            a_retry_without_a_delay_comes_at_once
            a_retry_holds_up_no_other_event
            attempts_go_on_counting_after_a_restart
            the_backlog_counts_what_waits_and_what_is_tried
            an_entry_that_is_no_event_holds_up_no_delivery
        }
        crate::sentences! { $fixture, outcomes:
            an_outcome_survives_whole
            an_outcome_recorded_twice_is_recorded_once
            outcomes_and_dead_letters_survive_a_restart
            a_live_read_of_outcomes_goes_on
            a_dead_letter_survives_whole
            an_event_is_buried_once_a_trigger
            a_discarded_letter_is_gone_and_the_others_stay
            a_full_log_of_dead_letters_refuses_and_drops_none
        }
        crate::sentences! { $fixture, state:
            a_value_is_read_as_it_was_written
            a_bucket_sees_nothing_of_another
            a_list_holds_every_key_that_is_there
            a_key_is_created_once
            revisions_grow_with_every_change
            an_update_on_an_old_revision_conflicts
            of_many_concurrent_updates_on_one_revision_one_succeeds
            of_many_concurrent_creates_one_succeeds
            a_delete_on_an_old_revision_conflicts_and_without_one_never
            the_history_keeps_values_in_order_beyond_a_deletion
            the_history_is_as_long_as_its_bucket_says
            state_survives_a_restart
            a_value_that_is_too_large_is_refused
        }
        crate::sentences! { $fixture, watch:
            a_watch_begins_with_what_is_there
            a_watch_of_an_empty_bucket_is_current_at_once
            a_watch_sees_changes_in_order
            a_watch_sees_every_latest_value
            a_watch_goes_on_after_a_restart
        }
        crate::sentences! { $fixture, leases:
            a_lease_has_one_holder
            of_many_who_want_a_lease_at_once_one_gets_it
            a_released_lease_is_free_at_once
            tokens_grow
            a_lease_is_renewed_while_it_is_held
            a_lease_that_is_not_renewed_is_lost_before_another_takes_it
            a_lease_is_lost_when_the_backend_goes_away
        }
        crate::sentences! { $fixture, dedup:
            a_delivery_is_fresh_until_it_is_marked
            a_mark_ends_with_its_time
            a_mark_made_again_lasts_anew
            a_burst_passes_and_the_next_one_is_told_when
            the_rate_recovers_with_time
            each_subject_has_its_own_rate
            a_repetition_takes_nothing_from_the_rate
            the_rate_is_not_overshot_by_concurrent_gateways
            it_fails_promptly_while_the_backend_is_away
        }
        crate::sentences! { $fixture, calls:
            a_request_is_answered_byte_for_byte
            a_fault_reaches_who_asked_with_its_body
            one_process_serves_many_subjects
            a_request_that_nobody_serves_fails_at_once
            a_request_that_is_not_answered_fails_at_its_deadline
            who_stops_serving_is_asked_no_more
            requests_are_answered_side_by_side
            of_several_who_serve_each_request_reaches_one
            a_caller_who_hangs_up_interrupts_no_handler
        }
    };
}

/// Makes a test of each sentence of one suite.
macro_rules! sentences {
    ($fixture:ty, $suite:ident: $($sentence:ident)+) => {
        mod $suite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $sentence() {
                    crate::$suite::$sentence::<$fixture>().await;
                }
            )+
        }
    };
}

pub(crate) use {contract, sentences};

/// A running backend with nothing in it, and ports on it.
async fn open<F: Fixture>() -> (F, Ports) {
    open_with(Limits::default()).await
}

/// The same with limits.
async fn open_with<F: Fixture>(limits: Limits) -> (F, Ports) {
    let fixture = F::open(limits).await;
    let ports = fixture.ports();
    (fixture, ports)
}

/// Waits for what must come.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come within {PATIENCE:?}"),
    }
}

/// Sees that what must not come does not.
async fn never<T>(what: &str, future: impl Future<Output = T>) {
    assert!(
        tokio::time::timeout(QUIET, future).await.is_err(),
        "{what} came"
    );
}

fn text(text: &str) -> Bytes {
    Bytes::from(text.to_owned())
}

fn trigger(name: &str) -> TriggerName {
    TriggerName::parse(name).expect("a trigger name")
}

/// The event of a run of a trigger.
fn run(trigger: &TriggerName, id: &str) -> Proven {
    with_body(trigger, id, Bytes::from(format!("{{\"id\":\"{id}\"}}")))
}

/// The event of a run with this body.
fn with_body(trigger: &TriggerName, id: &str, body: Bytes) -> Proven {
    let id = EventId::parse(id).expect("an event id");
    Proven::run(trigger, id, body, now(), trace())
}

/// An event with any content at all: a replay carries what was stored.
fn with_content(trigger: &TriggerName, content: Event) -> Proven {
    let stored = Stored {
        sequence: 1,
        stored_at: now(),
        value: content,
    };
    Proven::replay(&stored, trigger, 0, now())
}

/// Whole milliseconds, as the encodings keep at least.
fn now() -> Timestamp {
    "2026-11-22T08:00:00.123Z".parse().expect("a time")
}

fn trace() -> TraceParent {
    TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .expect("a trace parent")
}

fn subscription(trigger: &TriggerName) -> Subscription {
    Subscription {
        trigger: trigger.clone(),
        signals: Vec::new(),
        claim: Duration::from_secs(30),
    }
}

/// The next deliveries, which must come.
async fn next(consumer: &mut dyn Consumer, max: usize) -> Vec<Delivery> {
    within("a delivery", consumer.next(max))
        .await
        .expect("the log is up")
}

/// The next delivery, which must come.
async fn one(consumer: &mut dyn Consumer) -> Delivery {
    next(consumer, 1)
        .await
        .pop()
        .expect("there is at least one")
}

/// Takes deliveries, acknowledging each, until `count` have come; their ids in order.
async fn drain(consumer: &mut dyn Consumer, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.len() < count {
        for delivery in next(consumer, count - ids.len()).await {
            ids.push(delivery.event.id.to_string());
            delivery.claim.ack().await.expect("the log is up");
        }
    }
    ids
}

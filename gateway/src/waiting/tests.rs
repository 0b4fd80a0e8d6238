//! Who waits, who is told, and what is left of it.

use super::*;
use belfry_mesh::outcome::{Holder, Outcome};
use belfry_mesh::{NodeName, TriggerName};
use jiff::Timestamp;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(5);

fn waiting(room: usize) -> Arc<Waiting> {
    let address = AnswerTo::parse("0123456789abcdef").unwrap();
    let waiting = Waiting::new(address, room);
    waiting.hears.store(true, Ordering::Relaxed);
    waiting
}

fn id(text: &str) -> EventId {
    EventId::parse(text).unwrap()
}

pub(super) fn ending(event_id: &str, status: Status, result: Option<Value>) -> Ending {
    let outcome = Outcome {
        event_id: id(event_id),
        trigger: TriggerName::parse("t").unwrap(),
        attempt: 1,
        status,
        reason: None,
        http_status: Some(200),
        execution_id: Some("exec-1".into()),
        latency_ms: 1,
        at: Timestamp::UNIX_EPOCH,
        retry_at: None,
        by: Holder {
            node: NodeName::parse("n").unwrap(),
            slot: 0,
            token: 1,
            revision: 1,
        },
    };
    Ending { outcome, result }
}

fn tell(waiting: &Waiting, event_id: &str, status: Status) -> Option<u16> {
    let said = serde_json::to_vec(&ending(event_id, status, None)).unwrap();
    waiting.hear(&said).fault.map(|fault| fault.code)
}

fn told(end: &End) -> Option<&str> {
    match end {
        End::Told(ending) => Some(ending.outcome.event_id.as_str()),
        End::Late | End::Closed => None,
    }
}

#[tokio::test]
async fn everybody_who_waits_for_an_event_is_told_and_nobody_else() {
    let waiting = waiting(8);
    let first = waiting.begin(&id("a")).unwrap().unwrap();
    first.stored();
    let second = waiting.begin(&id("a")).unwrap().unwrap();
    let third = waiting.join(&id("a")).unwrap();
    let other = waiting.begin(&id("b")).unwrap().unwrap();
    assert!(second.is_stored() && third.is_stored() && !other.is_stored());
    assert_eq!(tell(&waiting, "a", Status::Triggered), None);
    for waiter in [&first, &second, &third] {
        assert_eq!(told(&waiter.end(SOON).await), Some("a"));
    }
    assert!(matches!(other.end(Duration::ZERO).await, End::Late));
    assert_eq!(tell(&waiting, "a", Status::Triggered), Some(404));
}

#[tokio::test]
async fn an_end_that_comes_before_the_store_s_own_answer_is_not_missed() {
    let waiting = waiting(8);
    let waiter = waiting.begin(&id("a")).unwrap().unwrap();
    assert_eq!(tell(&waiting, "a", Status::Dead), None);
    assert!(waiter.is_stored());
    assert_eq!(told(&waiter.end(Duration::ZERO).await), Some("a"));
}

#[tokio::test]
async fn who_has_gone_leaves_nothing_behind_and_takes_nobody_s_place() {
    let waiting = waiting(2);
    let first = waiting.begin(&id("a")).unwrap().unwrap();
    let second = waiting.begin(&id("a")).unwrap().unwrap();
    assert!(waiting.begin(&id("b")).is_err() && waiting.join(&id("a")).is_none());
    drop(first);
    assert_eq!(waiting.count(), 1);
    assert!(waiting.join(&id("b")).is_none(), "nobody waits for that");
    assert_eq!(tell(&waiting, "a", Status::Ignored), None);
    // A later one under the same id is another's business.
    let third = waiting.begin(&id("a")).unwrap().unwrap();
    drop(second);
    assert_eq!(waiting.count(), 1);
    drop(third);
    assert_eq!(waiting.count(), 0);
    assert_eq!(tell(&waiting, "a", Status::Ignored), Some(404));
}

#[tokio::test]
async fn nobody_waits_where_nothing_is_heard_nor_once_it_is_closed() {
    let waiting = waiting(8);
    let waiter = waiting.begin(&id("a")).unwrap().unwrap();
    waiting.close();
    assert!(matches!(waiter.end(SOON).await, End::Closed));
    waiting.hears.store(false, Ordering::Relaxed);
    assert!(waiting.begin(&id("a")).unwrap().is_none());
}

#[test]
fn what_is_no_end_of_an_event_is_refused() {
    let waiting = waiting(8);
    let _waiter = waiting.begin(&id("a")).unwrap().unwrap();
    assert_eq!(tell(&waiting, "a", Status::Retrying), Some(400));
    for said in [&b""[..], b"{}", b"\xff", b"[1]"] {
        assert_eq!(waiting.hear(said).fault.unwrap().code, 400);
    }
    assert_eq!(waiting.count(), 1);
    let no_end: Value = json!({"outcome": {"event_id": "a"}});
    let no_end = waiting.hear(no_end.to_string().as_bytes());
    assert_eq!(no_end.fault.unwrap().code, 400);
}

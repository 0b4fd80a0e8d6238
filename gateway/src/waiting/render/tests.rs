//! What is said, word for word.

use super::*;
use crate::waiting::tests::ending;
use belfry_mesh::TriggerName;
use belfry_mesh::event::Address;
use belfry_mesh::package::Manifest;

/// The answer of a package with this `response`.
fn response(response: Value) -> Response {
    let manifest = json!({
        "manifest": 2, "name": "p", "version": "1.0.0", "type": "trigger",
        "trigger": {"type": "webhook", "auth": {"scheme": "none"}},
        "response": response,
    });
    let manifest = Manifest::try_from(manifest).unwrap();
    manifest.response().unwrap().clone()
}

fn event(data: &'static str) -> Event {
    Event {
        id: EventId::parse("e-1").unwrap(),
        source: "/hooks/t".into(),
        event_type: "com.slack.event".into(),
        subject: None,
        time: Timestamp::UNIX_EPOCH,
        content_type: None,
        data: Bytes::from_static(data.as_bytes()),
        address: Address::Trigger(TriggerName::parse("t").unwrap()),
        delivery_id: None,
        replay_of: None,
        answer_to: None,
        headers: vec![("x-kind".into(), "k".into())],
        trace: None,
    }
}

fn accepted() -> Stored {
    Stored::Accepted {
        event_id: EventId::parse("e-1").unwrap(),
        durability: None,
    }
}

fn duplicate() -> Stored {
    Stored::Duplicate {
        event_id: EventId::parse("e-1").unwrap(),
        delivery_id: None,
        durability: None,
    }
}

fn json_of(said: &Said) -> Value {
    serde_json::from_slice(&said.body).unwrap()
}

fn after(response: &Response, ending: &Ending) -> Said {
    ended(
        response,
        &event(r#"{"n": 7}"#),
        ending,
        Timestamp::UNIX_EPOCH,
    )
}

#[test]
fn a_run_is_told_in_the_words_of_the_template() {
    let response = response(json!({
        "sync": true, "status": 201,
        "body": {"run": "${execution.id}", "score": "${execution.result.score}", "n": "${event.n}", "kind": "${http.x-kind}",
            "event": "${ce.id}", "at": "${now}", "none": "${execution.result.no}"},
    }));
    let ending = ending("e-1", Status::Triggered, Some(json!({"score": 9})));
    let said = after(&response, &ending);
    assert_eq!(
        (said.status, said.content_type),
        (StatusCode::CREATED, Some("application/json"))
    );
    assert_eq!(
        json_of(&said),
        json!({"run": "exec-1", "score": 9, "n": 7, "kind": "k", "event": "e-1", "at": "1970-01-01T00:00:00Z", "none": null})
    );
}

#[test]
fn without_a_template_it_is_told_what_became_of_the_event() {
    let response = response(json!({"sync": true}));
    let said = after(&response, &ending("e-1", Status::Triggered, None));
    assert_eq!(said.status, StatusCode::OK);
    assert_eq!(
        json_of(&said),
        json!({"status": "triggered", "event_id": "e-1", "execution_id": "exec-1"})
    );
    let empty = self::response(json!({"sync": true, "status": 204}));
    let said = after(&empty, &ending("e-1", Status::Triggered, None));
    assert_eq!(
        said.into_reply().headers().get(header::CONTENT_TYPE),
        None::<&HeaderValue>
    );
}

#[test]
fn an_ignored_event_is_told_with_its_reason_whatever_the_template() {
    let response = response(json!({"sync": true, "status": 201, "body": "it runs"}));
    let mut ending = ending("e-1", Status::Ignored, None);
    ending.outcome.reason = Some("the action is `labeled`".into());
    let said = after(&response, &ending);
    assert_eq!(said.status, StatusCode::OK);
    assert_eq!(
        json_of(&said),
        json!({"status": "ignored", "event_id": "e-1", "reason": "the action is `labeled`"})
    );
}

#[test]
fn a_dead_event_is_a_problem_that_tells_the_sender_what_is_the_sender_s() {
    let response = response(json!({"sync": true}));
    let dead = |http_status, attempt, reason: &str| {
        let mut ending = ending("e-1", Status::Dead, None);
        ending.outcome.http_status = http_status;
        ending.outcome.attempt = attempt;
        ending.outcome.reason = Some(reason.into());
        let said = after(&response, &ending);
        assert_eq!(
            (said.status, said.content_type),
            (StatusCode::BAD_GATEWAY, Some("application/problem+json"))
        );
        let told = json_of(&said);
        assert_eq!(
            (&told["status"], &told["event_id"]),
            (&json!(502), &json!("e-1"))
        );
        told["detail"].as_str().unwrap().to_owned()
    };
    let kept = "; the event is kept as a dead letter until it is replayed";
    let reason = "the orchestrator at http://orchestrator:8000 answered 422: no workflow `w` on db=10.0.0.7:5432, [::1]:80 or db:5432";
    assert_eq!(
        dead(Some(422), 1, reason),
        "the trigger refused the event with status 422: the orchestrator at … answered 422: no workflow `w` on … … or …".to_owned()
            + kept
    );
    assert_eq!(
        dead(Some(502), 3, "Traceback: password=hunter2"),
        "the trigger failed at each of 3 attempts, at last with status 502".to_owned() + kept
    );
    assert_eq!(
        dead(None, 1, "the trigger cannot be reached"),
        "the trigger failed at the first attempt, at last without an answer".to_owned() + kept
    );
}

#[test]
fn words_that_name_no_place_are_left_as_they_are() {
    for plain in [
        "the field `a.b` is 7: it must be 8",
        "at 2026-11-22 nothing, see [1] and 3:2; x::y … ü",
        "",
    ] {
        assert_eq!(without_addresses(plain), plain);
    }
    for place in [
        "10.0.0.7",
        "(10.0.0.7).",
        "::1",
        "fe80::,",
        "https://a/b?c",
        "x:443",
    ] {
        assert_eq!(without_addresses(place), "…", "{place}");
    }
}

#[test]
fn a_sender_that_waited_in_vain_is_told_that_its_event_is_stored() {
    let said = late(&event(""), Duration::from_millis(1_500));
    assert_eq!(said.status, StatusCode::GATEWAY_TIMEOUT);
    let told = json_of(&said);
    assert_eq!(told["event_id"], "e-1");
    assert!(
        told["detail"]
            .as_str()
            .unwrap()
            .contains("within 1.5 s; the event is stored"),
        "{told}"
    );
}

#[test]
fn a_sender_that_does_not_wait_is_answered_in_the_words_of_the_template_again_and_again() {
    let slack = response(json!({"body": "got ${event.text}"}));
    let said = |stored: &Stored| {
        let event = event(r#"{"text": "<b>it</b>"}"#);
        at_once(&slack, &event, stored, Timestamp::UNIX_EPOCH)
    };
    let first = said(&accepted()).unwrap();
    assert_eq!(
        (first.status, first.body.as_ref()),
        (StatusCode::OK, &b"got <b>it</b>"[..])
    );
    assert_eq!(said(&duplicate()), Some(first.clone()));
    let reply = first.into_reply();
    assert_eq!(
        reply.headers()[header::CONTENT_TYPE],
        "text/plain; charset=utf-8"
    );
    assert_eq!(reply.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
}

#[test]
fn a_body_that_is_not_json_has_nothing_to_refer_to() {
    let form = response(json!({"body": {"text": "${event.text:-well}"}}));
    let event = event("text=hello");
    let said = at_once(&form, &event, &accepted(), Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(json_of(&said), json!({"text": "well"}));
}

#[test]
fn a_status_alone_stands_for_what_is_new() {
    let created = response(json!({"status": 201}));
    let now = Timestamp::UNIX_EPOCH;
    let said = at_once(&created, &event(""), &accepted(), now).unwrap();
    assert_eq!(said.status, StatusCode::CREATED);
    assert_eq!(
        json_of(&said),
        json!({"status": "accepted", "event_id": "e-1"})
    );
    assert_eq!(at_once(&created, &event(""), &duplicate(), now), None);
    let silent = response(json!({"status": 204}));
    let said = at_once(&silent, &event(""), &duplicate(), now).unwrap();
    assert_eq!((said.status, said.body.len()), (StatusCode::NO_CONTENT, 0));
}

//! Dead letters: listed, replayed, discarded.

use crate::harness::{Mesh, Setup};
use belfry_mesh::outcome::Status;
use serde_json::json;

#[tokio::test]
async fn a_dead_letter_is_replayed_once_however_often_it_is_asked_for() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    mesh.store("hook", "lost", "{\"n\": 1}").await;
    mesh.settle("hook", Status::Dead).await;
    let letters = mesh.until("/dead-letters", |page| page["count"] == 1).await;
    let letter = &letters["dead_letters"][0];
    assert_eq!(
        (&letter["event_id"], &letter["trigger"]),
        (&json!("lost"), &json!("hook"))
    );
    assert_eq!(
        (
            &letter["outcome"]["status"],
            &letter["outcome"]["http_status"]
        ),
        (&json!("dead"), &json!(503))
    );
    assert_eq!(mesh.read("/events/lost").await["dead_letter"], true);

    let first = mesh.command("POST", "/events/lost/replay").await;
    assert_eq!(
        (first.status, &first.json()["status"]),
        (202, &json!("accepted"))
    );
    let again = first.json()["event_id"].as_str().unwrap().to_owned();
    assert_eq!(first.json()["replay_of"], "lost");
    assert_eq!(
        mesh.read("/dead-letters").await["count"],
        0,
        "it is gone at once"
    );
    assert_eq!(mesh.letters_in_the_log().await, 0);
    for _ in 0..3 {
        let repeated = mesh.command("POST", "/events/lost/replay").await;
        assert_eq!(
            (repeated.status, &repeated.json()["status"]),
            (200, &json!("duplicate"))
        );
        assert_eq!(repeated.json()["event_id"], again);
    }
    mesh.settle("hook", Status::Retrying).await;
    mesh.until(&format!("/events/{again}"), |event| {
        event["status"] == "retrying"
    })
    .await;
    assert_eq!(
        mesh.command("POST", "/events/lost/replay").await.status,
        200,
        "it is still under way"
    );
    mesh.settle("hook", Status::Triggered).await;
    let replay = mesh
        .until(&format!("/events/{again}"), |event| {
            event["status"] == "triggered"
        })
        .await;
    assert_eq!(
        (&replay["replay_of"], &replay["data"]),
        (&json!("lost"), &json!({"n": 1}))
    );
    let lost = mesh.read("/events/lost").await;
    assert_eq!(
        (&lost["status"], &lost["replays"][0]["id"]),
        (&json!("dead"), &json!(again))
    );

    let next = mesh.command("POST", "/events/lost/replay").await;
    assert_eq!(
        next.status, 202,
        "the replay has had its outcome, so this is another one"
    );
    assert_ne!(next.json()["event_id"], again);
    mesh.stop().await;
}

#[tokio::test]
async fn a_replay_that_dies_is_a_dead_letter_of_its_own() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    mesh.store("hook", "lost", "{}").await;
    mesh.settle("hook", Status::Dead).await;
    mesh.until("/dead-letters", |page| page["count"] == 1).await;
    let again = mesh.command("POST", "/events/lost/replay").await.json()["event_id"]
        .as_str()
        .unwrap()
        .to_owned();
    mesh.settle("hook", Status::Dead).await;
    let letters = mesh.until("/dead-letters", |page| page["count"] == 1).await;
    let letter = &letters["dead_letters"][0];
    assert_eq!(
        (&letter["event_id"], &letter["replay_of"]),
        (&json!(again), &json!("lost"))
    );
    let third = mesh
        .command("POST", &format!("/events/{again}/replay"))
        .await;
    assert_eq!(third.status, 202);
    let third = third.json()["event_id"].as_str().unwrap().to_owned();
    mesh.until("/events/lost", |event| {
        event["replays"].as_array().unwrap().len() == 2
    })
    .await;
    assert_eq!(
        mesh.read(&format!("/events/{third}")).await["replay_of"],
        "lost",
        "a replay repeats the first event"
    );
    mesh.stop().await;
}

#[tokio::test]
async fn an_event_that_is_no_dead_letter_is_replayed_from_the_log_to_any_trigger() {
    let mesh = Mesh::start().await;
    mesh.install("one").await;
    mesh.install("two").await;
    mesh.store("one", "e", "{}").await;
    mesh.settle("one", Status::Ignored).await;
    mesh.until("/events/e", |event| event["status"] == "ignored")
        .await;
    let replayed = mesh.command("POST", "/events/e/replay?trigger=two").await;
    assert_eq!(replayed.status, 202);
    mesh.settle("two", Status::Triggered).await;
    assert_eq!(
        mesh.command("POST", "/events/e/replay?trigger=nobody")
            .await
            .status,
        404
    );
    assert_eq!(
        mesh.command("POST", "/events/e/replay?triger=two")
            .await
            .status,
        400
    );
    mesh.stop().await;
}

#[tokio::test]
async fn a_dead_letter_is_kept_when_another_trigger_gets_its_replay() {
    let mesh = Setup {
        forgetful: true,
        ..Setup::default()
    }
    .start()
    .await;
    mesh.install("one").await;
    mesh.install("two").await;
    mesh.store("one", "lost", "{}").await;
    mesh.settle("one", Status::Dead).await;
    mesh.until("/dead-letters", |page| page["count"] == 1).await;
    assert_eq!(
        mesh.command("POST", "/events/lost/replay?trigger=two")
            .await
            .status,
        202
    );
    assert_eq!(mesh.read("/dead-letters").await["count"], 1);
    assert_eq!(mesh.letters_in_the_log().await, 1);
    mesh.stop().await;
}

#[tokio::test]
async fn a_discarded_dead_letter_is_gone_and_its_event_is_not() {
    let mesh = Mesh::start().await;
    mesh.install("one").await;
    mesh.install("two").await;
    for (trigger, id) in [("one", "a"), ("two", "b")] {
        mesh.store(trigger, id, "{}").await;
        mesh.settle(trigger, Status::Dead).await;
    }
    mesh.until("/dead-letters", |page| page["count"] == 2).await;
    let of_one = mesh.read("/dead-letters?trigger=one&limit=1").await;
    assert_eq!(
        (&of_one["count"], &of_one["dead_letters"][0]["event_id"]),
        (&json!(1), &json!("a"))
    );

    assert_eq!(
        mesh.command("DELETE", "/dead-letters/a?trigger=two")
            .await
            .status,
        404
    );
    let discarded = mesh.command("DELETE", "/dead-letters/a").await;
    assert_eq!(
        (discarded.status, discarded.json()),
        (200, json!({"status": "discarded", "event_id": "a"}))
    );
    assert_eq!(mesh.command("DELETE", "/dead-letters/a").await.status, 404);
    assert_eq!(mesh.read("/dead-letters").await["count"], 1);
    assert_eq!(mesh.read("/events/a").await["status"], "dead");
    assert_eq!(mesh.letters_in_the_log().await, 1);
    mesh.stop().await;
}

#[tokio::test]
async fn a_dead_letter_that_was_discarded_elsewhere_is_replayed_from_the_log() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    mesh.store("hook", "lost", "{}").await;
    mesh.settle("hook", Status::Dead).await;
    let letters = mesh.until("/dead-letters", |page| page["count"] == 1).await;
    let sequence = letters["dead_letters"][0]["sequence"].as_u64().unwrap();
    assert!(mesh.ports.outcomes.discard(sequence).await.unwrap());
    assert_eq!(
        mesh.command("POST", "/events/lost/replay").await.status,
        202
    );
    assert_eq!(mesh.read("/dead-letters").await["count"], 0);
    mesh.stop().await;
}

#[tokio::test]
async fn an_event_of_which_only_the_dead_letter_is_left_is_shown_replayed_and_discarded() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    mesh.bury("hook", "left", "{\"n\": 1}").await;
    mesh.until("/dead-letters", |page| page["count"] == 1).await;
    let shown = mesh.read("/events/left").await;
    for (key, value) in [
        ("id", json!("left")),
        ("sequence", json!(null)),
        ("trigger", json!("hook")),
        ("status", json!("dead")),
        ("attempts", json!(8)),
        ("kept", json!(true)),
        ("data", json!({"n": 1})),
        ("dead_letter", json!(true)),
    ] {
        assert_eq!(shown[key], value, "{key}");
    }
    let replayed = mesh.command("POST", "/events/left/replay").await;
    assert_eq!(replayed.status, 202);
    let path = format!("/events/{}", replayed.json()["event_id"].as_str().unwrap());
    assert_eq!(mesh.read(&path).await["data"], json!({"n": 1}));
    assert_eq!(mesh.get("/events/left").await.status, 404);

    mesh.bury("hook", "unwanted", "{}").await;
    mesh.until("/dead-letters", |page| page["count"] == 1).await;
    assert_eq!(
        mesh.command("DELETE", "/dead-letters/unwanted")
            .await
            .status,
        200
    );
    mesh.stop().await;
}

#[tokio::test]
async fn what_is_kept_nowhere_cannot_be_replayed_and_is_shown_without_its_body() {
    let mesh = Setup {
        forgetful: true,
        ..Setup::default()
    }
    .start()
    .await;
    mesh.install("hook").await;
    mesh.store("hook", "old", "{}").await;
    let shown = mesh.read("/events/old").await;
    assert_eq!(
        (&shown["kept"], shown.get("data"), shown.get("data_base64")),
        (&json!(false), None, None)
    );
    let refused = mesh.command("POST", "/events/old/replay").await;
    assert_eq!(refused.status, 410);
    assert!(
        refused.detail().contains("`old` cannot be replayed"),
        "{}",
        refused.detail()
    );
    mesh.stop().await;
}

//! What the sender of a webhook is answered, where its package has a say in it.

mod rig;

use crate::world::PATIENCE;
use anyhow::{Context, Result, ensure};
use rig::{Rig, after, fail, package, percentile};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::task::block_in_place;

#[tokio::test]
async fn a_sender_that_waits_is_told_of_its_run_in_the_words_of_the_package() -> Result<()> {
    let body = json!({"run": "${execution.id}", "started": "${execution.result.status}", "hello": "${event.hello}"});
    let rig = Rig::dev(json!({"sync": true, "status": 201, "body": body})).await?;
    let said = rig.deliver("d-1").await?;
    assert_eq!(said.status, 201, "{said:?}");
    let call = rig.orchestrator.calls.calls().remove(0);
    let run = call.execution_id.context("it did not run")?;
    assert_eq!(
        said.json()?,
        json!({"run": run, "started": "started", "hello": "bell"})
    );
    // What the orchestrator answered is told to the sender, and recorded nowhere.
    let id = call.idempotency_key.context("no key")?;
    let event = rig.doors.event(&id, "triggered").await?;
    let outcome = &event["outcomes"][0];
    assert_eq!(
        (&outcome["execution_id"], &outcome["result"]),
        (&json!(run), &Value::Null)
    );

    let again = rig.deliver("d-1").await?;
    assert_eq!(
        (again.status, &again.json()?["status"]),
        (200, &json!("duplicate"))
    );
    assert_eq!(rig.orchestrator.runs_of(&id), 1);
    Ok(())
}

#[tokio::test]
async fn an_answer_takes_milliseconds() -> Result<()> {
    const ANSWERS: usize = 200;
    let rig = Rig::dev(json!({"sync": true})).await?;
    let mut took = Vec::with_capacity(ANSWERS);
    for number in 0..ANSWERS {
        let began = Instant::now();
        let said = rig.deliver(&format!("d-{number}")).await?;
        took.push(began.elapsed());
        assert_eq!(said.json()?["status"], "triggered", "{said:?}");
    }
    took.sort_unstable();
    let (half, most) = (percentile(&took, 50), percentile(&took, 99));
    println!("{ANSWERS} answers one after the other, embedded: p50 {half:.1?}, p99 {most:.1?}");
    assert!(half < Duration::from_millis(250), "{half:?}");
    Ok(())
}

#[tokio::test]
async fn a_sender_whose_run_takes_too_long_gets_a_504_and_the_run_is_made_once() -> Result<()> {
    let rig = Rig::dev(json!({"sync": true, "timeout": 1})).await?;
    rig.orchestrator.calls.answer(after(2_500));
    let began = Instant::now();
    let said = rig.deliver("d-1").await?;
    let waited = began.elapsed();
    let told = said.problem(504)?;
    assert!(
        waited >= Duration::from_secs(1) && waited < Duration::from_millis(2_400),
        "{waited:?}"
    );
    let id = told["event_id"].as_str().context("no event id")?;
    // A provider that does not believe it repeats it.
    let again = rig.deliver("d-1").await?.json()?;
    assert_eq!(
        (&again["status"], &again["event_id"]),
        (&json!("duplicate"), &json!(id))
    );
    rig.doors.event(id, "triggered").await?;
    assert_eq!(rig.orchestrator.runs_of(id), 1);
    assert_eq!(rig.orchestrator.calls.calls().len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_event_that_nobody_wants_is_told_with_the_reason() -> Result<()> {
    let mut package = package(json!({"sync": true, "body": "it runs"}));
    package["conditions"] = json!([{"field": "event.hello", "equals": "clock"}]);
    let rig = Rig::dev_with(package).await?;
    let said = rig.deliver("d-1").await?;
    let told = said.json()?;
    assert_eq!(
        (said.status, &told["status"]),
        (200, &json!("ignored")),
        "{told}"
    );
    assert!(
        told["reason"]
            .as_str()
            .unwrap_or_default()
            .contains("hello"),
        "{told}"
    );
    assert!(rig.orchestrator.calls.calls().is_empty());
    Ok(())
}

#[tokio::test]
async fn an_event_that_is_refused_is_told_as_a_problem_without_our_addresses() -> Result<()> {
    let rig = Rig::dev(json!({"sync": true, "body": "it runs"})).await?;
    rig.orchestrator.calls.answer(fail(422, 1));
    let said = rig.deliver("d-1").await?;
    let told = said.problem(502)?;
    let detail = told["detail"].as_str().context("no detail")?;
    assert!(
        detail.contains("422") && detail.contains("the stand-in was told to answer 422"),
        "{detail}"
    );
    let address = rig.orchestrator.url.trim_start_matches("http://");
    assert!(
        !said.body.contains(address) && !said.body.contains("127.0.0.1"),
        "{detail}"
    );
    let id = told["event_id"].as_str().context("no event id")?;
    rig.doors.event(id, "dead").await?;

    // Nobody waits for a replay.
    let replay = format!("/events/{id}/replay");
    let (status, answer) = rig.doors.console("POST", &replay, Some(json!({}))).await?;
    assert_eq!(status, 202, "{answer}");
    let again = answer["event_id"].as_str().context("no event id")?;
    rig.doors.event(again, "triggered").await?;
    Ok(())
}

#[tokio::test]
async fn an_event_that_is_tried_again_is_waited_for_until_it_has_ended() -> Result<()> {
    let rig = Rig::dev(json!({"sync": true})).await?;
    rig.orchestrator.calls.answer(fail(503, 2));
    let told = rig.deliver("d-1").await?.json()?;
    assert_eq!(told["status"], "triggered", "{told}");
    assert_eq!(rig.orchestrator.calls.calls().len(), 3);

    rig.orchestrator.calls.answer(fail(503, 3));
    let told = rig.deliver("d-2").await?.problem(502)?;
    let detail = told["detail"].as_str().context("no detail")?;
    assert!(
        detail.starts_with("the trigger failed at each of 3 attempts, at last with status 502"),
        "{detail}"
    );
    Ok(())
}

#[tokio::test]
async fn an_answer_at_once_is_the_package_s_own_and_comes_before_the_run() -> Result<()> {
    let rig = Rig::dev(json!({"status": 200, "body": "rung for ${event.hello}"})).await?;
    rig.orchestrator.calls.answer(after(1_000));
    let began = Instant::now();
    for _ in 0..2 {
        let said = rig.deliver("d-1").await?;
        assert_eq!((said.status, said.body.as_str()), (200, "rung for bell"));
        assert_eq!(said.content_type, "text/plain; charset=utf-8");
    }
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "it waited for the run"
    );
    assert_eq!(rig.orchestrator.calls.wait_for(1, PATIENCE).await, 1);
    Ok(())
}

#[tokio::test]
async fn a_sender_that_hangs_up_ends_its_wait_and_not_the_run() -> Result<()> {
    let rig = Rig::dev(json!({"sync": true})).await?;
    rig.orchestrator.calls.answer(after(1_000));
    let impatient = tokio::time::timeout(Duration::from_millis(500), rig.deliver("d-1"));
    ensure!(impatient.await.is_err(), "it was answered before its run");
    assert_eq!(rig.orchestrator.calls.wait_for(1, PATIENCE).await, 1);
    let id = rig.orchestrator.calls.calls()[0].idempotency_key.clone();
    let id = id.context("no key")?;
    rig.doors.event(&id, "triggered").await?;
    assert_eq!(rig.orchestrator.runs_of(&id), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_given_by_the_next_attempt_when_the_agent_is_killed_over_the_first()
-> Result<()> {
    let mut mesh = rig::Mesh::start(json!({"sync": true, "timeout": 60})).await?;
    mesh.orchestrator.calls.answer(after(3_000));
    let gateway = mesh.gateways[0].port();
    let doors = mesh.doors.clone();
    let (said, killed) = tokio::join!(rig::deliver(&doors, gateway, "d-1"), async {
        rig::begun(&mesh.orchestrator, 1).await?;
        mesh.kill_agent()
    });
    killed?;
    let told = said?.json()?;
    assert_eq!(told["status"], "triggered", "{told}");
    let id = told["event_id"].as_str().context("no event id")?;
    let event = mesh.doors.event(id, "triggered").await?;
    let attempt = &event["outcomes"][0]["attempt"];
    assert_eq!(attempt, &json!(2), "{event}");
    let calls = mesh.orchestrator.calls.calls();
    let runs: Vec<_> = calls.iter().map(|call| &call.execution_id).collect();
    assert!(runs.iter().all(|run| *run == runs[0]), "two runs: {runs:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_gateways_the_one_that_is_asked_answers() -> Result<()> {
    const EACH: usize = 100;
    let mesh = rig::Mesh::start(json!({"sync": true})).await?;
    let mut took = Vec::with_capacity(2 * EACH);
    for number in 0..EACH {
        for gateway in &mesh.gateways {
            let began = Instant::now();
            let name = format!("d-{number}-{}", gateway.port());
            let told = mesh.deliver(gateway.port(), &name).await?.json()?;
            took.push(began.elapsed());
            assert_eq!(told["status"], "triggered", "{told}");
        }
    }
    took.sort_unstable();
    let (half, most) = (percentile(&took, 50), percentile(&took, 99));
    println!(
        "{} answers one after the other, on NATS: p50 {half:.1?}, p99 {most:.1?}",
        took.len()
    );

    // A repetition at the other gateway, while the first one waits, is known to be stored, and no more.
    mesh.orchestrator.calls.answer(after(1_500));
    let (first, second) = (mesh.gateways[0].port(), mesh.gateways[1].port());
    let (waited, repeated) = tokio::join!(mesh.deliver(first, "d-again"), async {
        rig::begun(&mesh.orchestrator, 2 * EACH + 1).await?;
        mesh.deliver(second, "d-again").await
    });
    let (waited, repeated) = (waited?.json()?, repeated?.json()?);
    assert_eq!(
        (&waited["status"], &repeated["status"]),
        (&json!("triggered"), &json!("duplicate"))
    );
    assert_eq!(waited["event_id"], repeated["event_id"]);
    assert_eq!(mesh.complaints(), Vec::<String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_stops_tells_those_who_wait_that_their_events_are_stored() -> Result<()> {
    let mut mesh = rig::Mesh::start(json!({"sync": true, "timeout": 60})).await?;
    mesh.orchestrator.calls.answer(after(8_000));
    let gateway = mesh.gateways.remove(0);
    let port = gateway.port();
    let (said, stopped) = tokio::join!(mesh.deliver(port, "d-1"), async {
        rig::begun(&mesh.orchestrator, 1).await?;
        let mut gateway = gateway;
        block_in_place(|| gateway.stop())
    });
    stopped?;
    let said = said?;
    let told = said.json()?;
    assert_eq!(
        (said.status, &told["status"]),
        (202, &json!("accepted")),
        "{told}"
    );
    let id = told["event_id"].as_str().context("no event id")?;
    mesh.doors.event(id, "triggered").await?;
    assert_eq!(mesh.orchestrator.runs_of(id), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_whose_event_is_spooled_is_told_so_and_does_not_wait() -> Result<()> {
    let mut mesh = rig::Mesh::start(json!({"sync": true, "timeout": 60})).await?;
    block_in_place(|| mesh.nats.kill())?;
    let began = Instant::now();
    let said = mesh.deliver(mesh.gateways[0].port(), "d-1").await?;
    let told = said.json()?;
    assert_eq!(
        (said.status, &told["durability"]),
        (202, &json!("spooled")),
        "{told}"
    );
    assert!(began.elapsed() < Duration::from_secs(10), "it waited");
    block_in_place(|| mesh.nats.restart())?;
    let id = told["event_id"].as_str().context("no event id")?;
    mesh.doors.event(id, "triggered").await?;
    assert_eq!(mesh.orchestrator.runs_of(id), 1);
    // Senders are waited for again, without a restart.
    let told = mesh.deliver(mesh.gateways[0].port(), "d-2").await?.json()?;
    assert_eq!(told["status"], "triggered", "{told}");
    Ok(())
}

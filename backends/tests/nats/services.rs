//! Services, as other clients find them.

use crate::{config, open, within};
use async_nats::Client;
use belfry_backends::Config;
use belfry_mesh::port::Ports;
use belfry_mesh::port::calls::{Answer, Handler};
use belfry_tests::servers::Nats;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// A server, a process on it that says it is a console, and another client.
async fn console() -> (Nats, Ports, Client) {
    let nats = Nats::start().unwrap();
    let config = Config {
        metadata: [("role".to_owned(), "console".to_owned())].into(),
        ..config(&nats)
    };
    let ports = open(&config).await.unwrap();
    let client = async_nats::connect(nats.url()).await.unwrap();
    (nats, ports, client)
}

/// Does what is asked, but for `no`.
fn obedient() -> Handler {
    Arc::new(|payload| -> BoxFuture<'static, Answer> {
        Box::pin(async move {
            if payload == "no" {
                Answer::fault(409, "not\nnow", &b"{\"status\":409}"[..])
            } else {
                payload.into()
            }
        })
    })
}

async fn ask(client: &Client, subject: &str) -> Value {
    let answer = within(client.request(subject.to_owned(), Bytes::new()))
        .await
        .unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

#[tokio::test]
async fn a_service_is_found_with_its_endpoints_and_forgotten_when_it_serves_no_more() {
    let (_nats, ports, client) = console().await;
    let install = ports.calls.serve("belfry.cmd.trigger.install", obedient());
    let install = install.await.unwrap();
    let stop = ports.calls.serve("belfry.cmd.trigger.stop", obedient());
    let stop = stop.await.unwrap();

    let ping = ask(&client, "$SRV.PING").await;
    let id = ping["id"].as_str().unwrap().to_owned();
    assert_eq!(
        ping,
        json!({
            "type": "io.nats.micro.v1.ping_response", "name": "belfry", "id": id, "version": env!("CARGO_PKG_VERSION"),
            "metadata": {"role": "console"},
        })
    );
    let endpoint = |name: &str, subject: &str| json!({"name": name, "subject": subject, "queue_group": "q", "metadata": {}});
    for subject in [
        "$SRV.INFO.belfry".to_owned(),
        format!("$SRV.INFO.belfry.{id}"),
    ] {
        let info = ask(&client, &subject).await;
        assert_eq!(info["type"], "io.nats.micro.v1.info_response");
        assert_eq!(
            info["endpoints"],
            json!([
                endpoint("trigger-install", "belfry.cmd.trigger.install"),
                endpoint("trigger-stop", "belfry.cmd.trigger.stop"),
            ])
        );
    }

    drop(install);
    let left = async {
        while ask(&client, "$SRV.INFO.belfry").await["endpoints"]
            != json!([endpoint("trigger-stop", "belfry.cmd.trigger.stop")])
        {}
    };
    within(left).await;
    drop(stop);
    let silent = async {
        while client
            .request("$SRV.PING.belfry", Bytes::new())
            .await
            .is_ok()
        {}
    };
    within(silent).await;
}

#[tokio::test]
async fn requests_and_faults_are_counted() {
    let (_nats, ports, client) = console().await;
    let subject = "belfry.cmd.trigger.start";
    let _serving = ports.calls.serve(subject, obedient()).await.unwrap();
    for payload in ["yes", "no", "yes"] {
        client.request(subject, payload.into()).await.unwrap();
    }
    let stats = ask(&client, "$SRV.STATS.belfry").await;
    assert_eq!(stats["type"], "io.nats.micro.v1.stats_response");
    assert!(stats["started"].as_str().unwrap().ends_with('Z'), "{stats}");
    let endpoint = &stats["endpoints"][0];
    assert_eq!(
        (
            &endpoint["num_requests"],
            &endpoint["num_errors"],
            &endpoint["last_error"]
        ),
        (&json!(3), &json!(1), &json!("409:not\nnow"))
    );
    let (all, average) = (
        &endpoint["processing_time"],
        &endpoint["average_processing_time"],
    );
    assert_eq!(all.as_u64().unwrap() / 3, average.as_u64().unwrap());
}

#[tokio::test]
async fn a_fault_on_the_wire_has_the_headers_of_the_services_protocol_and_its_body() {
    let (_nats, ports, client) = console().await;
    let subject = "belfry.cmd.trigger.start";
    let _serving = ports.calls.serve(subject, obedient()).await.unwrap();
    let answer = client.request(subject, "no".into()).await.unwrap();
    let headers = answer.headers.unwrap();
    let header = |name: &str| headers.get(name).unwrap().as_str().to_owned();
    assert_eq!(header("Nats-Service-Error-Code"), "409");
    assert_eq!(header("Nats-Service-Error"), "not now");
    assert_eq!(answer.payload, "{\"status\":409}");
}

#[tokio::test]
async fn a_service_is_heard_again_after_the_server_was_restarted() {
    let (mut nats, ports, _) = console().await;
    let subject = "belfry.cmd.trigger.start";
    let _serving = ports.calls.serve(subject, obedient()).await.unwrap();
    nats.kill().unwrap();
    nats.restart().unwrap();
    let client = async_nats::connect(nats.url()).await.unwrap();
    let heard = async {
        while client.request(subject, "yes".into()).await.is_err() {}
        while client
            .request("$SRV.PING.belfry", Bytes::new())
            .await
            .is_err()
        {}
    };
    within(heard).await;
}

#[tokio::test]
async fn what_a_consumer_delivers_is_no_command() {
    let (_nats, ports, client) = console().await;
    let subject = "belfry.cmd.trigger.uninstall";
    let (sender, mut done) = tokio::sync::mpsc::unbounded_channel();
    let tell: Handler = Arc::new(move |payload| -> BoxFuture<'static, Answer> {
        sender.send(payload.clone()).unwrap();
        Box::pin(async { payload.into() })
    });
    let _serving = ports.calls.serve(subject, tell).await.unwrap();
    client
        .request("belfry.event.a", "{\"name\":\"a\"}".into())
        .await
        .unwrap();
    // Whoever may make a consumer may name any subject to deliver to.
    let mut delivered = client.subscribe(subject).await.unwrap();
    let consumer = json!({"stream_name": "BELFRY_EVENTS", "config": {
        "name": "evil", "deliver_subject": subject, "deliver_policy": "all", "ack_policy": "none", "replay_policy": "instant",
    }});
    client
        .request(
            "$JS.API.CONSUMER.CREATE.BELFRY_EVENTS.evil",
            consumer.to_string().into(),
        )
        .await
        .unwrap();
    within(delivered.next()).await.unwrap();
    client
        .request(subject, "from a client".into())
        .await
        .unwrap();
    assert_eq!(within(done.recv()).await.unwrap(), "from a client");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(
        done.try_recv().is_err(),
        "the delivery was taken for a command"
    );
}

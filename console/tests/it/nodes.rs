//! The nodes.

use crate::harness::{Mesh, put_node};
use crate::http::Request;
use jiff::Timestamp;
use serde_json::json;

#[tokio::test]
async fn nodes_are_listed_with_what_they_hold() {
    let mesh = Mesh::start().await;
    put_node(&mesh.ports, "n0", Timestamp::UNIX_EPOCH).await;
    mesh.install("hook").await;
    let nodes = mesh.read("/nodes").await;
    let told: Vec<_> = nodes
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["name"].as_str().unwrap(), node["live"] == true))
        .collect();
    assert_eq!(told, [("n0", false), ("n1", true)]);
    let node = mesh.read("/nodes/n1").await;
    assert_eq!(nodes[1], node);
    assert_eq!(
        (&node["availability"], &node["labels"], &node["capacity"]),
        (
            &json!("active"),
            &json!({"zone": "eu"}),
            &json!({"slots": 8})
        )
    );
    let held = json!([{"trigger": "hook", "slot": 0, "state": "running", "container_name": "container-of-hook"}]);
    assert_eq!(node["slots"], held);
    mesh.stop().await;
}

#[tokio::test]
async fn a_node_is_cordoned_drained_and_taken_back_by_name_of_who_did_it() {
    let mesh = Mesh::start().await;
    for (verb, availability) in [
        ("cordon", "cordoned"),
        ("drain", "drained"),
        ("uncordon", "active"),
    ] {
        let path = format!("/nodes/n1/{verb}");
        let answer = mesh
            .send(Request::new("POST", &path).header("X-Belfry-By", "ada"))
            .await;
        assert_eq!(answer.status, 200, "{verb}");
        let answer = answer.json();
        assert_eq!(answer["availability"], availability);
        assert_eq!(
            (&answer["change"]["what"], &answer["change"]["by"]),
            (&json!(availability), &json!("ada"))
        );
        assert_eq!(mesh.read("/nodes/n1").await, answer);
    }
    mesh.stop().await;
}

#[tokio::test]
async fn a_drain_waits_until_the_node_has_left_its_slots() {
    let mesh = Mesh::start().await;
    mesh.install("hook").await;
    let leave = async {
        let nodes = || mesh.read("/nodes/n1");
        while nodes().await["availability"] != "drained" {}
        let bucket = belfry_mesh::port::state::Bucket::Status;
        let leave = mesh.ports.state.delete(bucket, "hook.0", None);
        leave.await.unwrap();
    };
    let (drained, ()) = tokio::join!(mesh.command("POST", "/nodes/n1/drain"), leave);
    assert_eq!(drained.json()["slots"], json!([]));
    mesh.stop().await;
}

#[tokio::test]
async fn only_a_dead_node_is_forgotten() {
    let mesh = Mesh::start().await;
    put_node(&mesh.ports, "n0", Timestamp::UNIX_EPOCH).await;
    mesh.command("POST", "/nodes/n0/cordon").await;
    let gone = mesh.command("DELETE", "/nodes/n0").await;
    assert_eq!(
        (gone.status, gone.json()),
        (200, json!({"status": "forgotten", "name": "n0"}))
    );
    assert_eq!(mesh.get("/nodes/n0").await.status, 404);
    // What was wanted of it went too.
    put_node(&mesh.ports, "n0", Timestamp::UNIX_EPOCH).await;
    assert_eq!(mesh.read("/nodes/n0").await["availability"], "active");

    let lives = mesh.command("DELETE", "/nodes/n1").await;
    assert_eq!(lives.status, 400);
    assert!(
        lives
            .detail()
            .contains("node `n1` lives; stop its agent first"),
        "{}",
        lives.detail()
    );
    let nobody = mesh.command("POST", "/nodes/n7/drain").await;
    assert_eq!(nobody.status, 404);
    assert!(
        nobody.detail().contains("there is no node `n7`"),
        "{}",
        nobody.detail()
    );
    mesh.stop().await;
}

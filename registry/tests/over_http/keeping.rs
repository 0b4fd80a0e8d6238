//! What the server keeps to itself, and how it ends.

use crate::house::{House, http, package};
use belfry_registry::{Config, Registry};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn no_path_leads_out_of_the_directory() {
    let house = House::with(&[
        ("triggers/a-1.0.0.json", &package("a", "1.0.0")),
        ("secret-1.0.0.json", "top secret"),
    ])
    .await;
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(
        outside.path().join("trigger.json"),
        package("a", "3.0.0").replace("3.0.0\",\"t", "3.0.0\",\"secret\":1,\"t"),
    )
    .unwrap();
    symlink(
        outside.path(),
        house.directory.path().join("triggers/linked"),
    )
    .unwrap();
    std::fs::create_dir(house.directory.path().join("triggers/a")).unwrap();
    symlink(
        outside.path(),
        house.directory.path().join("triggers/a/3.0.0"),
    )
    .unwrap();
    for path in [
        "/triggers/..%2fsecret-1.0.0",
        "/triggers/../secret-1.0.0",
        "/triggers/..%2f..%2f..%2fetc%2fpasswd",
        "/triggers/%2e%2e/%2e%2e",
        "/triggers/..%2f/1.0.0",
        "/triggers/a%2f..%2f..%2fsecret/1.0.0",
        "/triggers/a%00/1.0.0",
        "/triggers/%ff%fe",
        "/triggers/linked/1.0.0",
        "/mcps/..%2fsecret-1.0.0",
        "/mcps/..%2ftriggers/1.0.0",
        "/mcps/%2e%2e/%2e%2e",
        "/publishers/..%2f..%2fetc/pubkey",
        "/publishers/../pubkey",
        "/publishers/%2e%2e/pubkey.asc",
    ] {
        let answer = house.raw(path).await;
        assert!(
            answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400"),
            "{path}: {answer}"
        );
        assert!(
            !answer.contains("top secret") && !answer.contains("root:"),
            "{path}: {answer}"
        );
    }
    let (status, detail) = house.problem("/triggers/a/3.0.0").await;
    assert!(
        status == 422 && detail.contains("leads out"),
        "{status} {detail}"
    );
    let catalogue = house.json("/catalog").await;
    assert!(
        catalogue["invalid"]
            .as_array()
            .unwrap()
            .iter()
            .any(|line| line["file"] == "triggers/linked"),
        "{catalogue}"
    );
    house.end().await;
}

#[tokio::test]
async fn what_is_not_there_is_said_as_a_problem() {
    let house = House::with(&[]).await;
    for (path, status) in [
        ("/triggers/none", 404),
        ("/triggers/daily-scan/99.0.0", 404),
        ("/nowhere", 404),
    ] {
        assert_eq!(house.problem(path).await.0, status, "{path}");
    }
    let post = http()
        .build()
        .unwrap()
        .post(house.url("/triggers"))
        .send()
        .await
        .unwrap();
    assert_eq!(post.status(), 405);
    assert_eq!(post.headers()["allow"], "GET,HEAD");
    assert_eq!(house.json("/health").await["status"], "ok");

    std::fs::rename(
        house.directory.path(),
        house.directory.path().with_extension("away"),
    )
    .unwrap();
    assert_eq!(house.problem("/ready").await.0, 503);
    assert_eq!(house.problem("/triggers").await.0, 503);
    std::fs::rename(
        house.directory.path().with_extension("away"),
        house.directory.path(),
    )
    .unwrap();
    assert_eq!(house.get("/ready").await.status(), 200);
    house.end().await;
}

#[test]
fn a_directory_that_is_not_there_is_refused_before_anything_listens() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for path in [Path::new("/nowhere/at/all"), file.path()] {
        let error = Registry::build(Config {
            packages: Some(path.to_owned()),
        })
        .unwrap_err()
        .to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
}

#[tokio::test]
async fn a_shutdown_ends_idle_connections_at_once_and_stalled_ones_soon() {
    let house = House::with(&[]).await;
    let mut idle = TcpStream::connect(house.at).await.unwrap();
    idle.write_all(b"GET /health HTTP/1.1\r\nhost: registry\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let mut stalled = TcpStream::connect(house.at).await.unwrap();
    stalled.write_all(b"GET /health HT").await.unwrap();
    // It has been accepted once one that came later is answered.
    house.get("/health").await;
    house.shut_down();
    idle.read_to_end(&mut Vec::new()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(8), house.end())
        .await
        .unwrap();
    drop(stalled);
}

//! HTTP/1.1 and HTTP/2 behind one door.

use crate::house::{House, answer, get, rest};
use belfry_serve::Config;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio_util::task::TaskTracker;

/// Asks over HTTP/2.
async fn asked(house: &House, request: Request<()>) -> (u16, Bytes) {
    let (client, connection) = h2::client::handshake(house.connect().await).await.unwrap();
    TaskTracker::new().spawn(connection);
    let (response, _) = client
        .ready()
        .await
        .unwrap()
        .send_request(request, true)
        .unwrap();
    let mut response = response.await.unwrap();
    let status = response.status().as_u16();
    let mut all = Vec::new();
    while let Some(data) = response.body_mut().data().await {
        let data = data.unwrap();
        response
            .body_mut()
            .flow_control()
            .release_capacity(data.len())
            .unwrap();
        all.extend(data);
    }
    (status, all.into())
}

fn to(path: &str) -> Request<()> {
    Request::get(format!("http://hooks.example{path}"))
        .body(())
        .unwrap()
}

#[tokio::test]
async fn a_client_is_answered_in_the_protocol_that_it_begins_with() {
    let house = House::open(Config::default()).await;
    let mut first = house.send(&get("/who")).await;
    let me = first.local_addr().unwrap();
    assert_eq!(answer(&mut first).await, (200, format!("{me} tls=false")));
    let (status, who) = asked(&house, to("/who")).await;
    assert_eq!(status, 200);
    assert!(
        who.starts_with(b"127.0.0.1:") && who.ends_with(b" tls=false"),
        "{who:?}"
    );
    drop(first);
    assert_eq!(house.end(Duration::from_secs(5)).await, 0);
}

#[tokio::test]
async fn a_head_that_arrives_byte_by_byte_is_understood() {
    let house = House::open(Config::default()).await;
    // It begins like the preface of HTTP/2.
    for method in ["P", "PUT", "PRI"] {
        let mut stream = house.connect().await;
        let request =
            format!("{method} /body HTTP/1.1\r\nhost: belfry\r\ncontent-length: 2\r\n\r\nhi");
        for byte in request.bytes() {
            stream.write_u8(byte).await.unwrap();
            stream.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(
            answer(&mut stream).await,
            (200, "hi".to_owned()),
            "{method}"
        );
    }
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_in_their_order() {
    let house = House::open(Config::default()).await;
    let all: String = (0..100)
        .map(|number| format!("POST / HTTP/1.1\r\nhost: b\r\ncontent-length: 2\r\n\r\n{number:02}"))
        .collect();
    let mut stream = house.send(&all).await;
    for number in 0..100 {
        assert_eq!(answer(&mut stream).await, (200, format!("{number:02}")));
    }
}

#[tokio::test]
async fn the_host_header_is_what_the_target_says() {
    let house = House::open(Config::default()).await;
    assert_eq!(asked(&house, to("/host")).await.1, r#"["hooks.example"]"#);
    let mut proxied = house
        .send("GET http://one/host HTTP/1.1\r\nhost: two\r\n\r\n")
        .await;
    assert_eq!(answer(&mut proxied).await.1, r#"["one"]"#);
    let mut plain = house.send(&get("/host")).await;
    assert_eq!(answer(&mut plain).await.1, r#"["belfry"]"#);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_answered_431() {
    let house = House::open(Config::default()).await;
    let long = format!(
        "GET / HTTP/1.1\r\nhost: b\r\nlong: {}\r\n\r\n",
        "x".repeat(70_000)
    );
    let mut stream = house.connect().await;
    // The answer comes before all of it is sent.
    let _ = stream.write_all(long.as_bytes()).await;
    assert!(rest(&mut stream).await.starts_with(b"HTTP/1.1 431 "));
    let many: String = (0..101)
        .map(|number| format!("x-{number}: y\r\n"))
        .collect();
    let mut stream = house.send(&format!("GET / HTTP/1.1\r\n{many}\r\n")).await;
    assert!(rest(&mut stream).await.starts_with(b"HTTP/1.1 431 "));

    let mut request = to("/");
    for number in 0..101 {
        let name = HeaderName::try_from(format!("x-{number}")).unwrap();
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static("y"));
    }
    let (status, problem) = asked(&house, request).await;
    assert_eq!(status, 431);
    assert!(
        String::from_utf8_lossy(&problem).contains("more than 100 headers"),
        "{problem:?}"
    );
    let mut request = to("/");
    request
        .headers_mut()
        .insert("long", "x".repeat(70_000).parse().unwrap());
    let answered = asked(&house, request).await;
    assert_eq!(answered, (431, Bytes::new()), "the protocol's own answer");
}

#[tokio::test]
async fn what_is_no_http_is_answered_400_without_a_body() {
    let house = House::open(Config::default()).await;
    let mut stream = house.send("this is no request\r\n\r\n").await;
    let told = String::from_utf8(rest(&mut stream).await).unwrap();
    assert!(
        told.starts_with("HTTP/1.1 400 ") && told.ends_with("\r\n\r\n"),
        "{told}"
    );
}

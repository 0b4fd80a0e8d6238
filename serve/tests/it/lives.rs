//! How connections end: in time, in order, and never in the middle of an answer.

use crate::house::{House, PATIENCE, answer, get, rest};
use belfry_serve::Config;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::task::TaskTracker;

fn short() -> Config {
    Config {
        head_deadline: Duration::from_millis(400),
        idle_deadline: Duration::from_millis(1200),
        answer_deadline: Duration::from_millis(800),
        ..Config::default()
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_or_half_a_head_is_cut_off() {
    let house = House::open(short()).await;
    let began = Instant::now();
    for begin in ["", "PRI * HTTP/2", "POST / HTTP/1.1\r\nhost: bel"] {
        assert_eq!(rest(&mut house.send(begin).await).await, b"", "{begin}");
    }
    let took = began.elapsed();
    assert!(
        took >= Duration::from_millis(1200) && took < PATIENCE,
        "{took:?}"
    );
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off_all_the_same() {
    let house = House::open(short()).await;
    for first in ["", &get("/who")] {
        let mut stream = house.send(first).await;
        if !first.is_empty() {
            answer(&mut stream).await;
        }
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let began = Instant::now();
        while stream.write_all(b"x: y\r\n").await.is_ok() {
            assert!(began.elapsed() < PATIENCE, "it is never cut off");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(began.elapsed() >= Duration::from_millis(300));
    }
}

#[tokio::test]
async fn a_connection_waits_longer_for_its_next_request_than_for_the_rest_of_one() {
    let house = House::open(short()).await;
    let mut stream = house.send(&get("/who")).await;
    answer(&mut stream).await;
    // Long enough for its buffers to be given back.
    tokio::time::sleep(Duration::from_millis(800)).await;
    stream
        .write_all(b"POST /body HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi")
        .await
        .unwrap();
    assert_eq!(answer(&mut stream).await, (200, "hi".to_owned()));
    let began = Instant::now();
    assert_eq!(rest(&mut stream).await, b"");
    assert!(
        began.elapsed() >= Duration::from_millis(800),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_request_that_arrives_in_two_halves_over_a_quiet_time_is_one_request() {
    let house = House::open(Config {
        head_deadline: Duration::from_secs(4),
        ..short()
    })
    .await;
    // The second request's head begins in the same segment in which the first one ends.
    let mut stream = house
        .send(&(get("/who") + "POST /body HTTP/1.1\r\ncontent-le"))
        .await;
    answer(&mut stream).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    stream.write_all(b"ngth: 4\r\n\r\nha").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    stream.write_all(b"lf").await.unwrap();
    assert_eq!(answer(&mut stream).await, (200, "half".to_owned()));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_wherever_they_are_cut_by_quiet_times() {
    const EACH: usize = 300;
    let house = House::open(Config::default()).await;
    let requests: String = (0..EACH)
        .map(|number| {
            let body = "x".repeat(number % 7) + &number.to_string();
            format!(
                "POST /body HTTP/1.1\r\nhost: b\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        })
        .collect();
    let mut all = tokio::task::JoinSet::new();
    for client in 0..100 {
        let (at, requests) = (house.at, requests.clone());
        all.spawn(async move {
            let stream = tokio::net::TcpStream::connect(at).await.unwrap();
            let (mut reading, mut writing) = stream.into_split();
            let sending = async {
                let mut rest = requests.as_bytes();
                // Prime numbers cut each client's requests elsewhere.
                for piece in 1.. {
                    let size = ((client + 1) * piece * 7919 % 6007).min(rest.len());
                    writing.write_all(&rest[..size]).await.unwrap();
                    rest = &rest[size..];
                    if rest.is_empty() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(110)).await;
                }
            };
            let answers = async {
                for number in 0..EACH {
                    let told = answer(&mut reading).await;
                    assert_eq!(told, (200, "x".repeat(number % 7) + &number.to_string()));
                }
            };
            futures::join!(sending, answers);
        });
    }
    all.join_all().await;
}

#[tokio::test]
async fn a_body_that_nobody_read_is_never_taken_for_a_request() {
    let house = House::open(short()).await;
    let hidden = get("/who");
    let mut stream = house
        .send(&format!(
            "POST /rude HTTP/1.1\r\nhost: b\r\ncontent-length: {}\r\n\r\n",
            hidden.len()
        ))
        .await;
    let mut told = vec![0; 12];
    stream.read_exact(&mut told).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let _ = stream.write_all(hidden.as_bytes()).await;
    told.extend(rest(&mut stream).await);
    let told = String::from_utf8(told).unwrap();
    assert_eq!(told.matches("HTTP/1.1 ").count(), 1, "{told}");
}

#[tokio::test]
async fn an_answer_that_its_client_does_not_read_is_given_up() {
    let house = House::open(short()).await;
    let mut unread = house.send(&get("/large").repeat(4)).await;
    let mut reads = house.send(&get("/large")).await;
    assert_eq!(answer(&mut reads).await.1.len(), 8 << 20);
    drop(reads);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let came = rest(&mut unread).await.len();
    assert!(came < 4 * (8 << 20), "all of it was sent: {came}");
}

#[tokio::test]
async fn an_http2_client_without_a_window_or_without_requests_is_given_up() {
    let house = House::open(short()).await;
    let mut builder = h2::client::Builder::new();
    let (client, connection) = builder
        .initial_window_size(0)
        .handshake::<_, bytes::Bytes>(house.connect().await)
        .await
        .unwrap();
    let ended = TaskTracker::new().spawn(connection);
    let request = http::Request::get("http://b/who").body(()).unwrap();
    let mut client = client.ready().await.unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    let began = Instant::now();
    let unread = response.await.unwrap();
    assert_eq!(unread.status(), 200);
    let _ = tokio::time::timeout(PATIENCE, ended)
        .await
        .expect("it lives on")
        .unwrap();
    assert!(
        began.elapsed() >= Duration::from_millis(700),
        "{:?}",
        began.elapsed()
    );

    drop((client, unread));

    let (idle, connection) = h2::client::handshake(house.connect().await).await.unwrap();
    let _: h2::client::SendRequest<bytes::Bytes> = idle;
    tokio::time::timeout(PATIENCE, connection)
        .await
        .expect("it lives on")
        .unwrap();
}

#[tokio::test]
async fn a_shutdown_finishes_what_was_taken_and_closes_the_rest() {
    let house = House::open(Config::default()).await;
    let mut busy = house.send(&get("/slow")).await;
    let mut idle = house.send(&get("/who")).await;
    answer(&mut idle).await;
    let mut half = house.send("POST / HTTP/1.1\r\nhost: bel").await;
    let mut silent = house.connect().await;
    let (client, connection) = h2::client::handshake(house.connect().await).await.unwrap();
    TaskTracker::new().spawn(connection);
    let request = || http::Request::get("http://b/slow").body(()).unwrap();
    let mut client = client.ready().await.unwrap();
    let (response, _) = client.send_request(request(), true).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let at = house.at;
    let ended = TaskTracker::new().spawn(house.end(PATIENCE));
    assert_eq!(answer(&mut busy).await, (200, "slow".to_owned()));
    assert_eq!(response.await.unwrap().status(), 200);
    assert_eq!(ended.await.unwrap(), 0);
    for stream in [&mut busy, &mut idle, &mut half, &mut silent] {
        assert_eq!(rest(stream).await, b"");
    }
    assert!(client.ready().await.is_err(), "the connection goes on");
    assert!(tokio::net::TcpStream::connect(at).await.is_err());
}

#[tokio::test]
async fn what_does_not_end_is_cut_off() {
    let house = House::open(Config::default()).await;
    let mut never = house.send(&get("/never")).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(house.end(Duration::from_millis(50)).await, 1);
    assert_eq!(rest(&mut never).await, b"");
}

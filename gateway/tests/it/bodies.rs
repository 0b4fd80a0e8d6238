//! Bodies: their size, their pace and their form. What is not whole is not stored.

use crate::client::{exchange, request, send, with, with_length};
use crate::gateway::{with_config, with_gateway};
use belfry_gateway::Config;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderMap;
use std::io::Write;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const BODY: &[u8] = b"{}";

#[tokio::test]
async fn a_body_that_is_too_large_is_answered_413_however_it_is_sent() {
    with_gateway(async |gateway| {
        let body = vec![b'x'; 10 << 20];
        let headers = gateway.sign("github", "d-1", &body);
        gateway.post("github", &headers, &body).await.problem(413);

        let chunked = with(&headers, "transfer-encoding", "chunked");
        let mut bytes = request(
            "POST",
            "/hooks/github",
            &chunked,
            format!("{:x}\r\n", body.len()).as_bytes(),
        );
        bytes.extend(&body);
        bytes.extend(b"\r\n0\r\n\r\n");
        let answer = exchange(gateway.at, &bytes).await;
        assert!(answer.problem(413).contains(&(5 << 20).to_string()));
        assert!(gateway.world.stored().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_body_of_just_the_size_is_taken_and_one_byte_more_is_not() {
    let config = Config {
        max_body: 1000,
        ..Config::default()
    };
    with_config(config, async |gateway| {
        for (size, status) in [(0, 202), (1000, 202), (1001, 413)] {
            assert_eq!(
                gateway
                    .post("none", &HeaderMap::new(), &vec![b'x'; size])
                    .await
                    .status,
                status
            );
        }
        let chunked = with(&HeaderMap::new(), "transfer-encoding", "chunked");
        for (chunks, status) in [(100, 202), (101, 413)] {
            let body = "a\r\n0123456789\r\n".repeat(chunks) + "0\r\n\r\n";
            let bytes = request("POST", "/hooks/none", &chunked, body.as_bytes());
            assert_eq!(
                exchange(gateway.at, &bytes).await.status,
                status,
                "{chunks} chunks"
            );
        }
        assert_eq!(gateway.world.stored()[2].data, "0123456789".repeat(100));
    })
    .await;
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_answered_before_it_sends() {
    with_gateway(async |gateway| {
        let headers = with(
            &with_length(&HeaderMap::new(), 10 << 20),
            "expect",
            "100-continue",
        );
        let answer = exchange(gateway.at, &request("POST", "/hooks/none", &headers, b"")).await;
        answer.problem(413);
    })
    .await;
}

#[tokio::test]
async fn a_body_that_is_shorter_than_it_says_is_answered_408_and_not_stored() {
    let config = Config {
        read_deadline: Duration::from_millis(100),
        ..Config::default()
    };
    with_config(config, async |gateway| {
        let bytes = request(
            "POST",
            "/hooks/none",
            &with_length(&HeaderMap::new(), 100),
            b"ten bytes.",
        );
        exchange(gateway.at, &bytes).await.problem(408);
        assert!(gateway.world.stored().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_stored() {
    with_gateway(async |gateway| {
        let bytes = request(
            "POST",
            "/hooks/none",
            &with_length(&HeaderMap::new(), 100),
            b"ten bytes.",
        );
        let mut stream = send(gateway.at, &bytes).await;
        stream.shutdown().await.unwrap();
        drop(stream);
        let chunked = with(&HeaderMap::new(), "transfer-encoding", "chunked");
        let broken = request("POST", "/hooks/none", &chunked, b"not a length\r\n");
        exchange(gateway.at, &broken).await.problem(400);
        assert!(gateway.world.stored().is_empty());
    })
    .await;
}

fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_body_in_gzip_is_verified_and_stored_as_it_was_before() {
    with_gateway(async |gateway| {
        let body = serde_json::to_vec(&(0..50_000).collect::<Vec<u32>>()).unwrap();
        for (id, coding) in [("d-1", "gzip"), ("d-2", "X-GZIP")] {
            let headers = with(
                &gateway.sign("github", id, &body),
                "content-encoding",
                coding,
            );
            assert_eq!(
                gateway
                    .post("github", &headers, &packed(&body))
                    .await
                    .status,
                202
            );
            assert!(gateway.world.stored().last().unwrap().data == body);
        }
        // Who signs what travels, and not what it says, is not understood.
        let signed_as_packed = gateway.sign("github", "d-3", &packed(&body));
        let headers = with(&signed_as_packed, "content-encoding", "gzip");
        gateway
            .post("github", &headers, &packed(&body))
            .await
            .problem(401);
        assert_eq!(gateway.world.stored().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_gzip_or_too_much_of_it_is_refused() {
    with_gateway(async |gateway| {
        let mut junk = packed(BODY);
        junk.extend(b"junk");
        let bomb = packed(&vec![0; 100 << 20]);
        // As dense as may be, and too large.
        let large = packed(&b"0123456789abcdef, ring the bell; ".repeat(200_000))
            .into_iter()
            .chain(packed(
                &(0..60_000_u32)
                    .flat_map(u32::to_be_bytes)
                    .collect::<Vec<_>>(),
            ))
            .collect::<Vec<_>>();
        for (sent, status) in [
            (BODY, 400),
            (b"", 400),
            (&junk, 400),
            (&bomb, 413),
            (&large, 413),
        ] {
            let headers = with(&HeaderMap::new(), "content-encoding", "gzip");
            gateway.post("none", &headers, sent).await.problem(status);
        }
        assert!(gateway.world.stored().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_body_in_another_coding_is_answered_415() {
    with_gateway(async |gateway| {
        for coding in ["br", "deflate", "gzip, gzip"] {
            let headers = with(&HeaderMap::new(), "content-encoding", coding);
            let answer = gateway.post("none", &headers, BODY).await;
            answer.problem(415);
            assert_eq!(answer.header("accept-encoding"), "gzip, identity");
        }
        let identity = with(&HeaderMap::new(), "content-encoding", "Identity");
        assert_eq!(gateway.post("none", &identity, BODY).await.status, 202);
    })
    .await;
}

#[tokio::test]
async fn bodies_that_are_sent_slowly_keep_no_others_out() {
    let config = Config {
        max_concurrent: 1,
        max_body: 1 << 20,
        max_buffered: 2 << 20,
        ..Config::default()
    };
    with_config(config, async |gateway| {
        let headers = with_length(&HeaderMap::new(), 1 << 20);
        let begin = request("POST", "/hooks/none", &headers, &[b'x'; 600 << 10]);
        // The first takes more than half of what there is for large bodies; the second finds too little left.
        let mut first = send(gateway.at, &begin).await;
        let mut second = send(gateway.at, &begin).await;
        let (mut one, mut other) = ([0; 12], [0; 12]);
        let told = tokio::select! {
            read = first.read_exact(&mut one) => read.map(|_| one),
            read = second.read_exact(&mut other) => read.map(|_| other),
        };
        assert_eq!(&told.unwrap(), b"HTTP/1.1 503");
        assert_eq!(
            gateway.post("none", &HeaderMap::new(), BODY).await.status,
            202
        );
    })
    .await;
}

#[tokio::test]
async fn a_genuine_body_that_is_not_json_is_stored_as_it_is() {
    with_gateway(async |gateway| {
        for (body, id) in [
            (&b"{\"broken\":"[..], "d-1"),
            (b"\xef\xbb\xbf{}", "d-2"),
            (b"\xff\xfe\x00", "d-3"),
            (b"", "d-4"),
        ] {
            let headers = gateway.sign("github", id, body);
            assert_eq!(
                gateway.post("github", &headers, body).await.status,
                202,
                "{}",
                body.escape_ascii()
            );
            assert_eq!(gateway.world.stored().last().unwrap().data, body);
        }
    })
    .await;
}

#[tokio::test]
async fn a_no_does_not_wait_for_the_body() {
    with_gateway(async |gateway| {
        let headers = with_length(&HeaderMap::new(), 10 << 20);
        let mut stream = send(
            gateway.at,
            &request("POST", "/hooks/other", &headers, b"the beginning"),
        )
        .await;
        let mut start = [0; 12];
        let answered = tokio::time::timeout(Duration::from_secs(2), stream.read_exact(&mut start));
        answered
            .await
            .expect("the answer waits for the body")
            .unwrap();
        assert_eq!(&start, b"HTTP/1.1 404");
    })
    .await;
}

#[tokio::test]
async fn a_body_that_nobody_wanted_does_not_cost_the_connection() {
    with_gateway(async |gateway| {
        let mut bytes =
            b"POST /hooks/other HTTP/1.1\r\nhost: belfry\r\ncontent-length: 1000000\r\n\r\n"
                .to_vec();
        bytes.extend(vec![b'x'; 1_000_000]);
        bytes.extend(request(
            "POST",
            "/hooks/none",
            &with_length(&HeaderMap::new(), 2),
            b"{}",
        ));
        let mut stream = send(gateway.at, &bytes).await;
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();
        let statuses: Vec<_> = answers
            .match_indices("HTTP/1.1 ")
            .map(|(at, _)| &answers[at + 9..at + 12])
            .collect();
        assert_eq!(statuses, ["404", "202"]);
    })
    .await;
}

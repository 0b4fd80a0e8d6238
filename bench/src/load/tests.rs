use super::*;
use crate::body::{Size, samples};
use std::io::{Read, Write};
use std::net::TcpListener;

/// A receiver on threads that answers each request, after a pause at the request of the number that `pause` names.
fn receiver(connections: usize, pause: Option<(u64, Duration)>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for _ in 0..connections {
        let listener = listener.try_clone().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut got, mut buffer, mut answered) = (Vec::new(), vec![0; 1 << 16], 0);
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                got.extend_from_slice(&buffer[..read]);
                while let Some(whole) = whole(&got) {
                    got.drain(..whole);
                    if let Some((number, length)) = pause
                        && number == answered
                    {
                        std::thread::sleep(length);
                    }
                    answered += 1;
                    // In two pieces, as it may come.
                    stream
                        .write_all(b"HTTP/1.1 202 Accepted\r\nContent-")
                        .unwrap();
                    stream.write_all(b"Length: 2\r\n\r\nok").unwrap();
                }
            }
        });
    }
    address
}

/// How long the first request is, if it is whole.
fn whole(got: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(got);
    let (head, _) = text.split_once("\r\n\r\n")?;
    let length = head
        .split("Content-Length: ")
        .nth(1)?
        .split("\r\n")
        .next()?;
    let all = head.len() + 4 + length.parse::<usize>().unwrap();
    (got.len() >= all).then_some(all)
}

fn plan(address: SocketAddr, connections: usize, rate: Option<f64>) -> Plan {
    Plan {
        address,
        path: "/".into(),
        connections,
        rate,
        warm_up: Duration::from_millis(50),
        measured: Duration::from_millis(500),
    }
}

#[test]
fn a_closed_loop_has_all_its_requests_answered() {
    for size in Size::ALL {
        let plan = plan(receiver(4, None), 4, None);
        let measured = run(&plan, &samples(size).unwrap()).unwrap();
        assert!(measured.is_clean(), "{measured:?}");
        assert!(measured.sent > 8 && measured.throughput > 0.0);
        assert!(measured.latencies.len() <= measured.accepted());
    }
}

#[test]
fn an_open_loop_sends_as_many_as_are_due() {
    let plan = plan(receiver(4, None), 4, Some(200.0));
    let measured = run(&plan, &samples(Size::Small).unwrap()).unwrap();
    assert!(measured.is_clean(), "{measured:?}");
    assert_eq!((measured.sent, measured.latencies.len()), (110, 100));
}

#[test]
fn a_stall_is_charged_to_all_that_had_to_wait() {
    // The only connection stalls for 300 ms, while 60 requests are due.
    let stall = Some((30, Duration::from_millis(300)));
    let plan = plan(receiver(1, stall), 1, Some(200.0));
    let measured = run(&plan, &samples(Size::Small).unwrap()).unwrap();
    assert!(measured.is_clean(), "{measured:?}");
    assert_eq!(measured.latencies.len(), 100);
    let late = 100 - measured.latencies.count_between(0, 100_000_000);
    assert!(late >= 35, "only {late} were late by more than 100 ms");
}

#[test]
fn a_receiver_that_goes_away_is_seen() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten().take(3) {
            drop(stream);
        }
        drop(listener);
    });
    assert!(run(&plan(address, 1, None), &samples(Size::Small).unwrap()).is_err());
}

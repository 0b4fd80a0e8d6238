//! Records of proven events: any bytes are read or refused, and what is read is written again as it was.

#![no_main]

use arbitrary::Arbitrary;
use belfry_mesh::event::Origin;
use belfry_mesh::signature::{Delivery, Genuine, Scheme, Verifier};
use belfry_mesh::trace::TraceParent;
use belfry_mesh::{EventId, Proven, TriggerName};
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
enum Input<'a> {
    Bytes(&'a [u8]),
    /// An event, and the bytes of its record that are changed after it was read once.
    Event {
        id: &'a [u8],
        content_type: &'a [u8],
        at: i64,
        damage: Vec<(u16, u8)>,
        cut: Option<u16>,
        body: &'a [u8],
    },
}

fn same(a: &Proven, b: &Proven) -> bool {
    a.event() == b.event() && a.origin() == b.origin()
}

fn record(proven: &Proven) -> Vec<u8> {
    let mut record = Vec::new();
    proven.to_record(&mut record);
    record
}

/// Reads it, and writes what was read.
fn read(bytes: &[u8]) {
    if let Ok(proven) = Proven::from_record(bytes) {
        let written = record(&proven);
        let again = Proven::from_record(&written).expect("what was just written");
        assert!(same(&again, &proven), "{again:?}\n{proven:?}");
        assert_eq!(record(&again), written);
    }
}

fn event(id: &[u8], content_type: &[u8], at: i64, body: &[u8]) -> Option<Proven> {
    let mut headers = HeaderMap::new();
    for (name, value) in [("idempotency-key", id), ("content-type", content_type)] {
        headers.insert(name, HeaderValue::from_bytes(value).ok()?);
    }
    let delivery = Delivery {
        method: &Method::POST,
        query: None,
        headers: &headers,
        body: body.to_vec().into(),
        certificate: None,
    };
    let at = Timestamp::from_nanosecond(at.into()).ok()?;
    let verifier = Verifier::try_new(&Scheme::none(), Vec::new()).expect("no secret is needed");
    let Ok(Genuine::Event(verified)) = verifier.receive(delivery, at) else {
        return None;
    };
    let trace = TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")?;
    let trigger = TriggerName::parse("t").ok()?;
    let fresh = || EventId::parse("e").expect("an id");
    Some(Proven::delivery(&trigger, verified, at, trace, fresh))
}

fuzz_target!(|input: Input<'_>| match input {
    Input::Bytes(bytes) => read(bytes),
    Input::Event {
        id,
        content_type,
        at,
        damage,
        cut,
        body,
    } => {
        let Some(proven) = event(id, content_type, at, body) else {
            return;
        };
        let mut bytes = record(&proven);
        let again = Proven::from_record(&bytes).expect("what was just written");
        assert!(same(&again, &proven) && again.origin() == Origin::Verified);
        for (at, byte) in damage {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(cut.map_or(bytes.len(), usize::from));
        read(&bytes);
    }
});

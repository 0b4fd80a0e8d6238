//! Events from the headers of the bus: any are read or refused, and what is read survives its headers.

#![no_main]

use arbitrary::Arbitrary;
use belfry_mesh::{Address, Event};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 14] = [
    "ce-id",
    "ce-source",
    "ce-type",
    "ce-time",
    "ce-specversion",
    "ce-subject",
    "ce-deliveryid",
    "ce-replayof",
    "ce-answerto",
    "content-type",
    "traceparent",
    "http-x",
    "Ce-Id",
    "http-",
];

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    subject: &'a str,
    /// Whether what an event cannot do without is there, before the others.
    whole: bool,
    attributes: Vec<(u8, &'a str)>,
    own: Option<(&'a str, &'a str)>,
    data: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let address = Address::parse(input.subject);
    let address = address.unwrap_or(Address::Signal("a".into()));
    assert_eq!(Address::parse(&address.subject()).as_ref(), Some(&address));
    let needed = [
        ("ce-specversion", "1.0"),
        ("ce-id", "e"),
        ("ce-source", "/s"),
        ("ce-type", "t"),
        ("ce-time", "2026-11-22T08:00:00Z"),
    ];
    let needed = needed.into_iter().filter(|_| input.whole);
    let given = input.attributes.iter().map(|(which, value)| {
        let name = NAMES[usize::from(*which) % NAMES.len()];
        (name, *value)
    });
    let attributes = needed.chain(given).chain(input.own);
    let data = input.data.to_vec();
    let Ok(event) = Event::from_attributes(address.clone(), attributes, data.into()) else {
        return;
    };
    let written = event.attributes();
    let pairs = written
        .iter()
        .map(|(name, value)| (name.as_ref(), value.as_str()));
    let again = Event::from_attributes(address, pairs, event.data.clone());
    assert_eq!(again.as_ref(), Ok(&event));
    for (name, _) in event.attributes_for_trigger() {
        assert_ne!(name, "ce-answerto");
        let _ = event.attribute(&name);
    }
    let _ = event.body();
});

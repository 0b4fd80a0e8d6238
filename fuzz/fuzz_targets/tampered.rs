//! A genuine delivery that somebody changed on its way: only what still proves where it comes from becomes an event, byte for byte.

#![no_main]

use arbitrary::Arbitrary;
use belfry_fuzz::opinion::{is_genuine, is_unsigned_greeting};
use belfry_fuzz::provider::{FIRST, SECOND, SIGNED_AT, at, keys, providers};
use belfry_fuzz::{Edit, Post, Provider};
use belfry_mesh::signature::{Genuine, Verified};
use belfry_mesh::{EventId, Proven, TriggerName};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    scheme: u8,
    /// Whether it is signed with the secret that comes to its end.
    second: bool,
    /// How long after the signature it arrives, in eighths of a second.
    late: i16,
    text: String,
    body: Option<Vec<u8>>,
    edits: Vec<Edit>,
}

fuzz_target!(|input: Input| {
    let all = providers();
    let provider = &all[usize::from(input.scheme) % all.len()];
    let secret = if input.second { SECOND } else { FIRST };
    let sent = provider.send(&input.text, input.body.as_deref(), secret);
    let mut post = sent.clone();
    if !input.edits.is_empty() {
        let other = provider.send("another", None, secret);
        for edit in input.edits.iter().take(8) {
            edit.apply(&mut post, &other);
        }
    }
    let late = i64::from(input.late / 8);
    let now = at(SIGNED_AT + late);
    let headers = post.header_map();
    let delivery = post.delivery(&headers, Some(&keys().certificate));
    let is_whole = input.edits.is_empty() && late == 0;
    let name = provider.scheme;
    match provider.verifier.receive(delivery, now) {
        Err(refusal) => {
            let of_proof = refusal.status() != 400;
            // A body of any bytes may name the delivery in a way that is refused.
            let is_named = input.body.is_none() || !provider.takes_any_body();
            assert!(
                !is_whole || !of_proof && !is_named,
                "{name} refuses its own: {refusal}"
            );
        }
        Ok(Genuine::Handshake(handshake)) => {
            let asked = is_unsigned_greeting(name, &post) || is_genuine(name, &post, now);
            assert!(asked, "{name} greets whom it does not know: {post:?}");
            let amazons = |url: &String| url.starts_with("https://sns.");
            assert!(handshake.visit.iter().all(amazons), "{handshake:?}");
        }
        Ok(Genuine::Event(verified)) => {
            assert!(is_genuine(name, &post, now), "{name} takes {post:?}");
            check_event(provider, verified, &post);
        }
    }
});

/// Nothing else is published than what was received, and no secret beside it.
fn check_event(provider: &Provider, verified: Verified, post: &Post) {
    let trigger = TriggerName::parse("t").expect("a name");
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let trace = belfry_mesh::trace::TraceParent::parse(trace).expect("a trace");
    let fresh = || EventId::parse("e").expect("an id");
    let proven = Proven::delivery(&trigger, verified, at(SIGNED_AT), trace, fresh);
    let event = proven.event();
    assert_eq!(event.data, post.body);
    for (name, value) in &event.headers {
        let sent = |(known, sent): &(http::HeaderName, http::HeaderValue)| {
            known.as_str() == name && sent == value.as_str()
        };
        assert!(post.headers.iter().any(sent), "{name} was not sent");
        let told = [FIRST, SECOND].iter().any(|secret| value.contains(secret));
        assert!(!told, "{} tells its secret in {name}", provider.scheme);
    }
}

//! Requests of somebody who has no key: none of them becomes an event.

#![no_main]

use arbitrary::Arbitrary;
use belfry_fuzz::Post;
use belfry_fuzz::opinion::is_unsigned_greeting;
use belfry_fuzz::provider::{FIRST, SIGNED_AT, at, keys, providers};
use belfry_mesh::signature::Genuine;
use http::{HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;
use std::sync::OnceLock;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    scheme: u8,
    at: Option<i64>,
    method: u8,
    certified: bool,
    query: Option<&'a str>,
    headers: Vec<(u8, &'a [u8])>,
    body: &'a [u8],
}

/// The headers that any scheme reads.
fn names() -> &'static [HeaderName] {
    static NAMES: OnceLock<Vec<HeaderName>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let mut names: BTreeSet<String> = BTreeSet::new();
        for provider in providers() {
            let sent = provider.send("a", None, FIRST).headers;
            names.extend(sent.into_iter().map(|(name, _)| name.to_string()));
        }
        let more = [
            "svix-id",
            "svix-timestamp",
            "svix-signature",
            "webhook-request-origin",
        ];
        let mut all: Vec<HeaderName> = more.map(HeaderName::from_static).into();
        all.extend(names.iter().filter_map(|name| name.parse().ok()));
        all
    })
}

fuzz_target!(|input: Input<'_>| {
    let all = providers();
    let provider = &all[usize::from(input.scheme) % all.len()];
    let methods = [
        Method::POST,
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::DELETE,
    ];
    let headers = input.headers.iter().filter_map(|(which, value)| {
        let name = names()[usize::from(*which) % names().len()].clone();
        Some((name, HeaderValue::from_bytes(value).ok()?))
    });
    let post = Post {
        // Most are POSTs.
        method: methods
            .get(usize::from(input.method))
            .cloned()
            .unwrap_or(Method::POST),
        query: input.query.map(str::to_owned),
        headers: headers.collect(),
        body: input.body.to_vec(),
        certified: input.certified,
    };
    let now = input
        .at
        .and_then(|second| Timestamp::from_second(second).ok());
    let headers = post.header_map();
    let delivery = post.delivery(&headers, Some(&keys().certificate));
    let name = provider.scheme;
    if let Ok(Some(url)) = provider.verifier.certificate(&post.body) {
        assert!(url.as_str().starts_with("https://sns."), "{url}");
    }
    match provider
        .verifier
        .receive(delivery, now.unwrap_or(at(SIGNED_AT)))
    {
        Err(refusal) => assert!(!refusal.to_string().contains(FIRST)),
        Ok(Genuine::Handshake(handshake)) => {
            assert!(is_unsigned_greeting(name, &post), "{name} greets {post:?}");
            assert!(handshake.status.is_success() && handshake.visit.is_none());
        }
        Ok(Genuine::Event(_)) => assert_eq!(name, "none", "it takes what nobody signed: {post:?}"),
    }
});

//! Tests that concern the module as a whole, and what they share.

mod properties;
mod settings;
mod traps;
mod vectors;

use super::{Auth, Refusal, Scheme, Verified, Verifier};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

/// The instant at which the vectors were signed.
const SIGNED_AT: i64 = 1_614_265_330;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            )
        })
        .collect()
}

fn named(scheme: &str) -> Scheme {
    Scheme::named(scheme).unwrap()
}

fn scheme(settings: Value) -> Scheme {
    serde_json::from_value(settings).unwrap()
}

fn verifier(scheme: &Scheme, secrets: &[&str]) -> Verifier {
    Verifier::try_new(
        scheme,
        secrets.iter().map(|&secret| secret.into()).collect(),
    )
    .unwrap()
}

/// Verifies at the instant of the vectors.
fn verify(
    scheme: &Scheme,
    secret: &str,
    pairs: &[(&str, &str)],
    body: &[u8],
) -> Result<Verified, Refusal> {
    verifier(scheme, &[secret]).verify(&headers(pairs), Bytes::copy_from_slice(body), at(SIGNED_AT))
}

fn secret(text: &str) -> SecretString {
    text.into()
}

//! Providers that sign the address that they send to. It is always the configured one.

use super::super::naming::Naming;
use super::super::place::Place;
use super::super::recipe::{
    Algorithm, Encoding, Form, Part, Proof, Recipe, Signature, Spelt, Stamp, Under, Unit,
};
use super::timed::TOLERANCE;
use super::{Provider, header, row};
use std::time::Duration;

pub(super) const PROVIDERS: &[Provider] = &[
    row("twilio", twilio),
    row("hubspot", hubspot),
    row("square", square),
];

fn base64(name: &'static str, signed: Vec<Part>) -> Signature {
    Signature {
        encoding: Encoding::Base64,
        signed,
        ..Signature::of_body(header(name))
    }
}

/// <https://www.twilio.com/docs/usage/webhooks/webhooks-security>. The algorithm that a header of it names is not heeded.
fn twilio() -> Vec<Recipe> {
    let signed = vec![Part::Url(Spelt::WithQuery), Part::FormFields];
    let signature = Signature {
        under: Under::secret(Algorithm::Sha1),
        ..base64("x-twilio-signature", signed)
    };
    vec![Recipe {
        delivery_id: vec![Place::header("i-twilio-idempotency-token")],
        event: Naming {
            domain: "com.twilio",
            kind: vec![Place::Form("EventType")],
            otherwise: Some("webhook"),
            ..Naming::default()
        },
        form: Form::Fields,
        ..Recipe::of(Proof::Signature(signature))
    }]
}

/// Version 3 of
/// <https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation>.
fn hubspot() -> Vec<Recipe> {
    let signed = vec![
        Part::Method,
        Part::Url(Spelt::WithQueryDecoded),
        Part::Body,
        Part::Timestamp,
    ];
    vec![Recipe {
        timestamp: Some(Stamp {
            place: Place::header("x-hubspot-request-timestamp"),
            unit: Unit::Milliseconds,
            tolerance: Duration::from_secs(TOLERANCE),
        }),
        delivery_id: vec![Place::Each("*.eventId")],
        event: Naming {
            domain: "com.hubspot",
            kind: vec![
                Place::field("0.subscriptionType"),
                Place::field("subscriptionType"),
            ],
            otherwise: Some("webhook"),
            ..Naming::default()
        },
        ..Recipe::of(Proof::Signature(base64("x-hubspot-signature-v3", signed)))
    }]
}

/// <https://developer.squareup.com/docs/webhooks/step3validate>. The older SHA-1 header is ignored.
fn square() -> Vec<Recipe> {
    let signed = vec![Part::Url(Spelt::AsConfigured), Part::Body];
    vec![Recipe {
        delivery_id: vec![Place::field("event_id")],
        event: Naming {
            domain: "com.squareup",
            kind: vec![Place::field("type")],
            ..Naming::default()
        },
        ..Recipe::of(Proof::Signature(base64(
            "x-square-hmacsha256-signature",
            signed,
        )))
    }]
}

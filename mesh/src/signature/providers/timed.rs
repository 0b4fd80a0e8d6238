//! Providers that sign a timestamp with the body. All of them sign a repetition anew.

use super::super::greeting::{Answer, Greeting, Says};
use super::super::naming::{Naming, Spelling};
use super::super::place::Place;
use super::super::recipe::{
    Algorithm, Encoding, Form, KeyForm, Part, Proof, Recipe, Signature, Stamp, Under, Unit,
};
use super::{Provider, greeted, header, row};
use std::time::Duration;

/// How old and how far ahead a timestamp may be, in seconds: what the libraries of Stripe, Slack and Standard Webhooks allow.
pub(super) const TOLERANCE: u64 = 300;

pub(super) const PROVIDERS: &[Provider] = &[
    row("stripe", stripe),
    greeted(
        "slack",
        slack,
        &[Greeting::Signed {
            field: "type",
            says: Says::Text("url_verification"),
            without: None,
            answer: Answer::Echo("challenge"),
        }],
    ),
    greeted(
        "zoom",
        zoom,
        &[Greeting::Signed {
            field: "event",
            says: Says::Text("endpoint.url_validation"),
            without: None,
            answer: Answer::Hashed("payload.plainToken"),
        }],
    ),
    row("standard", standard),
    row("gitlab-signed", gitlab_signed),
];

fn literal(text: &str) -> Part {
    Part::Literal(text.to_owned())
}

/// <https://docs.stripe.com/webhooks#verify-manually>. The secret is taken as it is, `whsec_` and all.
fn stripe() -> Vec<Recipe> {
    let signature = Signature {
        separator: Some(','),
        prefix: "v1=".into(),
        encoding: Encoding::LowerHex,
        signed: vec![Part::Timestamp, literal("."), Part::Body],
        ..Signature::of_body(header("stripe-signature"))
    };
    vec![Recipe {
        timestamp: Some(Stamp {
            place: Place::Item(header("stripe-signature"), "t"),
            unit: Unit::Seconds,
            tolerance: Duration::from_secs(TOLERANCE),
        }),
        delivery_id: vec![Place::field("id")],
        event: Naming {
            domain: "com.stripe",
            kind: vec![Place::field("type")],
            ..Naming::default()
        },
        ..Recipe::of(Proof::Signature(signature))
    }]
}

/// `v0:{timestamp}:{body}`, as Slack and Zoom have it.
fn versioned(name: &'static str) -> Proof {
    Proof::Signature(Signature {
        prefix: "v0=".into(),
        encoding: Encoding::LowerHex,
        signed: vec![literal("v0:"), Part::Timestamp, literal(":"), Part::Body],
        ..Signature::of_body(header(name))
    })
}

/// <https://docs.slack.dev/authentication/verifying-requests-from-slack/>. Commands and interactions are forms, which have no id.
fn slack() -> Vec<Recipe> {
    vec![Recipe {
        timestamp: Some(Stamp::seconds("x-slack-request-timestamp", TOLERANCE)),
        delivery_id: vec![Place::field("event_id")],
        event: Naming {
            domain: "com.slack",
            kind: vec![Place::field("event.type"), Place::field("type")],
            form: Some(("command", "slash_command")),
            ..Naming::default()
        },
        identity: &["x-slack-retry-num", "x-slack-retry-reason"],
        form: Form::Document("payload"),
        ..Recipe::of(versioned("x-slack-signature"))
    }]
}

/// <https://developers.zoom.us/docs/api/webhooks/#verify-webhook-events>.
fn zoom() -> Vec<Recipe> {
    vec![Recipe {
        timestamp: Some(Stamp::seconds("x-zm-request-timestamp", TOLERANCE)),
        event: Naming {
            domain: "us.zoom",
            kind: vec![Place::field("event")],
            ..Naming::default()
        },
        ..Recipe::of(versioned("x-zm-signature"))
    }]
}

/// What Standard Webhooks sign, under these names.
fn standard_as((signature, timestamp, id): (&'static str, &'static str, &'static str)) -> Recipe {
    let signature = Signature {
        separator: Some(' '),
        prefix: "v1,".into(),
        encoding: Encoding::Base64,
        under: Under::Hmac {
            algorithm: Algorithm::Sha256,
            key: KeyForm::Base64After("whsec_"),
        },
        signed: vec![
            Part::DeliveryId,
            literal("."),
            Part::Timestamp,
            literal("."),
            Part::Body,
        ],
        ..Signature::of_body(header(signature))
    };
    Recipe {
        timestamp: Some(Stamp::seconds(timestamp, TOLERANCE)),
        delivery_id: vec![Place::header(id)],
        event: Naming {
            domain: "com.standardwebhooks",
            is_open: true,
            kind: vec![Place::field("type")],
            ..Naming::default()
        },
        ..Recipe::of(Proof::Signature(signature))
    }
}

const NAMES: (&str, &str, &str) = ("webhook-signature", "webhook-timestamp", "webhook-id");

/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>, with its symmetric signatures.
/// Svix sends the same under names of its own.
fn standard() -> Vec<Recipe> {
    let svix = ("svix-signature", "svix-timestamp", "svix-id");
    vec![standard_as(NAMES), standard_as(svix)]
}

/// GitLab's signing token (<https://docs.gitlab.com/user/project/integrations/webhooks/>): Standard Webhooks with its own names
/// for events. `webhook-id` is what `Idempotency-Key` says.
fn gitlab_signed() -> Vec<Recipe> {
    vec![Recipe {
        event: gitlab(),
        identity: &["x-gitlab-instance"],
        ..standard_as(NAMES)
    }]
}

/// GitLab's names for events: `Merge Request Hook`, and what was done in the body.
pub(super) fn gitlab() -> Naming {
    Naming {
        domain: "com.gitlab",
        kind: vec![Place::header("x-gitlab-event")],
        spelling: Spelling {
            before: " Hook",
            title: true,
            ..Spelling::AS_IS
        },
        action: Some("object_attributes.action"),
        ..Naming::default()
    }
}

//! Providers that sign with a private key, so that there is no secret.

use super::super::greeting::{Answer, Greeting, Says};
use super::super::naming::Naming;
use super::super::place::Place;
use super::super::recipe::{Encoding, Part, Proof, Recipe, Signature, Stamp, Under, Unit};
use super::timed::TOLERANCE;
use super::{Provider, greeted, header, row};
use std::time::Duration;

pub(super) const PROVIDERS: &[Provider] = &[
    greeted(
        "discord",
        discord,
        &[
            // Of interactions; the webhook events with this number have an `event`.
            Greeting::Signed {
                field: "type",
                says: Says::Number(1),
                without: Some("event.type"),
                answer: Answer::Json(r#"{"type":1}"#),
            },
            // Of webhook events.
            Greeting::Signed {
                field: "type",
                says: Says::Number(0),
                without: Some("event.type"),
                answer: Answer::Nothing,
            },
        ],
    ),
    row("sendgrid", sendgrid),
    greeted(
        "sns",
        sns,
        &[Greeting::Signed {
            field: "Type",
            says: Says::Text("SubscriptionConfirmation"),
            without: None,
            answer: Answer::Visit("SubscribeURL"),
        }],
    ),
];

/// Interactions (<https://docs.discord.com/developers/interactions/receiving-and-responding>) and webhook events
/// (<https://docs.discord.com/developers/events/webhook-events>).
fn discord() -> Vec<Recipe> {
    let signature = Signature {
        under: Under::Ed25519,
        signed: vec![Part::Timestamp, Part::Body],
        ..Signature::of_body(header("x-signature-ed25519"))
    };
    vec![Recipe {
        timestamp: Some(Stamp::seconds("x-signature-timestamp", TOLERANCE)),
        delivery_id: vec![Place::field("id")],
        event: Naming {
            domain: "com.discord",
            kind: vec![Place::field("event.type"), Place::field("type")],
            numbers: &[
                (2, "application_command"),
                (3, "message_component"),
                (4, "application_command_autocomplete"),
                (5, "modal_submit"),
            ],
            ..Naming::default()
        },
        ..Recipe::of(Proof::Signature(signature))
    }]
}

/// <https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features>.
fn sendgrid() -> Vec<Recipe> {
    let signature = Signature {
        encoding: Encoding::Base64,
        under: Under::EcdsaP256,
        signed: vec![Part::Timestamp, Part::Body],
        ..Signature::of_body(header("x-twilio-email-event-webhook-signature"))
    };
    vec![Recipe {
        timestamp: Some(Stamp::seconds(
            "x-twilio-email-event-webhook-timestamp",
            TOLERANCE,
        )),
        delivery_id: vec![Place::Each("*.sg_event_id")],
        event: Naming {
            domain: "com.sendgrid",
            kind: vec![Place::field("0.event")],
            ..Naming::default()
        },
        ..Recipe::of(Proof::Signature(signature))
    }]
}

/// The timestamp is that of the publication, so it is as old as the longest that Amazon goes on trying by default: an hour
/// (<https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html>).
fn sns() -> Vec<Recipe> {
    vec![Recipe {
        timestamp: Some(Stamp {
            place: Place::field("Timestamp"),
            unit: Unit::Date,
            tolerance: Duration::from_secs(3600),
        }),
        delivery_id: vec![Place::field("MessageId")],
        event: Naming {
            domain: "com.amazonaws.sns",
            kind: vec![Place::field("Type")],
            ..Naming::default()
        },
        identity: &["x-amz-sns-message-type", "x-amz-sns-subscription-arn"],
        ..Recipe::of(Proof::Sns)
    }]
}

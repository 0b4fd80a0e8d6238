//! The table of providers: what exactly each of them signs.

use super::recipe::{Encoding, Hmac, KeyForm, Naming, Part, Place, Proof, Recipe, Stamp, Unit};
use http::HeaderName;
use std::time::Duration;

/// A row of the table.
pub(super) struct Provider {
    /// The scheme's name in a manifest.
    pub(super) name: &'static str,
    /// Its recipes, the preferred first. A delivery takes the first whose proof header it has.
    pub(super) recipes: fn() -> Vec<Recipe>,
}

/// All of them.
pub(super) const PROVIDERS: [Provider; 3] = [
    Provider {
        name: "github",
        recipes: github,
    },
    Provider {
        name: "linear",
        recipes: linear,
    },
    Provider {
        name: "standard",
        recipes: standard,
    },
];

/// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>. The older SHA-1 header is ignored.
fn github() -> Vec<Recipe> {
    let signature = HeaderName::from_static("x-hub-signature-256");
    vec![Recipe {
        proof: Proof::Hmac(Hmac {
            prefix: "sha256=".into(),
            ..Hmac::of_body(signature)
        }),
        timestamp: None,
        delivery_id: Some(Place::header("x-github-delivery")),
        event: Naming {
            domain: "com.github",
            kind: vec![Place::header("x-github-event")],
            action: Some("action"),
        },
        identity: &[
            "x-github-hook-id",
            "x-github-hook-installation-target-id",
            "x-github-hook-installation-target-type",
        ],
        form_field: Some("payload"),
    }]
}

/// <https://linear.app/developers/webhooks#securing-webhooks>. The timestamp is the body's, since the header is not signed.
fn linear() -> Vec<Recipe> {
    let signature = HeaderName::from_static("linear-signature");
    vec![Recipe {
        proof: Proof::Hmac(Hmac {
            encoding: Encoding::LowerHex,
            ..Hmac::of_body(signature)
        }),
        timestamp: Some(Stamp {
            place: Place::field("webhookTimestamp"),
            unit: Unit::Milliseconds,
            tolerance: Duration::from_secs(60),
        }),
        delivery_id: Some(Place::header("linear-delivery")),
        event: Naming {
            domain: "app.linear",
            kind: vec![Place::field("type"), Place::header("linear-event")],
            action: Some("action"),
        },
        identity: &[],
        form_field: None,
    }]
}

/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>, with its symmetric signatures.
/// Svix sends the same under names of its own.
fn standard() -> Vec<Recipe> {
    let names = [
        ("webhook-signature", "webhook-timestamp", "webhook-id"),
        ("svix-signature", "svix-timestamp", "svix-id"),
    ];
    let dot = || Part::Literal(".".into());
    let recipe = |(signature, timestamp, id)| Recipe {
        proof: Proof::Hmac(Hmac {
            separator: Some(' '),
            prefix: "v1,".into(),
            encoding: Encoding::Base64,
            key: KeyForm::Base64After("whsec_"),
            signed: vec![Part::DeliveryId, dot(), Part::Timestamp, dot(), Part::Body],
            ..Hmac::of_body(HeaderName::from_static(signature))
        }),
        timestamp: Some(Stamp {
            place: Place::header(timestamp),
            unit: Unit::Seconds,
            tolerance: Duration::from_secs(300),
        }),
        delivery_id: Some(Place::header(id)),
        event: Naming {
            domain: "com.standardwebhooks",
            kind: vec![Place::field("type")],
            action: None,
        },
        identity: &[],
        form_field: None,
    };
    names.map(recipe).into()
}

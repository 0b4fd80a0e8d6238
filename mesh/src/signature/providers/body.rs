//! Providers that sign the body alone, with a secret that both sides have.

use super::super::greeting::{EchoMethod, Greeting};
use super::super::naming::{Naming, Spelling};
use super::super::place::Place;
use super::super::recipe::{
    Algorithm, Encoding, Form, Proof, Recipe, Signature, Stamp, Under, Unit,
};
use super::{Provider, greeted, header, row};
use std::time::Duration;

pub(super) const PROVIDERS: &[Provider] = &[
    row("github", github),
    row("linear", linear),
    row("bitbucket", bitbucket),
    row("jira", jira),
    row("shopify", shopify),
    row("pagerduty", pagerduty),
    row("sentry", sentry),
    greeted("intercom", intercom, &[Greeting::Head]),
    greeted(
        "dropbox",
        dropbox,
        &[Greeting::Echo(EchoMethod::Get, "challenge")],
    ),
];

/// A hexadecimal digest after a prefix, in the lower case of the libraries that compare it as a text.
fn lower_hex(name: &'static str, prefix: &str) -> Signature {
    Signature {
        prefix: prefix.to_owned(),
        encoding: Encoding::LowerHex,
        ..Signature::of_body(header(name))
    }
}

/// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>. The older SHA-1 header is ignored.
fn github() -> Vec<Recipe> {
    let signature = Signature {
        prefix: "sha256=".into(),
        ..Signature::of_body(header("x-hub-signature-256"))
    };
    vec![Recipe {
        delivery_id: vec![Place::header("x-github-delivery")],
        event: Naming {
            domain: "com.github",
            kind: vec![Place::header("x-github-event")],
            action: Some("action"),
            ..Naming::default()
        },
        identity: &[
            "x-github-hook-id",
            "x-github-hook-installation-target-id",
            "x-github-hook-installation-target-type",
        ],
        form: Form::Document("payload"),
        ..Recipe::of(Proof::Signature(signature))
    }]
}

/// <https://linear.app/developers/webhooks#securing-webhooks>. The timestamp is the body's, since the header is not signed.
fn linear() -> Vec<Recipe> {
    vec![Recipe {
        timestamp: Some(Stamp {
            place: Place::field("webhookTimestamp"),
            unit: Unit::Milliseconds,
            tolerance: Duration::from_secs(60),
        }),
        delivery_id: vec![Place::header("linear-delivery")],
        event: Naming {
            domain: "app.linear",
            kind: vec![Place::field("type"), Place::header("linear-event")],
            action: Some("action"),
            ..Naming::default()
        },
        ..Recipe::of(Proof::Signature(lower_hex("linear-signature", "")))
    }]
}

/// <https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/>.
fn bitbucket() -> Vec<Recipe> {
    vec![Recipe {
        delivery_id: vec![Place::header("x-request-uuid")],
        event: Naming {
            domain: "org.bitbucket",
            kind: vec![Place::header("x-event-key")],
            spelling: Spelling::dotted(':'),
            ..Naming::default()
        },
        identity: &["x-hook-uuid"],
        ..Recipe::of(Proof::Signature(lower_hex("x-hub-signature", "sha256=")))
    }]
}

/// <https://developer.atlassian.com/cloud/jira/platform/webhooks/>.
fn jira() -> Vec<Recipe> {
    vec![Recipe {
        delivery_id: vec![Place::header("x-atlassian-webhook-identifier")],
        event: Naming {
            domain: "com.atlassian.jira",
            kind: vec![Place::field("webhookEvent")],
            spelling: Spelling {
                after: "jira:",
                ..Spelling::dotted(':')
            },
            ..Naming::default()
        },
        ..Recipe::of(Proof::Signature(lower_hex("x-hub-signature", "sha256=")))
    }]
}

/// <https://shopify.dev/docs/apps/build/webhooks/subscribe/https>. Newer subscriptions leave the `X-` away.
fn shopify() -> Vec<Recipe> {
    let names = [
        (
            "x-shopify-hmac-sha256",
            "x-shopify-webhook-id",
            "x-shopify-topic",
        ),
        ("shopify-hmac-sha256", "shopify-webhook-id", "shopify-topic"),
    ];
    let recipe = |(signature, id, topic)| {
        let signature = Signature {
            encoding: Encoding::Base64,
            ..Signature::of_body(header(signature))
        };
        Recipe {
            delivery_id: vec![Place::header(id)],
            event: Naming {
                domain: "com.shopify",
                kind: vec![Place::header(topic)],
                spelling: Spelling::dotted('/'),
                ..Naming::default()
            },
            identity: &["x-shopify-shop-domain", "shopify-shop-domain"],
            ..Recipe::of(Proof::Signature(signature))
        }
    };
    names.map(recipe).into()
}

/// <https://developer.pagerduty.com/docs/webhooks/webhook-signatures/>. `X-Webhook-Id` names the subscription, not the delivery.
fn pagerduty() -> Vec<Recipe> {
    let signature = Signature {
        separator: Some(','),
        ..lower_hex("x-pagerduty-signature", "v1=")
    };
    vec![Recipe {
        delivery_id: vec![Place::field("event.id")],
        event: Naming {
            domain: "com.pagerduty",
            kind: vec![Place::field("event.event_type")],
            ..Naming::default()
        },
        identity: &["x-webhook-id"],
        ..Recipe::of(Proof::Signature(signature))
    }]
}

/// <https://docs.sentry.io/organization/integrations/integration-platform/webhooks/>. The timestamp in its header is not signed.
fn sentry() -> Vec<Recipe> {
    vec![Recipe {
        delivery_id: vec![Place::header("request-id")],
        event: Naming {
            domain: "io.sentry",
            kind: vec![Place::header("sentry-hook-resource")],
            action: Some("action"),
            ..Naming::default()
        },
        ..Recipe::of(Proof::Signature(lower_hex("sentry-hook-signature", "")))
    }]
}

/// <https://developers.intercom.com/docs/webhooks/setting-up-webhooks>. The address is tried with a HEAD.
fn intercom() -> Vec<Recipe> {
    let signature = Signature {
        under: Under::secret(Algorithm::Sha1),
        ..lower_hex("x-hub-signature", "sha1=")
    };
    vec![Recipe {
        delivery_id: vec![Place::field("id")],
        event: Naming {
            domain: "com.intercom",
            kind: vec![Place::field("topic")],
            ..Naming::default()
        },
        ..Recipe::of(Proof::Signature(signature))
    }]
}

/// <https://www.dropbox.com/developers/reference/webhooks>. A delivery says that something changed and nothing else, so that two
/// of the same bytes are two events.
fn dropbox() -> Vec<Recipe> {
    vec![Recipe {
        event: Naming {
            domain: "com.dropbox",
            otherwise: Some("changed"),
            ..Naming::default()
        },
        ..Recipe::of(Proof::Signature(lower_hex("x-dropbox-signature", "")))
    }]
}

//! Providers that show a secret that both sides have. It covers nothing: who sees one delivery can make others.

use super::super::greeting::{EchoMethod, Greeting};
use super::super::naming::Naming;
use super::super::place::Place;
use super::super::recipe::{Proof, Recipe};
use super::super::settings::BEARER;
use super::{Provider, greeted, row, timed};

pub(super) const PROVIDERS: &[Provider] = &[
    row("gitlab", gitlab),
    greeted(
        "msgraph",
        msgraph,
        &[Greeting::Echo(EchoMethod::Post, "validationToken")],
    ),
    greeted("cloudevents", cloudevents, &[Greeting::Permission]),
];

/// <https://docs.gitlab.com/user/project/integrations/webhooks/>. `X-Gitlab-Event-UUID` is the same for all hooks that an event
/// sets off, and so is not the delivery's name.
fn gitlab() -> Vec<Recipe> {
    vec![Recipe {
        delivery_id: vec![Place::header("idempotency-key")],
        event: timed::gitlab(),
        identity: &["x-gitlab-instance"],
        ..Recipe::of(Proof::Secret {
            place: Place::header("x-gitlab-token"),
            prefix: "",
        })
    }]
}

/// <https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks>. Notifications have no name.
fn msgraph() -> Vec<Recipe> {
    vec![Recipe {
        event: Naming {
            domain: "com.microsoft.graph",
            kind: vec![
                Place::field("value.0.lifecycleEvent"),
                Place::field("value.0.changeType"),
            ],
            ..Naming::default()
        },
        ..Recipe::of(Proof::Secret {
            place: Place::Each("value.*.clientState"),
            prefix: "",
        })
    }]
}

/// <https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md>. An event is named by its headers (binary mode) or,
/// if there are none, by the fields of the body (structured and batched mode).
fn cloudevents() -> Vec<Recipe> {
    vec![Recipe {
        delivery_id: vec![
            Place::header("ce-id"),
            Place::field("id"),
            Place::Each("*.id"),
        ],
        event: Naming {
            kind: vec![
                Place::header("ce-type"),
                Place::field("type"),
                Place::field("0.type"),
            ],
            ..Naming::default()
        },
        identity: &["ce-source", "ce-specversion", "ce-subject", "ce-time"],
        ..Recipe::of(Proof::Secret {
            place: Place::Header(http::header::AUTHORIZATION),
            prefix: BEARER,
        })
    }]
}

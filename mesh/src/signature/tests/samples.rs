//! A sample of each scheme that signs or shows a secret.

use super::*;

/// The trigger's address.
pub(super) const URL: &str = "https://hooks.example.com/hooks/billing";
/// It is a secret of any of the schemes.
pub(super) const SECRET: &str = STANDARD_SECRET;

/// A scheme, and a body of its provider's.
pub(super) struct Sample {
    pub(super) scheme: Scheme,
    pub(super) body: Vec<u8>,
    /// The provider's name for the event, as its header has it.
    pub(super) event: &'static str,
    pub(super) delivery_id: Option<&'static str>,
    pub(super) event_type: &'static str,
}

impl Sample {
    pub(super) fn name(&self) -> &'static str {
        self.scheme.name()
    }

    /// Whether the body is covered by the proof.
    pub(super) fn covers_body(&self) -> bool {
        ![
            "gitlab",
            "msgraph",
            "cloudevents",
            "bearer",
            "secret",
            "token",
        ]
        .contains(&self.name())
    }

    /// The query and the headers with which its provider would send the body.
    pub(super) fn sign(&self, secret: &str, body: &[u8]) -> (Option<String>, HeaderMap) {
        let draft = Draft {
            delivery_id: "d-1",
            event: self.event,
            body,
        };
        let signed = sign(&self.scheme, Some(&secret.into()), draft, at(SIGNED_AT));
        (self.scheme.query(body), signed.unwrap())
    }

    pub(super) fn verifier(&self, secrets: &[&str]) -> Verifier {
        verifier(&self.scheme, secrets)
    }

    /// What becomes of a body that its provider sends.
    pub(super) fn send(&self, body: &[u8]) -> Result<Verified, Refusal> {
        let (query, headers) = self.sign(SECRET, body);
        receive(
            &self.verifier(&[SECRET]),
            query.as_deref(),
            &headers,
            body,
            at(SIGNED_AT),
        )
        .map(event)
    }
}

/// The samples, the providers' first: a scheme, the header with the provider's name for the event, the delivery's name, the event's
/// type, and the body. `-` is none; the delivery id that senders put into a header is `d-1`.
const SAMPLES: &str = r#"
github | issues | d-1 | com.github.issues.opened | {"action":"opened"}
linear | Issue | d-1 | app.linear.Issue.create | {"type":"Issue","action":"create","webhookTimestamp":1614265330000}
gitlab | Merge Request Hook | d-1 | com.gitlab.merge_request.open | {"object_attributes":{"action":"open"}}
gitlab-signed | Tag Push Hook | d-1 | com.gitlab.tag_push | {"object_kind":"push"}
bitbucket | repo:push | d-1 | org.bitbucket.repo.push | {"push":{}}
jira | - | d-1 | com.atlassian.jira.issue_updated | {"webhookEvent":"jira:issue_updated"}
stripe | - | evt_1 | com.stripe.invoice.paid | {"id":"evt_1","type":"invoice.paid"}
slack | - | Ev1 | com.slack.app_mention | {"type":"event_callback","event_id":"Ev1","event":{"type":"app_mention"}}
standard | - | d-1 | com.standardwebhooks.user.created | {"type":"user.created"}
shopify | orders/create | d-1 | com.shopify.orders.create | {"id":820982911946154508}
pagerduty | - | 01DE | com.pagerduty.incident.triggered | {"event":{"id":"01DE","event_type":"incident.triggered"}}
sentry | issue | d-1 | io.sentry.issue.created | {"action":"created"}
zoom | - | - | us.zoom.meeting.started | {"event":"meeting.started"}
intercom | - | notif_1 | com.intercom.contact.created | {"id":"notif_1","topic":"contact.created"}
dropbox | - | - | com.dropbox.changed | {"list_folder":{"accounts":["a"]}}
twilio | - | d-1 | com.twilio.onMessageAdded | Body=Hi&EventType=onMessageAdded
hubspot | - | 100 | com.hubspot.contact.creation | [{"eventId":100,"subscriptionType":"contact.creation"}]
square | - | 6a8f | com.squareup.payment.created | {"event_id":"6a8f","type":"payment.created"}
msgraph | - | - | com.microsoft.graph.updated | {"value":[{"clientState":"SECRET","changeType":"updated"}]}
cloudevents | com.example.paid | d-1 | com.example.paid | {"a":1}
hmac | paid | i | paid | {"a":[{"b":"i"}]}
bearer | - | d-1 | belfry.webhook | {"a":1}
token | - | d-1 | belfry.webhook | {"a":{"b":"SECRET"}}
"#;

/// The settings of a scheme that needs some.
fn settings(scheme: &str) -> Value {
    match scheme {
        "twilio" | "hubspot" | "square" => json!({"scheme": scheme, "public_url": URL}),
        "hmac" => json!({
            "scheme": "hmac", "header": "X-Sig", "encoding": "base64", "algorithm": "sha512", "signed": "{timestamp}{body}",
            "timestamp_header": "X-Time", "delivery_id_path": "a.0.b", "event_type_header": "X-Kind",
        }),
        "token" => json!({"scheme": "token", "field": "a.b"}),
        _ => json!({"scheme": scheme}),
    }
}

pub(super) fn samples() -> Vec<Sample> {
    let read = |line: &'static str| {
        let columns: Vec<&str> = line.splitn(5, " | ").collect();
        let given = |at: usize| Some(columns[at]).filter(|text| *text != "-");
        Sample {
            scheme: scheme(settings(columns[0])),
            body: columns[4].replace("SECRET", SECRET).into_bytes(),
            event: given(1).unwrap_or_default(),
            delivery_id: given(2),
            event_type: columns[3],
        }
    };
    SAMPLES.trim().lines().map(read).collect()
}

/// The sample of this scheme.
pub(super) fn of(name: &str) -> Sample {
    let mut all = samples().into_iter();
    all.find(|sample| sample.name() == name).unwrap()
}

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
        !["gitlab", "msgraph", "cloudevents", "bearer", "secret", "token"].contains(&self.name())
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

fn sample(
    settings: Value,
    body: &str,
    event: &'static str,
    delivery_id: Option<&'static str>,
    event_type: &'static str,
) -> Sample {
    Sample {
        scheme: scheme(settings),
        body: body.as_bytes().to_owned(),
        event,
        delivery_id,
        event_type,
    }
}

/// One of each, the providers' first.
pub(super) fn samples() -> Vec<Sample> {
    let mut all = Vec::new();
    let id = Some("d-1");
    for (name, body, event, delivery_id, event_type) in [
        ("github", r#"{"action":"opened"}"#, "issues", id, "com.github.issues.opened"),
        ("linear", r#"{"type":"Issue","action":"create","webhookTimestamp":1614265330000}"#, "Issue", id, "app.linear.Issue.create"),
        ("gitlab", r#"{"object_attributes":{"action":"open"}}"#, "Merge Request Hook", id, "com.gitlab.merge_request.open"),
        ("gitlab-signed", r#"{"object_kind":"push"}"#, "Tag Push Hook", id, "com.gitlab.tag_push"),
        ("bitbucket", r#"{"push":{}}"#, "repo:push", id, "org.bitbucket.repo.push"),
        ("jira", r#"{"webhookEvent":"jira:issue_updated"}"#, "", id, "com.atlassian.jira.issue_updated"),
        ("stripe", r#"{"id":"evt_1","type":"invoice.paid"}"#, "", Some("evt_1"), "com.stripe.invoice.paid"),
        ("slack", r#"{"type":"event_callback","event_id":"Ev1","event":{"type":"app_mention"}}"#, "", Some("Ev1"), "com.slack.app_mention"),
        ("standard", r#"{"type":"user.created"}"#, "", id, "com.standardwebhooks.user.created"),
        ("shopify", r#"{"id":820982911946154508}"#, "orders/create", id, "com.shopify.orders.create"),
        ("pagerduty", r#"{"event":{"id":"01DE","event_type":"incident.triggered"}}"#, "", Some("01DE"), "com.pagerduty.incident.triggered"),
        ("sentry", r#"{"action":"created"}"#, "issue", id, "io.sentry.issue.created"),
        ("zoom", r#"{"event":"meeting.started"}"#, "", None, "us.zoom.meeting.started"),
        ("intercom", r#"{"id":"notif_1","topic":"contact.created"}"#, "", Some("notif_1"), "com.intercom.contact.created"),
        ("dropbox", r#"{"list_folder":{"accounts":["a"]}}"#, "", None, "com.dropbox.changed"),
        ("msgraph", r#"{"value":[{"clientState":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","changeType":"updated"}]}"#, "", None, "com.microsoft.graph.updated"),
        ("cloudevents", r#"{"a":1}"#, "com.example.paid", id, "com.example.paid"),
        ("bearer", r#"{"a":1}"#, "", id, "belfry.webhook"),
    ] {
        all.push(sample(json!({"scheme": name}), body, event, delivery_id, event_type));
    }
    for (name, body, delivery_id, event_type) in [
        ("twilio", "Body=Hi&EventType=onMessageAdded", id, "com.twilio.onMessageAdded"),
        ("hubspot", r#"[{"eventId":100,"subscriptionType":"contact.creation"}]"#, Some("100"), "com.hubspot.contact.creation"),
        ("square", r#"{"event_id":"6a8f","type":"payment.created"}"#, Some("6a8f"), "com.squareup.payment.created"),
    ] {
        all.push(sample(json!({"scheme": name, "public_url": URL}), body, "", delivery_id, event_type));
    }
    let configured = json!({
        "scheme": "hmac", "header": "X-Sig", "encoding": "base64", "algorithm": "sha512", "signed": "{timestamp}{body}",
        "timestamp_header": "X-Time", "delivery_id_path": "a.0.b", "event_type_header": "X-Kind",
    });
    all.push(sample(configured, r#"{"a":[{"b":"i"}]}"#, "paid", Some("i"), "paid"));
    let body = r#"{"a":{"b":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}"#;
    all.push(sample(json!({"scheme": "token", "field": "a.b"}), body, "", id, "belfry.webhook"));
    all
}

#[test]
fn each_provider_names_its_deliveries_and_events_in_its_own_way() {
    for sample in samples() {
        let name = sample.name();
        let verified = sample.send(&sample.body).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(verified.body(), &sample.body, "{name}");
        assert_eq!(verified.delivery_id(), sample.delivery_id, "{name}");
        assert_eq!(verified.event_type(), sample.event_type, "{name}");
        let carried = verified.headers().any(|(_, value)| value.contains(SECRET));
        assert!(!carried, "{name}");
    }
}

#[test]
fn it_is_known_whether_a_body_was_read_as_json() {
    let of = |name: &str| samples().into_iter().find(|sample| sample.name() == name).unwrap();
    for (name, body, is_json) in [
        ("github", r#"{"action":"opened"}"#, true),
        ("github", r#" [1, "a"] "#, true),
        ("github", r#"{"action":"opened""#, false),
        ("github", "{\"action\":\"\u{feff}\"}x", false),
        ("github", "payload=%7B%22action%22%3A%22a%22%7D", false),
        // Nothing in it is wanted.
        ("shopify", r#"{"id":1}"#, false),
        ("twilio", r#"{"id":1}"#, true),
    ] {
        let sample = of(name);
        let verified = sample.send(body.as_bytes()).unwrap();
        // Twilio's name is in forms alone, so that a document of JSON is not read.
        let expected = is_json && name != "twilio";
        assert_eq!(verified.is_json(), expected, "{name} {body}");
    }
}

#[test]
fn a_signature_that_only_the_provider_can_make_is_not_made() {
    let key = "0".repeat(64);
    for settings in [
        json!({"scheme": "discord", "public_key": key}),
        json!({"scheme": "sns", "topic_arn": "arn:aws:sns:us-east-1:1:t"}),
    ] {
        let scheme = scheme(settings);
        assert!(scheme.is_private() && !scheme.needs_secret());
        let draft = Draft { delivery_id: "d", event: "e", body: b"{}" };
        let error = sign(&scheme, Some(&SECRET.into()), draft, at(0)).unwrap_err();
        let name = scheme.name();
        assert_eq!(
            error.to_string(),
            format!("scheme `{name}` is signed with the provider's private key, so nobody else can sign a delivery")
        );
    }
}

#[test]
fn several_events_in_a_body_are_one_delivery_with_a_name_of_its_own() {
    let hubspot = samples().into_iter().find(|sample| sample.name() == "hubspot").unwrap();
    let id = |body: &str| hubspot.send(body.as_bytes()).map(|v| v.delivery_id().map(str::to_owned));
    let both = id(r#"[{"eventId":1},{"eventId":2}]"#).unwrap().unwrap();
    assert!(both.starts_with("1+") && both.len() == 34, "{both}");
    // In other company the first one is not a repetition of the whole.
    assert_ne!(id(r#"[{"eventId":1},{"eventId":3}]"#).unwrap().unwrap(), both);
    assert_eq!(id(r#"[{"eventId":1},{"eventId":2}]"#).unwrap().unwrap(), both);
    assert_eq!(id(r#"[{"eventId":1}]"#).unwrap().as_deref(), Some("1"));
    for unnamed in ["[]", r#"[{"eventId":1},{}]"#, r#"{"eventId":1}"#, "[[{\"eventId\":1}]]", "x", ""] {
        assert_eq!(id(unnamed), Ok(None), "{unnamed}");
    }
    // Of a key that is there twice the last value counts, here, too.
    assert_eq!(id(r#"[{"eventId":1,"eventId":9}]"#).unwrap().as_deref(), Some("9"));
    assert_eq!(id(r#"[{"eventId":"a b"}]"#).unwrap_err().status(), 400);
}

#[test]
fn events_of_other_forms_are_named_too() {
    let of = |name: &str| samples().into_iter().find(|sample| sample.name() == name).unwrap();
    for (name, body, id, event_type) in [
        ("slack", "token=t&command=%2Fdeploy&text=a+b", None, "com.slack.slash_command"),
        ("slack", "payload=%7B%22type%22%3A%22block_actions%22%7D", None, "com.slack.block_actions"),
        ("slack", r#"{"type":"app_rate_limited"}"#, None, "com.slack.app_rate_limited"),
        ("slack", "ssl_check=1", None, "belfry.webhook"),
        ("twilio", "MessageStatus=sent", Some("d-1"), "com.twilio.webhook"),
        ("hubspot", r#"{"objectId":1}"#, None, "com.hubspot.webhook"),
        ("gitlab", "{}", Some("d-1"), "com.gitlab.merge_request"),
        ("msgraph", r#"{"value":[{"clientState":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","lifecycleEvent":"missed","changeType":"x"}]}"#, None, "com.microsoft.graph.missed"),
        // Only names of Standard Webhooks may be reverse domain names already.
        ("stripe", r#"{"type":"com.a.b"}"#, None, "com.stripe.com.a.b"),
    ] {
        let verified = of(name).send(body.as_bytes()).unwrap();
        assert_eq!((verified.delivery_id(), verified.event_type()), (id, event_type), "{name} {body}");
    }
    let bearer = headers(&[("authorization", "Bearer whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]);
    let verifier = verifier(&named("cloudevents"), &[SECRET]);
    for (body, id, event_type) in [
        (r#"{"specversion":"1.0","id":"e-1","type":"com.a.b"}"#, Some("e-1"), "com.a.b"),
        (r#"[{"id":"e-1","type":"com.a.b"}]"#, Some("e-1"), "com.a.b"),
    ] {
        let verified = take(&verifier, &bearer, body.as_bytes(), at(0)).unwrap();
        assert_eq!((verified.delivery_id(), verified.event_type()), (id, event_type));
    }
}

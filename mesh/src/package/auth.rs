//! How a webhook is verified, in the words of both forms of manifests.

use super::{Error, Requirements};
use crate::document::{Form, Node, Object};
use crate::extract::Extraction;
use crate::signature::{self, Auth, Legacy, SecretRef};
use crate::template::Text;
use serde::Deserialize;
use serde_json::json;

/// What a webhook's `auth` asks for. Of an older manifest without one, anyone may post, and there is none.
pub(super) fn read(
    trigger: &Object<'_>,
    requirements: &Requirements,
) -> Result<Option<Auth>, Error> {
    match (trigger.get("auth"), trigger.form()) {
        (Some(node), Form::Strict) => strict(&node).map(Some),
        (Some(node), Form::Older) if !is_open(&node) => older(&node, trigger, requirements).map(Some),
        (_, Form::Older) => open(trigger),
        (None, Form::Strict) => Err(trigger.node("auth").refuse(
            "missing; a webhook must say how it is verified; write `{\"scheme\": \"none\"}` to let anyone post, or `\"install\"` to leave it to whoever installs it",
        )),
    }
}

/// Which of the standard triggers takes the events of this scheme.
pub(super) fn extraction(auth: &Auth) -> Extraction {
    match auth.scheme().name() {
        "github" => Extraction::GitHub,
        "linear" => Extraction::Linear,
        _ => Extraction::Simple,
    }
}

fn strict(node: &Node<'_>) -> Result<Auth, Error> {
    node.object()?.only(Auth::KEYS)?;
    Auth::deserialize(node.value()).map_err(|error| node.refuse(error))
}

fn is_open(node: &Node<'_>) -> bool {
    node.value().get("type").is_some_and(|kind| kind == "none")
}

/// Without verification; a delivery may still be named by a header of the manifest's choice.
fn open(trigger: &Object<'_>) -> Result<Option<Auth>, Error> {
    let Some(node) = delivery_id_header(trigger)? else {
        return Ok(None);
    };
    let auth = Auth::deserialize(json!({"scheme": "none", "delivery_id_header": node.text()?}));
    auth.map(Some).map_err(|error| node.refuse(error))
}

fn older(
    node: &Node<'_>,
    trigger: &Object<'_>,
    requirements: &Requirements,
) -> Result<Auth, Error> {
    let object = node.object()?;
    if let (Some(scheme), None) = (object.get("scheme"), object.get("type")) {
        return Err(scheme.refuse("is of manifest 2; write `\"manifest\": 2` into the document"));
    }
    let text = |key: &str| object.read(key, Node::text);
    let (header, field) = (text("header")?, text("field")?);
    let kind = match object
        .require("type", "one of hmac, secret, bearer, token")?
        .text()?
    {
        // A shared secret in the body goes by the name of `token`.
        "secret" if header.is_none() && field.is_some() => "token",
        kind => kind,
    };
    let legacy = Legacy {
        kind,
        header,
        algorithm: text("algorithm")?,
        field,
        delivery_id_header: delivery_id_header(trigger)?
            .map(|node| node.text())
            .transpose()?,
        secret: secret(&object, requirements)
            .map_err(|error| object.node("secret").refuse(error))?,
    };
    Auth::from_legacy(legacy).map_err(|error| node.refuse(error))
}

fn delivery_id_header<'a>(trigger: &Object<'a>) -> Result<Option<Node<'a>>, Error> {
    let deduplication = trigger.read("deduplication", Node::object)?;
    Ok(deduplication.and_then(|object| object.get("header")))
}

/// The secret that an older manifest names: `${NAME}`, whatever default it carries, or a name that it requires. Without any, it is
/// the one that it requires, or of several the only one whose name ends with `WEBHOOK_SECRET`.
fn secret(auth: &Object<'_>, requirements: &Requirements) -> Result<SecretRef, signature::Error> {
    let required = &requirements.secrets;
    let Some(node) = auth.get("secret") else {
        let mut likely = required
            .iter()
            .filter(|name| required.len() == 1 || name.ends_with("WEBHOOK_SECRET"));
        return match (likely.next(), likely.next()) {
            (Some(name), None) => SecretRef::named(name),
            _ => Err(signature::Error::LiteralSecret),
        };
    };
    let written = node.value().as_str().unwrap_or_default();
    if required.iter().any(|name| name == written) {
        return SecretRef::named(written);
    }
    let text = Text::parse(written).map_err(|_| signature::Error::LiteralSecret)?;
    match text.as_variable() {
        Some(name) => SecretRef::named(name),
        None => Err(signature::Error::LiteralSecret),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn read_as(form: Form, trigger: Value, secrets: &[&str]) -> Result<Option<Auth>, Error> {
        let requirements = Requirements {
            secrets: secrets.iter().map(|&name| name.to_owned()).collect(),
            ..Requirements::default()
        };
        read(
            &Node::root(&trigger, "trigger", form).object()?,
            &requirements,
        )
    }

    fn older(auth: Value, secrets: &[&str]) -> Result<Auth, String> {
        let read = read_as(Form::Older, json!({"auth": auth}), secrets);
        read.map(|auth| auth.expect("an `auth` is given"))
            .map_err(|error| error.to_string())
    }

    fn secret_of(auth: Value, secrets: &[&str]) -> Result<String, String> {
        older(auth, secrets).map(|auth| auth.secrets()[0].name().to_owned())
    }

    #[test]
    fn the_header_of_an_older_manifest_picks_the_scheme() {
        for (auth, scheme) in [
            (
                json!({"type": "hmac", "header": "X-Hub-Signature-256", "secret": "${A}"}),
                "github",
            ),
            (
                json!({"type": "hmac", "header": "Linear-Signature", "algorithm": "sha256", "secret": "${A}"}),
                "linear",
            ),
            (
                json!({"type": "hmac", "header": "X-Sign", "algorithm": "sha512", "secret": "${A}"}),
                "hmac",
            ),
            (
                json!({"type": "secret", "header": "X-Secret", "secret": "${A}"}),
                "secret",
            ),
            (json!({"type": "bearer", "secret": "${A}"}), "bearer"),
            (
                json!({"type": "token", "field": "token", "secret": "${A}", "since": 1}),
                "token",
            ),
            (
                json!({"type": "secret", "field": "token", "secret": "${A}"}),
                "token",
            ),
        ] {
            assert_eq!(
                older(auth.clone(), &[]).unwrap().scheme().name(),
                scheme,
                "{auth}"
            );
        }
    }

    #[test]
    fn an_older_manifest_names_its_secret_in_one_of_several_ways() {
        let auth = |secret: Value| json!({"type": "bearer", "secret": secret});
        assert_eq!(secret_of(auth(json!("${A}")), &["B"]).as_deref(), Ok("A"));
        assert_eq!(
            secret_of(auth(json!("${A:-changeme}")), &[]).as_deref(),
            Ok("A")
        );
        assert_eq!(secret_of(auth(json!("B")), &["A", "B"]).as_deref(), Ok("B"));
        assert_eq!(secret_of(auth(json!(null)), &["A"]).as_deref(), Ok("A"));
        assert_eq!(
            secret_of(auth(json!(null)), &["A", "X_WEBHOOK_SECRET"]).as_deref(),
            Ok("X_WEBHOOK_SECRET")
        );
        for (secret, required) in [
            (json!("B"), &["A"][..]),
            (json!(null), &["A", "B"]),
            (json!(null), &[]),
            (json!(7), &["A"]),
        ] {
            let error = secret_of(auth(secret), required).unwrap_err();
            assert!(
                error.starts_with("trigger.auth.secret: a secret is named, never written"),
                "{error}"
            );
        }
    }

    #[test]
    fn no_refusal_repeats_a_secret_that_was_written_out() {
        for form in [Form::Older, Form::Strict] {
            for secret in [
                json!("s3cr3t"),
                json!("${s3cr3t"),
                json!(["s3cr3t"]),
                json!({"s3cr3t": 1}),
                json!("x${s3cr3t}"),
            ] {
                let auth = json!({"type": "bearer", "scheme": "bearer", "secret": secret});
                let error = read_as(form, json!({"auth": auth}), &[])
                    .unwrap_err()
                    .to_string();
                assert!(!error.contains("s3cr3t"), "{error}");
            }
        }
    }

    #[test]
    fn an_older_manifest_may_let_anyone_post_and_a_strict_one_must_say_so() {
        assert_eq!(read_as(Form::Older, json!({}), &[]), Ok(None));
        assert_eq!(
            read_as(Form::Older, json!({"auth": {"type": "none"}}), &[]),
            Ok(None)
        );
        let named = read_as(
            Form::Older,
            json!({"deduplication": {"header": "X-Delivery"}}),
            &[],
        )
        .unwrap()
        .unwrap();
        assert_eq!(named.scheme().name(), "none");
        let error = read_as(Form::Strict, json!({}), &[])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("trigger.auth: missing; a webhook must say how it is verified"),
            "{error}"
        );
        assert!(
            read_as(Form::Strict, json!({"auth": {"scheme": "none"}}), &[])
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn a_misspelt_key_or_scheme_is_refused_with_what_is_known() {
        let refused = |auth: Value| {
            read_as(Form::Strict, json!({"auth": auth}), &[])
                .unwrap_err()
                .to_string()
        };
        let error = refused(json!({"scheme": "github", "secert": "${A}"}));
        assert!(
            error.starts_with(
                "trigger.auth.secert: unknown key `secert`; known: scheme, secret, secrets"
            ),
            "{error}"
        );
        assert!(error.ends_with("did you mean `secret`?"), "{error}");
        let error = refused(json!({"scheme": "githb", "secret": "${A}"}));
        assert!(
            error.starts_with("trigger.auth: unknown scheme `githb`; known: "),
            "{error}"
        );
    }
}

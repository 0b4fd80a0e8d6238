//! `belfry send`: a delivery as its provider would make it, for trying out and for tests.

use crate::cli;
use crate::commands::{hook, read};
use anyhow::{Context, bail};
use belfry_mesh::port::clock::Clock;
use belfry_mesh::signature::{self, Draft, Scheme};
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use rand::Rng;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

/// A delivery, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// What stands after the `?` of the address that it is sent to, where the scheme signs that.
    pub query: Option<String>,
}

/// Makes a delivery as the scheme's provider would at `now`, of a JSON payload; what the scheme has in the payload (a time, a secret)
/// is put in. `event` is the event type, for schemes that name it in a header; a usual one if none is given.
///
/// # Errors
/// If the provider signs and there is no secret, or the secret or the payload is not of the provider's form, or only the provider
/// can sign.
pub fn sign(
    scheme: &Scheme,
    secret: Option<&SecretString>,
    payload: Vec<u8>,
    event: Option<&str>,
    delivery_id: &str,
    now: Timestamp,
) -> anyhow::Result<Delivery> {
    if scheme.needs_secret() && secret.is_none() {
        bail!(
            "`{}` deliveries are signed: give --secret-file, --secret or BELFRY_SEND_SECRET",
            scheme.name()
        );
    }
    let body = completed(scheme, secret, payload, now)?;
    let event = event.unwrap_or(match scheme.name() {
        "linear" => "Issue",
        _ => "push",
    });
    let draft = Draft {
        delivery_id,
        event,
        body: &body,
    };
    let mut headers = signature::sign(scheme, secret, draft, now)?;
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    Ok(Delivery {
        query: scheme.query(&body),
        headers,
        body,
    })
}

/// The payload with what the scheme has in it: Linear's timestamp, or the secret itself.
fn completed(
    scheme: &Scheme,
    secret: Option<&SecretString>,
    payload: Vec<u8>,
    now: Timestamp,
) -> anyhow::Result<Vec<u8>> {
    let (field, value) = match (scheme.name(), scheme.secret_field(), secret) {
        ("linear", ..) => ("webhookTimestamp", now.as_millisecond().into()),
        ("msgraph", Some(_), Some(secret)) => return with_client_state(&payload, secret),
        (_, Some(field), Some(secret)) => (field, secret.expose_secret().into()),
        _ => return Ok(payload),
    };
    let mut body = object(scheme.name(), &payload)?;
    if field.contains(['.', '[']) {
        bail!("the secret belongs into `{field}` of the payload, which is to be put there by hand");
    }
    body.insert(field.to_owned(), value);
    Ok(serde_json::to_vec(&body)?)
}

/// Microsoft Graph has the secret in each item of `value`
/// (<https://learn.microsoft.com/graph/change-notifications-delivery-webhooks>).
fn with_client_state(payload: &[u8], secret: &SecretString) -> anyhow::Result<Vec<u8>> {
    let mut body = object("msgraph", payload)?;
    let items = body.get_mut("value").and_then(Value::as_array_mut);
    for item in items.context("a payload of `msgraph` has a list `value`")? {
        item["clientState"] = secret.expose_secret().into();
    }
    Ok(serde_json::to_vec(&body)?)
}

fn object(scheme: &str, payload: &[u8]) -> anyhow::Result<Map<String, Value>> {
    serde_json::from_slice(payload)
        .with_context(|| format!("a payload of `{scheme}` is a JSON object"))
}

/// Sends one delivery and returns what is to be printed.
pub(crate) async fn run(args: cli::Send, clock: &dyn Clock) -> anyhow::Result<String> {
    let secret = match (&args.secret, &args.secret_file) {
        (Some(secret), _) => Some(SecretString::from(secret.clone())),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
            Some(text.strip_suffix('\n').unwrap_or(&text).to_owned().into())
        }
        (None, None) => None,
    };
    let mut rng = rand::rng();
    let delivery_id = args
        .delivery_id
        .unwrap_or_else(|| format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64()));
    let payload = read(&args.payload)?;
    let scheme = scheme(&args.scheme, &args.auth)?;
    let now = clock.now();
    let event = args.event.as_deref();
    let mut delivery = sign(&scheme, secret.as_ref(), payload, event, &delivery_id, now)?;
    let content_type = HeaderValue::from_str(&args.content_type);
    delivery.headers.insert(
        header::CONTENT_TYPE,
        content_type.context("--content-type cannot stand in a header")?,
    );
    let trigger = match (args.trigger, default_trigger(&scheme)) {
        (Some(trigger), _) => trigger,
        (None, Some(standard)) => standard.to_owned(),
        (None, None) => bail!(
            "say which trigger takes deliveries of `{}` with --trigger NAME; `belfry list` shows them",
            scheme.name()
        ),
    };
    let mut url = format!("{}/hooks/{trigger}", args.gateway_url.trim_end_matches('/'));
    if let Some(query) = &delivery.query {
        url += &format!("?{query}");
    }
    let http = reqwest::Client::builder()
        .timeout(std::time::Duration::from_secs(30))
        .build()?;
    let response = post(&http, &url, delivery).await.with_context(|| {
        format!(
            "no gateway answers at {}; start one with `belfry dev`",
            args.gateway_url
        )
    })?;
    let status = response.status();
    let answer: Value = response.json().await.unwrap_or(Value::Null);
    if args.json && status.is_success() {
        return Ok(serde_json::to_string_pretty(&answer)? + "\n");
    }
    if !status.is_success() {
        if args.json {
            crate::print(&(serde_json::to_string_pretty(&answer)? + "\n"))?;
        }
        bail!(
            "{status}: {}",
            answer["detail"]
                .as_str()
                .unwrap_or("the gateway gave no reason")
        );
    }
    Ok(format!(
        "{status}: {} as event {}\nsee it with: belfry events {}\n",
        answer["status"].as_str().unwrap_or("accepted"),
        answer["event_id"].as_str().unwrap_or_default(),
        answer["event_id"].as_str().unwrap_or_default(),
    ))
}

/// Sends a delivery.
pub(crate) async fn post(
    http: &reqwest::Client,
    url: &str,
    delivery: Delivery,
) -> reqwest::Result<reqwest::Response> {
    http.post(url)
        .headers(delivery.headers)
        .body(delivery.body)
        .send()
        .await
}

/// A scheme with its settings.
fn scheme(name: &str, settings: &[String]) -> anyhow::Result<Scheme> {
    let mut scheme = hook::settings(settings)?;
    scheme.insert("scheme".to_owned(), name.into());
    // Its own words say what is wrong.
    Ok(serde_json::from_value(Value::Object(scheme))?)
}

/// The standard package for the deliveries of a scheme.
fn default_trigger(scheme: &Scheme) -> Option<&'static str> {
    match scheme.name() {
        "github" => Some("github-pr-webhook"),
        "linear" => Some("linear-webhook"),
        "none" => Some("simple-webhook"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(scheme: &str, secret: Option<&str>, payload: &str) -> anyhow::Result<Delivery> {
        signed_with(scheme, &[], secret, payload)
    }

    fn signed_with(
        name: &str,
        settings: &[&str],
        secret: Option<&str>,
        payload: &str,
    ) -> anyhow::Result<Delivery> {
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        let secret = secret.map(SecretString::from);
        let scheme = scheme(name, &settings)?;
        let now = Timestamp::UNIX_EPOCH;
        sign(&scheme, secret.as_ref(), payload.into(), None, "d", now)
    }

    #[test]
    fn a_scheme_takes_its_settings_and_a_secret_that_belongs_into_the_body_is_put_there() {
        let delivery = signed_with("hmac", &["header=X-Sign", "prefix=v1="], Some("s"), "{}");
        let headers = delivery.unwrap().headers;
        let signature = headers["x-sign"].to_str().unwrap();
        assert!(signature.starts_with("v1="), "{signature}");
        let delivery = signed_with("token", &["field=key"], Some("s"), r#"{"a":1}"#).unwrap();
        assert_eq!(delivery.body, br#"{"a":1,"key":"s"}"#);
        let refusal = signed_with("token", &[], Some("s"), "{}").unwrap_err();
        assert!(refusal.to_string().contains("needs `header` or `field`"));
        assert!(signed_with("hmac", &["headr=X"], Some("s"), "{}").is_err());
    }

    /// The example of GitHub's documentation, "Validating webhook deliveries".
    #[test]
    fn a_github_delivery_is_signed_as_github_signs() {
        let delivery = signed(
            "github",
            Some("It's a Secret to Everybody"),
            "Hello, World!",
        )
        .unwrap();
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(delivery.headers["x-hub-signature-256"], signature);
    }

    #[test]
    fn a_linear_delivery_is_stamped_with_the_time_it_is_sent() {
        let delivery = signed(
            "linear",
            Some("s"),
            r#"{"type":"Issue","webhookTimestamp":1}"#,
        )
        .unwrap();
        assert_eq!(delivery.body, br#"{"type":"Issue","webhookTimestamp":0}"#);
        assert!(signed("linear", Some("s"), "[]").is_err());
    }

    #[test]
    fn without_a_secret_nothing_is_signed() {
        assert!(
            signed("github", None, "")
                .unwrap_err()
                .to_string()
                .contains("--secret-file")
        );
        assert!(signed("none", None, "").is_ok());
    }
}

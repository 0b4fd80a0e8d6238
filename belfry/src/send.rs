//! `belfry send`: a delivery as its provider would make it, for trying out and for tests.

use crate::cli;
use crate::commands::read;
use anyhow::{Context, bail};
use belfry_mesh::port::clock::Clock;
use belfry_mesh::signature::{self, Draft, Scheme};
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use rand::Rng;
use secrecy::SecretString;
use serde_json::Value;

/// A delivery, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

/// Makes a delivery as the scheme's provider would at `now`. `event` is the event type, for schemes that name it in a header.
///
/// # Errors
/// If the provider signs and there is no secret, or the secret or the payload is not of the provider's form.
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
    let body = if scheme.name() == "linear" {
        stamped(&payload, now)?
    } else {
        payload
    };
    let event = event.unwrap_or(if scheme.name() == "linear" {
        "Issue"
    } else {
        "push"
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
    Ok(Delivery { headers, body })
}

/// Linear's timestamp is in the body, and so under the signature.
fn stamped(payload: &[u8], now: Timestamp) -> anyhow::Result<Vec<u8>> {
    let mut body: Value = serde_json::from_slice(payload).context("a Linear payload is JSON")?;
    let Some(object) = body.as_object_mut() else {
        bail!("a Linear payload is a JSON object")
    };
    object.insert("webhookTimestamp".into(), now.as_millisecond().into());
    Ok(serde_json::to_vec(&body)?)
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
    let scheme = Scheme::named(&args.scheme)?;
    let delivery = sign(
        &scheme,
        secret.as_ref(),
        payload,
        args.event.as_deref(),
        &delivery_id,
        clock.now(),
    )?;
    let trigger = args
        .trigger
        .unwrap_or_else(|| default_trigger(&scheme).to_owned());
    let url = format!("{}/hooks/{trigger}", args.gateway_url.trim_end_matches('/'));
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

/// The standard package for the deliveries of a scheme.
fn default_trigger(scheme: &Scheme) -> &'static str {
    match scheme.name() {
        "github" => "github-pr-webhook",
        "linear" => "linear-webhook",
        _ => "simple-webhook",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(scheme: &str, secret: Option<&str>, payload: &str) -> anyhow::Result<Delivery> {
        let secret = secret.map(SecretString::from);
        sign(
            &Scheme::named(scheme)?,
            secret.as_ref(),
            payload.into(),
            None,
            "d",
            Timestamp::UNIX_EPOCH,
        )
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

//! What is said of a webhook's deliveries, from flags to what the API takes; and the rotation of secrets.

use super::versions::settle;
use super::{show, text};
use crate::cli;
use crate::client::Console;
use anyhow::{Context, bail};
use belfry_mesh::port::clock::Clock;
use belfry_mesh::signature::SecretRef;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::path::Path;

/// The keys of `auth` that are lists however many values they have.
const LISTS: [&str; 1] = ["cert_hosts"];
/// Those that are numbers.
const NUMBERS: [&str; 1] = ["tolerance_seconds"];

/// What the flags say of a hook, as the API takes it. `now` is how deliveries are verified so far: a scheme that is not said is that
/// one, and secrets that are not said are those.
pub(super) fn body(hook: &cli::Hook, now: Option<&Value>) -> anyhow::Result<Map<String, Value>> {
    let mut body = Map::new();
    let auth = match &hook.auth_json {
        Some(given) => Some(object(given)?),
        None => auth(hook, now)?,
    };
    body.extend(auth.map(|auth| ("auth".to_owned(), auth)));
    if let Some(text) = &hook.rate_limit {
        body.insert("rate_limit".to_owned(), rate_limit(text)?);
    }
    if !hook.allow_ips.is_empty() {
        body.insert("allow_ips".to_owned(), hook.allow_ips.clone().into());
    }
    Ok(body)
}

/// Whether the flags can only be understood with what is there so far.
pub(super) fn builds_on_what_is_there(hook: &cli::Hook) -> bool {
    hook.scheme.is_none() && (!hook.secrets.is_empty() || !hook.auth.is_empty())
}

fn auth(hook: &cli::Hook, now: Option<&Value>) -> anyhow::Result<Option<Value>> {
    let mut auth = match (&hook.scheme, now.and_then(Value::as_object)) {
        (Some(scheme), _) => Map::from_iter([("scheme".to_owned(), json!(scheme))]),
        (None, _) if hook.secrets.is_empty() && hook.auth.is_empty() => return Ok(None),
        (None, Some(now)) => now.clone(),
        (None, None) => bail!(
            "--secret and --auth say how a scheme verifies: say which with --scheme (`belfry schemes` lists them)"
        ),
    };
    if !hook.secrets.is_empty() {
        let secrets = hook.secrets.iter().map(|text| secret(text));
        set_secrets(&mut auth, secrets.collect::<anyhow::Result<_>>()?);
    }
    auth.extend(settings(&hook.auth)?);
    Ok(Some(Value::Object(auth)))
}

/// The keys and values of --auth.
pub(crate) fn settings(given: &[String]) -> anyhow::Result<Map<String, Value>> {
    let mut settings: Map<String, Value> = Map::new();
    for pair in given {
        // What is wrong with it is not shown: it may be a secret that was meant for elsewhere.
        let (key, value) = pair
            .split_once('=')
            .context("--auth takes KEY=VALUE, such as header=X-Signature")?;
        if key == "secret" || key == "secrets" {
            bail!("secrets are named by --secret NAME, not by --auth");
        }
        let value = match value.parse::<u64>() {
            Ok(number) if NUMBERS.contains(&key) => json!(number),
            _ => json!(value),
        };
        match settings.get_mut(key) {
            Some(Value::Array(list)) => list.push(value),
            Some(one) => *one = json!([one.take(), value]),
            None if LISTS.contains(&key) => {
                settings.insert(key.to_owned(), json!([value]));
            }
            None => {
                settings.insert(key.to_owned(), value);
            }
        }
    }
    Ok(settings)
}

/// A secret with its end, if it has one: `NAME` or `NAME@END`.
fn secret(text: &str) -> anyhow::Result<(SecretRef, Option<Timestamp>)> {
    let (name, end) = match text.split_once('@') {
        Some((name, end)) => (name, Some(end)),
        None => (text, None),
    };
    let named = SecretRef::named(name).or_else(|_| SecretRef::parse(name));
    // Not shown, since it may be the secret itself.
    let named = named.map_err(|_| {
        anyhow::anyhow!(
            "--secret takes the name of a secret that is set on the gateways (letters, digits and `_`), never the secret itself"
        )
    })?;
    let end = end.map(|end| {
        end.parse::<Timestamp>().with_context(|| {
            format!(
                "the end of secret `{}` must be such as 2026-12-01T00:00:00Z",
                named.name()
            )
        })
    });
    Ok((named, end.transpose()?))
}

/// Writes secrets into an `auth`, in place of those that it has.
fn set_secrets(auth: &mut Map<String, Value>, secrets: Vec<(SecretRef, Option<Timestamp>)>) {
    auth.remove("secret");
    auth.remove("secrets");
    let one = |(secret, end): &(SecretRef, Option<Timestamp>)| match end {
        None => json!(secret.to_string()),
        Some(end) => json!({"secret": secret.to_string(), "until": end}),
    };
    match secrets.as_slice() {
        [only @ (_, None)] => auth.insert("secret".to_owned(), one(only)),
        several => auth.insert("secrets".to_owned(), several.iter().map(one).collect()),
    };
}

/// The names of the secrets that an `auth` has, with their ends.
fn secrets_of(auth: &Value) -> Vec<(String, Option<Timestamp>)> {
    let one = |value: &Value| {
        let name = value.as_str().or_else(|| value["secret"].as_str())?;
        let end = value["until"].as_str().and_then(|end| end.parse().ok());
        Some((name.to_owned(), end))
    };
    let lists = [&auth["secret"], &auth["secrets"]];
    let all = lists.into_iter().flat_map(|value| match value {
        Value::Array(list) => list.iter().collect(),
        Value::Null => Vec::new(),
        other => vec![other],
    });
    all.filter_map(one).collect()
}

/// `REQUESTS/SECONDS` or `REQUESTS/SECONDS/BURST`.
fn rate_limit(text: &str) -> anyhow::Result<Value> {
    let parts: Option<Vec<u32>> = text
        .split('/')
        .map(|part| part.trim().parse().ok())
        .collect();
    match parts.as_deref() {
        Some([requests, seconds]) => Ok(json!({"requests": requests, "window_seconds": seconds})),
        Some([requests, seconds, burst]) => {
            Ok(json!({"requests": requests, "window_seconds": seconds, "burst": burst}))
        }
        _ => bail!(
            "--rate-limit `{text}` is not REQUESTS/SECONDS, such as 100/60, nor REQUESTS/SECONDS/BURST"
        ),
    }
}

/// A JSON object that is given as such, or in a file.
fn object(given: &str) -> anyhow::Result<Value> {
    let text = match given.trim_start().starts_with('{') {
        true => given.as_bytes().to_vec(),
        false => super::read(Path::new(given)).context("--auth-json")?,
    };
    // The parser would show what it found.
    let value: Option<Value> = serde_json::from_slice(&text).ok();
    value
        .filter(Value::is_object)
        .context("--auth-json is not a JSON object such as {\"scheme\": \"github\", \"secret\": \"${NAME}\"}")
}

/// Gives a webhook a new secret beside the old ones, which end.
pub(super) async fn rotate(args: cli::Rotate, clock: &dyn Clock) -> anyhow::Result<String> {
    let console = Console::new(&args.client)?;
    let status = console.ask(&args.name, "status", &[]).await?;
    let Some(now) = status["auth"].as_object() else {
        bail!(
            "`{}` verifies no deliveries, so it has no secret to rotate",
            args.name
        );
    };
    let at = clock.now();
    // To the second, as people write it.
    let end = Timestamp::from_second(at.checked_add(args.keep_for)?.as_second())?;
    let secrets = rotated(&args, &secrets_of(&status["auth"]), at, end)?;
    let old: Vec<String> = secrets[1..]
        .iter()
        .map(|(name, _)| name.name().to_owned())
        .collect();
    let mut auth = now.clone();
    set_secrets(&mut auth, secrets);
    let answer = console
        .order(&args.name, "update", &[], json!({"auth": auth}))
        .await?;
    show(&args.client, &answer, |answer| {
        let (name, new) = (&args.name, &args.secret);
        let so_far = match old.as_slice() {
            [] => "no other does any more".to_owned(),
            old => format!("{} still until {end}", old.join(", ")),
        };
        format!(
            "{name} takes what {new} signs; {so_far}\n{}",
            settle(answer)
        )
    })
}

/// The new secret, and those of the old ones that do until the end, or their own if that is sooner.
fn rotated(
    args: &cli::Rotate,
    now: &[(String, Option<Timestamp>)],
    at: Timestamp,
    end: Timestamp,
) -> anyhow::Result<Vec<(SecretRef, Option<Timestamp>)>> {
    let (new, _) = secret(&args.secret)?;
    let mut all = vec![(new.clone(), None)];
    let mut keep = Vec::new();
    for text in &args.keep {
        keep.push(secret(text)?.0);
    }
    let known = |name: &SecretRef| now.iter().find(|(known, _)| *known == name.to_string());
    if let Some(unknown) = keep.iter().find(|name| known(name).is_none()) {
        let names: Vec<&str> = now.iter().map(|(name, _)| name.as_str()).collect();
        bail!(
            "`{}` has no secret {} to keep; it has {}",
            args.name,
            unknown.name(),
            names.join(", ")
        );
    }
    for (name, own_end) in now {
        let name = SecretRef::parse(name)?;
        let is_kept = !args.at_once && (keep.is_empty() || keep.contains(&name));
        let is_over = own_end.is_some_and(|own| own <= at);
        if is_kept && !is_over && name != new {
            let end = own_end.map_or(end, |own| own.min(end));
            all.push((name, Some(end)));
        }
    }
    Ok(all)
}

/// How deliveries are verified, in a line.
pub(super) fn auth_in_words(auth: &Value) -> String {
    let secrets = secrets_of(auth).into_iter().map(|(secret, end)| {
        let name = SecretRef::parse(&secret).map_or(secret, |name| name.name().to_owned());
        match end {
            None => name,
            Some(end) => format!("{name} until {end}"),
        }
    });
    let secrets: Vec<String> = secrets.collect();
    match secrets.is_empty() {
        true => text(&auth["scheme"]),
        false => format!("{} with {}", text(&auth["scheme"]), secrets.join(" or ")),
    }
}

/// How often a hook may be called, in a line.
pub(super) fn rate_in_words(rate: &Value) -> String {
    match rate.is_null() {
        true => String::new(),
        false => format!(
            "{} in {} s, {} at once",
            rate["requests"], rate["window_seconds"], rate["burst"]
        ),
    }
}

#[cfg(test)]
mod tests;

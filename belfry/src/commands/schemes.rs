//! The ways in which deliveries can be verified.

use crate::cli;
use crate::table::table;
use anyhow::bail;
use belfry_mesh::signature::{Listed, schemes};
use serde_json::json;

/// What each key of `auth` is.
const KEYS: [(&str, &str); 16] = [
    (
        "secret",
        "the name of the secret that both sides have, on the gateways: --secret NAME (again during a rotation)",
    ),
    (
        "public_key",
        "the provider's public key as it shows it, or ${NAME} for one that is set on the gateways; may be a list",
    ),
    (
        "public_url",
        "the address of the hook as the provider calls it, which is signed: https://hooks.example/hooks/NAME",
    ),
    (
        "topic_arn",
        "the topic that messages come from; may be a list",
    ),
    (
        "cert_hosts",
        "the hosts that certificates may be at; those of the provider if it is not said",
    ),
    ("header", "the header with the signature or the secret"),
    (
        "field",
        "the field of the JSON body with the secret, which is stored with every event: prefer a header",
    ),
    (
        "prefix",
        "what stands before the signature, such as sha256=",
    ),
    ("encoding", "hex or base64; hex if it is not said"),
    (
        "algorithm",
        "sha256, sha1 or sha512; sha256 if it is not said",
    ),
    (
        "signed",
        "what is signed: text with {body}, {timestamp}, {id}; {body} if it is not said",
    ),
    (
        "timestamp_header",
        "the header with the signed time, in seconds since 1970",
    ),
    (
        "tolerance_seconds",
        "how far from now that may be: 1 to 86400; 300 if it is not said",
    ),
    (
        "delivery_id_header",
        "the header that names the delivery; Idempotency-Key if it is not said",
    ),
    (
        "delivery_id_path",
        "the field of the JSON body that names the delivery, instead of a header",
    ),
    (
        "event_type_header",
        "the header that names the type of the event",
    ),
];

pub(super) fn run(args: &cli::Schemes) -> anyhow::Result<String> {
    let all = schemes();
    let shown: Vec<&Listed> = match &args.name {
        None => all.iter().collect(),
        Some(name) => match all.iter().find(|listed| listed.name == name) {
            Some(listed) => vec![listed],
            None => {
                bail!("there is no scheme `{name}`; `belfry schemes` lists those that there are")
            }
        },
    };
    if args.json {
        let shown: Vec<_> = shown.iter().map(|listed| as_json(listed)).collect();
        return Ok(serde_json::to_string_pretty(&shown)? + "\n");
    }
    match (&args.name, shown.as_slice()) {
        (Some(_), [one]) => Ok(sheet(one)),
        _ => Ok(list(&shown)),
    }
}

fn as_json(listed: &Listed) -> serde_json::Value {
    json!({
        "name": listed.name, "needs": listed.needs, "takes": listed.takes, "handshake": listed.greets,
        "send": !listed.is_private
    })
}

fn list(shown: &[&Listed]) -> String {
    let row = |listed: &&Listed| {
        let yes = |is: bool| if is { "yes" } else { "" }.to_owned();
        vec![
            listed.name.to_owned(),
            listed.needs.join(", ").replace('|', " or "),
            yes(listed.greets),
            yes(!listed.is_private),
        ]
    };
    let rows: Vec<_> = shown.iter().map(row).collect();
    table(&["scheme", "needs", "handshake", "belfry send"], &rows)
        + "\n`belfry schemes NAME` says what its keys are, and how to install with it\n"
}

/// A scheme with its keys, and the command that installs with it.
fn sheet(listed: &Listed) -> String {
    let mut words = format!("{}\n", listed.name);
    let keys = [("needs", &listed.needs), ("takes", &listed.takes)];
    for (label, key) in keys
        .into_iter()
        .flat_map(|(label, keys)| keys.iter().map(move |key| (label, *key)))
    {
        for key in key.split('|') {
            let meaning = KEYS.iter().find(|(known, _)| *known == key);
            let meaning = meaning.map_or("", |(_, meaning)| meaning);
            words += &format!("  {label}  {key:<18}  {meaning}\n");
        }
    }
    if listed.greets {
        words += "  its handshake is answered\n";
    }
    if listed.is_private {
        words += "  only the provider can sign, so `belfry send` cannot\n";
    }
    words
        + &format!(
            "\nbelfry install webhook --name NAME --workflow ID {}\n",
            flags(listed)
        )
}

/// How it is said on the command line.
fn flags(listed: &Listed) -> String {
    let mut flags = format!("--scheme {}", listed.name);
    for key in &listed.needs {
        let first = key.split('|').next().unwrap_or(key);
        flags += &match first {
            "secret" => " --secret NAME_ON_THE_GATEWAYS".to_owned(),
            key => format!(" --auth {key}=…"),
        };
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: Option<&str>) -> anyhow::Result<String> {
        run(&cli::Schemes {
            name: name.map(str::to_owned),
            json: false,
        })
    }

    #[test]
    fn every_key_of_every_scheme_is_explained() {
        for listed in schemes() {
            for key in listed
                .needs
                .iter()
                .chain(&listed.takes)
                .flat_map(|key| key.split('|'))
            {
                let known = KEYS.iter().any(|(known, _)| *known == key);
                assert!(known, "{key} of {}", listed.name);
            }
        }
    }

    #[test]
    fn a_scheme_is_shown_with_the_command_that_installs_with_it() {
        let list = shown(None).unwrap();
        assert!(list.contains("stripe") && list.contains("hmac"), "{list}");
        let twilio = shown(Some("twilio")).unwrap();
        let says = "--scheme twilio --secret NAME_ON_THE_GATEWAYS --auth public_url=…";
        assert!(twilio.contains(says), "{twilio}");
        let discord = shown(Some("discord")).unwrap();
        assert!(discord.contains("only the provider can sign"), "{discord}");
        assert!(shown(Some("strip")).is_err());
    }
}

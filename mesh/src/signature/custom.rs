//! The scheme `hmac`, whose every detail is configured.

use super::Error;
use super::place::Place;
use super::recipe::{Algorithm, Encoding, Part, Proof, Recipe, Signature, Stamp, Under, Unit};
use super::settings::{Settings, header};
use std::time::Duration;

const ENCODINGS: [(&str, Encoding); 2] = [("hex", Encoding::Hex), ("base64", Encoding::Base64)];
const ALGORITHMS: [(&str, Algorithm); 3] = [
    ("sha256", Algorithm::Sha256),
    ("sha1", Algorithm::Sha1),
    ("sha512", Algorithm::Sha512),
];
const PARTS: [(&str, Part); 3] = [
    ("body", Part::Body),
    ("timestamp", Part::Timestamp),
    ("id", Part::DeliveryId),
];
/// How far from now a signed timestamp may be if nothing else is said, and at most, in seconds.
const TOLERANCE: u64 = 300;
const MAX_TOLERANCE: u64 = 86_400;

impl Settings {
    /// Makes the recipe one that is signed as these settings say.
    pub(super) fn sign_as_configured(&self, recipe: &mut Recipe) -> Result<(), Error> {
        const READ: [&str; 7] = [
            "header",
            "prefix",
            "encoding",
            "algorithm",
            "signed",
            "timestamp_header",
            "tolerance_seconds",
        ];
        self.refuse_others("hmac", &READ)?;
        let name = self.header.as_deref().ok_or(Error::MissingKey {
            scheme: "hmac",
            keys: "`header`",
        })?;
        let mut signature = Signature::of_body(header("header", name)?);
        signature.prefix = self.prefix.clone().unwrap_or_default();
        if let Some(word) = &self.encoding {
            signature.encoding = meaning("encoding", word, &ENCODINGS)?;
        }
        if let Some(word) = &self.algorithm {
            signature.under = Under::secret(meaning("algorithm", word, &ALGORITHMS)?);
        }
        if let Some(template) = &self.signed {
            signature.signed = parts(template)?;
        }
        recipe.timestamp = self.stamp(&signature.signed)?;
        if signature.signed.contains(&Part::DeliveryId)
            && !matches!(*recipe.delivery_id, [Place::Header(_)])
        {
            return Err(Error::invalid(
                "signed",
                "`{id}` is a header's value, and `delivery_id_path` is given",
            ));
        }
        recipe.proof = Proof::Signature(signature);
        Ok(())
    }

    fn stamp(&self, signed: &[Part]) -> Result<Option<Stamp>, Error> {
        let Some(name) = &self.timestamp_header else {
            return match (signed.contains(&Part::Timestamp), self.tolerance_seconds) {
                (true, _) => Err(Error::invalid(
                    "signed",
                    "`{timestamp}` needs `timestamp_header`",
                )),
                (false, Some(_)) => Err(Error::invalid(
                    "tolerance_seconds",
                    "it needs `timestamp_header`",
                )),
                (false, None) => Ok(None),
            };
        };
        if !signed.contains(&Part::Timestamp) {
            let why =
                "`signed` has no `{timestamp}`, and a timestamp that is not signed proves nothing";
            return Err(Error::invalid("timestamp_header", why));
        }
        let tolerance = self.tolerance_seconds.unwrap_or(TOLERANCE);
        if !(1..=MAX_TOLERANCE).contains(&tolerance) {
            return Err(Error::invalid(
                "tolerance_seconds",
                format!("found {tolerance}; 1 to {MAX_TOLERANCE} are allowed"),
            ));
        }
        let place = Place::Header(header("timestamp_header", name)?);
        Ok(Some(Stamp {
            place,
            unit: Unit::Seconds,
            tolerance: Duration::from_secs(tolerance),
        }))
    }
}

/// What a word means that is the value of a key.
fn meaning<T: Copy>(key: &'static str, word: &str, known: &[(&str, T)]) -> Result<T, Error> {
    match known.iter().find(|(known, _)| *known == word) {
        Some((_, meaning)) => Ok(*meaning),
        None => {
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            Err(Error::invalid(key, Error::unknown(key, word, &words)))
        }
    }
}

/// Reads what is signed: text with `{timestamp}`, `{id}` and, once, `{body}`.
fn parts(template: &str) -> Result<Vec<Part>, Error> {
    let invalid = |why: String| Error::invalid("signed", why);
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((text, tail)) = rest.split_once('{') {
        let (name, tail) = tail
            .split_once('}')
            .ok_or_else(|| invalid(format!("`{{{tail}` has no `}}`")))?;
        if !text.is_empty() {
            parts.push(Part::Literal(text.to_owned()));
        }
        let part = PARTS.iter().find(|(known, _)| *known == name);
        let (_, part) = part.ok_or_else(|| {
            invalid(format!(
                "unknown part `{{{name}}}`; known: {{body}}, {{timestamp}}, {{id}}"
            ))
        })?;
        parts.push(part.clone());
        rest = tail;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.to_owned()));
    }
    match parts.iter().filter(|part| **part == Part::Body).count() {
        1 => Ok(parts),
        found => Err(invalid(format!(
            "`{{body}}` is there {found} times; once is needed"
        ))),
    }
}

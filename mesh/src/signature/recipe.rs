//! What a scheme demands of a delivery, as data. The verifier interprets recipes and knows no provider.

use super::naming::Naming;
use super::place::Place;
use http::HeaderName;
use std::fmt;
use std::time::Duration;

/// One way in which a delivery proves where it comes from, and where in it its names are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) proof: Proof,
    pub(super) timestamp: Option<Stamp>,
    /// Where the provider names the delivery: the first of these that does.
    pub(super) delivery_id: Vec<Place>,
    pub(super) event: Naming,
    /// Further headers by which the provider identifies itself.
    pub(super) identity: &'static [&'static str],
    pub(super) form: Form,
}

/// Whether the provider sends urlencoded bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Never,
    /// It may; the fields speak for themselves.
    Fields,
    /// It may; this field holds a JSON document, if it is there.
    Document(&'static str),
}

/// How a delivery proves where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proof {
    /// In no way.
    Nothing,
    /// It shows the secret itself.
    Secret {
        place: Place,
        /// What stands before the secret, in any case.
        prefix: &'static str,
    },
    /// A header holds its signature.
    Signature(Signature),
    /// It is a message of Amazon's SNS, which holds its own signature.
    Sns,
}

/// What is signed, by whom, and how the signature is written in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) header: HeaderName,
    /// What stands between signatures, where there may be several: one match is enough.
    pub(super) separator: Option<char>,
    /// What stands before the signature. In a list it is the version, and items of other versions are skipped.
    pub(super) prefix: String,
    pub(super) encoding: Encoding,
    pub(super) under: Under,
    /// What is signed, one part after the other.
    pub(super) signed: Vec<Part>,
}

/// What makes a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Under {
    /// A secret that both sides have.
    Hmac { algorithm: Algorithm, key: KeyForm },
    /// The provider's private key: Ed25519 (RFC 8032). The public one is 64 hexadecimal digits.
    Ed25519,
    /// The provider's private key: ECDSA on P-256 with SHA-256, in DER. The public one is a base64 `SubjectPublicKeyInfo`.
    EcdsaP256,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Hexadecimal digits in either case.
    Hex,
    /// Hexadecimal digits in lower case, for providers whose own library refuses the other.
    LowerHex,
    /// Base64 with padding (RFC 4648, section 4).
    Base64,
}

/// The hash under the HMAC. It is the scheme's, never the sender's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Sha1,
    Sha256,
    Sha512,
}

/// How the key follows from the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyForm {
    /// It is the secret, verbatim.
    Verbatim,
    /// It is the base64 after this prefix; the prefix may be left out.
    Base64After(&'static str),
}

/// A part of what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    Timestamp,
    DeliveryId,
    Body,
    Method,
    Url(Spelt),
    /// The fields of a form, sorted by name and then by value, each pair once, names and values in one string. Any other body is
    /// not a part of it, and has its SHA-256 in the query instead (`bodySHA256`), as hexadecimal digits.
    FormFields,
}

/// How a signed URL is spelt. It is always made from the configured `public_url`: `Host` is the sender's to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelt {
    /// As configured, letter by letter, and nothing else.
    AsConfigured,
    /// With the request's query; with its port or without, since the sender does either.
    WithQuery,
    /// With the request's query, some escapes resolved, as its documentation says, or none, as its libraries do.
    WithQueryDecoded,
}

/// When a delivery was sent, and how far from now that may be, in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) place: Place,
    pub(super) unit: Unit,
    pub(super) tolerance: Duration,
}

/// How a timestamp is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Seconds since 1970-01-01T00:00:00Z.
    Seconds,
    /// Milliseconds since then.
    Milliseconds,
    /// A date with its time (RFC 3339).
    Date,
}

impl Signature {
    /// HMAC-SHA256 of the body under the secret itself, one signature in hexadecimal digits.
    pub(super) fn of_body(header: HeaderName) -> Self {
        Self {
            header,
            separator: None,
            prefix: String::new(),
            encoding: Encoding::Hex,
            under: Under::secret(Algorithm::Sha256),
            signed: vec![Part::Body],
        }
    }

    /// Whether the part is signed.
    pub(super) fn signs(&self, part: &Part) -> bool {
        self.signed.contains(part)
    }

    /// How the URL is spelt that is signed, if one is.
    pub(super) fn url(&self) -> Option<Spelt> {
        self.signed.iter().find_map(|part| match part {
            Part::Url(spelt) => Some(*spelt),
            _ => None,
        })
    }

    /// What a signature looks like, for a sender who sent something else.
    pub(super) fn shape(&self) -> String {
        let Some(len) = self.under.len() else {
            return "base64 of an ECDSA signature in DER".into();
        };
        let digits = match self.encoding {
            Encoding::Hex => format!("{} hexadecimal digits", len * 2),
            Encoding::LowerHex => format!("{} lower-case hexadecimal digits", len * 2),
            Encoding::Base64 => format!("{} characters of base64", len.div_ceil(3) * 4),
        };
        if self.prefix.is_empty() {
            digits
        } else {
            format!("`{}` and {digits}", self.prefix)
        }
    }
}

impl Under {
    /// An HMAC whose key is the secret itself.
    pub(super) const fn secret(algorithm: Algorithm) -> Self {
        Self::Hmac {
            algorithm,
            key: KeyForm::Verbatim,
        }
    }

    /// Whether only the provider can sign.
    pub(super) fn is_private(self) -> bool {
        !matches!(self, Self::Hmac { .. })
    }

    /// The length of its signatures in bytes, where they have one.
    pub(super) fn len(self) -> Option<usize> {
        match self {
            Self::Hmac { algorithm, .. } => Some(match algorithm {
                Algorithm::Sha1 => 20,
                Algorithm::Sha256 => 32,
                Algorithm::Sha512 => 64,
            }),
            Self::Ed25519 => Some(64),
            Self::EcdsaP256 => None,
        }
    }
}

impl Stamp {
    /// Seconds in a header.
    pub(super) fn seconds(header: &'static str, tolerance: u64) -> Self {
        Self {
            place: Place::header(header),
            unit: Unit::Seconds,
            tolerance: Duration::from_secs(tolerance),
        }
    }
}

impl Recipe {
    /// A recipe that proves nothing and names a delivery as any HTTP client may: by `Idempotency-Key`
    /// (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>), which a sender sets on purpose so that a
    /// repetition is recognised. `X-Request-Id` is not taken: proxies make one up for each attempt.
    pub(super) fn plain() -> Self {
        Self {
            delivery_id: vec![Place::header("idempotency-key")],
            ..Self::of(Proof::Nothing)
        }
    }

    /// A recipe of this proof in which nothing has a name.
    pub(super) fn of(proof: Proof) -> Self {
        Self {
            proof,
            timestamp: None,
            delivery_id: Vec::new(),
            event: Naming::default(),
            identity: &[],
            form: Form::Never,
        }
    }

    /// The header whose presence says that a delivery takes this way.
    pub(super) fn proof_header(&self) -> Option<&HeaderName> {
        match &self.proof {
            Proof::Nothing | Proof::Sns => None,
            Proof::Secret { place, .. } => place.as_header(),
            Proof::Signature(signature) => Some(&signature.header),
        }
    }

    /// The headers that are carried along with an event: those that sign it or name it. Never one that holds the secret itself.
    pub(super) fn carried(&self) -> Vec<HeaderName> {
        let signature = match &self.proof {
            Proof::Signature(signature) => Some(&signature.header),
            Proof::Nothing | Proof::Secret { .. } | Proof::Sns => None,
        };
        let places = self
            .timestamp
            .iter()
            .map(|stamp| &stamp.place)
            .chain(&self.delivery_id)
            .chain(&self.event.kind);
        let mut names: Vec<HeaderName> = signature
            .into_iter()
            .chain(places.filter_map(Place::as_header))
            .cloned()
            .collect();
        names.extend(
            self.identity
                .iter()
                .map(|name| HeaderName::from_static(name)),
        );
        names
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seconds => "a whole number of seconds since 1970",
            Self::Milliseconds => "a whole number of milliseconds since 1970",
            Self::Date => "a date with its time, such as 2026-11-22T08:00:00Z,",
        })
    }
}

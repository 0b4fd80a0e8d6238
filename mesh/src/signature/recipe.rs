//! What a scheme demands of a delivery, as data. The verifier interprets recipes and knows no provider.

use http::HeaderName;
use std::fmt;
use std::time::Duration;

/// One way in which a delivery proves where it comes from, and where in it its names are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) proof: Proof,
    pub(super) timestamp: Option<Stamp>,
    pub(super) delivery_id: Option<Place>,
    pub(super) event: Naming,
    /// Further headers by which the provider identifies itself.
    pub(super) identity: &'static [&'static str],
    /// The field of an urlencoded body in which the provider puts its JSON document when it is set to send forms.
    pub(super) form_field: Option<&'static str>,
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
    /// It is signed with the secret.
    Hmac(Hmac),
}

/// A keyed hash over parts of a delivery, and how it is written in a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hmac {
    pub(super) header: HeaderName,
    /// What stands between signatures, where there may be several: one match is enough.
    pub(super) separator: Option<char>,
    /// What stands before the digest. In a list it is the version, and items of other versions are skipped.
    pub(super) prefix: String,
    pub(super) encoding: Encoding,
    pub(super) algorithm: Algorithm,
    pub(super) key: KeyForm,
    /// What is signed, one part after the other.
    pub(super) signed: Vec<Part>,
}

/// How a digest is written.
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
}

/// When a delivery was sent, and how far from now that may be, in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) place: Place,
    pub(super) unit: Unit,
    pub(super) tolerance: Duration,
}

/// The unit of a timestamp, counted from 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
}

/// How the CloudEvents type follows from a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Naming {
    /// Whose events they are, such as `com.github`; empty if the provider's name for the event says it.
    pub(super) domain: &'static str,
    /// Where the provider names the event: the first of these that does.
    pub(super) kind: Vec<Place>,
    /// The body's field with what was done.
    pub(super) action: Option<&'static str>,
}

/// A place in a delivery that holds a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A header.
    Header(HeaderName),
    /// A field of the JSON body: keys and indices, joined by dots.
    Field(String),
}

impl Hmac {
    /// HMAC-SHA256 of the body under the secret itself, one signature in hexadecimal digits.
    pub(super) fn of_body(header: HeaderName) -> Self {
        Self {
            header,
            separator: None,
            prefix: String::new(),
            encoding: Encoding::Hex,
            algorithm: Algorithm::Sha256,
            key: KeyForm::Verbatim,
            signed: vec![Part::Body],
        }
    }

    /// What a signature looks like, for a sender who sent something else.
    pub(super) fn shape(&self) -> String {
        let len = self.algorithm.digest_len();
        let digest = match self.encoding {
            Encoding::Hex => format!("{} hexadecimal digits", len * 2),
            Encoding::LowerHex => format!("{} lower-case hexadecimal digits", len * 2),
            Encoding::Base64 => format!("{} characters of base64", len.div_ceil(3) * 4),
        };
        if self.prefix.is_empty() {
            digest
        } else {
            format!("`{}` and {digest}", self.prefix)
        }
    }
}

impl Algorithm {
    /// The length of its digests, in bytes.
    pub(super) fn digest_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl Recipe {
    /// A recipe that proves nothing and names a delivery as any HTTP client may: by `Idempotency-Key`
    /// (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>), which a sender sets on purpose so that a
    /// repetition is recognised. `X-Request-Id` is not taken: proxies make one up for each attempt.
    pub(super) fn plain() -> Self {
        Self {
            proof: Proof::Nothing,
            timestamp: None,
            delivery_id: Some(Place::header("idempotency-key")),
            event: Naming::default(),
            identity: &[],
            form_field: None,
        }
    }

    /// The header whose presence says that a delivery takes this way.
    pub(super) fn proof_header(&self) -> Option<&HeaderName> {
        match &self.proof {
            Proof::Nothing => None,
            Proof::Secret { place, .. } => place.as_header(),
            Proof::Hmac(hmac) => Some(&hmac.header),
        }
    }

    /// The headers that are carried along with an event: those that sign it or name it. Never one that holds the secret itself.
    pub(super) fn carried(&self) -> Vec<HeaderName> {
        let signature = match &self.proof {
            Proof::Hmac(hmac) => Some(&hmac.header),
            Proof::Nothing | Proof::Secret { .. } => None,
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

impl Place {
    /// A header, by its lower-case name.
    pub(super) fn header(name: &'static str) -> Self {
        Self::Header(HeaderName::from_static(name))
    }

    pub(super) fn field(path: &str) -> Self {
        Self::Field(path.to_owned())
    }

    fn as_header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(name) => Some(name),
            Self::Field(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header `{name}`"),
            Self::Field(path) => write!(f, "body field `{path}`"),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
        })
    }
}

//! Messages of Amazon's SNS, which hold their own signature
//! (<https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>).
//!
//! The signature covers some fields of the body, not its bytes: whoever can change a message on its way can change the others, such
//! as `MessageAttributes` and `UnsubscribeURL`.

use super::address;
use super::body::{Fields, Slot, Wanted};
use super::certificate::{Certificate, CertificateUrl};
use super::place::Place;
use super::{Refusal, Scheme};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

/// What is signed of a message of each type, in this order; each field is its name, a line feed, its value and another.
const SIGNED: [(&str, &[Field]); 3] = [
    (
        "Notification",
        &[
            Field::Message,
            Field::MessageId,
            Field::Subject,
            Field::Timestamp,
            Field::TopicArn,
            Field::Type,
        ],
    ),
    ("SubscriptionConfirmation", &CONFIRMATION),
    ("UnsubscribeConfirmation", &CONFIRMATION),
];
const CONFIRMATION: [Field; 7] = [
    Field::Message,
    Field::MessageId,
    Field::SubscribeUrl,
    Field::Timestamp,
    Field::Token,
    Field::TopicArn,
    Field::Type,
];
/// The names of the fields, in the order of [`Field`].
const NAMES: [&str; 11] = [
    "Message",
    "MessageId",
    "Subject",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
    "SignatureVersion",
    "Signature",
    "SigningCertURL",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Message,
    MessageId,
    Subject,
    SubscribeUrl,
    Timestamp,
    Token,
    TopicArn,
    Type,
    SignatureVersion,
    Signature,
    SigningCertUrl,
}

/// Checks messages of SNS.
pub(super) struct Sns {
    slots: [Slot; NAMES.len()],
    topics: Vec<String>,
    /// The hosts that certificates and confirmations may be at; none: those of SNS in any region.
    hosts: Vec<String>,
}

impl Sns {
    pub(super) fn new(scheme: &Scheme, wanted: &mut Wanted) -> Self {
        Self {
            slots: NAMES.map(|name| wanted.add(name)),
            topics: scheme.topics(),
            hosts: scheme.cert_hosts().to_vec(),
        }
    }

    /// The refusal of what is no JSON.
    pub(super) fn unread() -> Refusal {
        Refusal::NotJson(place(Field::Type))
    }

    /// Where the certificate is that a message needs.
    pub(super) fn certificate(&self, fields: &Fields<'_>) -> Result<CertificateUrl, Refusal> {
        let topic = self.text(fields, Field::TopicArn)?;
        if !self.topics.iter().any(|known| known == topic) {
            return Err(Refusal::OtherTopic);
        }
        let url = self.text(fields, Field::SigningCertUrl)?;
        if address::is_at(url, |host| self.knows(host)) && address::is_pem(url) {
            Ok(CertificateUrl::checked(url.to_owned()))
        } else {
            Err(foreign(Field::SigningCertUrl))
        }
    }

    pub(super) fn check(
        &self,
        fields: &Fields<'_>,
        certificate: Option<&Certificate>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let url = self.certificate(fields)?;
        let kind = self.text(fields, Field::Type)?;
        let signed = SIGNED.iter().find(|(known, _)| *known == kind);
        let (_, signed) =
            signed.ok_or_else(|| unusable(Field::Type, "a type of message of SNS"))?;
        let version = match self.text(fields, Field::SignatureVersion)? {
            "1" => Certificate::verifies_sha1,
            "2" => Certificate::verifies_sha256,
            _ => return Err(unusable(Field::SignatureVersion, "`1` or `2`")),
        };
        let signature = STANDARD
            .decode(self.text(fields, Field::Signature)?)
            .map_err(|_| Refusal::Malformed {
                place: place(Field::Signature),
                expected: "base64".into(),
            })?;
        let canonical = self.canonical(fields, signed)?;
        let certificate = certificate
            .filter(|certificate| certificate.is_valid_at(now))
            .ok_or(Refusal::NoCertificate(url))?;
        if !version(certificate, canonical.as_bytes(), &signature) {
            return Err(Refusal::Mismatch(place(Field::Signature)));
        }
        // Signed or not, no other address is visited than Amazon's.
        if signed.contains(&Field::SubscribeUrl)
            && !address::is_at(self.text(fields, Field::SubscribeUrl)?, |host| {
                self.knows(host)
            })
        {
            return Err(foreign(Field::SubscribeUrl));
        }
        Ok(())
    }

    fn canonical(&self, fields: &Fields<'_>, signed: &[Field]) -> Result<String, Refusal> {
        let mut canonical = String::new();
        for field in signed {
            let value = match field {
                // A message without a subject is signed without one.
                Field::Subject => fields.get(self.slots[Field::Subject as usize]),
                _ => None,
            };
            let value = match (field, value) {
                (Field::Subject, None) => continue,
                _ => self.text(fields, *field)?,
            };
            for part in [NAMES[*field as usize], "\n", value, "\n"] {
                canonical.push_str(part);
            }
        }
        Ok(canonical)
    }

    fn text<'a>(&self, fields: &'a Fields<'_>, field: Field) -> Result<&'a str, Refusal> {
        fields
            .get(self.slots[field as usize])
            .and_then(|value| value.text())
            .ok_or_else(|| Refusal::Missing(place(field)))
    }

    /// Whether certificates and confirmations may be at this host. By default those of SNS, one a region, in China under a name of
    /// their own: `sns.{region}.amazonaws.com` and `.com.cn`.
    fn knows(&self, host: &str) -> bool {
        if !self.hosts.is_empty() {
            return self.hosts.iter().any(|known| known == host);
        }
        let region = host
            .strip_suffix(".amazonaws.com")
            .or_else(|| host.strip_suffix(".amazonaws.com.cn"))
            .and_then(|host| host.strip_prefix("sns."));
        region.is_some_and(|region| {
            region.len() >= 3
                && region
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
    }
}

fn place(field: Field) -> Place {
    Place::field(NAMES[field as usize])
}

fn unusable(field: Field, expected: &str) -> Refusal {
    Refusal::Unusable {
        place: place(field),
        expected: expected.to_owned(),
    }
}

fn foreign(field: Field) -> Refusal {
    Refusal::Foreign(place(field))
}

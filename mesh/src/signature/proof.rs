//! Checking that a delivery proves where it comes from.

use super::body::{Fields, Scalar, Want};
use super::headers::{required, single};
use super::key::{Digest, Key};
use super::recipe::{Hmac, KeyForm, Part, Place, Proof};
use super::{Error, Refusal};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use std::borrow::Cow;

/// A proof with what it is checked against. Several secrets may be in use at once, and any may match.
pub(super) enum Check {
    Nothing,
    Secret(SharedSecret),
    Signature(Signature),
}

/// A secret that deliveries show. Its digests are compared, so that the time it takes tells not even its length.
pub(super) struct SharedSecret {
    place: Place,
    prefix: &'static str,
    digests: Vec<Digest>,
}

/// A keyed hash over parts of a delivery.
pub(super) struct Signature {
    hmac: Hmac,
    keys: Vec<Key>,
}

/// The parts of a delivery that may be signed.
#[derive(Clone, Copy)]
pub(super) struct Signed<'a> {
    pub(super) timestamp: &'a str,
    pub(super) delivery_id: &'a str,
    pub(super) body: &'a [u8],
}

impl Check {
    pub(super) fn try_new(
        scheme: &'static str,
        proof: &Proof,
        secrets: &[SecretString],
    ) -> Result<Self, Error> {
        if let Some(empty) = secrets
            .iter()
            .position(|secret| secret.expose_secret().is_empty())
        {
            return Err(Error::SecretEmpty {
                scheme,
                number: empty + 1,
            });
        }
        Ok(match proof {
            Proof::Nothing => Self::Nothing,
            Proof::Secret { place, prefix } => Self::Secret(SharedSecret {
                place: place.clone(),
                prefix,
                digests: secrets
                    .iter()
                    .map(|secret| Digest::of_secret(secret.expose_secret()))
                    .collect(),
            }),
            Proof::Hmac(hmac) => {
                let keys = secrets
                    .iter()
                    .zip(1..)
                    .map(|(secret, number)| hmac.key(scheme, secret, number));
                Self::Signature(Signature {
                    hmac: hmac.clone(),
                    keys: keys.collect::<Result<_, _>>()?,
                })
            }
        })
    }
}

impl SharedSecret {
    pub(super) fn check(
        &self,
        headers: &HeaderMap,
        fields: &mut Option<Fields<'_>>,
    ) -> Result<(), Refusal> {
        let shown = match &self.place {
            Place::Header(name) => single(headers, name)?.map(Cow::Borrowed),
            Place::Field(path) => {
                let fields = fields
                    .as_mut()
                    .ok_or_else(|| Refusal::NotJson(path.clone()))?;
                fields.take(Want::Secret).map(Scalar::into_text)
            }
        };
        let shown = shown.ok_or_else(|| Refusal::Missing(self.place.clone()))?;
        let secret = shown
            .split_at_checked(self.prefix.len())
            .filter(|(start, _)| start.eq_ignore_ascii_case(self.prefix))
            .map(|(_, secret)| Digest::of_secret(secret));
        match secret {
            Some(secret) if self.digests.iter().any(|digest| digest.matches(&secret)) => Ok(()),
            _ => Err(Refusal::WrongSecret(self.place.clone())),
        }
    }
}

impl Signature {
    pub(super) fn signs(&self, part: &Part) -> bool {
        self.hmac.signed.contains(part)
    }

    pub(super) fn check(&self, headers: &HeaderMap, signed: Signed<'_>) -> Result<(), Refusal> {
        let header = &self.hmac.header;
        let offered = required(headers, header)?;
        if self.hmac.digests(offered).next().is_none() {
            return Err(Refusal::Malformed {
                header: header.clone(),
                expected: self.hmac.shape(),
            });
        }
        let matches = self.keys.iter().any(|key| {
            let own = self.hmac.digest(key, signed);
            self.hmac
                .digests(offered)
                .any(|digest| digest.matches(&own))
        });
        if matches {
            Ok(())
        } else {
            Err(Refusal::Mismatch(header.clone()))
        }
    }
}

impl Hmac {
    /// The key that a secret stands for.
    pub(super) fn key(
        &self,
        scheme: &'static str,
        secret: &SecretString,
        number: usize,
    ) -> Result<Key, Error> {
        /// As the libraries of Standard Webhooks read a key: with padding or without.
        const KEY: GeneralPurpose = GeneralPurpose::new(
            &alphabet::STANDARD,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let secret = secret.expose_secret();
        let bytes = match self.key {
            KeyForm::Verbatim => Cow::Borrowed(secret.as_bytes()),
            KeyForm::Base64After(prefix) => KEY
                .decode(secret.strip_prefix(prefix).unwrap_or(secret))
                .map(Cow::Owned)
                .map_err(|_| Error::SecretMalformed {
                    scheme,
                    number,
                    prefix,
                })?,
        };
        if bytes.is_empty() {
            return Err(Error::SecretEmpty { scheme, number });
        }
        Ok(Key::new(self.algorithm, &bytes))
    }

    pub(super) fn digest(&self, key: &Key, signed: Signed<'_>) -> Digest {
        key.digest(self.signed.iter().map(|part| match part {
            Part::Literal(text) => text.as_bytes(),
            Part::Timestamp => signed.timestamp.as_bytes(),
            Part::DeliveryId => signed.delivery_id.as_bytes(),
            Part::Body => signed.body,
        }))
    }

    /// The digests in a signature header. What is not written as the scheme writes it is none, and neither are other versions.
    fn digests<'a>(&'a self, offered: &'a str) -> impl Iterator<Item = Digest> + 'a {
        let items = offered.split(|c| Some(c) == self.separator);
        let digests = items.filter_map(|item| item.strip_prefix(&self.prefix));
        digests.filter_map(|text| Digest::decode(self.encoding, text, self.algorithm.digest_len()))
    }
}

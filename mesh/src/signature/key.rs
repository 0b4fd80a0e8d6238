//! Keys of any kind, and digests that are compared in constant time.

use super::recipe::{Algorithm, Encoding, KeyForm, Under};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use std::borrow::Cow;
use subtle::ConstantTimeEq;

/// The longest signature in a header, in bytes: that of ECDSA on P-256 in DER.
const BUFFER: usize = 72;
/// How the `SubjectPublicKeyInfo` of a point on P-256 begins (RFC 5480); 64 bytes follow.
const P256: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// What signatures are checked with.
pub(super) enum Key {
    /// An HMAC whose key has been absorbed: a digest costs a copy of its state and no allocation.
    Secret(Absorbed),
    /// The provider's public key.
    Public(Public),
}

/// An HMAC of some hash.
pub(super) enum Absorbed {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Box<Hmac<Sha512>>),
}

/// A public key.
pub(super) struct Public {
    algorithm: &'static dyn VerificationAlgorithm,
    bytes: Vec<u8>,
}

/// A digest or a signature.
pub(super) struct Digest {
    buffer: [u8; BUFFER],
    len: usize,
}

/// Why a text is not a key.
pub(super) enum NoKey {
    Empty,
    /// It is not this.
    Malformed(Cow<'static, str>),
}

impl Key {
    /// Reads a key as the scheme writes them.
    pub(super) fn read(under: Under, text: &str) -> Result<Self, NoKey> {
        match under {
            Under::Hmac { algorithm, key } => {
                Absorbed::read(algorithm, key, text).map(Self::Secret)
            }
            Under::Ed25519 => Public::ed25519(text).map(Self::Public),
            Under::EcdsaP256 => Public::p256(text).map(Self::Public),
        }
    }
}

impl Key {
    /// The secret one that it is, if it is.
    pub(super) fn as_secret(&self) -> Option<&Absorbed> {
        match self {
            Self::Secret(key) => Some(key),
            Self::Public(_) => None,
        }
    }
}

impl Absorbed {
    fn read(algorithm: Algorithm, form: KeyForm, text: &str) -> Result<Self, NoKey> {
        /// As the libraries of Standard Webhooks read a key: with padding or without.
        const KEY: GeneralPurpose = GeneralPurpose::new(
            &alphabet::STANDARD,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let bytes = match form {
            KeyForm::Verbatim => Cow::Borrowed(text.as_bytes()),
            KeyForm::Base64After(prefix) => KEY
                .decode(text.strip_prefix(prefix).unwrap_or(text))
                .map(Cow::Owned)
                .map_err(|_| NoKey::Malformed(format!("`{prefix}` and base64").into()))?,
        };
        if bytes.is_empty() {
            return Err(NoKey::Empty);
        }
        Ok(Self::new(algorithm, &bytes))
    }

    pub(super) fn new(algorithm: Algorithm, key: &[u8]) -> Self {
        const ANY: &str = "an HMAC takes a key of any length";
        match algorithm {
            Algorithm::Sha1 => Self::Sha1(Hmac::new_from_slice(key).expect(ANY)),
            Algorithm::Sha256 => Self::Sha256(Hmac::new_from_slice(key).expect(ANY)),
            Algorithm::Sha512 => Self::Sha512(Box::new(Hmac::new_from_slice(key).expect(ANY))),
        }
    }

    /// The digest of the parts, one after the other.
    pub(super) fn digest<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> Digest {
        match self {
            Self::Sha1(mac) => finish(mac.clone(), parts),
            Self::Sha256(mac) => finish(mac.clone(), parts),
            Self::Sha512(mac) => finish(mac.as_ref().clone(), parts),
        }
    }
}

impl Public {
    fn ed25519(text: &str) -> Result<Self, NoKey> {
        let mut bytes = vec![0; 32];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Ok(Self {
                algorithm: &ED25519,
                bytes,
            }),
            Err(_) => Err(NoKey::Malformed("64 hexadecimal digits".into())),
        }
    }

    fn p256(text: &str) -> Result<Self, NoKey> {
        let point = STANDARD.decode(text).ok().and_then(|spki| {
            let is_point = spki.len() == P256.len() + 64 && spki.starts_with(&P256);
            is_point.then(|| spki[P256.len() - 1..].to_owned())
        });
        match point {
            Some(bytes) => Ok(Self {
                algorithm: &ECDSA_P256_SHA256_ASN1,
                bytes,
            }),
            None => Err(NoKey::Malformed(
                "the base64 of a public key on P-256".into(),
            )),
        }
    }

    /// Whether the signature is that of the message under this key's private one.
    pub(super) fn verifies(&self, message: &[u8], signature: &Digest) -> bool {
        UnparsedPublicKey::new(self.algorithm, &self.bytes)
            .verify(message, signature.bytes())
            .is_ok()
    }
}

impl Digest {
    fn of(bytes: &[u8]) -> Self {
        let mut buffer = [0; BUFFER];
        buffer[..bytes.len()].copy_from_slice(bytes);
        Self {
            buffer,
            len: bytes.len(),
        }
    }

    /// The digest that stands for a secret in comparisons.
    pub(super) fn of_secret(secret: &str) -> Self {
        Self::of(&Sha256::digest(secret))
    }

    /// Reads a signature, of exactly `len` bytes where that is known; anything else, down to a stray bit in the padding, is none.
    pub(super) fn decode(encoding: Encoding, text: &str, len: Option<usize>) -> Option<Self> {
        let mut buffer = [0; BUFFER];
        let read = match encoding {
            Encoding::LowerHex if text.bytes().any(|b| b.is_ascii_uppercase()) => None,
            Encoding::Hex | Encoding::LowerHex => hex::decode_to_slice(text, &mut buffer[..len?])
                .ok()
                .and(len),
            Encoding::Base64 => STANDARD.decode_slice(text, &mut buffer).ok(),
        }?;
        (read > 0 && len.is_none_or(|len| read == len)).then_some(Self { buffer, len: read })
    }

    /// The digest as text.
    pub(super) fn encode(&self, encoding: Encoding) -> String {
        match encoding {
            Encoding::Hex | Encoding::LowerHex => hex::encode(self.bytes()),
            Encoding::Base64 => STANDARD.encode(self.bytes()),
        }
    }

    /// Whether the two are the same, in a time that does not depend on where they differ.
    pub(super) fn matches(&self, other: &Self) -> bool {
        self.bytes().ct_eq(other.bytes()).into()
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

fn finish<'a, M: Mac>(mut mac: M, parts: impl Iterator<Item = &'a [u8]>) -> Digest {
    for part in parts {
        mac.update(part);
    }
    Digest::of(&mac.finalize().into_bytes())
}

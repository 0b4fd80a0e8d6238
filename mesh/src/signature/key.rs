//! HMAC keys of any algorithm, and digests that are compared in constant time.

use super::recipe::{Algorithm, Encoding};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq;

/// The longest digest, in bytes, rounded up to what base64 decodes in one go.
const BUFFER: usize = 66;

/// An HMAC whose key has been absorbed: a digest costs a copy of its state and no allocation.
pub(super) enum Key {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Box<Hmac<Sha512>>),
}

/// A digest.
pub(super) struct Digest {
    buffer: [u8; BUFFER],
    len: usize,
}

impl Key {
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

    /// Reads a digest of exactly `len` bytes; anything else, down to a stray bit in the padding, is none.
    pub(super) fn decode(encoding: Encoding, text: &str, len: usize) -> Option<Self> {
        let mut buffer = [0; BUFFER];
        let read = match encoding {
            Encoding::LowerHex if text.bytes().any(|b| b.is_ascii_uppercase()) => None,
            Encoding::Hex | Encoding::LowerHex => hex::decode_to_slice(text, &mut buffer[..len])
                .ok()
                .map(|()| len),
            Encoding::Base64 => STANDARD.decode_slice(text, &mut buffer).ok(),
        }?;
        (read == len).then_some(Self { buffer, len })
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

//! The certificate of a provider that signs with a private key and says in each delivery where its certificate is.

use super::Error;
use jiff::Timestamp;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
    UnparsedPublicKey,
};
use std::fmt;
use x509_cert::der::pem::{self, PemLabel};
use x509_cert::der::{self, Decode};

/// Where a certificate is. It has been checked to be at the provider's: https, one of its hosts, a file of certificates.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertificateUrl(String);

/// A certificate that was fetched from a [`CertificateUrl`]: the host vouches for it, so nobody else has to.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The RSA key, as PKCS #1 writes it (RFC 8017, appendix A.1.1).
    key: Vec<u8>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl CertificateUrl {
    /// One that has been checked.
    pub(super) fn checked(url: String) -> Self {
        Self(url)
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Certificate {
    /// Reads the first certificate of a PEM file (RFC 7468).
    ///
    /// # Errors
    /// [`Error::Certificate`] if there is none, if its key is no RSA key, or if it is not valid at `now`.
    pub fn from_pem(pem: &[u8], now: Timestamp) -> Result<Self, Error> {
        const RSA: &str = "1.2.840.113549.1.1.1";
        let invalid = |why: &str| Error::Certificate(why.to_owned());
        let parsed = parse(pem)
            .map_err(|error| Error::Certificate(error.to_string()))?
            .tbs_certificate;
        let spki = parsed.subject_public_key_info;
        if spki.algorithm.oid.to_string() != RSA {
            return Err(invalid("its key is no RSA key"));
        }
        let time = |time: x509_cert::time::Time| {
            i64::try_from(time.to_unix_duration().as_secs())
                .ok()
                .and_then(|seconds| Timestamp::from_second(seconds).ok())
                .ok_or_else(|| invalid("its dates are out of range"))
        };
        let certificate = Self {
            key: spki
                .subject_public_key
                .as_bytes()
                .ok_or_else(|| invalid("its key is not whole bytes"))?
                .to_owned(),
            not_before: time(parsed.validity.not_before)?,
            not_after: time(parsed.validity.not_after)?,
        };
        if certificate.is_valid_at(now) {
            Ok(certificate)
        } else {
            Err(Error::Certificate(format!(
                "it is valid from {} until {}, and it is {now}",
                certificate.not_before, certificate.not_after
            )))
        }
    }

    /// Whether it is in its period of validity. A verifier looks again at each delivery.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// Whether this is the message's signature (RSASSA-PKCS1-v1_5, RFC 8017, section 8.2) over its SHA-1.
    pub(super) fn verifies_sha1(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifies(
            &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            message,
            signature,
        )
    }

    /// The same over its SHA-256.
    pub(super) fn verifies_sha256(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifies(&RSA_PKCS1_2048_8192_SHA256, message, signature)
    }

    fn verifies(
        &self,
        algorithm: &'static RsaParameters,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        UnparsedPublicKey::new(algorithm, &self.key)
            .verify(message, signature)
            .is_ok()
    }
}

/// Decodes the file as a whole before it parses what is in it: a parser of `der` 0.7 that decodes as it goes never ends where a
/// certificate is cut short.
fn parse(file: &[u8]) -> Result<x509_cert::Certificate, der::Error> {
    let (label, content) = pem::decode_vec(file)?;
    x509_cert::Certificate::validate_pem_label(label)?;
    x509_cert::Certificate::from_der(&content)
}

/// Without the key, which is long.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for CertificateUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

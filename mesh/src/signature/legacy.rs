//! The `auth` object of older manifests.

use super::settings::Settings;
use super::{Auth, Error, Scheme, SecretRef};

/// The `auth` object of a manifest in the older form. It had no scheme; the header tells which one it is.
#[derive(Debug, Clone)]
pub struct Legacy<'a> {
    /// Its `type`: `hmac`, `secret`, `bearer` or `token`.
    pub kind: &'a str,
    /// The header with the signature or the secret.
    pub header: Option<&'a str>,
    /// The hash of `hmac`: `sha256` (also if none is given), `sha1`, `sha512`, in any case, also as `hmac-sha256`.
    pub algorithm: Option<&'a str>,
    /// The field of the body with the secret, for `token`.
    pub field: Option<&'a str>,
    /// The header that names a delivery (`deduplication.header`). A provider's scheme has its own and ignores it.
    pub delivery_id_header: Option<&'a str>,
    /// The secret.
    pub secret: SecretRef,
}

/// The types of `auth` that older manifests know.
const KINDS: [&str; 4] = ["hmac", "secret", "bearer", "token"];

impl Auth {
    /// What an older manifest means. A signature in `X-Hub-Signature-256` is GitHub's, in `Linear-Signature` Linear's, in
    /// `webhook-signature` or `svix-signature` that of Standard Webhooks; the algorithm is then theirs. In another header it is the
    /// bare hexadecimal digest of the body, in `X-Hub-Signature` with `sha1=` or whichever algorithm before it (WebSub, section 7).
    ///
    /// # Errors
    /// [`Error`] for an unknown type or algorithm, and for a missing or impossible header or field.
    pub fn from_legacy(legacy: Legacy<'_>) -> Result<Self, Error> {
        let scheme = legacy.scheme()?;
        Self::try_new(scheme, vec![legacy.secret])
    }
}

impl Legacy<'_> {
    fn scheme(&self) -> Result<Scheme, Error> {
        let mut settings = Settings {
            header: self.header.map(str::to_owned),
            delivery_id_header: self.delivery_id_header.map(str::to_owned),
            ..Settings::default()
        };
        match self.kind {
            "hmac" => {
                let header = self.header.unwrap_or_default().to_ascii_lowercase();
                if let Some(name) = provider_of(&header) {
                    return Scheme::named(name);
                }
                let algorithm = self.algorithm.unwrap_or("sha256").to_ascii_lowercase();
                let algorithm = algorithm.strip_prefix("hmac-").unwrap_or(&algorithm);
                settings.prefix = (header == "x-hub-signature").then(|| format!("{algorithm}="));
                settings.algorithm = Some(algorithm.to_owned());
            }
            "token" if self.field.is_some() => {
                settings.header = None;
                settings.field = self.field.map(str::to_owned);
            }
            "secret" | "bearer" | "token" => {}
            other => return Err(Error::unknown("auth type", other, &KINDS)),
        }
        settings.scheme = self.kind.to_owned();
        settings.try_into()
    }
}

fn provider_of(signature_header: &str) -> Option<&'static str> {
    match signature_header {
        "x-hub-signature-256" => Some("github"),
        "linear-signature" => Some("linear"),
        "webhook-signature" | "svix-signature" => Some("standard"),
        _ => None,
    }
}

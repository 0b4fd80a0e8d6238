//! The one interpreter of recipes.

use super::certificate::CertificateUrl;
use super::delivery::{Delivery, Genuine};
use super::greeting::Greeting;
use super::term::{self, Termed};
use super::way::Way;
use super::{Auth, Error, Refusal, Scheme, SecretRef};
use http::Method;
use jiff::Timestamp;
use secrecy::SecretString;
use std::fmt;

/// Verifies the deliveries of one trigger. The keys are absorbed once, so that a verification allocates little.
pub struct Verifier {
    scheme: &'static str,
    ways: Vec<Way>,
    greetings: &'static [Greeting],
    /// When the last of the secrets has come to its end.
    end: Option<Timestamp>,
}

impl Verifier {
    /// A verifier of a scheme under these secrets, any of which may match, with no end.
    ///
    /// # Errors
    /// [`Error`] if the scheme needs a secret and there is none, if one is empty or not written as the scheme writes them, or if
    /// the scheme takes none. A trigger without a verifier must refuse every delivery.
    pub fn try_new(scheme: &Scheme, secrets: Vec<SecretString>) -> Result<Self, Error> {
        Self::with(scheme, secrets.into_iter().map(Termed::forever).collect())
    }

    /// A verifier with the secrets of `auth`, as far as `resolve` knows them: one that is set is enough, since during a rotation
    /// the other may not be there yet, or no longer.
    ///
    /// # Errors
    /// As of [`Verifier::try_new`], and [`Error::NoneSet`] if secrets are named and none of them is set.
    pub fn of(
        auth: &Auth,
        mut resolve: impl FnMut(&SecretRef) -> Option<SecretString>,
    ) -> Result<Self, Error> {
        let set = auth.terms().filter_map(|(name, until)| {
            let value = resolve(name)?;
            Some(Termed { value, until })
        });
        let set: Vec<_> = set.collect();
        if set.is_empty() && auth.scheme().needs_more_than_is_written() {
            let names: Vec<&str> = auth.secrets().iter().map(SecretRef::name).collect();
            return Err(Error::NoneSet {
                scheme: auth.scheme().name(),
                names: names.join("` or `"),
            });
        }
        Self::with(auth.scheme(), set)
    }

    fn with(scheme: &Scheme, set: Vec<Termed<SecretString>>) -> Result<Self, Error> {
        let keys = scheme.keys(set)?;
        let ways = scheme.recipes().iter();
        Ok(Self {
            scheme: scheme.name(),
            ways: ways
                .map(|recipe| Way::try_new(scheme, recipe, &keys))
                .collect::<Result<_, _>>()?,
            greetings: scheme.greetings(),
            end: if keys.is_empty() {
                None
            } else {
                term::end(&keys)
            },
        })
    }

    /// From when on all deliveries are refused because each of the secrets has come to its end, if each has one.
    #[must_use]
    pub fn end(&self) -> Option<Timestamp> {
        self.end
    }

    /// The methods of requests that the scheme has a use for: `POST`, and those of its handshakes.
    #[must_use]
    pub fn methods(&self) -> &'static [Method] {
        let asks = |method| {
            self.greetings
                .iter()
                .any(|greeting| greeting.method() == method)
        };
        match [Method::GET, Method::HEAD, Method::OPTIONS].map(asks) {
            [true, ..] => &[Method::POST, Method::GET],
            [_, true, _] => &[Method::POST, Method::HEAD],
            [.., true] => &[Method::POST, Method::OPTIONS],
            _ => &[Method::POST],
        }
    }

    /// The certificate that a delivery with this body needs. It is to be fetched and put into the [`Delivery`]; each one serves many
    /// deliveries.
    ///
    /// # Errors
    /// [`Refusal`] if the body does not say where the certificate is, or names a place that is not the provider's.
    pub fn certificate(&self, body: &[u8]) -> Result<Option<CertificateUrl>, Refusal> {
        let way = self.ways.first().expect("a scheme has a recipe");
        way.certificate(body)
    }

    /// Verifies a request: that it is an event and genuine, and what it is called, or that it is a handshake.
    ///
    /// # Errors
    /// [`Refusal`], which says to the sender what is wrong.
    pub fn receive(&self, delivery: Delivery<'_>, now: Timestamp) -> Result<Genuine, Refusal> {
        if self.end.is_some_and(|end| now >= end) {
            return Err(Refusal::Ended);
        }
        for greeting in self.greetings {
            if let Some(handshake) = greeting.unsigned(&delivery)? {
                return Ok(Genuine::Handshake(handshake));
            }
        }
        if delivery.method != Method::POST {
            return Err(Refusal::Method);
        }
        let offered = |way: &&Way| way.is_offered(delivery.headers);
        let way = self
            .ways
            .iter()
            .find(offered)
            .or(self.ways.first())
            .expect("a scheme has a recipe");
        way.receive(delivery, now)
    }
}

/// Without the keys.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("scheme", &self.scheme)
            .finish_non_exhaustive()
    }
}

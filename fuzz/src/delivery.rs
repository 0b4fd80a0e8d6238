//! A request to a trigger's hook, in a form that can be edited.

use belfry_mesh::signature::{Certificate, Delivery};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// A request before it is sent.
#[derive(Debug, Clone)]
pub struct Post {
    /// Its method.
    pub method: Method,
    /// Its query.
    pub query: Option<String>,
    /// Its headers, in their order and with their repetitions.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body.
    pub body: Vec<u8>,
    /// Whether the certificate that it needs is at hand.
    pub certified: bool,
}

impl Post {
    /// The headers as a server has them.
    #[must_use]
    pub fn header_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            map.append(name, value.clone());
        }
        map
    }

    /// What the gateway hands to the verifier.
    #[must_use]
    pub fn delivery<'a>(
        &'a self,
        headers: &'a HeaderMap,
        certificate: Option<&'a Certificate>,
    ) -> Delivery<'a> {
        Delivery {
            method: &self.method,
            query: self.query.as_deref(),
            headers,
            body: self.body.clone().into(),
            certificate: certificate.filter(|_| self.certified),
        }
    }

    /// The value of a header that is there once, as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => value.to_str().ok(),
            _ => None,
        }
    }
}

//! What has to be fetched from a provider before a delivery of its can be verified or answered: the certificate that it signs with,
//! and the address that confirms a subscription. Whose they are has been checked by the scheme.

use async_trait::async_trait;
use belfry_mesh::signature::Certificate;
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How many certificates are kept, and for how long. A provider has few, and changes them within months.
const KEPT: usize = 64;
const KEPT_FOR: Duration = Duration::from_hours(24);

/// How long an address is not asked again after it failed, so that forged deliveries cannot make a gateway hammer it.
const PAUSE: Duration = Duration::from_secs(10);

/// How many are fetched at once.
const AT_ONCE: usize = 4;

/// How many deliveries may wait for a certificate, the fetched ones included.
const WAITING: usize = 32;

/// Gets documents from the web.
#[async_trait]
pub trait Web: Send + Sync {
    /// The document at an `https` address, whole. It follows no redirect and bounds both time and size.
    ///
    /// # Errors
    /// Why it is not to be had, in words.
    async fn get(&self, address: &str) -> Result<Bytes, String>;
}

/// Why a provider's document is not to be had.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what} cannot be had: {why}")]
pub(crate) struct Error {
    what: &'static str,
    why: String,
}

/// What is known of providers.
pub(crate) struct Provider {
    web: Arc<dyn Web>,
    /// Locked for a look only: deliveries whose certificate is known wait for nobody's fetch.
    certificates: Mutex<HashMap<String, Known>>,
    fetching: Semaphore,
    /// One permit for each delivery that waits: they hold places that others could use.
    waiting: Semaphore,
}

struct Known {
    since: Timestamp,
    certificate: Result<Arc<Certificate>, Error>,
}

impl Provider {
    pub(crate) fn new(web: Arc<dyn Web>) -> Self {
        Self {
            web,
            certificates: Mutex::default(),
            fetching: Semaphore::new(AT_ONCE),
            waiting: Semaphore::new(WAITING),
        }
    }

    /// The certificate at this address.
    pub(crate) async fn certificate(
        &self,
        address: &str,
        now: Timestamp,
    ) -> Result<Arc<Certificate>, Error> {
        if let Some(known) = self.known(address, now) {
            return known;
        }
        let _place = self.waiting.try_acquire().map_err(|_| Error {
            what: "the provider's certificate",
            why: "too many deliveries wait for one".to_owned(),
        })?;
        let _turn = self.fetching.acquire().await;
        // Whoever had the turn before may have fetched it.
        if let Some(known) = self.known(address, now) {
            return known;
        }
        let certificate = self.fetch(address, now).await;
        self.keep(address, now, certificate.clone());
        certificate
    }

    fn known(&self, address: &str, now: Timestamp) -> Option<Result<Arc<Certificate>, Error>> {
        let known = self.lock();
        let known = known.get(address).filter(|known| known.is_fresh(now))?;
        Some(known.certificate.clone())
    }

    fn keep(&self, address: &str, now: Timestamp, certificate: Result<Arc<Certificate>, Error>) {
        let mut known = self.lock();
        if known.len() >= KEPT {
            known.retain(|_, known| known.certificate.is_ok() && known.is_fresh(now));
        }
        if known.len() < KEPT {
            let since = now;
            known.insert(address.to_owned(), Known { since, certificate });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.certificates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Visits the address that confirms a subscription.
    pub(crate) async fn visit(&self, address: &str) -> Result<(), Error> {
        let visited = self.web.get(address).await;
        visited.map(drop).map_err(|why| Error {
            what: "the provider's confirmation",
            why,
        })
    }

    async fn fetch(&self, address: &str, now: Timestamp) -> Result<Arc<Certificate>, Error> {
        let error = |why: String| Error {
            what: "the provider's certificate",
            why,
        };
        let pem = self.web.get(address).await.map_err(error)?;
        let certificate = Certificate::from_pem(&pem, now);
        certificate
            .map(Arc::new)
            .map_err(|why| error(why.to_string()))
    }
}

impl Known {
    fn is_fresh(&self, now: Timestamp) -> bool {
        let kept_for = if self.certificate.is_ok() {
            KEPT_FOR
        } else {
            PAUSE
        };
        now.duration_since(self.since).unsigned_abs() < kept_for
    }
}

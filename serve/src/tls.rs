//! TLS: a certificate that is read from files, and read again when they change.

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Where a certificate and its key are, both in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The certificate, followed by those that lead to its root.
    pub certificates: PathBuf,
    /// The private key: PKCS #8, SEC 1 or PKCS #1.
    pub key: PathBuf,
}

/// Who a server is: TLS 1.2 and 1.3, with HTTP/2 and HTTP/1.1 on offer.
///
/// When its files change, they are read again within five seconds, and new connections get the new certificate. If the new files
/// are no good, the old certificate stays and the log says why.
#[derive(Debug, Clone)]
pub struct Identity {
    files: Files,
    current: Arc<Current>,
    acceptor: Acceptor,
}

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {what} {}: {why}", path.display())]
    Unreadable {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} holds no {what} that can be used: {why}", path.display())]
    Unusable {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The key is another certificate's.
    #[error("the key in {} is not that of the first certificate in {}", key.display(), certificates.display())]
    Mismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificates.
        certificates: PathBuf,
    },
}

/// What tells a file from the one that was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    modified: Option<SystemTime>,
    size: u64,
    inode: u64,
}

#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

#[derive(Clone)]
struct Acceptor(TlsAcceptor);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor")
    }
}

impl Files {
    fn load(&self, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
        let chain = read("the certificate", &self.certificates)?;
        let unusable = |what, path: &Path, why: String| Error::Unusable {
            what,
            path: path.to_owned(),
            why,
        };
        let no_certificate = |why| unusable("certificate", &self.certificates, why);
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&chain)
            .collect::<Result<_, _>>()
            .map_err(|error: pem::Error| no_certificate(error.to_string()))?;
        if chain.is_empty() {
            return Err(no_certificate(
                "there is no `BEGIN CERTIFICATE` in it".into(),
            ));
        }
        let no_key = |why| unusable("private key", &self.key, why);
        let key = read("the private key", &self.key)?;
        let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| match error {
            pem::Error::NoItemsFound => no_key("there is no `BEGIN PRIVATE KEY` in it".into()),
            other => no_key(other.to_string()),
        })?;
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|error| no_key(error.to_string()))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) => Ok(certified),
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                Err(Error::Mismatch {
                    key: self.key.clone(),
                    certificates: self.certificates.clone(),
                })
            }
            Err(error) => Err(no_certificate(error.to_string())),
        }
    }

    async fn look(&self) -> [Option<Look>; 2] {
        let mut looks = [None, None];
        for (look, path) in looks.iter_mut().zip([&self.certificates, &self.key]) {
            *look = tokio::fs::metadata(path).await.ok().as_ref().map(Look::of);
        }
        looks
    }
}

impl Look {
    fn of(metadata: &Metadata) -> Self {
        Self {
            modified: metadata.modified().ok(),
            size: metadata.len(),
            inode: std::os::unix::fs::MetadataExt::ino(metadata),
        }
    }
}

impl Identity {
    /// Reads the files.
    ///
    /// # Errors
    /// [`Error`] if they are not there, or no certificate and its key.
    pub fn load(files: Files) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        let current = Arc::new(Current(ArcSwap::from_pointee(files.load(&provider)?)));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has suites of TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            files,
            current,
            acceptor: Acceptor(TlsAcceptor::from(Arc::new(config))),
        })
    }

    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.0.accept(stream).await
    }

    /// Reads the files again whenever they change, without end.
    pub(crate) async fn follow(self) {
        let mut known = self.files.look().await;
        // They may have changed between the first reading and the first look.
        self.reload().await;
        loop {
            tokio::time::sleep(LOOK).await;
            let seen = self.files.look().await;
            if std::mem::replace(&mut known, seen) != seen {
                self.reload().await;
            }
        }
    }

    async fn reload(&self) {
        let files = self.files.clone();
        let read = tokio::task::spawn_blocking(move || files.load(&ring::default_provider()));
        match read.await {
            Ok(Ok(certified)) => {
                let before = self.current.0.load();
                if before.cert != certified.cert {
                    self.current.0.store(Arc::new(certified));
                    tracing::info!(
                        certificate = %self.files.certificates.display(),
                        "the certificate was replaced"
                    );
                }
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "the new certificate cannot be used; the old one stays");
            }
            Err(error) => tracing::error!(%error, "the certificate could not be read again"),
        }
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|why| Error::Unreadable {
        what,
        path: path.to_owned(),
        why,
    })
}

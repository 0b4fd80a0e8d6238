//! A registry: the standard packages and a directory, over the registry API.
//!
//! | call | answer |
//! |---|---|
//! | `GET /triggers` | a list with an object for each version: `id`, `type`, `name`, `version`, `description`, `publisher`, `trigger_type`, `tags`, `signed`, `origin` |
//! | `GET /triggers/{name}` | the manifest of the newest version; a pre-release only if nothing else is there |
//! | `GET /triggers/{name}-{version}`, `GET /triggers/{name}/{version}` | the manifest |
//! | `GET /triggers/{name}/{version}/trigger.json.asc` | its detached signature |
//! | `GET /mcps`, … | the same of packages of `type` `mcp`; `trigger_type` is `none`, and a signature is at `mcp.json.asc` |
//! | `GET /catalog` | `registry`, `triggers` and `mcps` (as above, with `metadata`), `publishers`, and `invalid`: what is not served, with the `reason` |
//! | `GET /publishers` | a list of `{"id","has_pubkey"}` |
//! | `GET /publishers/{id}/pubkey` | `{"public_key"}`, the armoured key as a text |
//! | `GET /publishers/{id}/pubkey.asc` | the key as it is |
//! | `GET /health`, `GET /ready` | whether the process is up, and whether its directory can be read |
//!
//! A file is answered byte for byte as it lies there, with an `ETag`. A package that is there and not valid is answered 422.

mod file;
mod routes;

use crate::catalog::Catalog;
use crate::connection;
use crate::shelf::Shelf;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How a registry is set up. The default serves the standard packages alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// A directory with more packages, as `triggers/{name}-{version}.json` or `triggers/{name}/{version}/trigger.json`, those of
    /// `type` `mcp` as `mcps/{name}-{version}.json` or `mcps/{name}/{version}/mcp.json`, and keys, as
    /// `publishers/{id}/pubkey.asc`. A version in it hides the same version of a standard package; if it lies there in both
    /// layouts, the one in a folder is served. It is read anew for each request; replace a file by renaming another to its
    /// name, so that nobody sees half of it. Default: none.
    pub packages: Option<PathBuf>,
}

/// A registry, built but not yet listening.
#[derive(Debug)]
pub struct Registry {
    catalog: Arc<Catalog>,
}

/// Why a registry cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory with the packages cannot be read.
    #[error("cannot serve packages from `{}`: {why}", path.display())]
    Packages {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
}

impl Registry {
    /// Checks the directory and reads it once, so that what is wrong with it is in the log from the start.
    ///
    /// # Errors
    /// [`Error`] if it cannot be read. Files in it that are no packages are no error: they are not served.
    pub fn build(config: Config) -> Result<Self, Error> {
        let directory = config.packages.clone().map(Shelf::Directory);
        let catalog = Catalog::new(directory.into_iter().chain([Shelf::Standard]).collect());
        match catalog.check().and_then(|()| catalog.read()) {
            Ok(contents) => {
                let (packages, invalid) = (contents.packages().count(), contents.invalid().count());
                tracing::info!(packages, invalid, "the registry has {packages} packages");
                Ok(Self {
                    catalog: Arc::new(catalog),
                })
            }
            Err(error) => Err(Error::Packages {
                path: config.packages.unwrap_or_default(),
                why: error.to_string(),
            }),
        }
    }

    /// Serves until the shutdown is asked for and every connection has ended, at most five seconds later.
    pub async fn run(self, listener: TcpListener, shutdown: CancellationToken) {
        connection::serve(listener, routes::router(self.catalog), shutdown).await;
    }
}

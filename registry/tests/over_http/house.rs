//! Registries to test with, each on a free port with a directory of its own.

use axum::Router;
use belfry_registry::registries::{Address, Registry as Entry};
use belfry_registry::{Client, Config, Registry};
use reqwest::Url;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Once;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A server on a free port.
pub(crate) struct House {
    pub(crate) directory: TempDir,
    pub(crate) at: SocketAddr,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl House {
    /// A registry with these files, and the standard packages.
    pub(crate) async fn with(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            write(directory.path(), path, text);
        }
        Self::over(directory).await
    }

    /// A registry with a copy of one of the trees of `fixtures`.
    pub(crate) async fn of_fixture(name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (path, bytes) in fixture(name) {
            write(directory.path(), &path, &String::from_utf8(bytes).unwrap());
        }
        Self::over(directory).await
    }

    async fn over(directory: TempDir) -> Self {
        let registry = Registry::build(Config {
            packages: Some(directory.path().to_owned()),
        })
        .unwrap();
        let (listener, at) = listen().await;
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(registry.run(listener, shutdown.clone()));
        Self {
            directory,
            at,
            shutdown,
            tasks,
        }
    }

    /// Some other server, such as a registry of an earlier system.
    pub(crate) async fn of(router: Router) -> Self {
        let (listener, at) = listen().await;
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        let server = axum::serve(listener, router)
            .with_graceful_shutdown(shutdown.clone().cancelled_owned());
        tasks.spawn(async move { server.await.unwrap() });
        Self {
            directory: tempfile::tempdir().unwrap(),
            at,
            shutdown,
            tasks,
        }
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        write(self.directory.path(), path, text);
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.at)).unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        http()
            .build()
            .unwrap()
            .get(self.url(path))
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> serde_json::Value {
        self.get(path).await.json().await.unwrap()
    }

    pub(crate) async fn problem(&self, path: &str) -> (u16, String) {
        let response = self.get(path).await;
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json",
            "{path}"
        );
        let status = response.status().as_u16();
        let problem: serde_json::Value = response.json().await.unwrap();
        (status, problem["detail"].as_str().unwrap().to_owned())
    }

    /// What is answered to a path that no client would send.
    pub(crate) async fn raw(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.at).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: registry\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The line of `registries.conf` for it.
    pub(crate) fn entry(&self, id: &str, priority: i64) -> Entry {
        entry(id, &format!("http://{}", self.at), priority)
    }

    /// Asks it to end.
    pub(crate) fn shut_down(&self) {
        self.tasks.close();
        self.shutdown.cancel();
    }

    /// Asks it to end, and returns when it has.
    pub(crate) async fn end(self) {
        self.shut_down();
        self.tasks.wait().await;
    }
}

pub(crate) fn entry(id: &str, baseurl: &str, priority: i64) -> Entry {
    Entry {
        priority,
        ..Entry::new(id, Address::parse(baseurl).unwrap())
    }
}

/// An address at which nobody answers.
pub(crate) async fn nobody(id: &str, priority: i64) -> Entry {
    let (listener, at) = listen().await;
    drop(listener);
    entry(id, &format!("http://{at}"), priority)
}

pub(crate) fn client(registries: impl Into<Vec<Entry>>) -> Client {
    Client::new(registries.into(), http()).unwrap()
}

pub(crate) fn http() -> reqwest::ClientBuilder {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        rustls::crypto::ring::default_provider()
            .install_default()
            .unwrap()
    });
    reqwest::Client::builder()
}

pub(crate) async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

/// A package that says nothing but what it must.
pub(crate) fn package(name: &str, version: &str) -> String {
    format!(
        r#"{{"name":"{name}","version":"{version}","type":"trigger","description":"{name} {version}","trigger":{{"type":"manual"}}}}"#
    )
}

/// A service that says nothing but what it must.
pub(crate) fn mcp(name: &str, version: &str) -> String {
    format!(
        r#"{{"name":"{name}","version":"{version}","type":"mcp","description":"{name} {version}","deployment":{{"image":"{name}:{version}"}}}}"#
    )
}

/// The files of one of the trees of `fixtures`, by path.
pub(crate) fn fixture(name: &str) -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name);
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((
                    path.strip_prefix(&root)
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                    fs::read(&path).unwrap(),
                ));
            }
        }
    }
    files
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

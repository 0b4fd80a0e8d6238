//! A server with a few rooms behind its door, and ways to knock.

use belfry_serve::{Config, Incoming, Peer, Tasks};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long anything may take before a test fails instead of hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A server that listens.
pub(crate) struct House {
    pub(crate) at: SocketAddr,
    pub(crate) tasks: Tasks,
    shutdown: CancellationToken,
    accepting: tokio::task::JoinHandle<()>,
}

/// `/who` says who asks, `/host` under which name, `/body` what was sent; `/large` is 8 MiB, `/slow` takes half a second, `/never`
/// for ever, and `/rude` does not look at what is sent.
async fn room(request: Request<Incoming>, peer: Peer) -> Response<Full<Bytes>> {
    let content = match request.uri().path() {
        "/who" => format!("{} tls={}", peer.address, peer.tls).into(),
        "/host" => format!(
            "{:?}",
            request.headers().get_all("host").iter().collect::<Vec<_>>()
        )
        .into(),
        "/large" => Bytes::from(vec![b'x'; 8 << 20]),
        "/rude" => Bytes::new(),
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(500)).await;
            Bytes::from("slow")
        }
        "/never" => std::future::pending().await,
        _ => match request.into_body().collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => Bytes::from("broken"),
        },
    };
    Response::new(Full::new(content))
}

impl House {
    pub(crate) async fn open(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (shutdown, tasks) = (CancellationToken::new(), Tasks::default());
        let (told, mine) = (shutdown.clone(), tasks.clone());
        let accepting = TaskTracker::new().spawn(async move {
            belfry_serve::serve(listener, room, &config, &told, &mine).await;
        });
        Self {
            at,
            tasks,
            shutdown,
            accepting,
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.at).await.unwrap()
    }

    /// Connects and sends.
    pub(crate) async fn send(&self, bytes: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream
    }

    pub(crate) fn ask_to_end(&self) {
        self.shutdown.cancel();
    }

    /// Ends it. Answers how many connections had to be cut off.
    pub(crate) async fn end(self, grace: Duration) -> usize {
        self.ask_to_end();
        self.accepting.await.unwrap();
        self.tasks.end(grace).await
    }
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: belfry\r\n\r\n")
}

/// The next answer on a connection: its status and its body.
pub(crate) async fn answer(stream: &mut (impl AsyncReadExt + Unpin)) -> (u16, String) {
    let read = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("no answer"));
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        (
            head[9..12].parse().unwrap(),
            String::from_utf8(body).unwrap(),
        )
    };
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("no answer in time")
}

/// What comes until the connection ends, in whatever way.
pub(crate) async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the connection does not end");
    bytes
}

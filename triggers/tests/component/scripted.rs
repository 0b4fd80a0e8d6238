//! An orchestrator that records what it is asked and answers as it is told.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A call that the orchestrator got.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// What it does with a call.
pub(crate) enum Reply {
    Answer(StatusCode, Vec<(&'static str, String)>, String),
    /// Answers with execution `late` after this time.
    After(Duration),
    /// Answers with execution `released` once the test says so.
    When(Arc<Notify>),
    /// Never answers; cancels the token when the call is dropped.
    Never(CancellationToken),
}

pub(crate) struct Orchestrator {
    pub(crate) url: String,
    calls: UnboundedReceiver<Call>,
    script: Arc<Mutex<VecDeque<Reply>>>,
    count: watch::Receiver<usize>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

#[derive(Clone)]
struct Desk {
    calls: UnboundedSender<Call>,
    script: Arc<Mutex<VecDeque<Reply>>>,
    count: watch::Sender<usize>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self::Answer(
            StatusCode::from_u16(status).unwrap(),
            Vec::new(),
            body.to_string(),
        )
    }

    pub(crate) fn with(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Answer(status, mut headers, body) => {
                headers.push((name, value.to_owned()));
                Self::Answer(status, headers, body)
            }
            other => other,
        }
    }
}

impl Orchestrator {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, calls) = unbounded_channel();
        let script = Arc::new(Mutex::new(VecDeque::new()));
        let (counter, count) = watch::channel(0);
        let desk = Desk {
            calls: sender,
            script: script.clone(),
            count: counter,
        };
        let router = Router::new().fallback(answer).with_state(desk);
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let stop = shutdown.clone().cancelled_owned();
        tasks.spawn(async move {
            axum::serve(listener, router)
                .with_graceful_shutdown(stop)
                .await
                .unwrap()
        });
        Self {
            url,
            calls,
            script,
            count,
            tasks,
            shutdown,
        }
    }

    /// What it does with the next call that nothing is said of yet. Without a script it answers with execution `ex-1`.
    pub(crate) fn next(&self, reply: Reply) -> &Self {
        self.script.lock().unwrap().push_back(reply);
        self
    }

    /// The next call, which must come.
    pub(crate) async fn call(&mut self) -> Call {
        tokio::time::timeout(Duration::from_secs(10), self.calls.recv())
            .await
            .expect("a call comes")
            .unwrap()
    }

    /// Waits until it has got this many calls in all.
    pub(crate) async fn got(&self, calls: usize) {
        let mut count = self.count.clone();
        let waited = tokio::time::timeout(
            Duration::from_secs(10),
            count.wait_for(|count| *count >= calls),
        )
        .await;
        waited.expect("the call comes").unwrap();
    }

    /// Ends it, and says that nothing came but what was looked at.
    pub(crate) async fn end(mut self) {
        self.shutdown.cancel();
        self.tasks.close();
        tokio::time::timeout(Duration::from_secs(10), self.tasks.wait())
            .await
            .expect("it ends");
        assert!(
            self.calls.try_recv().is_err(),
            "a call came that nobody expected"
        );
        assert!(
            self.script.lock().unwrap().is_empty(),
            "a call was expected that did not come"
        );
    }
}

async fn answer(State(desk): State<Desk>, uri: Uri, headers: HeaderMap, body: String) -> Response {
    let body = serde_json::from_str(&body).expect("a call carries JSON");
    let reply = desk.script.lock().unwrap().pop_front();
    desk.calls
        .send(Call {
            path: uri.path().to_owned(),
            headers,
            body,
        })
        .expect("the test looks on");
    desk.count.send_modify(|count| *count += 1);
    let execution = |id: &str| json!({"id": id}).to_string().into_response();
    match reply {
        None => execution("ex-1"),
        Some(Reply::Answer(status, headers, body)) => {
            let mut response = (status, body).into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Some(Reply::After(time)) => {
            tokio::time::sleep(time).await;
            execution("late")
        }
        Some(Reply::When(released)) => {
            released.notified().await;
            execution("released")
        }
        Some(Reply::Never(dropped)) => {
            let _guard = dropped.drop_guard();
            std::future::pending().await
        }
    }
}

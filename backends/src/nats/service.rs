//! What this process serves, for whoever asks: the services protocol of NATS
//! (<https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-32.md>), so that `nats micro` finds it.
//!
//! It is told here and not by the client's own service, which answers a fault without its body, tells of endpoints that are no
//! more, and ends for good at the first answer that cannot be sent.

use super::calls::QUEUE;
use super::link::Link;
use async_nats::{HeaderMap, Message};
use belfry_mesh::port::Error;
use belfry_mesh::port::calls::Fault;
use futures::StreamExt;
use futures::stream::select_all;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The service's name.
const NAME: &str = "belfry";

/// What is left out of the names of endpoints.
const PREFIX: &str = "belfry.cmd.";

/// The service, for as long as it has an endpoint.
pub(super) struct Service {
    sheet: Arc<Sheet>,
    _told: DropGuard,
}

/// What is told.
struct Sheet {
    id: String,
    started: Timestamp,
    metadata: BTreeMap<String, String>,
    endpoints: Mutex<BTreeMap<String, Record>>,
}

/// What is known of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Record {
    /// How many in this process serve it.
    serving: usize,
    requests: u64,
    errors: u64,
    last_error: String,
    took: Duration,
}

/// A subject that is served.
pub(super) struct Endpoint {
    service: Arc<Service>,
    subject: String,
}

impl Service {
    /// Begins to answer.
    pub(super) async fn begin(
        link: &Arc<Link>,
        started: Timestamp,
        metadata: BTreeMap<String, String>,
    ) -> Result<Arc<Self>, Error> {
        let unique = link.client().new_inbox();
        let id = unique.rsplit('.').next().unwrap_or_default().to_owned();
        let mut questions = Vec::new();
        for subject in [
            "$SRV.*".to_owned(),
            format!("$SRV.*.{NAME}"),
            format!("$SRV.*.{NAME}.{id}"),
        ] {
            questions.push(link.listen(subject, None).await?);
        }
        let sheet = Arc::new(Sheet {
            id,
            started,
            metadata,
            endpoints: Mutex::default(),
        });
        let ended = CancellationToken::new();
        let told = ended.clone().drop_guard();
        let (link, told_of) = (link.clone(), sheet.clone());
        link.tracker().clone().spawn(async move {
            let mut questions = select_all(questions);
            while let Some(Some(question)) = ended.run_until_cancelled(questions.next()).await {
                tell(&link, &told_of, question).await;
            }
        });
        Ok(Arc::new(Self { sheet, _told: told }))
    }

    /// One more who serves this subject, until what is returned is dropped.
    pub(super) fn endpoint(self: Arc<Self>, subject: &str) -> Endpoint {
        let mut endpoints = self.sheet.endpoints();
        endpoints.entry(subject.to_owned()).or_default().serving += 1;
        drop(endpoints);
        Endpoint {
            service: self,
            subject: subject.to_owned(),
        }
    }
}

impl Endpoint {
    /// Counts a request that was answered.
    pub(super) fn count(&self, took: Duration, fault: Option<&Fault>) {
        let mut endpoints = self.service.sheet.endpoints();
        let Some(record) = endpoints.get_mut(&self.subject) else {
            return;
        };
        record.requests += 1;
        record.took += took;
        if let Some(Fault { code, description }) = fault {
            record.errors += 1;
            record.last_error = format!("{code}:{description}");
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let mut endpoints = self.service.sheet.endpoints();
        if let Some(record) = endpoints.get_mut(&self.subject) {
            record.serving -= 1;
            if record.serving == 0 {
                endpoints.remove(&self.subject);
            }
        }
    }
}

impl Sheet {
    fn endpoints(&self) -> MutexGuard<'_, BTreeMap<String, Record>> {
        self.endpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a question, if it is one.
    fn answer(&self, verb: &str) -> Option<Value> {
        let answer = |kind: &str| {
            json!({
                "type": format!("io.nats.micro.v1.{kind}_response"),
                "name": NAME,
                "id": self.id,
                "version": env!("CARGO_PKG_VERSION"),
                "metadata": self.metadata,
            })
        };
        match verb {
            "PING" => Some(answer("ping")),
            "INFO" => {
                let mut info = answer("info");
                info["description"] = json!("the trigger mesh");
                info["endpoints"] = self.each(|subject, _| endpoint(subject));
                Some(info)
            }
            "STATS" => {
                let mut stats = answer("stats");
                stats["started"] = json!(self.started.to_string());
                stats["endpoints"] = self.each(statistics);
                Some(stats)
            }
            _ => None,
        }
    }

    fn each(&self, tell: impl Fn(&str, &Record) -> Value) -> Value {
        let endpoints = self.endpoints();
        endpoints
            .iter()
            .map(|(subject, record)| tell(subject, record))
            .collect()
    }
}

async fn tell(link: &Link, sheet: &Sheet, question: Message) {
    let verb = question.subject.split('.').nth(1).unwrap_or_default();
    let (Some(answer), Some(reply)) = (sheet.answer(verb), question.reply) else {
        return;
    };
    let answer = answer.to_string().into();
    if let Err(error) = link.say(reply, HeaderMap::new(), answer).await {
        tracing::debug!(%error, "whoever asked for services was not answered");
    }
}

fn endpoint(subject: &str) -> Value {
    let name = subject.strip_prefix(PREFIX).unwrap_or(subject);
    let fit = |c: char| c.is_ascii_alphanumeric() || c == '_';
    json!({
        "name": name.replace(|c| !fit(c), "-"),
        "subject": subject,
        "queue_group": QUEUE,
        "metadata": {},
    })
}

fn statistics(subject: &str, record: &Record) -> Value {
    let Record {
        requests,
        errors,
        last_error,
        took,
        ..
    } = record;
    let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    let mut statistics = endpoint(subject);
    statistics["num_requests"] = json!(requests);
    statistics["num_errors"] = json!(errors);
    statistics["last_error"] = json!(last_error);
    statistics["processing_time"] = json!(nanoseconds);
    statistics["average_processing_time"] = json!(nanoseconds / (*requests).max(1));
    statistics
}

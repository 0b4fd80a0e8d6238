//! A consumer for one reading.

use super::super::link::{Link, Refusal};
use super::super::pull::Pull;
use super::{From, Source};
use belfry_mesh::port::Error;
use belfry_mesh::port::log::Sequence;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long the server keeps a consumer that nobody pulls.
const IDLE: Duration = Duration::from_secs(60);

/// The consumer. The server forgets it when it is dropped.
pub(super) struct Transient {
    link: Arc<Link>,
    stream: String,
    name: String,
    pub(super) pull: Pull,
}

/// What the server says of a consumer.
#[derive(Deserialize)]
struct Info {
    num_pending: u64,
}

impl Transient {
    /// Makes a consumer; how many messages wait for it.
    pub(super) async fn create(
        link: &Arc<Link>,
        source: &Source,
        read: Sequence,
    ) -> Result<(Self, u64), Error> {
        let inbox = link.client().new_inbox();
        let name = format!(
            "belfry-reader-{}",
            inbox.rsplit('.').next().unwrap_or_default()
        );
        let mut config = json!({
            "name": name,
            "ack_policy": "none",
            "replay_policy": "instant",
            "inactive_threshold": IDLE.as_nanos() as u64,
            "mem_storage": true,
            "num_replicas": 1,
        });
        match source.from {
            From::LastOfEachSubject => config["deliver_policy"] = json!("last_per_subject"),
            From::After(_) => {
                config["deliver_policy"] = json!("by_start_sequence");
                config["opt_start_seq"] = json!(read + 1);
            }
        }
        if let Some(filter) = &source.filter {
            config["filter_subjects"] = json!([filter]);
        }
        let stream = source.stream.clone();
        let pull = Pull::open(link.clone(), &stream, &name).await?;
        let request = json!({ "stream_name": stream, "config": config });
        let created: Result<Info, Refusal> = link
            .api(&format!("CONSUMER.CREATE.{stream}.{name}"), &request)
            .await;
        let Info { num_pending } = created.map_err(|refusal| link.explain(refusal, &stream))?;
        Ok((
            Self {
                link: link.clone(),
                stream,
                name,
                pull,
            },
            num_pending,
        ))
    }

    /// How many messages wait for it.
    pub(super) async fn pending(&self) -> Result<u64, Error> {
        let info: Result<Info, Refusal> = self
            .link
            .api(
                &format!("CONSUMER.INFO.{}.{}", self.stream, self.name),
                &json!({}),
            )
            .await;
        info.map(|info| info.num_pending)
            .map_err(|refusal| self.link.explain(refusal, &self.stream))
    }
}

impl Drop for Transient {
    fn drop(&mut self) {
        // If nobody hears it, the server ends the consumer by itself.
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (link, verb) = (
            self.link.clone(),
            format!("CONSUMER.DELETE.{}.{}", self.stream, self.name),
        );
        self.link.tracker().spawn(async move {
            let _: Result<Value, Refusal> = link.api(&verb, &json!({})).await;
        });
    }
}

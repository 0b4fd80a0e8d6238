//! Keeps the route table as the state and the secrets are.

use super::gate::{self, Gate, Resolved, secrets};
use super::{Route, Routes, Webhook};
use crate::doors::Doors;
use crate::metrics::Tally;
use crate::outage::Outage;
use belfry_mesh::Trigger;
use belfry_mesh::control;
use belfry_mesh::package::Source;
use belfry_mesh::port::secrets::{Error, Secrets};
use belfry_mesh::port::state::{Bucket, Change, Entry};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use secrecy::SecretString;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// After how long a watch that could not begin, or ended, is begun again.
const PAUSE: Duration = Duration::from_millis(500);

/// How long the look-up of one secret may take, and how many are looked up side by side.
const PATIENCE: Duration = Duration::from_secs(2);
const SIDE_BY_SIDE: usize = 16;

/// The one task that writes the table.
pub(crate) struct Keeper {
    doors: Arc<Doors>,
    secrets: Arc<dyn Secrets>,
    records: BTreeMap<String, Record>,
    /// The keys that a watch has shown, from its begin until it has shown all that is there.
    shown: Option<HashSet<String>>,
    /// Whether all has been seen once, so that an absent name is an unknown one.
    loaded: bool,
    resolved: HashMap<String, Resolved>,
    watching: Outage,
    resolving: Outage,
}

/// One key of the state. Its route is missing while it is to be built anew.
struct Record {
    trigger: Option<Box<Trigger>>,
    route: Option<Route>,
    tally: Arc<Tally>,
}

impl Keeper {
    pub(crate) fn new(doors: &Arc<Doors>, secrets: Arc<dyn Secrets>) -> Self {
        Self {
            doors: doors.clone(),
            secrets,
            records: BTreeMap::new(),
            shown: None,
            loaded: false,
            resolved: HashMap::new(),
            watching: Outage::new(
                "the watch on the triggers",
                "the gateway goes on with those that it knows",
            ),
            resolving: Outage::new(
                "the look-up of secrets",
                "the gateway goes on with those that it knows",
            ),
        }
    }

    /// Follows the state and the secrets, without end.
    pub(crate) async fn keep(mut self) {
        loop {
            let watch = self.doors.ports.state.watch(Bucket::Triggers).await;
            if let Ok(watch) = self.watching.note(watch) {
                self.follow(watch).await;
                self.watching.failed(&"the stream of changes ended");
            }
            self.doors.ports.clock.sleep(PAUSE).await;
        }
    }

    async fn follow(&mut self, watch: BoxStream<'static, Change>) {
        let mut watch = watch.fuse();
        self.shown = Some(HashSet::new());
        let doors = self.doors.clone();
        let pause = || doors.ports.clock.sleep(doors.config.secrets_refresh);
        let mut refresh = pause();
        loop {
            tokio::select! {
                change = watch.next() => {
                    let Some(change) = change else { return };
                    self.take(change);
                    // What has already arrived with it becomes one new table, not one each.
                    while let Some(Some(change)) = watch.next().now_or_never() {
                        self.take(change);
                    }
                    if self.loaded {
                        self.publish().await;
                    }
                }
                () = &mut refresh => {
                    self.refresh().await;
                    refresh = pause();
                }
            }
        }
    }

    fn take(&mut self, change: Change) {
        match change {
            Change::Put(entry) => {
                let trigger = read(&entry);
                if trigger.as_ref().is_some_and(|trigger| trigger.leaving) {
                    self.records.remove(&entry.key);
                    return;
                }
                let known = self.records.get(&entry.key);
                let record = Record {
                    trigger: trigger.map(Box::new),
                    route: None,
                    tally: known.map(|record| record.tally.clone()).unwrap_or_default(),
                };
                if let Some(shown) = &mut self.shown {
                    shown.insert(entry.key.clone());
                }
                self.records.insert(entry.key, record);
            }
            Change::Deleted { key, .. } => {
                self.records.remove(&key);
            }
            Change::Current => {
                // What went between two watches is in neither. Within one, the watch itself tells of what went.
                if let Some(shown) = self.shown.take() {
                    self.records.retain(|key, _| shown.contains(key));
                }
                self.loaded = true;
            }
        }
    }

    /// Builds the routes that are missing, with secrets as they are now, and hands the table out.
    async fn publish(&mut self) {
        let missing = self
            .records
            .values()
            .filter(|record| record.route.is_none());
        self.resolve(missing.flat_map(Record::secrets).collect())
            .await;
        for record in self
            .records
            .values_mut()
            .filter(|record| record.route.is_none())
        {
            record.route = Some(record.build(&self.resolved));
        }
        let routes: Routes = self
            .records
            .iter()
            .filter_map(|(key, record)| Some((key.clone(), record.route.clone()?)))
            .collect();
        self.doors.table.replace(routes);
    }

    /// Looks all secrets up again, forgets those that nobody needs any more, and rebuilds what depends on a changed one.
    async fn refresh(&mut self) {
        let needed: BTreeSet<String> = self.records.values().flat_map(Record::secrets).collect();
        self.resolved.retain(|name, _| needed.contains(name));
        if self.resolve(needed).await && self.loaded {
            self.publish().await;
        }
    }

    /// Looks secrets up, and marks the routes of those that changed as missing. Answers whether there are any.
    async fn resolve(&mut self, names: BTreeSet<String>) -> bool {
        let secrets = &self.secrets;
        let found: Vec<_> = stream::iter(names)
            .map(|name| async move { (look_up(secrets.as_ref(), &name).await, name) })
            .buffer_unordered(SIDE_BY_SIDE)
            .collect()
            .await;
        match found.iter().find_map(|(result, _)| result.as_ref().err()) {
            Some(error) => self.resolving.failed(error),
            None => self.resolving.works(),
        }
        let mut changed = HashSet::new();
        for (result, name) in found {
            let new = match (result, self.resolved.get(&name)) {
                (Ok(Some(secret)), _) => Resolved::Set(secret),
                (Ok(None), _) => Resolved::NotSet,
                (Err(_), Some(Resolved::Set(_))) => continue,
                (Err(_), _) => Resolved::NotReadable,
            };
            if self.resolved.get(&name).is_none_or(|old| !old.is(&new)) {
                self.resolved.insert(name.clone(), new);
                changed.insert(name);
            }
        }
        for record in self.records.values_mut() {
            if record.secrets().any(|name| changed.contains(&name)) {
                record.route = None;
            }
        }
        !changed.is_empty()
    }
}

impl Record {
    /// The names of the secrets that its deliveries are verified with, as this node knows them.
    fn secrets(&self) -> impl Iterator<Item = String> {
        self.trigger.as_deref().into_iter().flat_map(secrets)
    }

    /// The route of its trigger, with secrets as they are now.
    fn build(&self, resolved: &HashMap<String, Resolved>) -> Route {
        let Some(trigger) = self.trigger.as_deref() else {
            return Route::Unreadable;
        };
        let source = trigger.manifest.source();
        let Source::Webhook(webhook) = source else {
            return Route::Other(trigger.name.clone(), source.kind());
        };
        let name = &trigger.name;
        let gate = Gate::of(trigger, resolved);
        gate.log(name);
        Route::Webhook(Arc::new(Webhook {
            trigger: name.clone(),
            gate,
            end: gate::end(trigger, resolved),
            rate: trigger.rate_limit(),
            allow: trigger.allow_ips().cloned(),
            dedup: webhook.deduplication,
            response: trigger.manifest.response().cloned().map(Arc::new),
            tally: self.tally.clone(),
        }))
    }
}

/// The trigger of an entry, if it is one.
fn read(entry: &Entry) -> Option<Trigger> {
    let trigger = match control::decode(entry) {
        Ok(trigger) => trigger,
        Err(error) => {
            tracing::error!(trigger = entry.key, %error, "a trigger's record cannot be read; its deliveries are answered 503");
            return None;
        }
    };
    if trigger.name.as_str() != entry.key {
        tracing::error!(
            trigger = entry.key,
            "a trigger's record names another trigger; its deliveries are answered 503"
        );
        return None;
    }
    Some(trigger)
}

async fn look_up(secrets: &dyn Secrets, name: &str) -> Result<Option<SecretString>, Error> {
    let late = |_| Error {
        name: name.to_owned(),
        why: format!("no answer within {} ms", PATIENCE.as_millis()),
    };
    tokio::time::timeout(PATIENCE, secrets.resolve(name))
        .await
        .map_err(late)?
}

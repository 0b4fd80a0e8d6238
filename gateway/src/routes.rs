//! The route table: which triggers there are and how their deliveries are verified, in memory, so that a request looks up nothing
//! elsewhere and takes no lock.

mod gate;
mod keeper;

pub(crate) use gate::Gate;
pub(crate) use keeper::Keeper;

use crate::answer::Refused;
use crate::metrics::Tally;
use arc_swap::ArcSwapOption;
use belfry_mesh::TriggerName;
use belfry_mesh::gateway::MOST_REFUSING;
use belfry_mesh::limit::Rate;
use belfry_mesh::name;
use belfry_mesh::package::Response;
use belfry_mesh::trigger::AllowIps;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use tokio::sync::Notify;

/// The table that requests read. Empty until the triggers have been read once.
#[derive(Default)]
pub(crate) struct Table {
    routes: ArcSwapOption<Routes>,
    changed: Notify,
}

/// The routes by the names of their triggers.
pub(crate) type Routes = HashMap<String, Route>;

/// What is behind a name.
#[derive(Clone)]
pub(crate) enum Route {
    /// A trigger that takes webhooks.
    Webhook(Arc<Webhook>),
    /// A trigger of this other kind.
    Other(TriggerName, &'static str),
    /// A record that this gateway cannot read.
    Unreadable,
}

/// How the deliveries of one trigger are taken.
pub(crate) struct Webhook {
    pub(crate) trigger: TriggerName,
    pub(crate) gate: Gate,
    /// When the last of its secrets comes to its end, if each has one: all is refused from then on.
    pub(crate) end: Option<Timestamp>,
    pub(crate) rate: Option<Rate>,
    /// Where deliveries may come from; anywhere if there is none.
    pub(crate) allow: Option<AllowIps>,
    /// Whether repetitions are recognised by the provider's name for the delivery.
    pub(crate) dedup: bool,
    /// How its package has senders answered, if it says so.
    pub(crate) response: Option<Arc<Response>>,
    /// What its deliveries came to. The same from one table to the next.
    pub(crate) tally: Arc<Tally>,
}

impl Webhook {
    /// Why all deliveries are refused, in words, if they are.
    fn refusing(&self, now: Timestamp) -> Option<String> {
        let ended = || "each of its secrets has come to its end (`until`)".to_owned();
        let is_over = self.end.is_some_and(|end| end <= now);
        self.gate.refusing().or_else(|| is_over.then(ended))
    }
}

impl Table {
    /// What takes the deliveries to this name.
    ///
    /// # Errors
    /// [`Refused`] if nothing does, or if the table was never loaded.
    pub(crate) fn find(&self, name: &str) -> Result<Arc<Webhook>, Refused> {
        let routes = self.routes.load();
        match routes.as_deref().ok_or(Refused::NotLoaded)?.get(name) {
            Some(Route::Webhook(webhook)) => Ok(webhook.clone()),
            Some(Route::Other(trigger, kind)) => Err(Refused::NoWebhook(trigger.clone(), kind)),
            Some(Route::Unreadable) => Err(Refused::Unreadable(name.to_owned())),
            None => Err(Refused::NotInstalled(shorten(name).to_owned())),
        }
    }

    /// Looks at all that take webhooks, in the order of their names.
    pub(crate) fn each(&self, look: &mut dyn FnMut(&Webhook) -> fmt::Result) -> fmt::Result {
        let routes = self.routes.load();
        let webhooks = routes.as_deref().into_iter().flat_map(HashMap::values);
        let mut webhooks: Vec<&Webhook> = webhooks
            .filter_map(|route| match route {
                Route::Webhook(webhook) => Some(webhook.as_ref()),
                Route::Other(..) | Route::Unreadable => None,
            })
            .collect();
        webhooks.sort_by_key(|webhook| webhook.trigger.as_str());
        webhooks.into_iter().try_for_each(look)
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.routes.load().is_some()
    }

    fn replace(&self, routes: Routes) {
        self.routes.store(Some(Arc::new(routes)));
        self.changed.notify_one();
    }

    /// Waits until the table has been replaced since this was asked last. One at a time may ask.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The triggers whose deliveries are all refused, and why, by name: as many as are told.
    pub(crate) fn refusing(&self, now: Timestamp) -> BTreeMap<TriggerName, String> {
        let routes = self.routes.load();
        let routes = routes.as_deref().into_iter().flatten();
        let refusing = routes.filter_map(|(name, route)| match route {
            Route::Webhook(webhook) => Some((webhook.trigger.clone(), webhook.refusing(now)?)),
            Route::Unreadable => Some((
                TriggerName::parse(name).ok()?,
                "its record cannot be read by this version".to_owned(),
            )),
            Route::Other(..) => None,
        });
        let mut refusing: BTreeMap<_, _> = refusing.collect();
        while refusing.len() > MOST_REFUSING {
            refusing.pop_last();
        }
        refusing
    }
}

/// Enough of a name that somebody made up to recognise it by.
pub(crate) fn shorten(name: &str) -> &str {
    name.char_indices()
        .nth(name::MAX_LEN)
        .map_or(name, |(end, _)| &name[..end])
}

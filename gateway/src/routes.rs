//! The route table: which triggers there are and how their deliveries are verified, in memory, so that a request looks up nothing
//! elsewhere and takes no lock.

mod gate;
mod keeper;

pub(crate) use gate::Gate;
pub(crate) use keeper::Keeper;

use crate::answer::Refused;
use arc_swap::ArcSwapOption;
use belfry_mesh::TriggerName;
use belfry_mesh::limit::Rate;
use belfry_mesh::name;
use std::collections::HashMap;
use std::sync::Arc;

/// The table that requests read. Empty until the triggers have been read once.
#[derive(Default)]
pub(crate) struct Table(ArcSwapOption<Routes>);

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
    pub(crate) rate: Option<Rate>,
    /// Whether repetitions are recognised by the provider's name for the delivery.
    pub(crate) dedup: bool,
}

impl Table {
    /// What takes the deliveries to this name.
    ///
    /// # Errors
    /// [`Refused`] if nothing does, or if the table was never loaded.
    pub(crate) fn find(&self, name: &str) -> Result<Arc<Webhook>, Refused> {
        let routes = self.0.load();
        match routes.as_deref().ok_or(Refused::NotLoaded)?.get(name) {
            Some(Route::Webhook(webhook)) => Ok(webhook.clone()),
            Some(Route::Other(trigger, kind)) => Err(Refused::NoWebhook(trigger.clone(), kind)),
            Some(Route::Unreadable) => Err(Refused::Unreadable(name.to_owned())),
            None => Err(Refused::NotInstalled(shorten(name).to_owned())),
        }
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.0.load().is_some()
    }

    fn replace(&self, routes: Routes) {
        self.0.store(Some(Arc::new(routes)));
    }
}

/// Enough of a name that somebody made up to recognise it by.
pub(crate) fn shorten(name: &str) -> &str {
    name.char_indices()
        .nth(name::MAX_LEN)
        .map_or(name, |(end, _)| &name[..end])
}

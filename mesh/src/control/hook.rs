//! What is set for a trigger's hook: how deliveries are verified, how many are taken, and from where.

use super::{Control, Done, Error, decide};
use crate::name::TriggerName;
use crate::signature::Auth;
use crate::trigger::{AllowIps, RateLimit};

/// What is to be set for a trigger's hook.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hook {
    /// How its deliveries are verified.
    pub auth: Setting<Auth>,
    /// How often it may be called.
    pub rate_limit: Setting<RateLimit>,
    /// Where its deliveries may come from.
    pub allow_ips: Setting<AllowIps>,
}

/// What is to become of something that an installer may set over the package's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Setting<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is as the package says.
    OfPackage,
    /// It is this.
    Own(T),
}

impl<T: Clone> Setting<T> {
    /// What it comes to where it is `now`.
    pub(super) fn over(&self, now: Option<&T>) -> Option<T> {
        match self {
            Self::Keep => now.cloned(),
            Self::OfPackage => None,
            Self::Own(new) => Some(new.clone()),
        }
    }
}

impl Hook {
    /// Whether nothing is to be set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Control {
    /// Sets how a trigger's deliveries are taken, with the package and the containers that it has. Gateways take it up as they see
    /// it; none refuses meanwhile what both the old and the new would take.
    ///
    /// # Errors
    /// [`Error::NotInstalled`]; [`Error::Unfit`] if it takes no webhooks, or could verify none any more.
    pub async fn set_hook(&self, name: &TriggerName, hook: &Hook, by: &str) -> Result<Done, Error> {
        self.change(name, |trigger, at| decide::set_hook(trigger, at, hook), by)
            .await
    }
}

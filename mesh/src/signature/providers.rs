//! The table of providers: what exactly each of them signs. One more is a row here, a recipe in the file for its kind of proof, and
//! a row in the table of types of [the module](super).

mod body;
mod private;
mod shared;
mod timed;
mod url;

use super::greeting::Greeting;
use super::recipe::Recipe;
use http::HeaderName;

/// A row of the table.
pub(super) struct Provider {
    /// The scheme's name in a manifest.
    pub(super) name: &'static str,
    /// Its recipes, the preferred first. A delivery takes the first whose proof header it has.
    pub(super) recipes: fn() -> Vec<Recipe>,
    /// What it asks before it sends events.
    pub(super) greetings: &'static [Greeting],
}

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Provider> {
    [
        body::PROVIDERS,
        timed::PROVIDERS,
        url::PROVIDERS,
        private::PROVIDERS,
        shared::PROVIDERS,
    ]
    .into_iter()
    .flatten()
}

const fn row(name: &'static str, recipes: fn() -> Vec<Recipe>) -> Provider {
    greeted(name, recipes, &[])
}

const fn greeted(
    name: &'static str,
    recipes: fn() -> Vec<Recipe>,
    greetings: &'static [Greeting],
) -> Provider {
    Provider {
        name,
        recipes,
        greetings,
    }
}

fn header(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

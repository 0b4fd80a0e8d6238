//! Dead letters: events whose attempts are spent.

use super::events::For;
use super::extract::{Id, Query};
use super::refusal::{Refusal, Refused};
use super::{Api, page};
use crate::answer::{DeadLetterPage, Discarded, DiscardedStatus};
use crate::history::LetterFilter;
use axum::Json;
use axum::extract::State;
use belfry_mesh::TriggerName;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// Only those of this trigger.
    #[param(value_type = Option<String>)]
    trigger: Option<TriggerName>,
    /// How many at most, 1 to 500. Default 50.
    limit: Option<usize>,
    /// Where to go on: the `next` of the page before.
    cursor: Option<String>,
}

/// List the dead letters
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/dead-letters",
    tag = "events",
    operation_id = "list_dead_letters",
    params(Search),
    responses((status = 200, description = "A page of dead letters.", body = DeadLetterPage), Refused::<400>)
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Query(search): Query<Search>,
) -> Result<Json<DeadLetterPage>, Refusal> {
    let filter = LetterFilter {
        trigger: search.trigger,
        before: page::before(search.cursor.as_deref())?,
        limit: page::limit(search.limit)?,
    };
    let (page, count) = api.history.dead_letters(filter).await?;
    Ok(Json(DeadLetterPage {
        dead_letters: page.items,
        count,
        next: page::cursor(page.next),
    }))
}

/// Discard a dead letter
///
/// The event stays in the history, and can be replayed for as long as the log keeps it.
#[utoipa::path(
    delete,
    path = "/dead-letters/{id}",
    tag = "events",
    operation_id = "discard_dead_letter",
    params(("id" = String, Path, description = "The event's id, percent-encoded"), For),
    responses((status = 200, description = "It is gone.", body = Discarded), Refused::<404>, Refused::<503>)
)]
pub(super) async fn discard(
    State(api): State<Arc<Api>>,
    Id(id): Id,
    Query(wanted): Query<For>,
) -> Result<Json<Discarded>, Refusal> {
    let mut letters = api.history.dead_letters_of(id.clone()).await?;
    letters.retain(|letter| {
        wanted
            .trigger
            .as_ref()
            .is_none_or(|trigger| *trigger == letter.trigger)
    });
    let (outcomes, history) = (api.ports.outcomes.clone(), api.history.clone());
    let command = async move {
        let mut discarded = false;
        for letter in letters {
            discarded |= outcomes.discard(letter.sequence).await?;
            history.forget_dead_letter(letter.sequence).await?;
        }
        Ok(discarded)
    };
    if !api.desk.commands.see_through(command).await? {
        return Err(Refusal::not_found(format!(
            "there is no dead letter of event `{id}`"
        )));
    }
    Ok(Json(Discarded {
        status: DiscardedStatus::Discarded,
        event_id: id,
    }))
}

//! Tells whoever waits for an event what became of it.

use belfry_mesh::event::{AnswerTo, Ending};
use belfry_mesh::port::calls::Calls;
use std::time::Duration;
use tracing::debug;

/// How long the one who waits may take to say that it heard. It only has to hand on what it is told.
const WITHIN: Duration = Duration::from_secs(2);

/// Tells it once. The outcome is recorded already, so nothing is lost if nobody hears: the gateway is gone, or its sender.
pub(crate) async fn tell(calls: &dyn Calls, address: &AnswerTo, ending: &Ending) {
    let said = serde_json::to_vec(ending).expect("an outcome has only string keys");
    let told = calls
        .request(&address.subject(), said.into(), WITHIN)
        .await
        .map(|answer| answer.fault);
    let event_id = &ending.outcome.event_id;
    match told {
        Ok(None) => {}
        Ok(Some(fault)) => {
            debug!(%event_id, reason = fault.description, "nobody waits for the event any more")
        }
        Err(error) => debug!(%event_id, %error, "who waits for the event could not be told"),
    }
}

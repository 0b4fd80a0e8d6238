//! The start of an instance: what the trigger needs, resolved on this node.

use crate::reconcile::Note;
use crate::{Agent, environment};
use belfry_mesh::placement::Slot;
use belfry_mesh::port::runtime::Spec;
use belfry_mesh::{Target, Trigger};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// Resolves what the trigger needs on this node, and starts an instance of this revision.
pub(crate) async fn start(
    agent: Arc<Agent>,
    slot: Slot,
    trigger: Arc<Trigger>,
    revision: u64,
    notes: UnboundedSender<Note>,
) {
    let result = async {
        let contract = contract(&agent, &trigger);
        let environment = environment::resolve(&trigger, &contract, agent.secrets.as_ref()).await;
        let environment = environment.map_err(|error| error.to_string())?;
        let spec = Spec {
            slot: slot.clone(),
            revision,
            manifest: trigger.manifest.clone(),
            target: trigger.target.clone(),
            environment: environment.values,
            concealed: environment.concealed,
        };
        agent
            .runtime
            .start(&spec)
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let result = result.await;
    notes.send(Note::Started(slot, revision, result)).ok();
}

/// The variables of the trigger contract. Where the orchestrator is the installer may say otherwise; what is run it may not.
fn contract(agent: &Agent, trigger: &Trigger) -> BTreeMap<String, String> {
    let mut contract = BTreeMap::from([("TRIGGER_NAME".to_owned(), trigger.name.to_string())]);
    if let Some((variable, id)) = trigger.target.as_ref().map(Target::environment) {
        contract.insert(variable.to_owned(), id.to_owned());
    }
    for (name, value) in [
        ("ORCHESTRATOR_URL", Some(&agent.config.orchestrator)),
        ("ORCHESTRATOR_WS", agent.config.orchestrator_ws.as_ref()),
    ] {
        if let Some(value) = value.filter(|_| !trigger.user_config.contains_key(name)) {
            contract.insert(name.to_owned(), value.clone());
        }
    }
    contract
}

//! What commands come to: a command in, its answer out. The API and the bus are doors to this desk.

mod hook;
mod install;
mod logs;

pub(crate) use install::Order;

use crate::answer::{
    Changed, ChangedStatus, Forgotten, ForgottenStatus, Uninstalled, UninstalledStatus, Update,
    Updated, UpdatedStatus,
};
use crate::api::Refusal;
use belfry_mesh::control::{Control, Done, GatewayStatus, NodeStatus, Revised, Status};
use belfry_mesh::node::Availability;
use belfry_mesh::package::Kind;
use belfry_mesh::port::calls::Calls;
use belfry_mesh::{NodeName, TriggerName};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the commands need.
pub(crate) struct Desk {
    pub(crate) control: Control,
    pub(crate) calls: Arc<dyn Calls>,
    pub(crate) commands: Commands,
    /// Ends waits that change nothing.
    pub(crate) closing: CancellationToken,
}

/// Where commands run: apart from the connections that brought them.
pub(crate) struct Commands {
    pub(crate) tasks: TaskTracker,
    /// Ends commands in the middle of whatever they do.
    pub(crate) cut_off: CancellationToken,
}

/// A change of how something should run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Start,
    Stop,
    Restart,
    Pause,
    Resume,
    Scale(u32),
}

impl Commands {
    /// Does a command to its end, even if the client hangs up meanwhile: half a command is worse than none.
    pub(crate) async fn see_through<T: Send + 'static>(
        &self,
        command: impl Future<Output = Result<T, Refusal>> + Send + 'static,
    ) -> Result<T, Refusal> {
        let cut_off = self.cut_off.clone();
        let task = self
            .tasks
            .spawn(async move { cut_off.run_until_cancelled(command).await });
        match task.await {
            Ok(Some(result)) => result,
            Ok(None) => Err(Refusal::cut_off()),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

impl Desk {
    pub(crate) async fn list(&self, kind: Kind) -> Result<Vec<Status>, Refusal> {
        Ok(self.control.of(kind).list().await?)
    }

    pub(crate) async fn status(&self, kind: Kind, name: &TriggerName) -> Result<Status, Refusal> {
        Ok(self.control.of(kind).status(name).await?)
    }

    pub(crate) async fn history(
        &self,
        kind: Kind,
        name: &TriggerName,
    ) -> Result<Vec<Revised>, Refusal> {
        Ok(self.control.of(kind).history(name).await?)
    }

    pub(crate) async fn change(
        &self,
        kind: Kind,
        name: TriggerName,
        change: Change,
        by: String,
    ) -> Result<Changed, Refusal> {
        let control = self.control.of(kind);
        let (status, done) = self
            .commands
            .see_through(async move {
                let (name, by) = (&name, by.as_str());
                Ok(match change {
                    Change::Start => (ChangedStatus::Started, control.start(name, by).await?),
                    Change::Stop => (ChangedStatus::Stopped, control.stop(name, by).await?),
                    Change::Restart => (ChangedStatus::Restarted, control.restart(name, by).await?),
                    Change::Pause => (ChangedStatus::Paused, control.pause(name, by).await?),
                    Change::Resume => (ChangedStatus::Resumed, control.resume(name, by).await?),
                    Change::Scale(to) => {
                        (ChangedStatus::Scaled, control.scale(name, to, by).await?)
                    }
                })
            })
            .await?;
        Ok(Changed::new(status, done))
    }

    pub(crate) async fn update(
        &self,
        kind: Kind,
        name: TriggerName,
        registry: Option<String>,
        to: Update,
        by: String,
    ) -> Result<Updated, Refusal> {
        let hook = hook::read(to)?;
        if !hook.is_empty() {
            return self.set_hook(kind, name, registry, hook, by).await;
        }
        let control = self.control.of(kind);
        let command = async move { Ok(control.update(&name, registry.as_deref(), &by).await?) };
        let done = self.commands.see_through(command).await?;
        let status = match taken_back(&done) {
            Some(_) => UpdatedStatus::RolledBack,
            None if done.changed => UpdatedStatus::Updated,
            None => UpdatedStatus::AlreadyLatest,
        };
        Ok(Updated::new(status, done))
    }

    pub(crate) async fn rollback(
        &self,
        kind: Kind,
        name: TriggerName,
        to: Option<u64>,
        by: String,
    ) -> Result<Updated, Refusal> {
        let control = self.control.of(kind);
        let command = async move { Ok(control.rollback(&name, to, &by).await?) };
        let done = self.commands.see_through(command).await?;
        let status = if done.changed {
            UpdatedStatus::RolledBack
        } else {
            UpdatedStatus::Unchanged
        };
        Ok(Updated::new(status, done))
    }

    pub(crate) async fn uninstall(
        &self,
        kind: Kind,
        name: TriggerName,
        by: String,
    ) -> Result<Uninstalled, Refusal> {
        let (control, gone) = (self.control.of(kind), name.clone());
        let command = async move { Ok(control.uninstall(&gone, &by).await?) };
        let revision = self.commands.see_through(command).await?;
        Ok(Uninstalled {
            status: UninstalledStatus::Uninstalled,
            name: name.to_string(),
            revision,
        })
    }

    pub(crate) async fn gateways(&self) -> Result<Vec<GatewayStatus>, Refusal> {
        Ok(self.control.gateways().await?)
    }

    pub(crate) async fn nodes(&self) -> Result<Vec<NodeStatus>, Refusal> {
        Ok(self.control.nodes().list().await?)
    }

    pub(crate) async fn node(&self, name: &NodeName) -> Result<NodeStatus, Refusal> {
        Ok(self.control.nodes().status(name).await?)
    }

    pub(crate) async fn set_availability(
        &self,
        name: NodeName,
        availability: Availability,
        by: String,
    ) -> Result<NodeStatus, Refusal> {
        let nodes = self.control.nodes();
        let command = async move { Ok(nodes.set_availability(&name, availability, &by).await?) };
        self.commands.see_through(command).await
    }

    pub(crate) async fn forget(&self, name: NodeName) -> Result<Forgotten, Refusal> {
        let (nodes, gone) = (self.control.nodes(), name.clone());
        let command = async move { Ok(nodes.forget(&gone).await?) };
        self.commands.see_through(command).await?;
        Ok(Forgotten {
            status: ForgottenStatus::Forgotten,
            name: name.to_string(),
        })
    }
}

/// Why the update that was just made was taken back, if it was.
pub(crate) fn taken_back(done: &Done) -> Option<String> {
    let rejected = done.status.rejected.as_ref()?;
    let is_this = done.changed && rejected.revision == done.revision;
    is_this.then(|| {
        format!(
            "the update to {} did not hold and was rolled back: {}",
            rejected.version, rejected.why
        )
    })
}

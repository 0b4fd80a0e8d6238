//! What a user may not do, tried by a client that is not Belfry's.

use crate::world::PATIENCE;
use anyhow::{Context, Result, ensure};
use async_nats::{Client, ConnectOptions, Event};
use belfry_tests::servers::{Belfry, Nats, Role, password};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// What only some may ask of JetStream, with the users who may.
const STREAMS: [(&str, &[&str]); 22] = [
    ("STREAM.CREATE.BELFRY_EVENTS", &["console"]),
    ("STREAM.UPDATE.BELFRY_EVENTS", &["console"]),
    ("STREAM.CREATE.ANOTHER", &[]),
    ("STREAM.DELETE.BELFRY_EVENTS", &[]),
    ("STREAM.PURGE.BELFRY_EVENTS", &[]),
    ("STREAM.PURGE.KV_belfry-triggers", &[]),
    ("STREAM.SNAPSHOT.BELFRY_EVENTS", &[]),
    ("STREAM.RESTORE.BELFRY_EVENTS", &[]),
    ("STREAM.LEADER.STEPDOWN.BELFRY_EVENTS", &[]),
    ("STREAM.MSG.GET.BELFRY_EVENTS", &["console", "operator"]),
    ("STREAM.MSG.GET.BELFRY_OUTCOMES", &["operator"]),
    ("STREAM.MSG.DELETE.BELFRY_EVENTS", &[]),
    ("STREAM.MSG.DELETE.BELFRY_DEAD", &["console"]),
    (
        "STREAM.MSG.DELETE.KV_belfry-leases",
        &["agent", "scheduler"],
    ),
    ("DIRECT.GET.BELFRY_EVENTS", &["operator"]),
    ("DIRECT.GET.BELFRY_EVENTS.belfry.event.a", &["operator"]),
    (
        "DIRECT.GET.BELFRY_EVENTS.belfry.tick.a",
        &["operator", "scheduler"],
    ),
    (
        "CONSUMER.CREATE.BELFRY_EVENTS.trigger-a",
        &["agent", "console"],
    ),
    ("CONSUMER.CREATE.BELFRY_EVENTS.mine.belfry.event.a", &[]),
    ("CONSUMER.DURABLE.CREATE.BELFRY_EVENTS.mine", &[]),
    (
        "CONSUMER.MSG.NEXT.BELFRY_EVENTS.trigger-a",
        &["agent", "console"],
    ),
    ("CONSUMER.DELETE.BELFRY_EVENTS.trigger-a", &["console"]),
];

/// What only some may publish otherwise.
const SUBJECTS: [(&str, &[&str]); 22] = [
    ("belfry.event.a", &["console", "gateway"]),
    ("belfry.tick.a", &["scheduler"]),
    ("belfry.signal.workflow.completed", &["console", "operator"]),
    ("belfry.outcome.a", &["agent"]),
    ("belfry.dead.a", &["agent"]),
    ("belfry.answer.a", &["agent"]),
    ("$KV.belfry-triggers.a", &["agent", "console"]),
    ("$KV.belfry-status.a.0", &["agent", "console"]),
    ("$KV.belfry-nodes.a", &["agent", "console"]),
    ("$KV.belfry-nodes.a.wanted", &["agent", "console"]),
    (
        "$KV.belfry-nodes.a.gateway",
        &["agent", "console", "gateway"],
    ),
    ("$KV.belfry-leases.a.0", &["agent"]),
    ("$KV.belfry-leases.scheduler", &["scheduler"]),
    ("belfry.cmd.trigger.uninstall", &["operator"]),
    ("belfry.cmd.mcp.uninstall", &["operator"]),
    ("belfry.cmd.node.a.drain", &["console", "operator"]),
    ("$SRV.PING", &["operator"]),
    ("$JS.ACK.BELFRY_EVENTS.trigger-a.1.1.1.1.0", &["agent"]),
    ("_INBOX.x", &[]),
    ("_INBOX_console.x", &[]),
    ("_INBOX_agent.x", &[]),
    ("$SYS.REQ.SERVER.PING", &[]),
];

/// What only some may hear. To the server a `*` that is allowed covers a `>` that is asked for; what is published there has one part
/// more either way.
const HEARD: [(&str, &[&str]); 22] = [
    (">", &[]),
    ("belfry.>", &[]),
    ("belfry.event.>", &["operator"]),
    ("belfry.event.*", &["operator"]),
    ("belfry.outcome.*", &["operator"]),
    ("belfry.dead.*", &["operator"]),
    ("belfry.answer.*", &[]),
    ("belfry.answer.a", &[]),
    ("belfry.cmd.>", &[]),
    ("belfry.cmd.trigger.install", &[]),
    ("belfry.cmd.node.a.drain", &[]),
    ("_INBOX.>", &["operator"]),
    ("_INBOX_*.>", &[]),
    ("_INBOX_gateway.>", &["gateway"]),
    ("_INBOX_console.>", &["console"]),
    ("_INBOX_agent.>", &["agent"]),
    ("_INBOX_scheduler.>", &["scheduler"]),
    ("$KV.>", &["operator"]),
    ("$KV.belfry-triggers.>", &["operator"]),
    ("$JS.API.>", &[]),
    ("$SRV.>", &["agent", "console", "gateway"]),
    ("$JS.EVENT.>", &[]),
];

const USERS: [&str; 5] = ["gateway", "console", "agent", "scheduler", "operator"];

/// A client with a user's name, and what the server says against it.
struct Outsider {
    client: Client,
    complaints: UnboundedReceiver<String>,
}

impl Outsider {
    async fn connect(nats: &Nats, user: &str) -> Result<Self> {
        let (sender, complaints) = unbounded_channel();
        let inbox = match user {
            "operator" => "_INBOX".to_owned(),
            _ => format!("_INBOX_{user}"),
        };
        let options = ConnectOptions::new()
            .custom_inbox_prefix(inbox)
            .event_callback(move |event| {
                if let Event::ServerError(error) = event {
                    sender.send(error.to_string()).ok();
                }
                async {}
            });
        let client = options
            .user_and_password(user.to_owned(), password(user))
            .connect(nats.url())
            .await?;
        Ok(Self { client, complaints })
    }

    /// Whether the server took what was sent last. It answers in order: what it says against something that nobody may comes after
    /// what it had to say against that.
    async fn was_taken(&mut self, subject: &str) -> Result<bool> {
        const NOBODY: &str = "nobody.may";
        self.client.publish(NOBODY, "".into()).await?;
        let mut taken = true;
        loop {
            let complaint = timeout(PATIENCE, self.complaints.recv()).await?;
            let complaint = complaint.context("the connection is gone")?;
            if complaint.contains(&format!("\"{NOBODY}\"")) {
                return Ok(taken);
            }
            ensure!(
                complaint.contains(&format!("\"{subject}\"")),
                "about {subject} it says: {complaint}"
            );
            taken = false;
        }
    }
}

/// The deployed server, with the streams in it.
async fn prepared() -> Result<Nats> {
    let nats = Nats::deployed()?;
    let url = nats.url_of("console");
    let console = spawn_blocking(move || Belfry::role(Role::Console, &["--nats-url", &url]));
    drop(console.await??);
    Ok(nats)
}

#[tokio::test]
async fn a_user_may_do_what_its_role_does_and_nothing_else() -> Result<()> {
    let nats = prepared().await?;
    let mut wrong = Vec::new();
    let mut tried = 0;
    for user in USERS {
        let mut outsider = Outsider::connect(&nats, user).await?;
        let mut judge = |taken: bool, who: &[&str], what: String| {
            tried += 1;
            match (taken, who.contains(&user)) {
                (true, false) => wrong.push(format!("{user} may {what}")),
                (false, true) => wrong.push(format!("{user} may not {what}")),
                _ => {}
            }
        };
        let api = STREAMS.map(|(verb, who)| (format!("$JS.API.{verb}"), who));
        let plain = SUBJECTS.map(|(subject, who)| (subject.to_owned(), who));
        for (subject, who) in api.into_iter().chain(plain) {
            outsider.client.publish(subject.clone(), "-".into()).await?;
            let taken = outsider.was_taken(&subject).await?;
            judge(taken, who, format!("publish {subject}"));
        }
        for (subject, who) in HEARD {
            let heard = outsider.client.subscribe(subject).await?;
            let taken = outsider.was_taken(subject).await?;
            judge(taken, who, format!("subscribe to {subject}"));
            drop(heard);
        }
    }
    println!("{tried} attempts of {} users", USERS.len());
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn a_queue_serves_only_what_its_role_is_asked() -> Result<()> {
    let nats = prepared().await?;
    for (user, subject, expected) in [
        ("console", "belfry.cmd.trigger.install", true),
        ("console", "belfry.cmd.mcp.install", true),
        ("console", "belfry.cmd.node.a.drain", false),
        ("agent", "belfry.cmd.node.a.drain", true),
        ("agent", "belfry.cmd.trigger.install", false),
        ("gateway", "belfry.answer.a", true),
        ("console", "belfry.answer.a", false),
        ("agent", "belfry.answer.a", false),
        ("scheduler", "belfry.answer.a", false),
        ("operator", "belfry.answer.a", false),
        ("gateway", "belfry.cmd.trigger.install", false),
        ("operator", "belfry.cmd.trigger.install", false),
    ] {
        let mut outsider = Outsider::connect(&nats, user).await?;
        let served = outsider.client.queue_subscribe(subject, "q".into());
        let served = served.await?;
        let taken = outsider.was_taken(subject).await?;
        ensure!(taken == expected, "{user} serves {subject}: {taken}");
        drop(served);
    }
    Ok(())
}

#[tokio::test]
async fn whoever_is_asked_may_answer_once_and_only_then() -> Result<()> {
    let nats = prepared().await?;
    let mut agent = Outsider::connect(&nats, "agent").await?;
    let operator = Outsider::connect(&nats, "operator").await?;
    let subject = "belfry.cmd.node.a.status";
    let mut asked = agent.client.queue_subscribe(subject, "q".into()).await?;
    ensure!(agent.was_taken(subject).await?, "the agent may not serve");
    let ask = operator.client.request(subject, "".into());
    let answer = async {
        use futures::StreamExt;
        let request = asked.next().await.context("no request")?;
        let reply = request.reply.context("nowhere to answer to")?;
        agent.client.publish(reply.clone(), "well".into()).await?;
        ensure!(agent.was_taken(&reply).await?, "it may not answer");
        agent.client.publish(reply.clone(), "twice".into()).await?;
        ensure!(!agent.was_taken(&reply).await?, "it answered twice");
        Ok(())
    };
    let (answer, done) = tokio::join!(ask, answer);
    done?;
    ensure!(answer?.payload == "well");
    Ok(())
}

#[tokio::test]
async fn nobody_gets_in_without_a_user() -> Result<()> {
    let nats = Nats::deployed()?;
    let anybody = ConnectOptions::new().connect(nats.url()).await;
    ensure!(anybody.is_err(), "somebody without a name got in");
    for (user, password, expected) in [
        ("gateway", password("gateway"), true),
        ("gateway", password("agent"), false),
        ("gateway", String::new(), false),
        ("registry", password("registry"), false),
        ("cluster", password("cluster"), false),
    ] {
        let options = ConnectOptions::new().user_and_password(user.to_owned(), password);
        let got_in = options.connect(nats.url()).await.is_ok();
        ensure!(got_in == expected, "{user} got in: {got_in}");
    }
    Ok(())
}

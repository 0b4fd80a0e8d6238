//! The bus, Redis or the disk is away while deliveries pour in: what was acknowledged is in the event log, once, when they are
//! back, and as long as there is room for it no sender notices.

mod disk;
mod flood;
mod ledger;
mod rig;

use crate::doors::Terminal;
use crate::world::senders::TRIGGER;
use crate::world::{github, pull_request};
use anyhow::{Result, ensure};
use disk::Disk;
use flood::Kind;
use ledger::EVENTS;
use rig::{Fault, Outage, RATE, Rig};
use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::time::Duration;
use tokio::task::block_in_place;

/// How long an answer may take when nothing has to be waited for in vain, on a slow machine.
const PROMPT: Duration = Duration::from_secs(2);

/// How long the bus may take to store an event (`--store-deadline`), which those in flight wait for when it falls silent.
const STORE_DEADLINE: Duration = Duration::from_secs(1);

/// How long Redis may take to answer a delivery.
const REDIS_DEADLINE: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sender_notices_that_the_bus_was_dead_for_a_minute() -> Result<()> {
    let mut rig = Rig::start(1, &[]).await?;
    let outage = Outage::of(60).bus(Fault::Killed);
    let look = async |rig: &Rig, flood: &flood::Flood| {
        flood.more(5 * RATE as usize, &[Kind::Spooled]).await?;
        rig.shows_its_spool(0, u64::from(RATE)).await
    };
    let story = rig.suffer(outage, look).await?;
    story.nobody_noticed(STORE_DEADLINE + PROMPT)?;
    // Nobody was told that an event is in the log which was not there.
    let late = story.away.0 + Duration::from_secs(1);
    let mut answers = story.record.answers.iter();
    let wrong = answers.find(|answer| {
        let answered = answer.due + answer.took;
        answer.due > late && answered < story.away.1 - PROMPT && answer.kind == Kind::Stored
    });
    assert_eq!(wrong.map(|answer| answer.number), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_killed_while_the_bus_is_away_loses_nothing_that_it_took() -> Result<()> {
    let mut rig = Rig::start(1, &[]).await?;
    let outage = Outage {
        gateway_dies: true,
        ..Outage::of(8).bus(Fault::Stopped)
    };
    let story = rig.suffer(outage, async |_, _| Ok(())).await?;
    story.has_drained()?;
    let counts = &story.record.counts;
    assert!(
        counts.contains_key(&Kind::Broken),
        "nobody noticed the kill"
    );
    // What it took before the kill waited on the disk for its next life.
    assert!(counts[&Kind::Spooled] > 2 * RATE as usize, "{counts:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sender_notices_that_redis_was_away() -> Result<()> {
    let mut rig = Rig::start(1, &[]).await?;
    for (seconds, fault) in [(10, Fault::Stopped), (5, Fault::Frozen)] {
        let outage = Outage::of(seconds).redis(fault);
        let story = rig.suffer(outage, async |_, _| Ok(())).await?;
        story.nobody_noticed(REDIS_DEADLINE + PROMPT)?;
        let (from, to) = story.away;
        let middle = flood::share(&story.record.latencies(from, to), 0.5);
        assert!(middle < 3 * REDIS_DEADLINE, "{middle:?}");
        let counts = &story.record.counts;
        // The log itself knows repetitions.
        assert!(
            counts[&Kind::Known] >= counts[&Kind::Stored] / 6,
            "{counts:?}"
        );
        assert_eq!(
            counts.get(&Kind::Spooled),
            None,
            "Redis is no reason to spool"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_bus_is_waited_for_by_those_in_flight_and_by_nobody_after_them() -> Result<()> {
    let mut rig = Rig::start(1, &[]).await?;
    let outage = Outage::of(8).bus(Fault::Frozen);
    let story = rig.suffer(outage, async |_, _| Ok(())).await?;
    story.nobody_noticed(STORE_DEADLINE + PROMPT)?;
    let (from, to) = story.away;
    let known = story.record.latencies(from + STORE_DEADLINE + PROMPT, to);
    let middle = flood::share(&known, 0.5);
    println!("    once it was known to be silent: p50 {middle:.1?}");
    assert!(
        !known.is_empty() && middle < STORE_DEADLINE / 2,
        "{middle:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sender_notices_that_bus_and_redis_were_both_away() -> Result<()> {
    let mut rig = Rig::start(1, &[]).await?;
    let both = Outage::of(3).bus(Fault::Stopped).redis(Fault::Killed);
    let story = rig.suffer(both, async |_, _| Ok(())).await?;
    story.nobody_noticed(STORE_DEADLINE + REDIS_DEADLINE + PROMPT)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_spool_refuses_and_keeps_what_it_took() -> Result<()> {
    let mut rig = Rig::start(1, &["--spool-max-bytes", "200000"]).await?;
    let outage = Outage {
        rate: 200,
        ..Outage::of(0).bus(Fault::Killed)
    };
    let look = async |rig: &Rig, flood: &flood::Flood| {
        flood.more(50, &[Kind::Refused]).await?;
        let (status, ready) = rig.doors[0].readiness().await?;
        ensure!(
            status == 503 && ready["status"] == "unavailable" && ready["checks"]["spool"] == "full",
            "{status} {ready}"
        );
        Ok(())
    };
    let story = rig.suffer(outage, look).await?;
    story.has_drained()?;
    let counts = &story.record.counts;
    assert!(
        counts[&Kind::Spooled] > 50 && !counts.contains_key(&Kind::Broken),
        "{counts:?}"
    );
    let (status, ready) = rig.doors[0].readiness().await?;
    assert_eq!(
        (status, &ready["status"]),
        (200, &"ready".into()),
        "{ready}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_the_spool_refuses_and_keeps_what_it_took() -> Result<()> {
    let disk = Disk::of(256 << 10)?;
    let mut rig = Rig::start(1, &[]).await?;
    let gateway = &mut rig.gateways[0];
    let spool = gateway.data().join("spool");
    block_in_place(|| {
        gateway.stop()?;
        std::fs::remove_dir_all(&spool)?;
        symlink(disk.path(), &spool)?;
        gateway.restart()
    })?;
    rig.doors[0].opened(TRIGGER).await?;
    let outage = Outage {
        rate: 200,
        ..Outage::of(0).bus(Fault::Killed)
    };
    let look = async |rig: &Rig, flood: &flood::Flood| {
        flood.more(50, &[Kind::Refused]).await?;
        let (status, ready) = rig.doors[0].readiness().await?;
        ensure!(
            status == 503 && ready["checks"]["spool"] == "unavailable",
            "{status} {ready}"
        );
        Ok(())
    };
    let story = rig.suffer(outage, look).await?;
    story.has_drained()?;
    let counts = &story.record.counts;
    assert!(
        counts[&Kind::Spooled] > 50 && !counts.contains_key(&Kind::Broken),
        "{counts:?}"
    );
    assert!(rig.gateways[0].log().contains("No space left on device"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_two_gateways_have_spooled_is_in_the_log_once() -> Result<()> {
    let mut rig = Rig::start(2, &[]).await?;
    let outage = Outage::of(3).bus(Fault::Killed);
    let story = rig.suffer(outage, async |_, _| Ok(())).await?;
    story.nobody_noticed(STORE_DEADLINE + PROMPT)?;
    let mut spooled: BTreeMap<u64, usize> = BTreeMap::new();
    let answers = story.record.answers.iter();
    for answer in answers.filter(|answer| answer.kind == Kind::Spooled) {
        *spooled.entry(answer.number).or_default() += 1;
    }
    let by_both = spooled.values().filter(|&&times| times == 2).count();
    println!("    {by_both} of them were spooled by both gateways");
    assert!(by_both > RATE as usize / 10, "{by_both}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_what_waits_for_a_stream_that_is_gone_and_since_when() -> Result<()> {
    const COUNT: u64 = 20;
    let rig = Rig::start(1, &["--gateway-name", "front"]).await?;
    let jetstream = async_nats::jetstream::new(async_nats::connect(rig.nats.url()).await?);
    let config = jetstream
        .get_stream(EVENTS)
        .await?
        .cached_info()
        .config
        .clone();
    jetstream.delete_stream(EVENTS).await?;
    let doors = &rig.doors[0];
    for number in 0..COUNT {
        let delivery = github(&format!("delivery-{number}"), &pull_request(number));
        let (status, answer) = doors.deliver(TRIGGER, delivery).await?;
        ensure!(
            status == 202 && answer["durability"] == "spooled",
            "{status} {answer}"
        );
    }
    let old = || async {
        let age = rig.counted(0, "belfry_spool_age_seconds").await?;
        Ok((age >= 2.0).then_some(()))
    };
    doors
        .until("the oldest has waited for two seconds", old)
        .await?;
    rig.shows_its_spool(0, COUNT).await?;
    let terminal = Terminal::at(doors)?;
    let told = || async {
        let said = block_in_place(|| terminal.succeeds(&["gateways"], "front"))?;
        Ok((said.contains(&format!("{COUNT} events")) && said.contains("bus")).then_some(said))
    };
    let said = doors
        .until("`belfry gateways` tells of the spool", told)
        .await?;
    println!("{said}");

    jetstream.create_stream(config).await?;
    rig.drained().await?;
    let stream = ledger::read(&rig.nats).await?;
    assert!(stream.keys().copied().eq(0..COUNT), "{stream:?}");
    assert!(
        stream.values().all(|events| events.len() == 1),
        "{stream:?}"
    );
    Ok(())
}

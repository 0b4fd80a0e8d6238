use belfry_backends::{Config, clock};
use belfry_mesh::event::{EventId, Proven};
use belfry_mesh::name::TriggerName;
use belfry_mesh::port::log::Subscription;
use belfry_mesh::trace::TraceParent;
use belfry_tests::servers::{Nats, Redis};
use futures::{StreamExt, stream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

fn event(id: String, size: usize) -> Proven {
    let trace = TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    Proven::run(&TriggerName::parse("a").unwrap(), EventId::parse(&id).unwrap(), vec![b'x'; size].into(), "2026-11-22T08:00:00.123Z".parse().unwrap(), trace)
}
fn show(what: &str, mut v: Vec<Duration>) {
    v.sort();
    println!("{what}: p50 {:?} p99 {:?} max {:?}", v[v.len() / 2], v[v.len() * 99 / 100], v[v.len() - 1]);
}
#[tokio::main]
async fn main() {
    let mut nats = Nats::start().unwrap();
    let redis = Redis::start().unwrap();
    let config = Config { nats_url: Some(nats.url().into()), redis_url: Some(redis.url().into()), ..Config::default() };
    let ports = belfry_backends::open(&config, Arc::new(clock::System), &TaskTracker::new(), &CancellationToken::new()).await.unwrap();
    for (flight, count) in [(1, 5_000), (64, 100_000), (256, 100_000)] {
        let began = Instant::now();
        stream::iter(0..count).map(|i| { let p = ports.events.clone(); async move { p.publish(&event(format!("{flight}-{i}"), 1024)).await.unwrap(); } }).buffer_unordered(flight).count().await;
        println!("publish 1 KiB, {flight} in flight: {:.0}/s", f64::from(count) / began.elapsed().as_secs_f64());
    }
    {
        let client = async_nats::connect(nats.url()).await.unwrap();
        let js = async_nats::jetstream::new(client.clone());
        for headers in [false, true] {
        let began = Instant::now();
        stream::iter(0..100_000).map(|i| { let js = js.clone(); async move {
            let e = event(format!("raw-{headers}-{i}"), 1024);
            let mut h = async_nats::HeaderMap::new();
            h.insert("Nats-Msg-Id", e.event().id.as_str());
            if headers { for (n, v) in e.event().attributes() { h.insert(n.as_ref(), v.as_str()); } }
            js.publish_with_headers("belfry.event.a", h, e.event().data.clone()).await.unwrap().await.unwrap(); } }).buffer_unordered(64).count().await;
        println!("raw async-nats, ce headers {headers}, 64 in flight: {:.0}/s", 100_000.0 / began.elapsed().as_secs_f64());
        }
    }
    let tasks = Instant::now();
    let handles: Vec<_> = (0..64).map(|t| { let p = ports.events.clone(); tokio::spawn(async move { for i in 0..1500 { p.publish(&event(format!("t{t}-{i}"), 1024)).await.unwrap(); } }) }).collect();
    for h in handles { h.await.unwrap(); }
    println!("publish 1 KiB, 64 tasks: {:.0}/s", 96_000.0 / tasks.elapsed().as_secs_f64());
    let a = TriggerName::parse("a").unwrap();
    ports.events.subscribe(&Subscription { trigger: a.clone(), signals: vec![], claim: Duration::from_secs(30), max_in_flight: 256 }).await.unwrap();
    let mut consumer = ports.events.consumer(&a).await.unwrap();
    let (mut latency, mut acks, mut pubs) = (vec![], vec![], vec![]);
    for i in 0..2000 {
        let (tx, rx) = tokio::sync::oneshot::channel();
        let p = ports.events.clone();
        let waiting = tokio::spawn(async move { tx.send(()).unwrap(); let d = consumer.next(64).await.unwrap(); (Instant::now(), d, consumer) });
        rx.await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
        let e = event(format!("l-{i}"), 1024);
        let began = Instant::now();
        p.publish(&e).await.unwrap();
        pubs.push(began.elapsed());
        let (at, d, c) = waiting.await.unwrap();
        latency.push(at - began);
        consumer = c;
        for x in d { let b = Instant::now(); x.claim.ack().await.unwrap(); acks.push(b.elapsed()); }
    }
    show("publish to next", latency); show("publish ack", pubs); show("ack", acks);
    stream::iter(0..50_000).map(|i| { let p = ports.events.clone(); async move { p.publish(&event(format!("d-{i}"), 1024)).await.unwrap(); } }).buffer_unordered(64).count().await;
    let began = Instant::now(); let mut n = 0;
    while n < 50_000 {
        let d = consumer.next(64).await.unwrap(); n += d.len();
        futures::future::join_all(d.into_iter().map(|d| d.claim.ack())).await;
    }
    println!("next(64)+ack: {:.0}/s", 50_000.0 / began.elapsed().as_secs_f64());
    let began = Instant::now();
    let n = ports.events.read(belfry_mesh::port::log::Range { after: 0, live: false }).await.unwrap().count().await;
    println!("read: {n} at {:.0}/s", n as f64 / began.elapsed().as_secs_f64());
    let mut checks = vec![];
    for i in 0..5000 { let id = EventId::parse(&format!("c-{i}")).unwrap(); let b = Instant::now(); ports.dedup.check(&id, "a", Some(&belfry_mesh::limit::Rate { requests: 1000, window: Duration::from_secs(1), burst: 1000 })).await.unwrap(); checks.push(b.elapsed()); }
    show("redis check", checks);
    let mut back = vec![]; let mut deliver = vec![];
    for i in 0..10 {
        let p = ports.events.clone();
        let wait = tokio::spawn(async move { loop { if let Ok(d) = consumer.next(64).await { return (Instant::now(), d, consumer); } } });
        tokio::time::sleep(Duration::from_millis(200)).await;
        nats.kill().unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        nats.restart().unwrap();
        let began = Instant::now();
        let e = event(format!("r-{i}"), 1024);
        while p.publish(&e).await.is_err() { tokio::time::sleep(Duration::from_millis(1)).await; }
        let published = Instant::now();
        back.push(began.elapsed());
        let (at, d, c) = wait.await.unwrap();
        deliver.push(at.saturating_duration_since(published));
        consumer = c;
        for x in d { x.claim.ack().await.unwrap(); }
    }
    show("server ready to first acked publish", back); show("acked publish to next after restart", deliver);
}

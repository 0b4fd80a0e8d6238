//! What every request and reply keeps.

use crate::{Fixture, open, within};
use belfry_mesh::port::Error;
use belfry_mesh::port::calls::{Answer, Handler};
use bytes::Bytes;
use futures::future::{self, BoxFuture};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Barrier;
use tokio::time::Instant;

const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) async fn a_request_is_answered_byte_for_byte<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let _serving = ports
        .calls
        .serve("belfry.cmd.echo", handler(|payload| async { payload }))
        .await
        .unwrap();
    for payload in [Bytes::new(), (0..=255_u8).collect()] {
        assert_eq!(
            ports
                .calls
                .request("belfry.cmd.echo", payload.clone(), DEADLINE)
                .await
                .unwrap(),
            Answer::from(payload)
        );
    }
}

pub(crate) async fn a_fault_reaches_who_asked_with_its_body<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let body = Bytes::from_static(b"{\"detail\":\"trigger `a` is not installed\"}");
    let fault = Answer::fault(404, "trigger `a` is not installed", body);
    let serving = {
        let fault = fault.clone();
        handler(move |_| future::ready(fault.clone()))
    };
    let _serving = ports.calls.serve("belfry.cmd.fail", serving).await.unwrap();
    let answer = ports
        .calls
        .request("belfry.cmd.fail", Bytes::new(), DEADLINE)
        .await
        .unwrap();
    assert_eq!(answer, fault);
}

pub(crate) async fn one_process_serves_many_subjects<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let mut servings = Vec::new();
    for verb in ["install", "start", "stop"] {
        let name = handler(move |_| future::ready(Bytes::from(verb)));
        let subject = format!("belfry.cmd.trigger.{verb}");
        servings.push(ports.calls.serve(&subject, name).await.unwrap());
    }
    for verb in ["stop", "install", "start"] {
        let subject = format!("belfry.cmd.trigger.{verb}");
        let answer = ports.calls.request(&subject, Bytes::new(), DEADLINE).await;
        assert_eq!(answer.unwrap().payload, verb);
    }
}

pub(crate) async fn a_request_that_nobody_serves_fails_at_once<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let asked = Instant::now();
    let error = ports
        .calls
        .request("belfry.cmd.nobody", Bytes::new(), DEADLINE)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
    assert!(
        asked.elapsed() < DEADLINE / 2,
        "it took {:?}",
        asked.elapsed()
    );
}

pub(crate) async fn a_request_that_is_not_answered_fails_at_its_deadline<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let _serving = ports
        .calls
        .serve("belfry.cmd.mute", handler(|_| future::pending::<Answer>()))
        .await
        .unwrap();
    let (deadline, asked) = (Duration::from_millis(300), Instant::now());
    let error = ports
        .calls
        .request("belfry.cmd.mute", Bytes::new(), deadline)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Deadline { after, .. } if after == deadline),
        "{error}"
    );
    assert!(asked.elapsed() >= deadline);
}

pub(crate) async fn who_stops_serving_is_asked_no_more<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let serving = ports
        .calls
        .serve("belfry.cmd.echo", handler(|payload| async { payload }))
        .await
        .unwrap();
    ports
        .calls
        .request("belfry.cmd.echo", Bytes::new(), DEADLINE)
        .await
        .unwrap();
    drop(serving);
    let gone = async {
        while !matches!(
            ports
                .calls
                .request("belfry.cmd.echo", Bytes::new(), DEADLINE)
                .await,
            Err(Error::NotFound(_))
        ) {}
    };
    within("the end of the service", gone).await;
}

pub(crate) async fn requests_are_answered_side_by_side<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    // None is answered before all have been asked.
    let barrier = Arc::new(Barrier::new(8));
    let meet = handler(move |payload| {
        let barrier = barrier.clone();
        async move {
            barrier.wait().await;
            payload
        }
    });
    let _serving = ports.calls.serve("belfry.cmd.meet", meet).await.unwrap();
    let requests = (0..8_u8).map(|i| {
        ports
            .calls
            .request("belfry.cmd.meet", Bytes::from(vec![i]), DEADLINE)
    });
    for (i, answer) in (0_u8..).zip(future::join_all(requests).await) {
        assert_eq!(answer.unwrap().payload, [i][..]);
    }
}

pub(crate) async fn of_several_who_serve_each_request_reaches_one<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let served = Arc::new(AtomicUsize::new(0));
    let count = {
        let served = served.clone();
        handler(move |payload| {
            served.fetch_add(1, Ordering::SeqCst);
            async { payload }
        })
    };
    let _one = ports
        .calls
        .serve("belfry.cmd.count", count.clone())
        .await
        .unwrap();
    let two = ports.calls.serve("belfry.cmd.count", count).await.unwrap();
    for _ in 0..20 {
        ports
            .calls
            .request("belfry.cmd.count", Bytes::new(), DEADLINE)
            .await
            .unwrap();
    }
    assert_eq!(served.load(Ordering::SeqCst), 20);
    drop(two);
    ports
        .calls
        .request("belfry.cmd.count", Bytes::new(), DEADLINE)
        .await
        .unwrap();
}

pub(crate) async fn a_caller_who_hangs_up_interrupts_no_handler<F: Fixture>() {
    let (_fixture, ports) = open::<F>().await;
    let (go, gone) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let slow = {
        let (go, gone) = (go.clone(), gone.clone());
        handler(move |payload| {
            let (go, gone) = (go.clone(), gone.clone());
            async move {
                go.wait().await;
                gone.wait().await;
                payload
            }
        })
    };
    let _serving = ports.calls.serve("belfry.cmd.slow", slow).await.unwrap();
    let request = Box::pin(
        ports
            .calls
            .request("belfry.cmd.slow", Bytes::new(), DEADLINE),
    );
    let heard = Box::pin(go.wait());
    let future::Either::Right((_, request)) = future::select(request, heard).await else {
        panic!("it was answered before its handler was done")
    };
    drop(request);
    within("the handler's end", gone.wait()).await;
}

fn handler<R>(answer: impl Fn(Bytes) -> R + Send + Sync + 'static) -> Handler
where
    R: Future<Output: Into<Answer>> + Send + 'static,
{
    Arc::new(move |payload| -> BoxFuture<'static, Answer> {
        let answer = answer(payload);
        Box::pin(async { answer.await.into() })
    })
}

use super::*;
use crate::clock::System;
use crate::embedded::memory::Places;
use crate::embedded::mirror::Mirror;
use crate::embedded::schema::Directory;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

type Answer = oneshot::Receiver<Result<usize, Error>>;

fn thread() -> (TempDir, Thread) {
    let temporary = TempDir::new().unwrap();
    let (directory, _lock) = Directory::take(temporary.path()).unwrap();
    let conn = directory.open_writer().unwrap();
    directory.migrate(&conn).unwrap();
    let memory = Arc::new(Memory::new(
        Places::default(),
        Mirror::new(HashMap::new()),
        [0; 3],
    ));
    let name = directory.name().into();
    let idle = Box::new(|_: &mut Work<'_>| Ok(false));
    (
        temporary,
        Thread::new(name, conn, Usage::default(), memory, Arc::new(System), idle),
    )
}

fn task(
    work: impl FnMut(&mut Work<'_>) -> Result<usize, Fault> + Send + 'static,
) -> (Box<dyn Job>, Answer) {
    let (reply, answer) = oneshot::channel();
    (
        Box::new(Task {
            work,
            done: None,
            reply: Some(reply),
        }),
        answer,
    )
}

/// Remembers an id of so many letters.
fn store(letter: &'static str, size: usize) -> (Box<dyn Job>, Answer) {
    task(move |work| {
        Ok(work.execute(
            "INSERT INTO remembered (id, sequence, stored_at) VALUES (?1, 1, 0)",
            [letter.repeat(size)],
        )?)
    })
}

fn answers(thread: &mut Thread, tasks: Vec<(Box<dyn Job>, Answer)>) -> Vec<Result<usize, Error>> {
    let (jobs, answers): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
    thread.commit(jobs);
    answers
        .into_iter()
        .map(|mut answer| answer.try_recv().unwrap())
        .collect()
}

fn stored(thread: &Thread) -> usize {
    thread
        .conn
        .query_row("SELECT count(*) FROM remembered", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn a_failing_statement_fails_its_own_caller_only() {
    let (_temporary, mut thread) = thread();
    let effects = Arc::new(AtomicUsize::new(0));
    let counted = effects.clone();
    let with_effect = task(move |work| {
        let counted = counted.clone();
        work.afterwards(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        Ok(0)
    });
    let broken = task(|work| {
        work.execute(
            "INSERT INTO remembered (id, sequence, stored_at) VALUES ('half done', 1, 0)",
            [],
        )?;
        Ok(work.execute("INSERT INTO nowhere VALUES (1)", [])?)
    });
    let answers = answers(
        &mut thread,
        vec![
            store("a", 1),
            with_effect,
            broken,
            store("a", 1),
            store("b", 1),
        ],
    );
    assert_eq!((&answers[0], &answers[4]), (&Ok(1), &Ok(1)));
    assert!(
        matches!(&answers[2], Err(Error::Refused { why, .. }) if why.contains("nowhere")),
        "{:?}",
        answers[2]
    );
    assert!(
        matches!(&answers[3], Err(Error::Refused { .. })),
        "a key was stored twice: {:?}",
        answers[3]
    );
    assert_eq!(stored(&thread), 2, "what failed left something behind");
    assert_eq!(
        effects.load(Ordering::SeqCst),
        1,
        "what was rolled back and done again had its effect twice"
    );
}

#[test]
fn a_refusal_leaves_the_neighbours_in_their_transaction() {
    let (_temporary, mut thread) = thread();
    let refused = task(|_| Err(Fault::Refused(Error::NotFound("it".into()))));
    let answers = answers(&mut thread, vec![store("a", 1), refused, store("b", 1)]);
    assert_eq!(answers, [Ok(1), Err(Error::NotFound("it".into())), Ok(1)]);
    assert_eq!(stored(&thread), 2);
}

#[test]
fn a_full_disk_is_said_in_words_and_passes() {
    let (_temporary, mut thread) = thread();
    let pages: i64 = thread
        .conn
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    let limit = |thread: &Thread, pages: i64| {
        thread
            .conn
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .unwrap();
    };
    limit(&thread, pages + 4);
    for answer in answers(&mut thread, vec![store("a", 1), store("b", 1 << 20)]) {
        let error = answer.unwrap_err();
        assert!(
            error.is_retryable() && error.to_string().contains("no space is left on its disk"),
            "{error}"
        );
    }
    assert_eq!(stored(&thread), 0);
    limit(&thread, 1 << 20);
    assert_eq!(
        answers(&mut thread, vec![store("a", 1), store("b", 1 << 20)]),
        [Ok(1), Ok(1)]
    );
}

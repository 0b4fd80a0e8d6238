//! The `belfry cron` commands, as the binary does them.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};

fn belfry(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_belfry"));
    command.arg("cron").args(args);
    command
}

fn run(args: &[&str]) -> Output {
    belfry(args).output().unwrap()
}

fn said(args: &[&str]) -> String {
    let output = run(args);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn refused(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

/// `belfry cron next --jsonl` and what it is told and tells, a line at a time.
struct Lines {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Lines {
    fn start() -> Self {
        let mut child = belfry(&["next", "--jsonl"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    fn ask(&mut self, line: &[u8]) -> Value {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(line).unwrap();
        input.write_all(b"\n").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    fn error(&mut self, line: &[u8]) -> String {
        let answer = self.ask(line);
        assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
        answer["error"].as_str().unwrap().to_owned()
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success() || std::thread::panicking());
    }
}

#[test]
fn an_expression_is_explained_in_words_with_its_next_ten_and_its_clock_changes() {
    let text = said(&[
        "explain",
        "30 2 * * 0",
        "--tz",
        "America/New_York",
        "--after",
        "2026-03-01T12:00:00Z",
    ]);
    assert!(
        text.starts_with("at 02:30 on Sunday, America/New_York\n"),
        "{text}"
    );
    assert!(
        text.contains("  2026-03-08 03:00:00 -04:00   2026-03-08T07:00:00Z\n"),
        "{text}"
    );
    assert_eq!(text.matches("T06:30:00Z").count(), 9, "{text}");
    assert!(
        text.contains(
            "  2026-03-08 02:00: clocks go to 03:00; what falls between fires once, right then\n"
        ),
        "{text}"
    );
    assert!(text.contains("\nzone data: 20"), "{text}");
    let quiet = said(&["explain", "0 9 * * 1", "--tz", "America/New_York"]);
    assert!(
        quiet.contains("clock changes in the next two years that touch it:\n  none\n"),
        "{quiet}"
    );
}

#[test]
fn the_next_instants_are_printed_one_a_line_in_universal_time() {
    let text = said(&[
        "next",
        "0 9 * * 1",
        "--tz",
        "Europe/Berlin",
        "--after",
        "2026-03-22T00:00:00+01:00",
        "--count",
        "2",
    ]);
    assert_eq!(text, "2026-03-23T08:00:00Z\n2026-03-30T07:00:00Z\n");
    assert_eq!(
        said(&["next", "@yearly", "--after", "2026-03-22T00:00:00Z"]),
        "2027-01-01T00:00:00Z\n"
    );
}

#[test]
fn a_refusal_marks_the_column_and_exits_with_1() {
    let text = refused(&["next", "0 9 * * MON-FRY", "--tz", "UTC"]);
    assert_eq!(
        text,
        "error: field `day-of-week`, column 13: `FRY` is no value; did you mean `FRI`?\n  0 9 * * MON-FRY\n              ^\n"
    );
    assert!(
        refused(&["explain", "0 9 * * 1", "--tz", "Europe/Berlni"])
            .contains("did you mean `Europe/Berlin`?")
    );
    assert!(
        refused(&["next", "0 9 * * 1", "--after", "noon"])
            .contains("after `noon`: it is no instant")
    );
    assert!(refused(&["next", "0 9 * * 1", "--count", "0"]).contains("count 0: write 1 to 10000"));
    assert!(
        refused(&["next", "-5 * * * *"]).contains("field `minute`, column 1: a range has two ends")
    );
    assert_eq!(run(&["next"]).status.code(), Some(2));
    assert_eq!(
        run(&["next", "* * * * *", "--jsonl"]).status.code(),
        Some(2)
    );
}

#[test]
fn the_help_shows_examples() {
    for command in ["explain", "next"] {
        let text = said(&[command, "--help"]);
        assert!(
            text.contains(&format!("belfry cron {command} \"")),
            "{text}"
        );
    }
}

#[test]
fn lines_are_answered_as_they_come() {
    let mut lines = Lines::start();
    let question = json!({"expr": "30 1 * * *", "tz": "America/New_York", "after": "2026-11-01T00:00:00Z", "count": 2});
    let answer = lines.ask(question.to_string().as_bytes());
    assert_eq!(
        answer,
        json!({"next": ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]})
    );
    let answer = lines.ask(br#"{"expr":"0 0 1 1 *","after":"2026-06-01T02:00:00+02:00"}"#);
    assert_eq!(answer, json!({"next": ["2027-01-01T00:00:00Z"]}));
}

#[test]
fn a_bad_line_is_answered_with_an_error_and_the_next_one_is_read() {
    let mut lines = Lines::start();
    for bad in [
        "",
        "{",
        "[]",
        "null",
        "5",
        r#"{"tz":"UTC"}"#,
        r#"{"expr":5}"#,
        r#"{"expr":"* * * * *","timezone":"UTC"}"#,
    ] {
        let error = lines.error(bad.as_bytes());
        assert!(
            error.starts_with("the line is not of the form {\"expr\":"),
            "{bad}: {error}"
        );
    }
    assert!(
        lines
            .error(b"{\"expr\":\"\xff * * * *\"}")
            .starts_with("the line is not of the form")
    );
    let expr = |text: &str| {
        json!({"expr": text, "tz": "UTC", "after": "2026-01-01T00:00:00Z", "count": 1}).to_string()
    };
    assert!(
        lines
            .error(expr("75 * * * *").as_bytes())
            .starts_with("field `minute`, column 1: 75 is over 59")
    );
    assert!(
        lines
            .error(expr(&",".repeat(1 << 20)).as_bytes())
            .contains("1048576 characters are too many")
    );
    assert!(
        lines
            .error(expr(&",".repeat(5 << 20)).as_bytes())
            .starts_with("the line is longer than")
    );
    assert!(
        lines
            .error(br#"{"expr":"* * * * *","tz":"Mars/Olympus"}"#)
            .starts_with("time zone `Mars/Olympus`:")
    );
    assert!(
        lines
            .error(br#"{"expr":"* * * * *","after":"soon"}"#)
            .starts_with("after `soon`:")
    );
    assert!(
        lines
            .error(br#"{"expr":"* * * * *","count":10001}"#)
            .starts_with("count 10001:")
    );
    let answer = lines.ask(expr("0 9 * * 1").as_bytes());
    assert_eq!(answer, json!({"next": ["2026-01-05T09:00:00Z"]}));
}

#[test]
fn many_lines_at_once_are_answered_one_each_and_in_order() {
    let mut child = belfry(&["next", "--jsonl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        for minute in 0..5_000 {
            let after = format!("2026-01-01T{:02}:{:02}:00Z", minute / 60 % 24, minute % 60);
            writeln!(
                input,
                "{}",
                json!({"expr": "* * * * *", "tz": "UTC", "after": after, "count": 1})
            )
            .unwrap();
        }
        // The last line is answered without its line feed, too.
        write!(input, "{{").unwrap();
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<&str> = text.lines().collect();
    assert_eq!(answers.len(), 5_001);
    assert_eq!(answers[61], r#"{"next":["2026-01-01T01:02:00Z"]}"#);
    assert!(answers[5_000].starts_with(r#"{"error":"the line is not of the form"#));
}

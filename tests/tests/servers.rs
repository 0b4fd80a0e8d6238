//! The servers that the other tests rely on.

use anyhow::Result;
use belfry_tests::servers::{Nats, Redis};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Set in the copy of this test process that another kills.
const VICTIM: &str = "BELFRY_TEST_VICTIM";

/// What a NATS server says to whoever connects.
fn greeting(nats: &Nats) -> Result<String> {
    let stream = TcpStream::connect(("127.0.0.1", nats.port()))?;
    stream.set_read_timeout(Some(Duration::from_millis(300)))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}

/// What a Redis server answers to a command.
fn ask(redis: &Redis, command: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port()))?;
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_restarted_server_has_its_port_and_its_data() -> Result<()> {
    let mut redis = Redis::start()?;
    ask(&redis, "SET a 1")?;
    let port = redis.port();
    redis.kill()?;
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    redis.restart()?;
    assert_eq!(redis.port(), port);
    assert!(ask(&redis, "GET a")?.starts_with("$1\r\n1\r\n"));
    redis.stop()?;
    redis.restart()?;
    assert!(ask(&redis, "GET a")?.starts_with("$1\r\n1\r\n"));
    Ok(())
}

#[test]
fn a_paused_server_answers_nothing_until_it_is_resumed() -> Result<()> {
    let mut nats = Nats::start()?;
    assert!(greeting(&nats)?.contains("\"jetstream\":true"));
    nats.pause()?;
    assert!(greeting(&nats).is_err());
    nats.resume()?;
    assert!(greeting(&nats)?.starts_with("INFO "));
    Ok(())
}

#[test]
fn a_server_without_jetstream_has_none() -> Result<()> {
    assert!(!greeting(&Nats::start_without_jetstream()?)?.contains("jetstream"));
    Ok(())
}

#[test]
fn nothing_outlives_a_test_process_that_is_killed() -> Result<()> {
    if std::env::var_os(VICTIM).is_some() {
        let nats = Nats::start()?;
        println!("\nport {}", nats.port());
        std::thread::sleep(Duration::from_secs(600));
        return Ok(());
    }
    let mut test = Command::new(std::env::current_exe()?)
        .args([
            "--exact",
            "--nocapture",
            "servers::nothing_outlives_a_test_process_that_is_killed",
        ])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()?;
    let output = BufReader::new(test.stdout.take().expect("it is piped"));
    let port: u16 = output
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("port ")?.parse().ok())
        .expect("it says its port");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    test.kill()?;
    test.wait()?;
    let patience = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(
            Instant::now() < patience,
            "the server on port {port} lives on"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

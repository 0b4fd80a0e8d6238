//! More clients than there may be connections.

use crate::house::{House, answer, get, rest};
use belfry_serve::Config;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

fn small(max_connections: usize) -> Config {
    Config {
        max_connections,
        ..Config::default()
    }
}

#[tokio::test]
async fn the_longest_idle_connection_makes_room_for_a_new_one() {
    let house = House::open(small(3)).await;
    let mut working = house.send(&get("/slow")).await;
    let mut silent = house.connect().await;
    let mut recent = house.send(&get("/who")).await;
    answer(&mut recent).await;
    let mut new = house.send(&get("/who")).await;
    assert_eq!(answer(&mut new).await.0, 200);
    assert_eq!(rest(&mut silent).await, b"");
    // Those that have something to do, or had more lately, are left alone.
    recent.write_all(get("/who").as_bytes()).await.unwrap();
    assert_eq!(answer(&mut recent).await.0, 200);
    assert_eq!(answer(&mut working).await, (200, "slow".to_owned()));
}

#[tokio::test]
async fn a_flood_of_connections_that_never_end_their_heads_or_bodies_keeps_nobody_out() {
    let house = House::open(small(50)).await;
    let mut flood = Vec::new();
    for number in 0..500 {
        let begin = match number % 3 {
            0 => "",
            1 => "POST / HTTP/1.1\r\nhost: b\r\n",
            _ => "POST / HTTP/1.1\r\nhost: b\r\ncontent-length: 100\r\n\r\nten bytes.",
        };
        flood.push(house.send(begin).await);
        if number % 50 == 0 {
            let mut stream = house.send(&get("/who")).await;
            assert_eq!(answer(&mut stream).await.0, 200);
        }
    }
    let mut stream = house.send(&get("/slow")).await;
    assert_eq!(answer(&mut stream).await, (200, "slow".to_owned()));
}

#[tokio::test]
async fn a_client_waits_while_all_connections_are_worked_on() {
    let house = House::open(small(2)).await;
    let mut working = [
        house.send(&get("/slow")).await,
        house.send(&get("/slow")).await,
    ];
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut third = house.send(&get("/who")).await;
    for stream in &mut working {
        assert_eq!(answer(stream).await, (200, "slow".to_owned()));
    }
    assert_eq!(answer(&mut third).await.0, 200);
}

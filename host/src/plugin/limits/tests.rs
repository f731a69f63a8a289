//! Limits on one node, and shared by several.

use std::time::Duration;

use super::others::{Hearing, words};
use super::*;

#[test]
fn a_bucket_gives_one_seconds_worth_and_refills_continuously() {
    let limits = Limits::default();
    let start = Instant::now();
    let taken = (0..20).filter(|_| limits.take_rate("cps:acme", 10, start)).count();
    assert_eq!(taken, 10);
    let later = start + Duration::from_millis(305);
    let taken = (0..20).filter(|_| limits.take_rate("cps:acme", 10, later)).count();
    assert_eq!(taken, 3);
    assert!(limits.take_rate("cps:other", 10, start), "another key has its own bucket");
}

#[test]
fn a_permit_comes_back_when_it_is_dropped() {
    let limits = Limits::default();
    let now = Instant::now();
    let first = limits.take_permit("calls:acme", 2, now);
    let second = limits.take_permit("calls:acme", 2, now);
    assert!(first.is_some() && second.is_some());
    assert!(limits.take_permit("calls:acme", 2, now).is_none());
    drop(first);
    assert_eq!(limits.in_use("calls:acme"), 1);
    assert!(limits.take_permit("calls:acme", 2, now).is_some());
}

#[test]
fn made_up_keys_take_no_more_than_their_share_of_memory() {
    let limits = Limits::default();
    let now = Instant::now();
    let held: Vec<_> =
        (0..SHARDS * MAX_KEYS + 1_000).filter_map(|n| limits.take_permit(&n.to_string(), 1, now)).collect();
    assert!(held.len() <= SHARDS * MAX_KEYS);
    drop(held);
    assert!(limits.take_permit("afterwards", 1, now).is_some(), "keys out of use make room");
}

#[test]
fn a_limit_of_none_gives_none() {
    let limits = Limits::default();
    assert!(!limits.take_rate("key", 0, Instant::now()));
    assert!(limits.take_permit("key", 0, Instant::now()).is_none());
    assert!(!limits.take_rate(&"k".repeat(257), 1, Instant::now()), "a key longer than 256 bytes");
}

/// Nodes that tell one another what they count.
struct Nodes {
    limits: Vec<Limits>,
    hearing: Vec<Hearing>,
}

impl Nodes {
    fn new(count: usize) -> Self {
        let mut nodes = Self {
            limits: (0..count).map(|_| Limits::default()).collect(),
            hearing: (0..count).map(|_| Hearing::default()).collect(),
        };
        // They know of one another before the first call.
        nodes.exchange(Instant::now(), &(0..count).collect::<Vec<_>>());
        nodes
    }

    /// All hear those that are alive.
    fn exchange(&mut self, now: Instant, alive: &[usize]) {
        let said: Vec<_> = alive.iter().map(|at| (*at, words(self.limits[*at].counted(&[], now)))).collect();
        for (at, hearing) in self.hearing.iter_mut().enumerate() {
            let others = said.iter().filter(|(other, _)| *other != at);
            let written = others.map(|(other, text)| (other.to_string(), text.clone())).collect();
            self.limits[at].others.store(Arc::new(hearing.hear(written, now)));
        }
    }
}

#[test]
fn places_that_one_node_gave_are_missing_at_the_other_and_come_back() {
    let mut nodes = Nodes::new(2);
    let now = Instant::now();
    let held: Vec<_> = (0..3).filter_map(|_| nodes.limits[0].take_permit("calls:acme", 5, now)).collect();
    nodes.exchange(now, &[0, 1]);
    let other: Vec<_> = (0..5).filter_map(|_| nodes.limits[1].take_permit("calls:acme", 5, now)).collect();
    assert_eq!((held.len(), other.len()), (3, 2));
    drop(held);
    nodes.exchange(now, &[0, 1]);
    let more: Vec<_> = (0..5).filter_map(|_| nodes.limits[1].take_permit("calls:acme", 5, now)).collect();
    assert_eq!((other.len(), more.len()), (2, 3));
}

#[test]
fn places_of_a_node_that_died_come_back() {
    let mut nodes = Nodes::new(2);
    let now = Instant::now();
    let _never_ended: Vec<_> = (0..5).filter_map(|_| nodes.limits[0].take_permit("calls:acme", 5, now)).collect();
    nodes.exchange(now, &[0, 1]);
    assert!(nodes.limits[1].take_permit("calls:acme", 5, now).is_none());
    nodes.exchange(now, &[1]);
    assert!(nodes.limits[1].take_permit("calls:acme", 5, now).is_some());
}

#[test]
fn three_nodes_grant_together_what_one_would_and_one_burst_more_for_each() {
    const RATE: u32 = 100;
    const SECONDS: u64 = 20;
    let mut nodes = Nodes::new(3);
    let start = Instant::now();
    let mut granted = 0;
    // Each is asked for far more than all together may grant; they exchange every 100 ms.
    for step in 0..SECONDS * 100 {
        let now = start + Duration::from_millis(step * 10);
        for limits in &nodes.limits {
            granted += (0..5).filter(|_| limits.take_rate("cps:acme", RATE, now)).count() as u64;
        }
        if step % 10 == 9 {
            nodes.exchange(now, &[0, 1, 2]);
        }
    }
    let right = u64::from(RATE) * SECONDS;
    assert!(granted >= right * 9 / 10, "{granted} of {right}: they starve one another");
    assert!(granted <= right + 3 * u64::from(RATE), "{granted} of {right}");
}

#[test]
fn a_key_that_was_quiet_here_pays_only_for_the_others_last_second() {
    let mut nodes = Nodes::new(2);
    let start = Instant::now();
    assert!(nodes.limits[1].take_rate("cps:acme", 10, start));
    // The other grants five a second for a minute: half of the limit.
    for step in 1..=600 {
        let now = start + Duration::from_millis(step * 100);
        if step % 2 == 0 {
            assert!(nodes.limits[0].take_rate("cps:acme", 10, now));
        }
        nodes.exchange(now, &[0, 1]);
    }
    let now = start + Duration::from_mins(1);
    let granted = (0..20).filter(|_| nodes.limits[1].take_rate("cps:acme", 10, now)).count();
    assert!((4..=6).contains(&granted), "{granted} of the five that are left");
}

#[test]
fn a_node_that_is_new_to_us_is_not_charged_for_its_past() {
    let limits = [Limits::default(), Limits::default()];
    let now = Instant::now();
    assert_eq!((0..10).filter(|_| limits[0].take_rate("cps:acme", 10, now)).count(), 10);
    let others = Hearing::default().hear(vec![("a".to_owned(), words(limits[0].counted(&[], now)))], now);
    limits[1].others.store(Arc::new(others));
    assert!(limits[1].take_rate("cps:acme", 10, now));
}

#[test]
fn only_the_keys_that_are_to_be_shared_are_told_and_only_while_they_are_in_use() {
    let limits = Limits::default();
    let now = Instant::now();
    assert!(limits.take_rate("customer:acme", 10, now) && limits.take_rate("caller:1212", 10, now));
    let prefixes = ["customer:".to_owned()];
    assert_eq!(limits.counted(&prefixes, now), [("customer:acme".into(), 0, 1)]);
    assert_eq!(limits.counted(&prefixes, now + Duration::from_secs(5)), []);
    assert!(limits.take_rate("customer:acme", 10, now + Duration::from_secs(6)));
    assert_eq!(limits.counted(&prefixes, now + Duration::from_secs(6)), [("customer:acme".into(), 0, 1)]);
}

#[test]
fn nonsense_on_the_board_is_not_heard() {
    let written = [&b""[..], b"<html>", br#"{"form":2,"counts":[["k",9,9]]}"#, br#"{"form":1,"counts":[["k",-1,9]]}"#];
    let written = written.iter().enumerate().map(|(at, text)| (at.to_string(), text.to_vec())).collect();
    let others = Hearing::default().hear(written, Instant::now());
    assert_eq!((others.nodes(), others.count("k").in_use), (0, 0));
}

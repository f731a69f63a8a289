//! Thousands of calls between scripted user agents over a network that loses, doubles and overtakes, by a seed; with
//! carriers that want a login, redirect and are full, and probes of them.
//!
//! [`world`] runs the clock and asks the core; [`agent`] has the transactions of the user agents, [`script`] what they
//! do with them; [`gateways`] is what the routing side has of the carriers; [`watch`] sees everything that leaves the core.
//!
//! `SIM_SEED=7` runs one seed; `SIM_CALL=c29@` prints what is on the wire of the calls whose Call-ID has that in it.

mod agent;
mod gateways;
mod network;
mod script;
mod watch;
mod world;

use std::fmt::Debug;

pub(super) use self::gateways::Counting;
use self::network::Weather;
use self::world::World;

/// More in a release build; a debug build is ten times slower. `SIM_SEEDS` sets another number.
const SEEDS: u64 = if cfg!(debug_assertions) { 8 } else { 40 };
const CALLS: usize = if cfg!(debug_assertions) { 100 } else { 500 };

fn run(weather: Weather) {
    let mut calls = 0;
    let mut records = 0;
    let mut seen = [0; 6];
    let began = std::time::Instant::now();
    let only: Option<u64> = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in only.map_or(0..seeds(SEEDS), |seed| seed..seed + 1) {
        let named = Named::new(seed, weather);
        let mut world = World::new(seed, weather);
        world.run(CALLS);
        world.must_be_over();
        calls += CALLS;
        records += world.records();
        for (sum, seen) in seen.iter_mut().zip(world.seen()) {
            *sum += seen;
        }
        named.passed();
    }
    let [challenges, logins, redirections, refused, large, small] = seen;
    println!(
        "{calls} calls, {records} records, {challenges} challenges, {logins} logins, {redirections} redirections, \
         {refused} refused, {large} by a connection, of these {small} by datagram after all, {:?}",
        began.elapsed()
    );
    assert!(
        seen.iter().all(|count| *count > 0),
        "challenges, logins, redirections, full gateways and connections are in the mix: {seen:?}"
    );
}

/// How many seeds to run.
pub(super) fn seeds(usual: u64) -> u64 {
    std::env::var("SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(usual)
}

/// Tells the seed of a test that fails.
pub(super) struct Named<T: Debug> {
    seed: u64,
    what: T,
    passed: bool,
}

impl<T: Debug> Named<T> {
    pub(super) fn new(seed: u64, what: T) -> Self {
        Self { seed, what, passed: false }
    }

    pub(super) fn passed(mut self) {
        self.passed = true;
    }
}

impl<T: Debug> Drop for Named<T> {
    fn drop(&mut self) {
        if !self.passed {
            eprintln!("failed with seed {} in {:?}", self.seed, self.what);
        }
    }
}

#[test]
fn with_a_good_network_and_quick_peers_every_call_ends_and_nothing_is_sent_twice() {
    run(Weather::GOOD);
}

#[test]
fn with_bad_peers_every_call_ends_with_one_record() {
    run(Weather { quick_peers: false, ..Weather::GOOD });
}

#[test]
fn with_a_bad_network_every_call_ends_with_one_record() {
    run(Weather::BAD);
}

#[test]
fn with_a_terrible_network_every_call_ends_with_one_record() {
    run(Weather { loss: 0.3, duplicates: 0.2, ..Weather::BAD });
}

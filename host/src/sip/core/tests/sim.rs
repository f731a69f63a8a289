//! Thousands of calls between scripted user agents over a network that loses, doubles and overtakes, by a seed.
//!
//! [`world`] runs the clock and asks the core; [`agent`] has the transactions of the user agents, [`script`] what they
//! do with them; [`watch`] sees everything that leaves the core.
//!
//! `SIM_SEED=7` runs one seed; `SIM_CALL=c29@` prints what is on the wire of the calls whose Call-ID has that in it.

mod agent;
mod network;
mod script;
mod watch;
mod world;

use self::network::Weather;
use self::world::World;

/// More in a release build; a debug build is ten times slower.
const SEEDS: u64 = if cfg!(debug_assertions) { 12 } else { 200 };
const CALLS: usize = if cfg!(debug_assertions) { 150 } else { 500 };

fn run(weather: Weather) {
    let mut calls = 0;
    let mut records = 0;
    let began = std::time::Instant::now();
    let only: Option<u64> = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in only.map_or(0..SEEDS, |seed| seed..seed + 1) {
        // A panic names the seed.
        let named = Named { seed, weather };
        let mut world = World::new(seed, weather);
        world.run(CALLS);
        world.must_be_over();
        calls += CALLS;
        records += world.records();
        std::mem::forget(named);
    }
    println!("{calls} calls, {records} records, {:?}", began.elapsed());
}

struct Named {
    seed: u64,
    weather: Weather,
}

impl Drop for Named {
    fn drop(&mut self) {
        eprintln!("failed with seed {} in {:?}", self.seed, self.weather);
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

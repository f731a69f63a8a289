//! The clock's queue, and the network.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use bytes::Bytes;

use super::script::Timer;
use crate::decision::RouteRequest;
use crate::flow::Loss;
use crate::time::Time;

/// What the network and the peers are like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    /// The share of datagrams that get lost.
    pub(super) loss: f64,
    /// The share of datagrams that arrive twice.
    pub(super) duplicates: f64,
    /// One way, in milliseconds, from one to the other for each datagram: later ones overtake earlier ones.
    pub(super) latency: (u64, u64),
    /// Every peer answers at once.
    pub(super) quick_peers: bool,
}

impl Weather {
    pub(super) const GOOD: Self = Self { loss: 0.0, duplicates: 0.0, latency: (1, 60), quick_peers: true };
    pub(super) const BAD: Self = Self { loss: 0.1, duplicates: 0.05, latency: (1, 400), quick_peers: false };
}

#[derive(Debug)]
pub(super) enum Event {
    /// A datagram of this agent reaches the core.
    ToCore(usize, Bytes),
    /// A datagram reaches this agent.
    ToAgent(usize, Bytes),
    /// Something is due at this agent.
    Timer(usize, Timer),
    /// The routing side has decided.
    Decide(RouteRequest),
    /// A gateway is to be asked how it is.
    Probe(usize),
    /// An ICMP error for a request with this branch.
    Unreachable(Vec<u8>, Loss),
}

/// An event at its time; of two at one time the earlier planned comes first.
struct Planned(Time, u64, Event);

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

pub(super) struct Network {
    pub(super) now: Time,
    pub(super) rng: fastrand::Rng,
    pub(super) weather: Weather,
    queue: BinaryHeap<Reverse<Planned>>,
    planned: u64,
}

impl Network {
    pub(super) fn new(seed: u64, weather: Weather) -> Self {
        Self {
            now: Time::from_micros(1_000_000),
            rng: fastrand::Rng::with_seed(seed),
            weather,
            queue: BinaryHeap::new(),
            planned: 0,
        }
    }

    pub(super) fn after(&mut self, delay: Duration, event: Event) {
        self.planned += 1;
        self.queue.push(Reverse(Planned(self.now + delay, self.planned, event)));
    }

    pub(super) fn after_ms(&mut self, delay: u64, event: Event) {
        self.after(Duration::from_millis(delay), event);
    }

    /// A random number of milliseconds.
    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        self.rng.u64(from..=to)
    }

    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.rng.f64() < share
    }

    /// Carry a datagram: once, twice or not at all.
    pub(super) fn carry(&mut self, event: impl Fn() -> Event) {
        let copies = 1 + usize::from(self.chance(self.weather.duplicates));
        for _ in 0..copies {
            if !self.chance(self.weather.loss) {
                let (from, to) = self.weather.latency;
                let latency = Duration::from_micros(self.rng.u64(from * 1_000..=to * 1_000));
                self.after(latency, event());
            }
        }
    }

    pub(super) fn next_time(&self) -> Option<Time> {
        self.queue.peek().map(|Reverse(planned)| planned.0)
    }

    /// The next event, at its time.
    pub(super) fn next(&mut self) -> Option<Event> {
        let Reverse(Planned(at, _, event)) = self.queue.pop()?;
        self.now = at;
        Some(event)
    }
}

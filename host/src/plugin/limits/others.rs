//! What the other nodes count, as of their last words.
//!
//! Each node tells, for every key that is in use, its permits that are out and how many events it has granted. Of the
//! events only the difference to the word before is taken, and only those of the last second weigh on a key that was not
//! asked for meanwhile.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// What a bucket holds, in time.
const SECOND: Duration = Duration::from_secs(1);
/// The form of a node's words; those in another are not heard.
const FORM: u8 = 1;

/// One node's words.
#[derive(Debug, Serialize, Deserialize)]
struct Words {
    form: u8,
    /// Key, permits that are out, events granted since the key came into use.
    counts: Vec<Told>,
}

/// Of one key: the permits that are out, and the events granted since it came into use.
pub(super) type Told = (Box<str>, u32, u64);

/// As bytes, for [`Hearing::hear`] on another node.
pub(super) fn words(counts: Vec<Told>) -> Vec<u8> {
    // Numbers and texts: there is nothing that JSON cannot hold.
    serde_json::to_vec(&Words { form: FORM, counts }).unwrap_or_default()
}

/// All other nodes together.
#[derive(Debug, Default)]
pub(super) struct Others {
    counts: HashMap<Box<str>, Count>,
    nodes: usize,
}

/// One key at all other nodes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    /// Permits that are out.
    pub(super) in_use: u32,
    /// Events granted, counted from anywhere; it only grows.
    pub(super) events: u64,
    /// What `events` was a second before.
    pub(super) events_before: u64,
}

impl Others {
    pub(super) fn count(&self, key: &str) -> Count {
        self.counts.get(key).copied().unwrap_or_default()
    }

    /// How many they are.
    pub(super) fn nodes(&self) -> usize {
        self.nodes
    }
}

/// Makes [`Others`] of what the nodes say.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    /// Each node's last words.
    nodes: HashMap<String, HashMap<Box<str>, (u32, u64)>>,
    events: HashMap<Box<str>, Events>,
    /// All events of all keys: where a key that comes into use begins to count, so that no count ever goes back.
    total: u64,
}

#[derive(Debug)]
struct Events {
    now: u64,
    /// What `now` was, and when, over the last second and one word before.
    before: VecDeque<(Instant, u64)>,
}

impl Hearing {
    /// The words of all nodes that are alive, this one's not among them.
    pub(super) fn hear(&mut self, written: Vec<(String, Vec<u8>)>, now: Instant) -> Others {
        let before = std::mem::take(&mut self.nodes);
        for (node, text) in written {
            let Ok(Words { form: FORM, counts }) = serde_json::from_slice(&text) else { continue };
            let last = before.get(&node);
            let mut said = HashMap::with_capacity(counts.len());
            for (key, in_use, events) in counts {
                // Of a node that is new to us nobody knows when it granted what it did.
                let known = last.map_or(events, |last| last.get(&key).map_or(0, |(_, events)| *events));
                // Less than before: the key was out of use in between.
                let granted = if events >= known { events - known } else { events };
                self.granted(&key, granted, now);
                said.insert(key, (in_use, events));
            }
            self.nodes.insert(node, said);
        }
        self.others(now)
    }

    fn granted(&mut self, key: &str, granted: u64, now: Instant) {
        if granted == 0 {
            return;
        }
        let begin = self.total;
        self.total += granted;
        if let Some(events) = self.events.get_mut(key) {
            events.now += granted;
        } else {
            let events = Events { now: begin + granted, before: [(now, begin)].into() };
            self.events.insert(key.into(), events);
        }
    }

    fn others(&mut self, now: Instant) -> Others {
        let mut counts: HashMap<Box<str>, Count> = HashMap::new();
        for (key, (in_use, _)) in self.nodes.values().flatten() {
            let count = counts.entry(key.clone()).or_default();
            count.in_use = count.in_use.saturating_add(*in_use);
        }
        self.events.retain(|key, events| {
            events.before.push_back((now, events.now));
            // The last of those that are older than a second stays: it is what the count was a second before.
            while events.before.get(1).is_some_and(|(when, _)| now.saturating_duration_since(*when) >= SECOND) {
                events.before.pop_front();
            }
            let events_before = events.before.front().map_or(events.now, |(_, count)| *count);
            if events_before == events.now {
                return false;
            }
            let count = counts.entry(key.clone()).or_default();
            (count.events, count.events_before) = (events.now, events_before);
            true
        });
        Others { counts, nodes: self.nodes.len() }
    }
}

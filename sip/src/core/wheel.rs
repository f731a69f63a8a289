//! A hierarchical timer wheel: insertion and expiry cost the same however many timers run.
//!
//! Ticks are 1,024 µs. An entry never fires early, and at most one tick late. Nothing is cancelled: whoever takes an
//! entry out asks whether it still means something.

use crate::time::Time;

const TICK_BITS: u32 = 10;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// 64^6 ticks: two years. Later entries wait in the last slot and are sorted in again.
const LEVELS: usize = 6;
const MAX_TICKS: u64 = (1 << (SLOT_BITS * LEVELS as u32)) - 1;
/// Rooms that are kept, and the entries that one may have had place for: 100 kB in all.
const SPARE: usize = 64;
const SPARE_ENTRIES: usize = 64;

/// Timers of entries `T`.
#[derive(Debug)]
pub(super) struct Wheel<T> {
    levels: Vec<Level<T>>,
    /// Room that slots had and the next ones get: memory that was just in use.
    spare: Vec<Vec<Entry<T>>>,
    /// All entries before this tick have been taken out.
    elapsed: u64,
}

#[derive(Debug)]
struct Level<T> {
    /// Bit n: slot n holds something.
    occupied: u64,
    slots: Vec<Vec<Entry<T>>>,
}

#[derive(Debug)]
struct Entry<T> {
    tick: u64,
    item: T,
}

/// The next slot to come due.
struct Due {
    level: usize,
    slot: usize,
    tick: u64,
}

impl<T> Wheel<T> {
    pub(super) fn new() -> Self {
        let level = || Level { occupied: 0, slots: (0..SLOTS).map(|_| Vec::new()).collect() };
        Self { levels: (0..LEVELS).map(|_| level()).collect(), spare: Vec::with_capacity(SPARE), elapsed: 0 }
    }

    /// Fire `item` at `deadline`, or at the next tick where that has passed.
    pub(super) fn insert(&mut self, deadline: Time, item: T) {
        let tick = (deadline.micros() >> TICK_BITS) + 1;
        self.place(Entry { tick, item });
    }

    fn place(&mut self, entry: Entry<T>) {
        let tick = entry.tick.clamp(self.elapsed, self.elapsed.saturating_add(MAX_TICKS));
        let differing = (tick ^ self.elapsed) | (SLOTS as u64 - 1);
        let level = (differing.ilog2() / SLOT_BITS).min(LEVELS as u32 - 1) as usize;
        let slot = (tick >> (SLOT_BITS * level as u32)) as usize % SLOTS;
        let level = &mut self.levels[level];
        let entries = &mut level.slots[slot];
        if level.occupied & 1 << slot == 0 {
            level.occupied |= 1 << slot;
            *entries = self.spare.pop().unwrap_or_default();
        }
        entries.push(entry);
    }

    /// Move everything that is due at `now` to `fired`.
    pub(super) fn advance(&mut self, now: Time, fired: &mut Vec<T>) {
        let now = now.micros() >> TICK_BITS;
        while let Some(due) = self.next_due() {
            if due.tick > now {
                break;
            }
            self.elapsed = self.elapsed.max(due.tick);
            let level = &mut self.levels[due.level];
            level.occupied &= !(1 << due.slot);
            let mut entries = std::mem::take(&mut level.slots[due.slot]);
            for entry in entries.drain(..) {
                if entry.tick <= now {
                    fired.push(entry.item);
                } else {
                    self.place(entry);
                }
            }
            if self.spare.len() < SPARE && entries.capacity() <= SPARE_ENTRIES {
                self.spare.push(entries);
            }
        }
        self.elapsed = self.elapsed.max(now);
    }

    /// When to call `advance` next: a time at or before the next entry's.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.next_due().map(|due| Time::from_micros(due.tick << TICK_BITS))
    }

    /// How many entries wait, those that mean nothing any more included.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.levels.iter().flat_map(|level| &level.slots).map(Vec::len).sum()
    }

    fn next_due(&self) -> Option<Due> {
        self.levels.iter().enumerate().find_map(|(level, slots)| self.next_due_in(level, slots))
    }

    /// A slot of a lower level always comes due before one of a higher level.
    fn next_due_in(&self, level: usize, slots: &Level<T>) -> Option<Due> {
        if slots.occupied == 0 {
            return None;
        }
        let shift = SLOT_BITS * level as u32;
        let current = (self.elapsed >> shift) % SLOTS as u64;
        let ahead = slots.occupied.rotate_right(current as u32).trailing_zeros();
        let slot = (current as usize + ahead as usize) % SLOTS;
        let span = 1_u64 << shift;
        let round = span << SLOT_BITS;
        let mut tick = (self.elapsed & !(round - 1)) + slot as u64 * span;
        if tick < self.elapsed & !(span - 1) {
            tick += round;
        }
        Some(Due { level, slot, tick })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_entry_fires_once_and_never_early() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut wheel = Wheel::new();
        let mut fired = Vec::new();
        let mut now = Time::from_micros(123_456_789);
        wheel.advance(now, &mut fired);
        let mut waiting = std::collections::BTreeMap::new();
        for id in 0..2_000_u32 {
            let reach = 1 << rng.u32(1..36);
            let deadline = now + Duration::from_micros(rng.u64(0..reach));
            waiting.insert(id, deadline);
            wheel.insert(deadline, id);
            if rng.bool() {
                now =
                    wheel.next_deadline().map_or(now, |next| next.max(now)) + Duration::from_micros(rng.u64(0..5_000));
                wheel.advance(now, &mut fired);
                for id in fired.drain(..) {
                    let deadline = waiting.remove(&id).expect("fired once");
                    assert!(deadline <= now, "fired {:?} early", deadline.since(now));
                }
                assert!(waiting.values().all(|at| *at + Duration::from_micros(2 << TICK_BITS) > now), "left behind");
            }
        }
        while let Some(next) = wheel.next_deadline() {
            now = now.max(next);
            wheel.advance(now, &mut fired);
            for id in fired.drain(..) {
                waiting.remove(&id).expect("fired once");
            }
        }
        assert!(waiting.is_empty());
    }
}

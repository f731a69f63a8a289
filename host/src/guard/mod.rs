//! The guard: what strangers may send, decided where a message comes in and before it is parsed.
//!
//! Customers' networks, gateways' addresses and peers with a verified certificate are no strangers: they pass. All
//! workers and connections share one guard; on the way of a message it takes no lock.
//!
//! | file | what |
//! |---|---|
//! | `mod` | who passes |
//! | `table` | what each source has sent: a fixed number of places, of atomics alone |
//! | `rules` | what is configured, and who is known |
//! | `bans` | the bans by name, for the operator |

mod bans;
mod rules;
mod table;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;

use self::bans::Bans;
use self::table::{Place, Table};
use crate::events::{self, Event};
use crate::sip::message::{Head, Method};
use crate::sip::time::Time;
use crate::worker::Clock;

pub use self::bans::Ban;
pub use self::rules::Rules;

/// Why a message was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its source is banned.
    Banned,
    /// Its source sends more than it may.
    Rate,
    /// Longer than `abuse.max-message`.
    Oversized,
    /// Its User-Agent is one of `abuse.user-agents`.
    Scanner,
    /// It wants to begin something, and strangers are not answered.
    Stranger,
    /// Its customer sends more than `limits.messages-per-second`.
    Customer,
}

/// In the order of the discriminants.
const REFUSALS: [&str; 6] = ["banned", "rate", "oversized", "scanner", "stranger", "customer"];

/// Why a source was banned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offence {
    /// It sent more than it may.
    Rate,
    /// Too much of what it sent is no SIP.
    Malformed,
}

/// In the order of the discriminants.
const OFFENCES: [&str; 2] = ["rate", "malformed"];

impl Offence {
    /// As it is counted and told.
    pub const fn word(self) -> &'static str {
        OFFENCES[self as usize]
    }
}

/// What the guard has done since the start.
#[derive(Debug, Clone, Copy, Default)]
pub struct GuardSample {
    /// Messages dropped, by reason.
    pub dropped: [(&'static str, u64); REFUSALS.len()],
    /// Bans begun, by reason.
    pub begun: [(&'static str, u64); OFFENCES.len()],
    /// Bans that hold now.
    pub holding: usize,
}

/// One per node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    rules: ArcSwap<Rules>,
    table: Table,
    bans: Bans,
    dropped: [AtomicU64; REFUSALS.len()],
    begun: [AtomicU64; OFFENCES.len()],
}

impl Guard {
    /// By the node's clock.
    pub fn new(clock: Clock, rules: Rules) -> Self {
        Self(Arc::new(Shared {
            clock,
            rules: ArcSwap::from_pointee(rules),
            table: Table::new(),
            bans: Bans::default(),
            dropped: Default::default(),
            begun: Default::default(),
        }))
    }

    /// From now on go by these.
    pub fn change(&self, rules: Rules) {
        let rules = rules.going_on_from(&self.0.rules.load());
        self.0.rules.store(Arc::new(rules));
    }

    /// For those who have no time of their own at hand.
    pub fn now(&self) -> Time {
        self.0.clock.now()
    }

    /// Whether a message from this address goes on.
    ///
    /// # Errors
    ///
    /// It is dropped without an answer; that is counted.
    pub fn admit(&self, now: Time, source: IpAddr, message: &[u8]) -> Result<(), Refusal> {
        let rules = self.0.rules.load();
        if rules.knows(source) {
            return self.allow(&rules, now, (source, None), message);
        }
        let judged = self.judge(&rules, now, source, message);
        if let Err(refusal) = judged {
            self.count(refusal);
        }
        judged
    }

    /// Whether a message from somebody with a verified certificate goes on.
    ///
    /// # Errors
    ///
    /// As for [`Guard::admit`].
    pub fn admit_identified(&self, source: IpAddr, identities: &[Box<str>], message: &[u8]) -> Result<(), Refusal> {
        self.allow(&self.0.rules.load(), self.now(), (source, Some(identities)), message)
    }

    fn allow(
        &self,
        rules: &Rules,
        now: Time,
        sender: (IpAddr, Option<&[Box<str>]>),
        message: &[u8],
    ) -> Result<(), Refusal> {
        if rules.allows(now, sender, message) {
            return Ok(());
        }
        self.count(Refusal::Customer);
        Err(Refusal::Customer)
    }

    fn count(&self, refusal: Refusal) {
        self.0.dropped[refusal as usize].fetch_add(1, Relaxed);
    }

    fn judge(&self, rules: &Rules, now: Time, source: IpAddr, message: &[u8]) -> Result<(), Refusal> {
        let place = self.0.table.find(source);
        if place.is_banned(now) {
            return Err(Refusal::Banned);
        }
        let head = Head::of(message);
        if !place.take_message(now, rules.requests.of(&head)) {
            self.ban(rules, now, source, place, Offence::Rate);
            return Err(Refusal::Rate);
        }
        if message.len() > rules.max_message {
            self.offend(rules, now, source, place);
            return Err(Refusal::Oversized);
        }
        if rules.is_scanner(&head) {
            return Err(Refusal::Scanner);
        }
        if rules.drops_strangers && begins(&head) {
            return Err(Refusal::Stranger);
        }
        Ok(())
    }

    /// What came from this address was no SIP, or broke RFC 3261, or was a handshake that failed.
    pub fn malformed(&self, now: Time, source: IpAddr) {
        let rules = self.0.rules.load();
        if !rules.knows(source) {
            self.offend(&rules, now, source, self.0.table.find(source));
        }
    }

    fn offend(&self, rules: &Rules, now: Time, source: IpAddr, place: &Place) {
        if !place.take_fault(now, rules.faults) {
            self.ban(rules, now, source, place, Offence::Malformed);
        }
    }

    fn ban(&self, rules: &Rules, now: Time, source: IpAddr, place: &Place, offence: Offence) {
        let until = now + rules.ban;
        // A ban that cannot be written down does not begin: the next offence tries again, and until then what is beyond
        // the rate is dropped anyway.
        if rules.ban.is_zero() || place.is_banned(now) || !self.0.bans.begin(now, source, until, offence) {
            return;
        }
        place.ban(until);
        self.0.begun[offence as usize].fetch_add(1, Relaxed);
        if events::wanted() {
            let source = table::network(source).to_string().into();
            events::publish(Event::SourceBanned { source, reason: offence.word() });
        }
        tracing::debug!(source = %table::network(source), reason = offence.word(), "source banned");
    }

    /// Whether nothing is taken from this address.
    pub fn is_banned(&self, source: IpAddr) -> bool {
        // In this order: who is known takes no place in the table.
        !self.0.rules.load().knows(source) && self.0.table.find(source).is_banned(self.now())
    }

    /// The bans that hold.
    pub fn bans(&self) -> Vec<Ban> {
        self.0.bans.all(self.now())
    }

    /// End the ban of this address's network; false where there is none.
    pub fn pardon(&self, source: IpAddr) -> bool {
        let held = self.0.bans.end(self.now(), source);
        if held {
            self.0.table.find(source).forget();
        }
        held
    }

    /// What was counted since the start.
    pub fn sample(&self) -> GuardSample {
        let read = |words: &'static str, count: &AtomicU64| (words, count.load(Relaxed));
        GuardSample {
            dropped: std::array::from_fn(|index| read(REFUSALS[index], &self.0.dropped[index])),
            begun: std::array::from_fn(|index| read(OFFENCES[index], &self.0.begun[index])),
            holding: self.bans().len(),
        }
    }
}

/// Whether it is a request that belongs to nothing that there is: no To tag, and neither ACK nor CANCEL. Line ends alone
/// keep a NAT open.
fn begins(head: &Head<'_>) -> bool {
    let belongs = head.is_response() || matches!(head.method(), Method::Ack | Method::Cancel);
    !belongs && !head.is_keep_alive() && !head.has_to_tag()
}

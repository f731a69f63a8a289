//! The core: every call of one worker as a state machine. It opens no socket, reads no clock and awaits nothing.
//!
//! [`Core::receive`], [`Core::decide`], [`Core::unreachable`] and [`Core::tick`] go in; [`Core::poll_action`] gives what
//! is to be done, [`Core::next_deadline`] when to call `tick` again.
//!
//! | file | what |
//! |---|---|
//! | `ascii` | the names that it gives |
//! | `arrival` | which call a message belongs to |
//! | `slots` | where the calls are |
//! | `call` | one call, and its setup |
//! | `answers` | the responses to what it has sent |
//! | `waiting` | what it does when something does not come |
//! | `ending` | its end: BYE, and the record |
//! | `hunt` | the attempts of its setup |
//! | `challenge` | credentials for a gateway that wants them |
//! | `session` | refreshes (RFC 4028) |
//! | `within` | requests within it |
//! | `probe` | OPTIONS to gateways |
//! | `transaction`, `server`, `client` | RFC 3261 section 17 |
//! | `forward` | the messages that leave |
//! | `names` | names of those whom calls talk to |
//! | `failover` | the next address of a name, where one cannot be reached |
//! | `size` | what is too large for a datagram, or for all |
//! | `dialog` | the two legs, and our own requests |
//! | `party` | how a side names itself |
//! | `open` | a call in progress, written down and taken up again |
//! | `stateless` | what is answered or dropped without a call |

mod action;
mod answers;
mod arrival;
mod ascii;
mod call;
mod challenge;
mod client;
mod counters;
#[macro_use]
mod cx;
mod dialog;
mod ending;
mod failover;
mod forward;
mod hunt;
mod loops;
mod names;
mod open;
mod party;
mod probe;
mod report;
mod server;
mod session;
mod settings;
mod size;
mod slots;
mod stateless;
#[cfg(test)]
mod tests;
mod transaction;
mod waiting;
mod wheel;
mod within;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use hashbrown::{DefaultHashBuilder, HashTable};

use self::call::Call;
use self::cx::read_branch;
use self::names::{Names, Wish};
use self::probe::Probes;
use self::size::{Deaf, TOO_LARGE};
use self::slots::Slot;
use self::wheel::Wheel;
use crate::decision::{CallRef, Decision, Destination};
use crate::door::Door;
use crate::flow::{Flow, Loss};
use crate::header::via_fixup;
use crate::message::Message;
use crate::place::Place;
use crate::time::Time;

pub use self::action::Action;
pub use self::counters::Counters;
pub use self::open::{OpenCall, Terms};
pub use self::probe::Probe;
pub use self::report::{AttemptReport, Attempts, CallReport};
pub use self::settings::{Listener, Settings};

/// All calls of one worker.
#[derive(Debug)]
pub struct Core<F> {
    settings: Settings,
    calls: Vec<Slot<F>>,
    free: Vec<u32>,
    held: usize,
    live: usize,
    dialogs: usize,
    transactions: usize,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    wheel: Wheel<(CallRef, Time)>,
    /// What the wheel gives, while it is worked off.
    fired: Vec<(CallRef, Time)>,
    actions: VecDeque<Action<F>>,
    rng: fastrand::Rng,
    counters: Counters,
    draining: bool,
    refusing: bool,
    /// There is too much to do: what Retry-After says at least.
    overload: Option<Duration>,
    door: Option<Box<dyn Door>>,
    probes: Probes,
    deaf: Deaf,
    names: Names,
}

impl<F> Core<F> {
    /// A core without calls. The same seed and the same events give the same actions.
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            calls: Vec::new(),
            free: Vec::new(),
            held: 0,
            live: 0,
            dialogs: 0,
            transactions: 0,
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            wheel: Wheel::new(),
            fired: Vec::new(),
            actions: VecDeque::new(),
            rng: fastrand::Rng::with_seed(seed),
            counters: Counters::default(),
            draining: false,
            refusing: false,
            overload: None,
            door: None,
            probes: Probes::default(),
            deaf: Deaf::default(),
            names: Names::default(),
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action<F>> {
        self.actions.pop_front()
    }

    /// When to call [`Core::tick`]: at or before the time when something is due.
    pub fn next_deadline(&self) -> Option<Time> {
        [self.wheel.next_deadline(), self.probes.next_timer()].into_iter().flatten().min()
    }

    /// Since the core began.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Calls held: in setup, in progress, and those whose last transactions still absorb retransmissions.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Calls that have no final response or are answered and not over.
    pub fn in_progress(&self) -> usize {
        self.live
    }

    /// Calls that were answered and are not over.
    pub fn dialogs(&self) -> usize {
        self.dialogs
    }

    /// Transactions of all calls held.
    pub fn transactions(&self) -> usize {
        self.transactions
    }

    /// From now on refuse new calls with 503.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether to refuse new calls with 503 for now.
    pub fn refuse_new(&mut self, refuse: bool) {
        self.refusing = refuse;
    }

    /// From now on ask this one about new INVITEs.
    pub fn put_before(&mut self, door: Box<dyn Door>) {
        self.door = Some(door);
    }

    /// Whether there is too much to do: new calls are refused with 503, and OPTIONS too, so that whoever probes this node
    /// moves on. Retry-After says this time at least, and twice as much at most: not all come back at once.
    pub fn overloaded(&mut self, retry_after: Option<Duration>) {
        self.overload = retry_after;
    }

    /// The node stops: close the record of every call that is being set up. An answered one stays open: what was written
    /// down of it lets the next process go on with it.
    pub fn interrupt(&mut self, now: Time) {
        for slot in 0..self.calls.len() {
            if let Some(id) = self.calls[slot].call.as_ref().map(|call| call.id) {
                self.with(now, id, Call::interrupt);
            }
        }
    }

    /// One datagram, or one framed message of a stream.
    pub fn receive(&mut self, now: Time, flow: Flow, raw: Bytes) {
        // A keep-alive (RFC 5626 section 4.4.1 and what NATs are kept open with).
        if raw.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return;
        }
        let Ok(mut message) = Message::parse(raw) else {
            self.counters.unreadable += 1;
            return;
        };
        let fault = message.check().err();
        if message.is_request() {
            // Every response to it, and whoever gets it next, wants to see where it came from.
            let amended = via_fixup(&message, &flow.remote).map_or(Ok(()), |fix| message.amend_top_via(&fix));
            self.on_request(now, flow, message, fault.or(amended.is_err().then_some(TOO_LARGE)));
        } else if fault.is_none() {
            self.on_response(now, flow, &message);
        } else {
            self.counters.malformed += 1;
        }
    }

    /// What the routing side decided for a call, and what it knows of it. A call that is gone meanwhile still wants
    /// this: its record waits for the facts.
    ///
    /// How long the call has waited for it, and no longer than it lasted; `None` where there is no such call.
    pub fn decide(&mut self, now: Time, call: CallRef, decision: Decision, facts: F) -> Option<Duration> {
        self.with(now, call, |call, cx| call.on_decision(cx, decision, facts))?
    }

    /// What came of [`Action::Locate`]: where the name leads and for how long that holds; `None` where that was not found
    /// out.
    pub fn located(&mut self, now: Time, place: &Place, found: Option<(Box<[Destination]>, Duration)>) {
        for call in self.names.learn(now, place, found) {
            self.with(now, call, hunt::resume);
        }
    }

    /// [`Action::Locate`] asks for more than can be asked now; with what it said. Whoever wants the name next asks again.
    pub fn unasked(&mut self, now: Time, place: &Place, awaited: bool) {
        let (calls, wish) = self.names.unasked(now, place, awaited);
        if let Wish::Ask(place) = wish {
            self.actions.push_back(Action::Locate { place, awaited: true });
        }
        for call in calls {
            self.with(now, call, hunt::resume);
        }
    }

    /// A message could not be delivered; `branch` is that of its topmost Via.
    pub fn unreachable(&mut self, now: Time, branch: &[u8], why: Loss) {
        let Some((_, call, _)) = read_branch(branch) else { return };
        if Probes::are_named(call) {
            return self.probes.unreachable(now, branch);
        }
        self.with(now, call, |call, cx| {
            if let Some((transaction, branch)) = call.find_branch(branch) {
                call.on_unreachable(cx, transaction, branch, why);
            }
        });
    }

    /// Fire every timer that is due.
    pub fn tick(&mut self, now: Time) {
        self.tick_probes(now);
        let mut fired = std::mem::take(&mut self.fired);
        self.wheel.advance(now, &mut fired);
        for (id, wake) in fired.drain(..) {
            // An entry that was overtaken by an earlier one means nothing.
            if self.call_mut(id).is_some_and(|call| call.wake == Some(wake)) {
                self.with(now, id, |call, cx| {
                    call.wake = None;
                    call.on_timer(cx);
                });
            }
        }
        self.fired = fired;
    }

    /// What the routing side knows of a call that has routes and has not ended.
    pub fn facts_mut(&mut self, id: CallRef) -> Option<&mut F> {
        self.call_mut(id)?.facts.as_mut()
    }
}

/// The worker whose core sent this request, and the branch by which [`Core::unreachable`] knows it; from as much of its
/// bytes as an ICMP error brings back.
pub fn branch_owner(datagram: &[u8]) -> Option<(u8, &[u8])> {
    let start = memchr::memmem::find(datagram, b"branch=")? + b"branch=".len();
    let branch = datagram.get(start..start + cx::BRANCH_LEN)?;
    Some((read_branch(branch)?.0, branch))
}

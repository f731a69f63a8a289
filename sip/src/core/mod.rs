//! The core: every call of one worker as a state machine. It opens no socket, reads no clock and awaits nothing.
//!
//! [`Core::receive`], [`Core::decide`], [`Core::unreachable`] and [`Core::tick`] go in; [`Core::poll_action`] gives what
//! is to be done, [`Core::next_deadline`] when to call `tick` again.
//!
//! | file | what |
//! |---|---|
//! | `mod` | which call a message belongs to |
//! | `call` | one call: setup, dialog, end, report |
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
//! | `open` | a call in progress, written down and taken up again |
//! | `stateless` | what is answered or dropped without a call |

mod call;
mod challenge;
mod client;
#[macro_use]
mod cx;
mod dialog;
mod failover;
mod forward;
mod hunt;
mod loops;
mod names;
mod open;
mod probe;
mod report;
mod server;
mod session;
mod settings;
mod size;
mod stateless;
#[cfg(test)]
mod tests;
mod transaction;
mod wheel;
mod within;

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hashbrown::{DefaultHashBuilder, HashTable};

use self::call::{Call, Phase};
use self::cx::{Cx, read_branch};
use self::names::Names;
use self::probe::Probes;
use self::server::Server;
use self::size::{Deaf, TOO_LARGE};
use self::transaction::{Role, Transaction, key};
use self::wheel::Wheel;
use self::within::{Incoming, cookie};
use crate::decision::{CallRef, Decision, Destination, RouteRequest};
use crate::door::Door;
use crate::flow::{Flow, Loss};
use crate::header::{Rport, via_fixup};
use crate::message::{Message, Method};
use crate::place::Place;
use crate::reply::reply;
use crate::time::Time;

pub use self::open::{OpenCall, Terms};
pub use self::probe::Probe;
pub use self::report::{AttemptReport, CallReport};
pub use self::settings::{Listener, Settings};

/// A call is looked at again after this at the latest. A timer that is not needed any more stays in the wheel until it
/// fires: those of hours would outlive their calls and add up.
const HORIZON: Duration = Duration::from_mins(1);

/// The most requests of one call at the same time.
const MAX_TRANSACTIONS: usize = 64;
/// Calls with one Call-ID at once: so often may a call pass here before it has ended.
const MAX_SPIRALS: usize = 16;

/// What the driver is to do.
#[derive(Debug)]
pub enum Action<F> {
    /// Send these bytes.
    Send {
        /// From which listener to which peer.
        flow: Flow,
        /// One whole message.
        bytes: Bytes,
        /// Where it goes by a connection for its size alone: how long that may take to come about. After it, and where it is
        /// refused, [`Core::unreachable`] wants to know.
        within: Option<Duration>,
    },
    /// Find routes for a new call, and give them to [`Core::decide`].
    Route(Box<RouteRequest>),
    /// The caller no longer waits for this call's routes: [`Core::decide`] may come at once, with whatever is known.
    StopRouting(CallRef),
    /// A call has routes and is being set up: see [`Core::open_call`].
    Started(CallRef),
    /// It was answered, or answered by one more callee: the same.
    Answered(CallRef),
    /// It is answered, and its transactions are gone: from now on it only stands, and what is kept of it may be made small
    /// ([`Core::facts_mut`]). Again after each request within it.
    Settled(CallRef),
    /// Find out where a name leads, and tell [`Core::located`], also where that cannot be asked: a call may wait for it.
    Locate(Place),
    /// A call is over: write its record. Once per call.
    Record(Box<CallReport<F>>),
}

/// What happened without a call to tell it; since the core began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that are no SIP message.
    pub unreadable: u64,
    /// Requests answered, and responses dropped, because they break RFC 3261.
    pub malformed: u64,
    /// Responses, ACKs and in-dialog requests that belong to no call.
    pub strays: u64,
    /// Messages that this node sent again because no answer came.
    pub retransmitted: u64,
    /// Requests that came again and were absorbed.
    pub absorbed: u64,
    /// Failure responses that were never acknowledged.
    pub unacknowledged: u64,
    /// Requests refused because the node drains, the journal fails, there is too much to do, or a call has too many of them.
    pub overloaded: u64,
    /// Of those, refused because the node drains or the journal fails.
    pub unwilling: u64,
    /// Of those, refused because a call has too many of them, or a Call-ID too many calls.
    pub crowded: u64,
    /// New calls refused because `max_calls` are held.
    pub full: u64,
    /// Requests that came back as they went (482).
    pub loops: u64,
    /// INVITEs of strangers, turned away.
    pub strangers: u64,
    /// Answers that were not sent since they would have been too large for what was asked.
    pub amplified: u64,
    /// Requests that may go no further: out of hops (483), or in need of what this node has not (420).
    pub declined: u64,
    /// Answers that came too late, and were acknowledged and hung up by us.
    pub released: u64,
    /// Requests that no transport carries with what a proxy must add: answered 513.
    pub too_large: u64,
    /// Requests that went by a connection for their size.
    pub by_connection: u64,
    /// Of these, those that went by datagram after all, since no connection came about.
    pub by_datagram: u64,
    /// Names that were not asked for, since too many are known already.
    pub unasked: u64,
}

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

#[derive(Debug)]
struct Slot<F> {
    generation: u32,
    call: Option<Box<Call<F>>>,
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
        let Ok(message) = Message::parse(raw) else {
            self.counters.unreadable += 1;
            return;
        };
        let fault = message.check().err();
        if message.is_request() {
            // Every response to it, and whoever gets it next, wants to see where it came from.
            match via_fixup(&message, &flow.remote).map(|fix| Message::parse(fix.apply(message.raw()).into())) {
                None => self.on_request(now, flow, message, fault),
                Some(Ok(seen)) => self.on_request(now, flow, seen, fault),
                Some(Err(_)) => self.on_request(now, flow, message, fault.or(Some(TOO_LARGE))),
            }
        } else if fault.is_none() {
            self.on_response(now, flow, &message);
        } else {
            self.counters.malformed += 1;
        }
    }

    /// What the routing side decided for a call, and what it knows of it. A call that is gone meanwhile still wants
    /// this: its record waits for the facts.
    pub fn decide(&mut self, now: Time, call: CallRef, decision: Decision, facts: F) {
        self.with(now, call, |call, cx| call.on_decision(cx, decision, facts));
    }

    /// What came of [`Action::Locate`]: where the name leads and for how long that holds; `None` where that was not found
    /// out.
    pub fn located(&mut self, now: Time, place: &Place, found: Option<(Box<[Destination]>, Duration)>) {
        for call in self.names.learn(now, place, found) {
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
        let mut fired = Vec::new();
        self.wheel.advance(now, &mut fired);
        for (id, wake) in fired {
            // An entry that was overtaken by an earlier one means nothing.
            if self.call_mut(id).is_some_and(|call| call.wake == Some(wake)) {
                self.with(now, id, |call, cx| {
                    call.wake = None;
                    call.on_timer(cx);
                });
            }
        }
    }

    /// What the routing side knows of a call that has routes and has not ended.
    pub fn facts_mut(&mut self, id: CallRef) -> Option<&mut F> {
        self.call_mut(id)?.facts.as_mut()
    }

    fn call_mut(&mut self, id: CallRef) -> Option<&mut Call<F>> {
        let slot = self.calls.get_mut(id.slot as usize).filter(|slot| slot.generation == id.generation)?;
        slot.call.as_deref_mut()
    }

    /// Let something happen to a call; then see to its timer, and to its end.
    fn with<R>(&mut self, now: Time, id: CallRef, event: impl FnOnce(&mut Call<F>, &mut Cx<'_, F>) -> R) -> Option<R> {
        let slot = self.calls.get_mut(id.slot as usize).filter(|slot| slot.generation == id.generation)?;
        let call = slot.call.as_deref_mut()?;
        let mut cx = cx!(self, now);
        let (was, had) = (call.phase, call.transactions.len());
        let result = event(call, &mut cx);
        if call.phase == Phase::Over && was != Phase::Over {
            self.live -= 1;
        }
        call.settle(&mut cx);
        call.sweep();
        if had > 0 && call.transactions.is_empty() && call.phase == Phase::Answered {
            cx.actions.push_back(Action::Settled(id));
        }
        self.dialogs = self.dialogs + usize::from(call.phase == Phase::Answered) - usize::from(was == Phase::Answered);
        self.transactions = self.transactions + call.transactions.len() - had;
        if call.is_gone() {
            let hash = call.hash;
            self.transactions -= call.transactions.len();
            slot.call = None;
            slot.generation = slot.generation.wrapping_add(1);
            if let Ok(entry) = self.index.find_entry(hash, |slot| *slot == id.slot) {
                entry.remove();
            }
            self.free.push(id.slot);
            self.held -= 1;
        } else if let Some(next) = call.next_timer(&cx).map(|next| next.min(now + HORIZON))
            && call.wake.is_none_or(|wake| next < wake)
        {
            call.wake = Some(next);
            self.wheel.insert(next, (id, next));
        }
        Some(result)
    }

    /// The call with this Call-ID that `wanted` knows as the one.
    fn find(&self, call_id: &[u8], wanted: impl Fn(&Call<F>) -> bool) -> Option<CallRef> {
        let hash = self.hasher.hash_one(call_id);
        let call = |slot: &u32| self.calls[*slot as usize].call.as_deref();
        let is_it = |slot: &u32| call(slot).is_some_and(|call| *call.call_id == *call_id && wanted(call));
        self.index.find(hash, is_it).and_then(call).map(|call| call.id)
    }

    fn on_request(&mut self, now: Time, flow: Flow, message: Message, fault: Option<crate::message::Fault>) {
        let Some(key) = key(&message) else {
            self.counters.malformed += 1;
            return;
        };
        let request = Incoming { reply_flow: reply_flow(&message, flow), message: Arc::new(message), flow, key };
        if let Some(fault) = fault {
            let count = if fault == TOO_LARGE { &mut self.counters.too_large } else { &mut self.counters.malformed };
            *count += 1;
            self.refuse(&request, fault.code, fault.reason, &[]);
            return;
        }
        match request.message.method() {
            Method::Ack => self.on_ack(now, &request),
            Method::Cancel => self.on_cancel(now, &request),
            _ => self.on_other(now, request),
        }
    }

    /// Find a transaction by its key; the method tells an INVITE from another request with the same branch.
    fn find_transaction(&self, request: &Incoming, method: Method) -> Option<CallRef> {
        self.find(request.message.call_id(), |call| call.transaction(&request.key, method).is_some())
    }

    fn on_ack(&mut self, now: Time, request: &Incoming) {
        let ack = &request.message;
        if let Some(id) = self.find_transaction(request, Method::Invite) {
            let absorbed = self.with(now, id, |call, cx| {
                // The ACK of a 2xx is none of this transaction, though some clients give it the same branch.
                let server = call.server(&request.key, Method::Invite).filter(|server| !server.is_accepted());
                server.map(|server| server.on_ack(cx)).is_some()
            });
            if absorbed == Some(true) {
                return;
            }
        }
        let Some((id, side)) = self.find_dialog(ack) else {
            self.counters.strays += 1;
            return;
        };
        if matches!(ack.max_forwards(), Some(Ok(0))) {
            return;
        }
        self.with(now, id, |call, cx| {
            if call.takes(ack, side) {
                call.on_ack_within(cx, ack, side);
            } else {
                cx.counters.strays += 1;
            }
        });
    }

    fn on_cancel(&mut self, now: Time, request: &Incoming) {
        let Some(id) = self.find_transaction(request, Method::Invite) else {
            self.refuse(request, 481, "", &[]);
            return;
        };
        self.with(now, id, |call, cx| {
            // With the To tag of the other responses of the call (RFC 3261 section 9.2).
            let ok = reply(&request.message, 200, "", Some(&call.tag()), &[]);
            cx.send(request.reply_flow, ok.into());
            if let Some(index) = call.transaction(&request.key, Method::Invite) {
                call.on_cancel(cx, index);
            }
        });
    }

    fn on_other(&mut self, now: Time, request: Incoming) {
        let method = request.message.method();
        if let Some(id) = self.find_transaction(&request, method) {
            self.counters.absorbed += 1;
            self.with(now, id, |call, cx| {
                if let Some(server) = call.server(&request.key, method) {
                    server.on_retransmission(cx);
                }
            });
        } else if request.message.to_tag().is_some() {
            self.on_within(now, request);
        } else if self.answered_here(&request) {
            // Done.
        } else if self.held >= self.settings.max_calls && !self.draining {
            self.counters.full += 1;
            self.refuse_for_now(&request);
        } else if self.draining || self.refusing || self.overload.is_some() || self.is_crowded(&request) {
            self.counters.overloaded += 1;
            if self.draining || self.refusing {
                self.counters.unwilling += 1;
            } else if self.overload.is_none() {
                self.counters.crowded += 1;
            }
            self.refuse_for_now(&request);
        } else if !self.turned_away(&request) {
            self.on_invite(now, &request);
        }
    }

    /// The call that a request within a dialog belongs to, and the side that sent it.
    fn find_dialog(&self, request: &Message) -> Option<(CallRef, transaction::Side)> {
        let cookie = cookie(request, &self.settings);
        let of_dialog = |call: &Call<F>| call.side_of(request).is_some();
        let named = |call: &Call<F>| cookie == Some(call.cookie) && of_dialog(call);
        let id = self.find(request.call_id(), named).or_else(|| self.find(request.call_id(), of_dialog))?;
        let call = self.calls.get(id.slot as usize)?.call.as_deref()?;
        Some((id, call.side_of(request)?))
    }

    fn on_within(&mut self, now: Time, request: Incoming) {
        if self.refused(&request) {
            return;
        }
        match self.find_dialog(&request.message) {
            Some((id, _)) if self.call_mut(id).is_some_and(|call| call.transactions.len() >= MAX_TRANSACTIONS) => {
                self.counters.overloaded += 1;
                self.counters.crowded += 1;
                self.refuse(&request, 500, "", &[("Retry-After", "5")]);
            }
            Some((id, side)) if self.call_mut(id).is_some_and(|call| call.takes(&request.message, side)) => {
                self.with(now, id, |call, cx| call.on_request_within(cx, request, side));
            }
            _ => {
                self.counters.strays += 1;
                self.refuse(&request, 481, "", &[]);
            }
        }
    }

    /// Whether this Call-ID has calls enough: all of them are searched for every message of one.
    fn is_crowded(&self, request: &Incoming) -> bool {
        let hash = self.hasher.hash_one(request.message.call_id());
        self.index.iter_hash(hash).nth(MAX_SPIRALS).is_some()
    }

    /// A new call.
    fn on_invite(&mut self, now: Time, request: &Incoming) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.calls.push(Slot { generation: 0, call: None });
            (self.calls.len() - 1) as u32
        });
        let message = request.message.clone();
        let hash = self.hasher.hash_one(message.call_id());
        let id = CallRef { slot, generation: self.calls[slot as usize].generation };
        let mut call = Box::new(Call::new(now, id, hash, self.rng.u64(..), &message, request.flow));
        call.transactions.push(Transaction {
            key: request.key.clone(),
            method: Method::Invite,
            role: Role::Setup,
            server: Some(Server::new(true, request.reply_flow)),
            request: Some(message.clone()),
            refresh: None,
            caller: None,
            branches: Vec::with_capacity(1),
        });
        self.admit(id, hash, call);
        self.with(now, id, |call, cx| {
            call.answer_setup(cx, 100, "", &[]);
            cx.actions.push_back(Action::Route(Box::new(RouteRequest { call: id, message, flow: request.flow })));
        });
    }

    /// Put a new call into its slot.
    fn admit(&mut self, id: CallRef, hash: u64, call: Box<Call<F>>) {
        self.dialogs += usize::from(call.phase == Phase::Answered);
        self.transactions += call.transactions.len();
        self.calls[id.slot as usize].call = Some(call);
        self.held += 1;
        self.live += 1;
        let calls = &self.calls;
        self.index.insert_unique(hash, id.slot, |slot| calls[*slot as usize].call.as_ref().map_or(0, |call| call.hash));
    }

    fn hash_of(&self, call_id: &[u8]) -> u64 {
        self.hasher.hash_one(call_id)
    }

    fn on_response(&mut self, now: Time, flow: Flow, response: &Message) {
        let via = response.top_via().filter(|via| self.settings.is_self(via.host, via.port));
        let branch = via.and_then(|via| via.branch);
        let found = branch.and_then(|branch| Some((branch, read_branch(branch)?.1)));
        let handled = found.and_then(|(branch, id)| {
            if Probes::are_named(id) {
                return self.on_probe_response(now, branch, response).then_some(());
            }
            self.with(now, id, |call, cx| {
                let (transaction, branch) = call.find_branch(branch)?;
                if *call.call_id != *response.call_id() {
                    return None;
                }
                call.on_response(cx, transaction, branch, flow, response);
                Some(())
            })?
        });
        if handled.is_none() {
            self.counters.strays += 1;
        }
    }
}

/// The worker whose core sent this request, and the branch by which [`Core::unreachable`] knows it; from as much of its
/// bytes as an ICMP error brings back.
pub fn branch_owner(datagram: &[u8]) -> Option<(u8, &[u8])> {
    let start = memchr::memmem::find(datagram, b"branch=")? + b"branch=".len();
    let branch = datagram.get(start..start + cx::BRANCH_LEN)?;
    Some((read_branch(branch)?.0, branch))
}

/// Where the responses to a request go: RFC 3261 section 18.2.2, RFC 3581 section 4. By the connection that the request
/// came by; where that is gone, by another one to the port of sent-by.
fn reply_flow(request: &Message, flow: Flow) -> Flow {
    let mut reply = flow;
    if let Some(via) = request.top_via()
        && (flow.transport.is_reliable() || matches!(via.rport, Rport::Absent))
    {
        reply.remote.set_port(via.port.unwrap_or(flow.transport.default_port()));
    }
    reply
}

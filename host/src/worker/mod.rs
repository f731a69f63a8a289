//! A worker: one thread that owns its calls. It moves datagrams into the core, runs the pipelines of new calls, and
//! does what the core says. Nothing on it waits for anything outside of it.

mod clock;
mod door;
mod finder;
mod gather;
mod mail;
mod open;
mod pipelines;
mod probes;
mod ration;
mod record;
mod refused;
mod stats;
mod strain;
mod told;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use self::door::Doorman;
use self::finder::Finder;
use self::gather::Gather;
use self::mail::Outbox;
use self::pipelines::Pipelines;
use self::probes::Prober;
use self::ration::Ration;
use self::stats::{Carried, Stats};
use self::strain::Strain;
use crate::admin::Metrics;
use crate::cdr::JournalHandle;
use crate::cdr::record::{CallRecord, UnixMicros};
use crate::events::{self, CallBegun, Event};
use crate::guard::Guard;
use crate::routing::{Router, RoutingFacts, Snapshot};
use crate::sip::core::{Action, Core, Settings};
use crate::sip::decision::CallRef;
use crate::sip::flow::{Flow, Transport};
use crate::sip::message::call_id_of;
use crate::sip::time::Time;
use crate::spans::Tracer;
use crate::transport::hep::Mirror;
use crate::transport::stream::Streams;
use crate::transport::udp::Socket;

pub use self::clock::Clock;
pub use self::mail::{Mail, Mailbox, mailboxes};
pub use self::open::LeftOpen;

/// Rounds of work before the runtime's own timers and wake-ups get their turn.
const ROUNDS: usize = 4;
/// Messages of other workers taken per round: what they cause is sent before the next ones come, so that the sockets'
/// queues have room for it.
const MAIL: usize = 32;
/// Timers may fire this much later than they are due, many in one wake-up. Whoever is awake anyway fires those that are
/// due without being woken for it.
const SLACK: Duration = Duration::from_millis(10);
/// How often the wall's clock is read again and the statistics are published.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// What a worker is made of. Made on any thread, run on its own.
pub struct Worker {
    /// Of this worker's core; names the listeners.
    pub settings: Settings,
    /// One bound socket per listener, in the order of the settings.
    pub sockets: Vec<std::net::UdpSocket>,
    /// Connections, for what goes over TCP and TLS.
    pub streams: Streams,
    /// Keeps strangers off.
    pub guard: Guard,
    /// Takes a copy of every message, where there is a collector.
    pub mirror: Option<Mirror>,
    /// Takes records of calls, where traces are exported.
    pub tracer: Option<Tracer>,
    /// Its own mail, and the way to the other workers.
    pub mailbox: Mailbox,
    /// Where names are asked for.
    pub office: tokio::runtime::Handle,
    /// What it routes by, until the first reload.
    pub snapshot: Arc<Snapshot>,
    /// Where records go.
    pub journal: JournalHandle,
    /// The node's clock.
    pub clock: Clock,
    /// Where it counts.
    pub metrics: Arc<Metrics>,
    /// Its calls that an earlier process has left open, and when that was last heard of.
    pub left_open: (Vec<LeftOpen>, UnixMicros),
    /// Take no new call while the journal's disk refuses records.
    pub refuse_unrecorded: bool,
    /// Records of strangers' refused calls in a second.
    pub stranger_records: u32,
}

impl Worker {
    /// Carry calls on this thread until told to stop. `ready` is called once the stages are warm.
    pub fn run(self, ready: impl FnOnce()) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut driver = Driver::new(self)?;
            driver.pipelines.router().warm_up().await;
            ready();
            std::future::poll_fn(|cx| driver.poll(cx)).await;
            Ok(())
        })
    }
}

struct Driver {
    core: Core<RoutingFacts>,
    sockets: Vec<Socket>,
    streams: Streams,
    guard: Guard,
    /// Messages for connections that wait until all that they tell of is handed to the journal.
    to_streams: Vec<(Flow, Bytes, Option<Duration>)>,
    mirror: Option<Mirror>,
    tracer: Option<Tracer>,
    mailbox: Mailbox,
    outbox: Outbox,
    pipelines: Pipelines,
    journal: JournalHandle,
    clock: Clock,
    stats: Stats,
    gather: Gather,
    strain: Strain,
    prober: Prober,
    finder: Finder,
    timer: Pin<Box<Sleep>>,
    /// When `timer` will fire.
    armed: Time,
    next_housekeeping: Time,
    /// Who wants to know that no call is in progress.
    idle: Option<oneshot::Sender<()>>,
    stopping: bool,
    refuse_unrecorded: bool,
    strangers: Ration,
}

impl Driver {
    fn new(worker: Worker) -> io::Result<Self> {
        let sockets = worker.sockets.into_iter().map(Socket::new).collect::<io::Result<_>>()?;
        let now = worker.clock.now();
        let mut core = Core::new(worker.settings, fastrand::u64(..));
        core.tick(now);
        let (snapshot, streams) = (Arc::clone(&worker.snapshot), worker.streams.clone());
        core.put_before(Box::new(Doorman { snapshot, streams }));
        let (left_open, died) = worker.left_open;
        let (count, died) = (left_open.len(), worker.clock.of_wall(died));
        let mut going_on = 0;
        for left in left_open {
            let (call, facts) = left.by(&worker.clock, now);
            let terms = open::terms(&worker.snapshot, &call, &facts);
            going_on += usize::from(core.restore(now, call, facts, terms, died));
        }
        if count > 0 {
            tracing::info!(going_on, interrupted = count - going_on, "calls of the last process are taken up");
        }
        let outbox = Outbox::new(&worker.mailbox);
        Ok(Self {
            prober: Prober::of(&worker.snapshot, outbox.place(), now),
            strain: Strain::new(worker.snapshot.overload, now),
            finder: Finder::new(worker.office, worker.mailbox.address()),
            core,
            sockets,
            streams: worker.streams,
            guard: worker.guard,
            to_streams: Vec::new(),
            mirror: worker.mirror,
            outbox,
            mailbox: worker.mailbox,
            pipelines: Pipelines::new(Router::new(worker.snapshot), worker.tracer.clone()),
            tracer: worker.tracer,
            journal: worker.journal,
            clock: worker.clock,
            stats: Stats::new(&worker.metrics),
            gather: Gather::new(now),
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            armed: now,
            next_housekeeping: now + HOUSEKEEPING,
            idle: None,
            stopping: false,
            refuse_unrecorded: worker.refuse_unrecorded,
            strangers: Ration::new(worker.stranger_records, now),
        })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..ROUNDS {
            let now = self.clock.now();
            self.core.refuse_new(self.refuse_unrecorded && self.journal.is_failing());
            if let Some(turn) = self.strain.round(now, self.mailbox.filled(), strain::processor_time) {
                self.core.overloaded(self.strain.retry_after());
                self.stats.turned(turn);
            }
            // What the node has told this worker is older than what the network has for it.
            let mut progress = self.read_mail(now, cx);
            progress |= self.receive(now, cx);
            progress |= self.fire_timers(now, cx);
            progress |= self.collect_decisions(cx);
            self.act(cx);
            progress |= self.flush(cx);
            if self.core.in_progress() == 0
                && let Some(told) = self.idle.take()
            {
                let _ = told.send(());
            }
            if self.stopping && self.pipelines.is_empty() {
                self.publish();
                return Poll::Ready(());
            }
            if !progress && !self.pipelines.want_more() {
                self.strain.parks(self.clock.now());
                if let Some(pause) = self.gather.pause(now) {
                    std::thread::sleep(pause);
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            if !progress {
                self.strain.catches_up(now);
                // Stages compute: whatever else waits has its turn first.
                break;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// One batch of each socket: to the core, or to the worker that owns the call.
    fn receive(&mut self, now: Time, cx: &mut Context<'_>) -> bool {
        let Self { core, sockets, outbox, stats, gather, guard, streams, mirror, clock, .. } = self;
        let mut progress = false;
        for (listener, socket) in sockets.iter_mut().enumerate() {
            let mut lost = Vec::new();
            let received = socket.poll_receive(
                cx,
                |remote, bytes| {
                    if guard.admit(now, remote.ip(), bytes).is_err() {
                        return;
                    }
                    let flow = Flow::to(listener as u16, Transport::Udp, remote);
                    let bytes = Bytes::copy_from_slice(bytes);
                    if let Some(mirror) = mirror {
                        mirror.copy(clock.on_wall(now), true, flow, &bytes);
                    }
                    match outbox.owner(call_id_of(&bytes).unwrap_or_default()) {
                        None => {
                            if !hear(core, now, flow, bytes) {
                                streams.malformed(now, flow);
                            }
                        }
                        Some(other) => outbox.push(other, flow, bytes),
                    }
                },
                |datagram| lost.push(Bytes::copy_from_slice(datagram)),
            );
            for datagram in lost {
                outbox.unreachable(core, now, &datagram);
            }
            match received {
                Poll::Pending => {}
                Poll::Ready(Ok(count)) => {
                    progress |= count > 0;
                    gather.received(count);
                }
                // Nobody would be woken for what comes next: it is asked again.
                Poll::Ready(Err(error)) => {
                    progress = true;
                    tracing::error!(%error, listener, "socket cannot be read");
                }
            }
        }
        outbox.post(stats);
        progress
    }

    fn read_mail(&mut self, now: Time, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        for _ in 0..MAIL {
            let Poll::Ready(Some(mail)) = self.mailbox.poll_next(cx) else { break };
            progress = true;
            match mail {
                Mail::Datagrams(batch) => {
                    for (flow, bytes) in batch {
                        // The worker whose socket it came by has copied a datagram.
                        if let Some(mirror) = &self.mirror
                            && flow.transport.is_reliable()
                        {
                            mirror.copy(self.clock.on_wall(now), true, flow, &bytes);
                        }
                        if !hear(&mut self.core, now, flow, bytes) {
                            self.streams.malformed(now, flow);
                        }
                    }
                }
                Mail::Unreachable(branch, why) => self.core.unreachable(now, &branch, why),
                Mail::Located(place, found) => self.core.located(now, &place, found),
                Mail::Reload(snapshot) => self.pipelines.reload(snapshot),
                Mail::Drain => self.core.drain(),
                Mail::TellIdle(told) => self.idle = Some(told),
                Mail::Stop => {
                    self.core.interrupt(now);
                    // Their records wait for what the stages have found out so far.
                    self.pipelines.cancel_all();
                    self.stopping = true;
                }
            }
        }
        progress
    }

    fn fire_timers(&mut self, now: Time, cx: &mut Context<'_>) -> bool {
        let due = self.core.next_deadline().is_some_and(|next| next <= now);
        if due {
            self.core.tick(now);
        }
        if now >= self.next_housekeeping {
            self.next_housekeeping = now + HOUSEKEEPING;
            if let Some(step) = self.clock.adjust()
                && self.outbox.place().0 == 0
            {
                tell_of_step(step);
            }
            self.publish();
            if !self.stopping {
                self.prober.run(now, &mut self.core, &self.outbox);
            }
        }
        // What is due earlier than the timer fires moves it. What is due later does not: it fires in vain now and then,
        // which costs less than being set anew for every message.
        let next = self.core.next_deadline().map_or(self.next_housekeeping, |next| next.min(self.next_housekeeping));
        let fired = now >= self.armed && self.timer.as_mut().poll(cx).is_ready();
        if fired || next + SLACK < self.armed {
            self.armed = next + SLACK;
            self.timer.as_mut().reset(Instant::from_std(self.clock.instant(self.armed)));
            // Polled again, so that the runtime knows whom to wake.
            return self.timer.as_mut().poll(cx).is_ready() || due;
        }
        due
    }

    fn collect_decisions(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        while let Poll::Ready((call, routed)) = self.pipelines.poll_next(cx) {
            progress = true;
            self.core.decide(self.clock.now(), call, routed.decision, routed.facts);
        }
        if let Some(snapshot) = self.pipelines.turned() {
            self.turn(snapshot);
        }
        progress
    }

    /// All of this worker goes by the new configuration at once: who is let in is who is routed, by stages that are warm.
    fn turn(&mut self, snapshot: Arc<Snapshot>) {
        self.prober = Prober::of(&snapshot, self.outbox.place(), self.clock.now());
        self.strain.limit(snapshot.overload);
        self.core.overloaded(self.strain.retry_after());
        self.core.put_before(Box::new(Doorman { snapshot, streams: self.streams.clone() }));
    }

    /// Do what the core says. A pipeline that needs nothing from outside decides on the spot.
    ///
    /// What tells the world that a call was answered or is over leaves only after the journal has been told: datagrams
    /// wait for [`Driver::flush`], what goes over connections for the end of this.
    fn act(&mut self, cx: &mut Context<'_>) {
        loop {
            self.act_once(cx);
            self.journal.keep();
            if self.to_streams.is_empty() {
                return;
            }
            for (flow, bytes, within) in std::mem::take(&mut self.to_streams) {
                if let Err(message) = self.streams.send(flow, bytes, within)
                    && !message.starts_with(b"SIP/")
                {
                    self.outbox.unreachable(&mut self.core, self.clock.now(), &message);
                }
            }
        }
    }

    fn act_once(&mut self, cx: &mut Context<'_>) {
        while let Some(action) = self.core.poll_action() {
            if let (Some(mirror), Action::Send { flow, bytes, .. }) = (&self.mirror, &action) {
                mirror.copy(self.clock.on_wall(self.clock.now()), false, *flow, bytes);
            }
            match action {
                Action::Send { flow, bytes, within } if flow.transport.is_reliable() => {
                    self.to_streams.push((flow, bytes, within));
                }
                Action::Send { flow, bytes, .. } => {
                    if let Some(socket) = self.sockets.get_mut(usize::from(flow.listener)) {
                        socket.queue(flow.remote, bytes);
                    }
                }
                Action::Route(request) => {
                    if let Some((call, routed)) =
                        self.pipelines.start(&request, self.streams.identities(request.flow.connection), cx)
                    {
                        self.core.decide(self.clock.now(), call, routed.decision, routed.facts);
                    }
                }
                Action::StopRouting(call) => self.pipelines.cancel(call),
                Action::Locate(place) => {
                    let snapshot = self.pipelines.router().snapshot();
                    if !self.finder.seek(snapshot.gateways.locator(), place.clone()) {
                        self.stats.name_unasked();
                        self.core.located(self.clock.now(), &place, None);
                    }
                }
                Action::Started(call) => self.note(call, Event::CallStarted, JournalHandle::started),
                Action::Answered(call) => self.note(call, Event::CallAnswered, JournalHandle::answered),
                Action::Settled(call) => {
                    if let Some(facts) = self.core.facts_mut(call) {
                        facts.pack();
                    }
                }
                Action::Record(mut report) => {
                    let (name, visits) = (report.cookie, report.facts.visits.take());
                    let record = record::record(*report, &self.clock);
                    self.stats.ended(&record);
                    if is_strangers(&record) && !self.strangers.take(self.clock.now()) {
                        self.stats.record_spared();
                        continue;
                    }
                    if events::wanted() {
                        events::publish(Event::CallEnded(told::over(&record)));
                    }
                    if !self.journal.append(name, &record) {
                        self.stats.record_lost();
                    }
                    if let Some(tracer) = &self.tracer {
                        tracer.take(record, visits);
                    }
                }
            }
        }
    }

    /// Write down a call in progress.
    fn note(&self, call: CallRef, event: fn(CallBegun) -> Event, write: fn(&JournalHandle, u64, Vec<u8>)) {
        // It may have ended meanwhile: its record is on the way.
        if let Some((open, facts)) = self.core.open_call(call) {
            let whole = facts.read_packed();
            let facts = whole.as_ref().unwrap_or(facts);
            write(&self.journal, open.cookie, open::encode(&open, facts, &self.clock));
            if events::wanted() {
                events::publish(event(told::begun(&open, facts, &self.clock)));
            }
        }
    }

    /// True where a datagram came back: the core may have something to do about it.
    fn flush(&mut self, cx: &mut Context<'_>) -> bool {
        let Self { core, sockets, outbox, clock, .. } = self;
        let mut returned = false;
        for socket in sockets {
            socket.flush(cx, |datagram| {
                returned = true;
                outbox.unreachable(core, clock.now(), datagram);
            });
        }
        returned
    }

    fn publish(&mut self) {
        let carried = self.sockets.iter().fold(Carried::default(), |sum, socket| Carried {
            received: sum.received + socket.carried.0,
            sent: sum.sent + socket.carried.1,
            unsent: sum.unsent + socket.unsent,
        });
        self.stats.publish(&self.core, carried, self.pipelines.waiting());
    }
}

/// A message to the core. False where it broke the rules.
fn hear(core: &mut Core<RoutingFacts>, now: Time, flow: Flow, bytes: Bytes) -> bool {
    let faults = |core: &Core<RoutingFacts>| core.counters().unreadable + core.counters().malformed;
    let before = faults(core);
    core.receive(now, flow, bytes);
    faults(core) == before
}

/// Nobody's call, refused: it was routed nowhere and costs nobody anything.
fn is_strangers(record: &CallRecord) -> bool {
    record.customer.is_empty() && record.attempts.is_empty()
}

/// Calls in progress get their times by the clock as it stands at their end; what they last is not moved.
fn tell_of_step(micros: i64) {
    tracing::warn!(
        seconds = micros / 1_000_000,
        "THE MACHINE'S CLOCK WAS SET: records of calls that end from now on have all their times by the new one"
    );
    events::publish(Event::ClockStepped { micros });
}

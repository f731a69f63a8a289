//! A worker: one thread that owns its calls. It moves datagrams into the core, runs the pipelines of new calls, and
//! does what the core says. Nothing on it waits for anything outside of it.

mod act;
mod clock;
mod door;
mod finder;
mod gather;
mod hear;
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
use crate::cdr::record::UnixMicros;
use crate::events::{self, Event};
use crate::guard::Guard;
use crate::routing::{Router, RoutingFacts, Snapshot};
use crate::sip::core::{Core, Settings};
use crate::sip::flow::Flow;
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
    /// While many messages come, they are let come together for as long.
    pub gather: Duration,
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
            gather: Gather::new(worker.gather, now),
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
            self.pipelines.router().log_failures(std::time::Instant::now());
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
            self.decided(call, routed);
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

    fn publish(&mut self) {
        let carried = self.sockets.iter().fold(Carried::default(), |sum, socket| Carried {
            received: sum.received + socket.carried.0,
            sent: sum.sent + socket.carried.1,
            unsent: sum.unsent + socket.unsent,
        });
        self.stats.publish(&self.core, carried, self.pipelines.waiting());
    }
}

/// Calls in progress get their times by the clock as it stands at their end; what they last is not moved.
fn tell_of_step(micros: i64) {
    tracing::warn!(
        seconds = micros / 1_000_000,
        "THE MACHINE'S CLOCK WAS SET: records of calls that end from now on have all their times by the new one"
    );
    events::publish(Event::ClockStepped { micros });
}

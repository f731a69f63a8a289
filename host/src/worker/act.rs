//! What a worker does with what its core says: messages leave, pipelines begin and stop, the journal is told.

use std::sync::Arc;
use std::task::Context;

use super::{Driver, open, record, told};
use crate::cdr::JournalHandle;
use crate::cdr::record::CallRecord;
use crate::events::{self, CallBegun, Event};
use crate::routing::Routed;
use crate::sip::core::Action;
use crate::sip::decision::CallRef;

impl Driver {
    /// Do what the core says. A pipeline that needs nothing from outside decides on the spot.
    ///
    /// What tells the world that a call was answered or is over leaves only after the journal has been told: datagrams
    /// wait for [`Driver::flush`], what goes over connections for the end of this.
    pub(super) fn act(&mut self, cx: &mut Context<'_>) {
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
                        self.decided(call, routed);
                    }
                }
                Action::StopRouting(call) => self.pipelines.cancel(call),
                Action::Locate { place, awaited } => {
                    let snapshot = self.pipelines.router().snapshot();
                    if !self.finder.seek(snapshot.gateways.locator(), place.clone(), awaited) {
                        self.stats.name_unasked();
                        self.core.unasked(self.clock.now(), &place, awaited);
                    }
                }
                Action::Started(call) => self.note(call, Event::CallStarted, JournalHandle::started),
                Action::Answered(call) => self.note(call, Event::CallAnswered, JournalHandle::answered),
                Action::Settled(call) => {
                    if let Some(facts) = self.core.facts_mut(call) {
                        facts.pack();
                    }
                }
                Action::Heard { customer, after } => self.stats.calls.heard(&customer, after),
                Action::Attempted { gateway, outcome } => self.stats.calls.attempted(&gateway, outcome),
                Action::Record(mut report) => {
                    let (name, visits) = (report.cookie, report.facts.visits.take());
                    let record = record::record(*report, &self.clock);
                    self.stats.calls.ended(&record);
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

    /// A call's pipeline has come to its end.
    pub(super) fn decided(&mut self, call: CallRef, Routed { decision, facts }: Routed) {
        self.stats.calls.staged(&facts.stages);
        let customer = Arc::clone(&facts.customer);
        if let Some(after) = self.core.decide(self.clock.now(), call, decision, facts) {
            self.stats.calls.set_up(&customer, after);
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
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) -> bool {
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
}

/// Nobody's call, refused: it was routed nowhere and costs nobody anything.
fn is_strangers(record: &CallRecord) -> bool {
    record.customer.is_empty() && record.attempts.is_empty()
}

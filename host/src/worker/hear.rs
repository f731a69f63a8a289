//! What a worker hears: datagrams of its sockets, and the mail of other workers and of the node.

use std::task::{Context, Poll};

use bytes::Bytes;

use super::{Driver, Mail};
use crate::routing::RoutingFacts;
use crate::sip::core::Core;
use crate::sip::flow::{Flow, Transport};
use crate::sip::message::call_id_of;
use crate::sip::time::Time;

/// Messages of other workers taken per round: what they cause is sent before the next ones come, so that the sockets'
/// queues have room for it.
const MAIL: usize = 32;

impl Driver {
    /// One batch of each socket: to the core, or to the worker that owns the call.
    pub(super) fn receive(&mut self, now: Time, cx: &mut Context<'_>) -> bool {
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

    pub(super) fn read_mail(&mut self, now: Time, cx: &mut Context<'_>) -> bool {
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
}

/// A message to the core. False where it broke the rules.
fn hear(core: &mut Core<RoutingFacts>, now: Time, flow: Flow, bytes: Bytes) -> bool {
    let faults = |core: &Core<RoutingFacts>| core.counters().unreadable + core.counters().malformed;
    let before = faults(core);
    core.receive(now, flow, bytes);
    faults(core) == before
}

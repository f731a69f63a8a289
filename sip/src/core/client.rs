//! The client transaction: gets a request to the next hop and its responses back (RFC 3261 section 17.1, RFC 6026
//! section 7.2), and its CANCEL (RFC 3261 section 9.1).

use std::time::Duration;

use bytes::Bytes;

use super::cx::{BranchName, Cx};
use super::forward;
use super::size::Outgoing;
use crate::flow::Flow;
use crate::message::Message;
use crate::time::Time;

/// How long the client waits for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For the first response.
    pub(super) first: Duration,
    /// For the final response.
    pub(super) last: Duration,
    /// Whether that wait begins anew with every provisional response but 100 (timer C, RFC 3261 section 16.7 item 2).
    pub(super) renewed: bool,
}

#[derive(Debug)]
pub(super) struct Client {
    /// The branch parameter of our Via: what a response is matched by (RFC 3261 section 17.1.3).
    pub(super) branch: BranchName,
    pub(super) flow: Flow,
    invite: bool,
    state: State,
    /// The request as sent: for retransmission, and to make its CANCEL and ACK from. Empty once the final response is
    /// there: half a minute of ended calls would hold it for nothing.
    request: Bytes,
    /// INVITE: the ACK of the failure response, for when that comes again.
    ack: Option<Bytes>,
    /// Timer A or E: when to send again, and the interval before that.
    retransmit: Option<(Time, Duration)>,
    /// The first response is due, then the final one (timers B, C, F), then the end (timers D, K, M).
    deadline: Option<Time>,
    final_due: Time,
    /// Timer C: how long each provisional response puts the end of the wait off.
    renewal: Option<Duration>,
    cancel: Cancel,
    /// The same request by datagram: the way that is left where no connection comes about.
    instead: Option<Box<(Flow, Bytes)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// Nothing came back yet; "Trying" too.
    Calling,
    Proceeding,
    /// INVITE: a 2xx came.
    Accepted,
    /// A final response came; for INVITE a failure.
    Completed,
    Terminated,
}

#[derive(Debug)]
enum Cancel {
    None,
    /// To be sent as soon as a provisional response comes (RFC 3261 section 9.1).
    Wanted,
    /// Sent; a non-INVITE client transaction of its own that shares our branch.
    Sent {
        bytes: Bytes,
        retransmit: Option<(Time, Duration)>,
    },
    /// It was answered.
    Done,
}

/// What a response means to the transaction's user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// Pass it on.
    Fresh,
    /// Absorbed here.
    Repeated,
}

impl Client {
    /// Send `request`, whose topmost Via carries `branch`.
    pub(super) fn start<F>(
        cx: &mut Cx<'_, F>,
        branch: BranchName,
        request: Outgoing,
        invite: bool,
        patience: Patience,
    ) -> Self {
        let Outgoing { flow, bytes: request, instead } = request;
        let wait = patience.first.min(patience.last).min(cx.settings.timeout());
        // Where no connection comes about, the other half is left for the datagram.
        match &instead {
            Some(_) => cx.try_to_send(flow, request.clone(), wait / 2),
            None => cx.send(flow, request.clone()),
        }
        Self {
            branch,
            flow,
            invite,
            state: State::Calling,
            request,
            ack: None,
            retransmit: retransmission(cx, flow),
            deadline: Some(cx.now + wait),
            final_due: cx.now + patience.last,
            renewal: patience.renewed.then_some(patience.last),
            cancel: Cancel::None,
            instead: instead.map(Box::new),
        }
    }

    /// No connection came about for a request that only its size has made to go by one: it goes by datagram after all
    /// (RFC 3261 section 18.1.1), in what is left of its time. False where there is no such way, where the next hop was heard
    /// of, or where nobody waits for an answer any more.
    pub(super) fn falls_back<F>(&mut self, cx: &mut Cx<'_, F>) -> bool {
        if self.state != State::Calling || !matches!(self.cancel, Cancel::None) {
            return false;
        }
        let Some(instead) = self.instead.take() else { return false };
        (self.flow, self.request) = *instead;
        cx.deaf.add(cx.now, self.flow.remote);
        cx.counters.by_datagram += 1;
        cx.send(self.flow, self.request.clone());
        self.retransmit = retransmission(cx, self.flow);
        true
    }

    /// As it was sent.
    pub(super) fn request(&self) -> &Bytes {
        &self.request
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }

    /// No final response came yet, and we have not given up.
    pub(super) fn is_pending(&self) -> bool {
        self.state <= State::Proceeding
    }

    /// We have asked the next hop to stop, or will.
    pub(super) fn is_cancelled(&self) -> bool {
        matches!(self.cancel, Cancel::Wanted | Cancel::Sent { .. })
    }

    /// The next hop has not been heard of.
    pub(super) fn is_unheard(&self) -> bool {
        self.state == State::Calling
    }

    /// A response to the request itself.
    pub(super) fn on_response<F>(&mut self, cx: &mut Cx<'_, F>, response: &Message) -> Received {
        let code = response.code();
        self.instead = None;
        match (self.state, code) {
            (State::Calling | State::Proceeding, 100..200) => {
                if let Some(renewal) = self.renewal.filter(|_| code > 100 && matches!(self.cancel, Cancel::None)) {
                    self.final_due = cx.now + renewal;
                }
                // Where the wait is over already, its user has been told.
                if self.deadline.is_some() {
                    self.deadline = Some(self.final_due);
                }
                self.state = State::Proceeding;
                // RFC 3261 section 17.1.2.2: a non-INVITE goes on being sent, every T2.
                self.retransmit = if self.invite { None } else { self.retransmit.map(|(at, _)| (at, cx.settings.t2)) };
                if matches!(self.cancel, Cancel::Wanted) {
                    self.send_cancel(cx);
                }
                Received::Fresh
            }
            (State::Calling | State::Proceeding, 200..300) if self.invite => {
                self.state = State::Accepted;
                self.request = Bytes::new();
                self.stop_sending(cx.now + cx.settings.timeout());
                Received::Fresh
            }
            (State::Accepted, 200..300) => Received::Fresh,
            (State::Calling | State::Proceeding, _) if self.invite => {
                let ack = forward::ack_of_failure(&self.request, response);
                self.send_ack(cx, ack);
                self.request = Bytes::new();
                self.state = State::Completed;
                let wait = if self.flow.transport.is_reliable() { Duration::ZERO } else { cx.settings.timeout() };
                self.stop_sending(cx.now + wait);
                Received::Fresh
            }
            (State::Calling | State::Proceeding, _) => {
                self.state = State::Completed;
                let wait = if self.flow.transport.is_reliable() { Duration::ZERO } else { cx.settings.t4 };
                self.stop_sending(cx.now + wait);
                self.request = Bytes::new();
                Received::Fresh
            }
            (State::Completed, 300..) if self.invite => {
                let ack = self.ack.take();
                self.send_ack(cx, ack);
                Received::Repeated
            }
            _ => Received::Repeated,
        }
    }

    fn send_ack<F>(&mut self, cx: &mut Cx<'_, F>, ack: Option<Bytes>) {
        if let Some(ack) = &ack {
            cx.send(self.flow, ack.clone());
        }
        self.ack = ack;
    }

    fn stop_sending(&mut self, end: Time) {
        self.retransmit = None;
        self.deadline = Some(end);
        if !matches!(self.cancel, Cancel::Sent { .. }) {
            self.cancel = Cancel::Done;
        }
    }

    /// A response to our CANCEL.
    pub(super) fn on_cancel_response(&mut self, code: u16) {
        if code >= 200 && matches!(self.cancel, Cancel::Sent { .. }) {
            self.cancel = Cancel::Done;
        }
    }

    /// Ask the next hop to stop: now, or once it has shown that it is there. The final response is awaited for
    /// 64 × T1 more (RFC 3261 section 9.1).
    pub(super) fn cancel<F>(&mut self, cx: &mut Cx<'_, F>) {
        if !self.is_pending() || !matches!(self.cancel, Cancel::None) {
            return;
        }
        if self.state == State::Proceeding {
            self.send_cancel(cx);
        } else {
            // An INVITE that was never answered is not sent again: it might start what nobody waits for.
            self.cancel = Cancel::Wanted;
            self.retransmit = None;
        }
        let end = cx.now + cx.settings.timeout();
        self.final_due = end;
        self.deadline = Some(end);
    }

    fn send_cancel<F>(&mut self, cx: &mut Cx<'_, F>) {
        let Some(bytes) = forward::cancel_of(&self.request) else {
            self.cancel = Cancel::Done;
            return;
        };
        cx.send(self.flow, bytes.clone());
        self.cancel = Cancel::Sent { bytes, retransmit: retransmission(cx, self.flow) };
    }

    /// Nothing more is expected of this branch: unreachable.
    pub(super) fn give_up(&mut self) {
        self.state = State::Terminated;
    }

    /// Send again what is due. True when the wait for a response is over.
    pub(super) fn on_timer<F>(&mut self, cx: &mut Cx<'_, F>) -> bool {
        if self.is_terminated() {
            return false;
        }
        if self.deadline.is_some_and(|deadline| deadline <= cx.now) {
            // A cancelled branch that never answered is over; another is told so by its user.
            let timed_out = self.is_pending();
            if !timed_out || !matches!(self.cancel, Cancel::None) {
                self.state = State::Terminated;
            } else {
                self.deadline = None;
            }
            return timed_out;
        }
        if let Some((at, interval)) = self.retransmit
            && at <= cx.now
        {
            let doubled = interval * 2;
            let interval = if self.invite { doubled } else { doubled.min(cx.settings.t2) };
            self.retransmit = Some((cx.now + interval, interval));
            cx.counters.retransmitted += 1;
            cx.send(self.flow, self.request.clone());
        }
        if let Cancel::Sent { bytes, retransmit: Some((at, interval)) } = &mut self.cancel
            && *at <= cx.now
        {
            *interval = (*interval * 2).min(cx.settings.t2);
            *at = cx.now + *interval;
            cx.counters.retransmitted += 1;
            cx.send(self.flow, bytes.clone());
        }
        false
    }

    pub(super) fn next_timer(&self) -> Option<Time> {
        if self.state == State::Terminated {
            return None;
        }
        let cancel = match &self.cancel {
            Cancel::Sent { retransmit: Some((at, _)), .. } => Some(*at),
            _ => None,
        };
        [self.deadline, self.retransmit.map(|(at, _)| at), cancel].into_iter().flatten().min()
    }
}

/// When what has left is sent again for the first time: by datagrams alone.
fn retransmission<F>(cx: &Cx<'_, F>, flow: Flow) -> Option<(Time, Duration)> {
    (!flow.transport.is_reliable()).then(|| (cx.now + cx.settings.t1, cx.settings.t1))
}

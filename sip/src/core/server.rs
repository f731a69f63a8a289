//! The server transaction: answers whoever sent us the request (RFC 3261 section 17.2, RFC 6026 section 7.1).

use std::time::Duration;

use bytes::Bytes;

use super::cx::Cx;
use crate::flow::{Flow, Transport};
use crate::time::Time;

/// Whoever is challenged has shown nothing yet: a forged address must not make of one request a dozen of datagrams on its
/// victim (RFC 3261 section 26.3.2.4).
const CHALLENGE_RESENDS: u8 = 3;

#[derive(Debug)]
pub(super) struct Server {
    state: State,
    invite: bool,
    /// Where responses go (RFC 3261 section 18.2.2, RFC 3581 section 4).
    flow: Flow,
    /// What a retransmitted request gets again.
    last: Option<Bytes>,
    /// Timer G: next retransmission of a final response, and the interval before it.
    retransmit: Option<(Time, Duration)>,
    /// How often timer G may still send.
    resends: u8,
    /// Timer H, I, J or L.
    deadline: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No final response yet; "Trying" too.
    Proceeding,
    /// A final response was sent; for INVITE a failure, and its ACK is awaited.
    Completed,
    /// INVITE: the ACK came.
    Confirmed,
    /// INVITE: a 2xx was sent (RFC 6026).
    Accepted,
    Terminated,
}

impl Server {
    pub(super) fn new(invite: bool, flow: Flow) -> Self {
        Self { state: State::Proceeding, invite, flow, last: None, retransmit: None, resends: u8::MAX, deadline: None }
    }

    pub(super) fn transport(&self) -> Transport {
        self.flow.transport
    }

    pub(super) fn is_final(&self) -> bool {
        self.state != State::Proceeding
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.state == State::Accepted
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }

    /// Send a response, unless a final one went before; a 2xx to INVITE may follow another (several branches
    /// answered, or the answer is retransmitted).
    pub(super) fn respond<F>(&mut self, cx: &mut Cx<'_, F>, code: u16, bytes: Bytes) {
        match (self.state, code) {
            (State::Proceeding, 100..200) => self.last = Some(bytes.clone()),
            (State::Proceeding, 200..300) if self.invite => {
                self.state = State::Accepted;
                self.last = None;
                self.deadline = Some(cx.now + cx.settings.timeout());
            }
            (State::Proceeding, _) => {
                self.state = State::Completed;
                self.last = Some(bytes.clone());
                if matches!(code, 401 | 407) {
                    self.resends = CHALLENGE_RESENDS;
                }
                self.deadline = Some(cx.now + cx.settings.timeout());
                if !self.flow.transport.is_reliable() {
                    self.retransmit = self.invite.then(|| (cx.now + cx.settings.t1, cx.settings.t1));
                } else if !self.invite {
                    self.state = State::Terminated;
                }
            }
            (State::Accepted, 200..300) => {}
            _ => return,
        }
        cx.send(self.flow, bytes);
    }

    /// Send nothing more.
    pub(super) fn forget(&mut self) {
        self.state = State::Terminated;
        self.last = None;
        self.retransmit = None;
    }

    /// The request came again.
    pub(super) fn on_retransmission<F>(&mut self, cx: &mut Cx<'_, F>) {
        if let (State::Proceeding | State::Completed, Some(last)) = (self.state, &self.last) {
            cx.send(self.flow, last.clone());
        }
    }

    /// The ACK of a failure response came.
    pub(super) fn on_ack<F>(&mut self, cx: &mut Cx<'_, F>) {
        if self.state == State::Completed {
            self.last = None;
            self.retransmit = None;
            if self.flow.transport.is_reliable() {
                self.state = State::Terminated;
            } else {
                self.state = State::Confirmed;
                self.deadline = Some(cx.now + cx.settings.t4);
            }
        }
    }

    pub(super) fn on_timer<F>(&mut self, cx: &mut Cx<'_, F>) {
        if self.deadline.is_some_and(|deadline| deadline <= cx.now) {
            if self.state == State::Completed && self.invite {
                cx.counters.unacknowledged += 1;
            }
            self.state = State::Terminated;
            self.last = None;
            return;
        }
        if let (Some((at, interval)), Some(last)) = (self.retransmit, &self.last)
            && at <= cx.now
        {
            let interval = (interval * 2).min(cx.settings.t2);
            self.resends -= 1;
            self.retransmit = Some((cx.now + interval, interval)).filter(|_| self.resends > 0);
            cx.counters.retransmitted += 1;
            cx.send(self.flow, last.clone());
        }
    }

    pub(super) fn next_timer(&self) -> Option<Time> {
        if self.state == State::Terminated {
            return None;
        }
        [self.deadline, self.retransmit.map(|(at, _)| at)].into_iter().flatten().min()
    }
}

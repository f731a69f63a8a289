//! What the caller and the carrier do in one call, as RFC 3261 has user agents do it over a network that delivers.

use std::time::Duration;

use trunkline::sip::message::{Message, Method};
use trunkline::sip::time::Time;

use super::{Event, Fleet, NEXT_NODE, T1, T2, TIMEOUT};
use crate::script;

/// How long the callee takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Plan {
    /// Until 180.
    pub(super) rings: Duration,
    /// Until 200.
    pub(super) answers: Duration,
    /// From the answer until the caller hangs up.
    pub(super) talks: Duration,
}

/// The longest that a caller lets ring.
const LETS_RING: Duration = Duration::from_mins(1);

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    node: usize,
    plan: Plan,
    moved: bool,
    caller: Caller,
    /// What its timer was set for last; another that comes means nothing.
    caller_step: u32,
    carrier: Carrier,
    carrier_step: u32,
    answered_at: Option<Time>,
    /// When the BYE was answered with 2xx.
    hung_up_at: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// Nothing came back yet: since when, and the interval before the next try.
    Calling(Time, Duration),
    /// Somebody is there.
    Proceeding,
    Talking,
    /// BYE is sent: since when, and the interval.
    HangingUp(Time, Duration),
    HungUp,
    /// Nobody answered the BYE, or it was 481.
    Stranded,
    Lost,
}

#[derive(Debug)]
enum Carrier {
    Idle,
    /// The INVITE, and by which node it came.
    Rings(Box<Message>, usize, bool),
    /// 200 is sent until its ACK comes: since when, and the interval.
    Answered(Box<Message>, usize, Time, Duration),
    Talking,
}

/// How it ended for the two who talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Open,
    LostInSetUp,
    HungUp,
    Stranded,
}

impl Call {
    pub(super) fn new(node: usize, plan: Plan) -> Self {
        Self {
            node,
            plan,
            moved: false,
            caller: Caller::Calling(Time::default(), T1),
            caller_step: 0,
            carrier: Carrier::Idle,
            carrier_step: 0,
            answered_at: None,
            hung_up_at: None,
        }
    }

    pub(super) fn end(&self) -> End {
        match self.caller {
            Caller::Lost => End::LostInSetUp,
            Caller::HungUp => End::HungUp,
            Caller::Stranded => End::Stranded,
            _ => End::Open,
        }
    }

    pub(super) fn node(&self) -> usize {
        self.node
    }

    pub(super) fn is_answered(&self) -> bool {
        self.answered_at.is_some()
    }

    pub(super) fn answered_at(&self) -> Option<Time> {
        self.answered_at
    }

    pub(super) fn hung_up_at(&self) -> Option<Time> {
        self.hung_up_at
    }

    pub(super) fn was_moved(&self) -> bool {
        self.moved
    }
}

impl Fleet {
    fn call(&mut self, number: u32) -> &mut Call {
        self.calls.get_mut(&number).expect("calls are never forgotten")
    }

    /// Sends the INVITE to the node that was chosen.
    pub(super) fn invite(&mut self, number: u32) {
        let now = self.now;
        let call = self.call(number);
        call.caller = Caller::Calling(now, T1);
        let node = call.node;
        let text = self.caller(node).invite(number);
        self.send_to(node, false, text);
        self.caller_timer(number, T1);
    }

    /// Sets the caller's timer, in place of the one before.
    fn caller_timer(&mut self, number: u32, delay: Duration) {
        let call = self.call(number);
        call.caller_step += 1;
        let step = call.caller_step;
        self.after(delay, Event::Caller(number, step));
    }

    fn carrier_timer(&mut self, number: u32, delay: Duration) {
        let call = self.call(number);
        call.carrier_step += 1;
        let step = call.carrier_step;
        self.after(delay, Event::Carrier(number, step));
    }

    pub(super) fn on_caller_timer(&mut self, number: u32, step: u32) {
        let now = self.now;
        let call = self.call(number);
        if call.caller_step != step {
            return;
        }
        let node = call.node;
        match call.caller {
            Caller::Calling(since, _) if now.since(since) >= NEXT_NODE => {
                let next = self.choose(Some(node));
                let call = self.call(number);
                (call.node, call.moved) = (next, true);
                self.invite(number);
            }
            Caller::Calling(since, interval) => {
                call.caller = Caller::Calling(since, interval * 2);
                let text = self.caller(node).invite(number);
                self.send_to(node, false, text);
                let left = NEXT_NODE.saturating_sub(now.since(since));
                self.caller_timer(number, (interval * 2).min(left));
            }
            // It rang for a minute, or the node that told so is gone: the caller gives up.
            Caller::Proceeding => call.caller = Caller::Lost,
            Caller::Talking => {
                call.caller = Caller::HangingUp(now, T1);
                self.send_bye(number);
                self.caller_timer(number, T1);
            }
            Caller::HangingUp(since, _) if now.since(since) >= TIMEOUT => call.caller = Caller::Stranded,
            Caller::HangingUp(since, interval) => {
                let next = (interval * 2).min(T2);
                call.caller = Caller::HangingUp(since, next);
                self.send_bye(number);
                self.caller_timer(number, next);
            }
            Caller::HungUp | Caller::Stranded | Caller::Lost => {}
        }
    }

    /// A request within the call goes to the node that is in its Record-Route, whatever the dispatcher thinks.
    fn send_bye(&mut self, number: u32) {
        let node = self.call(number).node;
        let caller = self.caller(node);
        let text = caller.within("BYE", number, &format!("<sip:{};lr>", caller.router));
        self.send_to(node, false, text);
    }

    pub(super) fn on_caller_message(&mut self, number: u32, node: usize, message: &Message) {
        let now = self.now;
        let call = self.call(number);
        if node != call.node || message.is_request() {
            // Of a node that was given up, or a BYE of the node's own: not in these scenes.
            return;
        }
        let talks = call.plan.talks;
        match (message.method(), message.code(), call.caller) {
            (Method::Invite, 100..200, Caller::Calling(..)) => {
                call.caller = Caller::Proceeding;
                self.caller_timer(number, LETS_RING);
            }
            (Method::Invite, 200..300, _) => {
                let fresh = matches!(call.caller, Caller::Calling(..) | Caller::Proceeding);
                if fresh {
                    call.caller = Caller::Talking;
                    call.answered_at = Some(now);
                }
                if matches!(call.caller, Caller::Talking) {
                    let text = self.caller(node).within("ACK", number, &script::route_of(message));
                    self.send_to(node, false, text);
                }
                if fresh {
                    self.caller_timer(number, talks);
                }
            }
            (Method::Invite, 300.., Caller::Calling(..) | Caller::Proceeding) => call.caller = Caller::Lost,
            (Method::Bye, 200..300, Caller::HangingUp(..)) => {
                call.caller = Caller::HungUp;
                call.hung_up_at = Some(now);
            }
            (Method::Bye, 300.., Caller::HangingUp(..)) => call.caller = Caller::Stranded,
            _ => {}
        }
    }

    pub(super) fn on_carrier_message(&mut self, number: u32, node: usize, message: &Message) {
        let address = super::carrier();
        let call = self.call(number);
        match message.method() {
            Method::Invite if message.is_request() => {
                let known = matches!(&call.carrier, Carrier::Rings(invite, ..) | Carrier::Answered(invite, ..)
                    if invite.top_via().map(|via| via.branch) == message.top_via().map(|via| via.branch));
                if !known && !matches!(call.carrier, Carrier::Talking) {
                    call.carrier = Carrier::Rings(Box::new(message.clone()), node, false);
                    let rings = call.plan.rings;
                    self.carrier_timer(number, rings);
                }
            }
            Method::Ack => {
                if matches!(call.carrier, Carrier::Answered(..)) {
                    call.carrier = Carrier::Talking;
                    call.carrier_step += 1;
                }
            }
            Method::Bye | Method::Cancel if message.is_request() => {
                let text = script::response(message, 200, address);
                self.send_to(node, true, text);
            }
            _ => {}
        }
    }

    pub(super) fn on_carrier_timer(&mut self, number: u32, step: u32) {
        let (now, address) = (self.now, super::carrier());
        let call = self.call(number);
        if call.carrier_step != step {
            return;
        }
        let Plan { rings, answers, .. } = call.plan;
        match std::mem::replace(&mut call.carrier, Carrier::Idle) {
            Carrier::Rings(invite, node, false) => {
                let text = script::response(&invite, 180, address);
                call.carrier = Carrier::Rings(invite, node, true);
                self.send_to(node, true, text);
                self.carrier_timer(number, answers.saturating_sub(rings));
            }
            Carrier::Rings(invite, node, true) => {
                let text = script::response(&invite, 200, address);
                call.carrier = Carrier::Answered(invite, node, now, T1);
                self.send_to(node, true, text);
                self.carrier_timer(number, T1);
            }
            // RFC 3261 section 13.3.1.4: until the ACK comes, for 64 × T1.
            Carrier::Answered(invite, node, since, interval) if now.since(since) < TIMEOUT => {
                let text = script::response(&invite, 200, address);
                let next = (interval * 2).min(T2);
                call.carrier = Carrier::Answered(invite, node, since, next);
                self.send_to(node, true, text);
                self.carrier_timer(number, next);
            }
            other => call.carrier = other,
        }
    }
}

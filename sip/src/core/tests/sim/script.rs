//! What the user agents do: callers that call, cancel, refresh and hang up; carriers that answer, ring, refuse, stay
//! silent, answer late or from two phones at once.

use std::time::Duration;

use super::super::ua;
use super::agent::{Agent, talk_name};
use super::network::Network;
use crate::message::{Message, Method, Name};

#[derive(Debug)]
pub(super) enum Timer {
    /// Place a call.
    Call(usize),
    /// Send a request again, after this interval.
    SendAgain(String, Duration),
    /// A request has waited long enough.
    NoAnswer(String),
    /// Send a final response again, after this interval.
    AnswerAgain(String, Duration),
    /// Cancel an INVITE.
    Cancel(String),
    /// Answer a request with a code.
    Respond(String, u16),
    /// Hang up.
    HangUp(String),
    /// Send a request within a dialog.
    Within(String, &'static str),
}

const REFUSALS: [u16; 16] = [302, 302, 302, 400, 403, 404, 408, 480, 484, 486, 488, 500, 502, 503, 503, 603];

impl Agent {
    pub(super) fn on_timer(&mut self, net: &mut Network, timer: Timer) {
        match timer {
            Timer::Call(number) => self.call(net, number),
            Timer::SendAgain(name, interval) => self.send_again(net, &name, interval),
            Timer::NoAnswer(name) => {
                if self.no_answer(&name) {
                    self.on_final(net, &name, 408);
                }
            }
            Timer::AnswerAgain(name, interval) => self.answer_again(net, &name, interval),
            Timer::Cancel(name) => self.cancel(net, &name),
            Timer::Respond(name, code) => self.answer(net, &name, code),
            Timer::HangUp(talk) => self.bye(net, &talk),
            Timer::Within(talk, method) => self.more(net, &talk, method),
        }
    }

    pub(super) fn on_message(&mut self, net: &mut Network, message: &Message) {
        if !message.is_request() {
            if let Some(name) = self.on_response(net, message) {
                if message.method() == Method::Invite && message.code() < 300 {
                    self.on_answered(net, &name, message);
                } else {
                    self.on_final(net, &name, message.code());
                }
            }
        } else if let Some(name) = self.on_request(net, message) {
            match (message.method(), message.to_tag()) {
                (Method::Invite, None) => self.on_call(net, &name),
                (Method::Options, None) => self.respond(net, &name, 200),
                (Method::Cancel, _) => self.on_cancel(net, &name, message),
                _ => self.on_within(net, &name, message),
            }
        }
    }

    fn call(&mut self, net: &mut Network, number: usize) {
        let uri = "sip:+12125559999@192.0.2.1";
        let invite = ua::invite(&self.host, &format!("c{number}"), uri);
        let name = self.request(net, invite, None);
        if net.chance(0.15) {
            let delay = net.between(0, 12_000);
            self.timer_ms(net, delay, Timer::Cancel(name));
        }
    }

    /// A 2xx to our INVITE that is not a repetition.
    fn on_answered(&mut self, net: &mut Network, name: &str, answer: &Message) {
        let talk = talk_name(answer, true);
        if self.clients[name].request.to_tag().is_some() {
            return;
        }
        let another = self.talks.keys().filter(|other| same_call(other, &talk)).count() > 1;
        if another || self.clients[name].cancel {
            // A second phone behind a fork; or the CANCEL came too late.
            self.bye(net, &talk);
            return;
        }
        // A caller hangs up at last, after the time limit too: the BYE of a callee may have overtaken its 200.
        let delay = if net.chance(0.6) { net.between(0, 120_000) } else { 150_000 };
        self.timer_ms(net, delay, Timer::HangUp(talk.clone()));
        self.plan_more(net, &talk);
    }

    fn plan_more(&mut self, net: &mut Network, talk: &str) {
        for method in ["INVITE", "UPDATE", "INFO"] {
            if net.chance(0.2) {
                let delay = net.between(100, 100_000);
                self.timer_ms(net, delay, Timer::Within(talk.into(), method));
            }
        }
    }

    fn more(&mut self, net: &mut Network, talk: &str, method: &'static str) {
        if let Some(name) = self.within(net, talk, method)
            && method == "INVITE"
            && net.chance(0.2)
        {
            let delay = net.between(0, 2_000);
            self.timer_ms(net, delay, Timer::Cancel(name));
        }
    }

    /// The final response to a request of ours, other than a 2xx to an INVITE.
    fn on_final(&mut self, net: &mut Network, name: &str, code: u16) {
        let client = &self.clients[name];
        let dead = matches!(code, 408 | 481) && client.request.method() != Method::Bye;
        if let Some(talk) = client.dialog.clone().filter(|_| dead) {
            // RFC 3261 section 12.2.1.2.
            self.bye(net, &talk);
        }
    }

    /// A new call at a carrier.
    fn on_call(&mut self, net: &mut Network, name: &str) {
        let fields = [Name::Authorization, Name::ProxyAuthorization];
        let has_login = fields.iter().any(|field| self.servers[name].request.first(*field).is_some());
        self.logins += u64::from(has_login);
        if !has_login && self.index.is_multiple_of(2) && net.chance(0.7) {
            let (delay, code) = (net.between(0, 50), if net.chance(0.5) { 401 } else { 407 });
            self.timer_ms(net, delay, Timer::Respond(name.into(), code));
            return;
        }
        let kind = if net.weather.quick_peers { net.rng.u32(0..5) } else { net.rng.u32(0..10) };
        let ring = net.between(200, 9_000);
        let soon = net.between(0, 100);
        let refusal = REFUSALS[net.rng.usize(0..REFUSALS.len())];
        let plan: &[(u64, u16)] = match kind {
            0 => &[(soon, 200)],
            1 | 2 => &[(0, 100), (soon, 180), (ring, 200)],
            3 => &[(soon, 183), (ring, refusal)],
            4 => &[(soon, refusal)],
            // Rings until it is cancelled, or for long.
            5 => &[(soon, 180), (ring * 10, 200)],
            6 => &[(0, 100)],
            // Silent; then late.
            7 => &[(ring, 200)],
            8 => &[(ring * 10, 200)],
            _ => &[],
        };
        for (delay, code) in plan {
            self.timer_ms(net, *delay, Timer::Respond(name.into(), *code));
        }
        if kind < 3 && net.chance(0.1) {
            self.fork(net, name, ring);
        }
    }

    /// Another phone rings and answers too.
    fn fork(&mut self, net: &mut Network, name: &str, ring: u64) {
        let request = self.servers[name].request.clone();
        let fork = format!("{name}-fork");
        self.add_server(&fork, request);
        let delay = ring + net.between(0, 50);
        self.timer_ms(net, delay, Timer::Respond(fork, 200));
    }

    fn answer(&mut self, net: &mut Network, name: &str, code: u16) {
        let server = &self.servers[name];
        let (fresh, invite) = (server.code.is_none(), server.request.method() == Method::Invite);
        let opens = fresh && invite && code == 200 && server.request.to_tag().is_none();
        let tag = server.tag.clone();
        self.respond(net, name, code);
        if opens {
            let talk = self.talks.keys().find(|talk| talk.split('|').nth(1) == Some(&tag)).cloned();
            let talk = talk.expect("the answer opened it");
            if net.chance(0.6) {
                let delay = net.between(0, 120_000);
                self.timer_ms(net, delay, Timer::HangUp(talk.clone()));
            }
            self.plan_more(net, &talk);
        }
    }

    fn on_cancel(&mut self, net: &mut Network, name: &str, cancel: &Message) {
        let Some(invite) = self.cancelled(cancel) else {
            self.respond(net, name, 481);
            return;
        };
        self.respond(net, name, 200);
        // Some take no notice.
        if net.weather.quick_peers || net.chance(0.9) {
            self.respond(net, &invite, 487);
        }
    }

    fn on_within(&mut self, net: &mut Network, name: &str, request: &Message) {
        let Some(talk) = self.talks.get_mut(&talk_name(request, false)) else {
            self.respond(net, name, 481);
            return;
        };
        match request.method() {
            Method::Bye => {
                talk.over = true;
                self.respond(net, name, 200);
            }
            _ if talk.over => self.respond(net, name, 481),
            Method::Invite => {
                let code = if net.chance(0.8) { 200 } else { 488 };
                let delay = net.between(0, 3_000);
                self.respond(net, name, 100);
                if delay > 1_000 {
                    self.respond(net, name, 180);
                }
                self.timer_ms(net, delay, Timer::Respond(name.into(), code));
            }
            _ => self.respond(net, name, 200),
        }
    }
}

fn same_call(one: &str, other: &str) -> bool {
    one.split('|').next() == other.split('|').next()
}

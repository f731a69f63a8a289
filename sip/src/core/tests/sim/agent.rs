//! A user agent's transactions and dialogs (RFC 3261 sections 8, 12, 13, 15 and 17), over UDP to the core alone.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;

use super::super::ua::{self, Dialog, text};
use super::network::{Event, Network};
use super::script::Timer;
use crate::message::{Message, Method};

pub(super) const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const CHALLENGE: &str = "Digest realm=\"carrier\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256";
const TIMEOUT: Duration = Duration::from_secs(32);

/// A request that this agent sent.
pub(super) struct Client {
    pub(super) request: Message,
    pub(super) heard: bool,
    /// The final code; 408 where none came.
    pub(super) code: Option<u16>,
    /// The caller wants to cancel as soon as somebody is heard.
    pub(super) cancel: bool,
    cancelled: bool,
    /// The dialog it was sent in.
    pub(super) dialog: Option<String>,
}

/// A request that this agent got.
pub(super) struct Server {
    pub(super) request: Message,
    pub(super) tag: String,
    last: Option<Bytes>,
    pub(super) code: Option<u16>,
    acked: bool,
    age: Duration,
}

/// One end of a dialog, and whether it is over.
pub(super) struct Talk {
    pub(super) dialog: Dialog,
    pub(super) over: bool,
    /// The ACK of the last INVITE, for when its 2xx comes again.
    ack: Option<(u32, String)>,
}

pub(super) struct Agent {
    pub(super) index: usize,
    pub(super) host: String,
    pub(super) clients: HashMap<String, Client>,
    pub(super) servers: HashMap<String, Server>,
    /// By Call-ID, local and remote tag.
    pub(super) talks: HashMap<String, Talk>,
    /// INVITEs that were answered 2xx, by dialog and CSeq.
    answers: HashMap<String, String>,
    /// What it did that the routing side's gateways are about.
    pub(super) challenges: u64,
    pub(super) logins: u64,
    pub(super) redirections: u64,
}

/// Call-ID, local tag, remote tag.
pub(super) fn talk_name(message: &Message, sent_by_us: bool) -> String {
    let tag = |tag: Option<&[u8]>| text(tag.unwrap_or_default()).to_owned();
    let (from, to) = (tag(message.from_tag()), tag(message.to_tag()));
    let (local, remote) = if sent_by_us { (from, to) } else { (to, from) };
    format!("{}|{local}|{remote}", text(message.call_id()))
}

/// The branch, and the method where that needs a transaction of its own.
fn transaction(message: &Message, method: Method) -> String {
    let branch = message.top_via().and_then(|via| via.branch).unwrap_or_default();
    let kind = if method == Method::Cancel { "cancel" } else { "" };
    format!("{}{kind}", text(branch))
}

impl Agent {
    pub(super) fn new(index: usize, host: String) -> Self {
        let (clients, servers, talks, answers) = Default::default();
        let (challenges, logins, redirections) = Default::default();
        Self { index, host, clients, servers, talks, answers, challenges, logins, redirections }
    }

    fn send(&self, net: &mut Network, bytes: &Bytes) {
        net.carry(|| Event::ToCore(self.index, bytes.clone()));
    }

    pub(super) fn timer(&self, net: &mut Network, delay: Duration, timer: Timer) {
        net.after(delay, Event::Timer(self.index, timer));
    }

    pub(super) fn timer_ms(&self, net: &mut Network, delay: u64, timer: Timer) {
        net.after_ms(delay, Event::Timer(self.index, timer));
    }

    /// Begin a client transaction; its name.
    pub(super) fn request(&mut self, net: &mut Network, request: String, dialog: Option<String>) -> String {
        let request = ua::parse(request);
        let name = transaction(&request, request.method());
        self.send(net, request.raw());
        let client = Client { request, heard: false, code: None, cancel: false, cancelled: false, dialog };
        assert!(self.clients.insert(name.clone(), client).is_none(), "a branch is used once: {name}");
        self.timer(net, T1, Timer::SendAgain(name.clone(), T1));
        self.timer(net, TIMEOUT, Timer::NoAnswer(name.clone()));
        name
    }

    pub(super) fn send_again(&mut self, net: &mut Network, name: &str, interval: Duration) {
        let client = &self.clients[name];
        let invite = client.request.method() == Method::Invite;
        if client.code.is_some() || (invite && client.heard) {
            return;
        }
        let next = if invite { interval * 2 } else { (interval * 2).min(T2) };
        self.send(net, client.request.raw());
        self.timer(net, next, Timer::SendAgain(name.into(), next));
    }

    /// Timers B and F. True when nothing came.
    pub(super) fn no_answer(&mut self, name: &str) -> bool {
        let client = self.clients.get_mut(name).expect("ours");
        let waits = client.code.is_none() && !(client.request.method() == Method::Invite && client.heard);
        if waits {
            client.code = Some(408);
        }
        waits
    }

    /// CANCEL, as soon as RFC 3261 section 9.1 allows.
    pub(super) fn cancel(&mut self, net: &mut Network, name: &str) {
        let client = self.clients.get_mut(name).expect("ours");
        client.cancel = true;
        if client.heard && client.code.is_none() && !client.cancelled {
            client.cancelled = true;
            let cancel = ua::hop_by_hop(&client.request, "CANCEL", None);
            self.request(net, cancel, None);
        }
    }

    /// A response; the name of its transaction, where that makes of it something new.
    pub(super) fn on_response(&mut self, net: &mut Network, response: &Message) -> Option<String> {
        let name = transaction(response, response.method());
        let client = self.clients.get_mut(&name)?;
        let code = response.code();
        let invite = client.request.method() == Method::Invite;
        client.heard = true;
        match code {
            100..200 => {
                if client.cancel {
                    self.cancel(net, &name);
                }
                None
            }
            300.. if invite => {
                let fresh = client.code.is_none();
                client.code.get_or_insert(code);
                let ack = ua::hop_by_hop(&client.request, "ACK", Some(response));
                self.send(net, &ack.into());
                fresh.then_some(name)
            }
            _ if invite => {
                client.code.get_or_insert(code);
                self.acknowledge(net, response).then_some(name)
            }
            _ => client.code.replace(code).is_none().then_some(name),
        }
    }

    /// ACK a 2xx. True when it is the first of its dialog, or of a re-INVITE.
    fn acknowledge(&mut self, net: &mut Network, answer: &Message) -> bool {
        let (name, cseq) = (talk_name(answer, true), answer.cseq().expect("CSeq").number);
        let host = self.host.clone();
        let request = &self.clients[&transaction(answer, Method::Invite)].request;
        let talk = self.talks.entry(name).or_insert_with(|| Talk {
            dialog: Dialog::caller(&host, request, answer),
            over: false,
            ack: None,
        });
        let fresh = talk.ack.as_ref().is_none_or(|(of, _)| *of < cseq);
        if fresh {
            talk.ack = Some((cseq, talk.dialog.numbered("ACK", cseq)));
        }
        let ack = talk.ack.clone().filter(|(of, _)| *of == cseq);
        if let Some((_, ack)) = ack {
            self.send(net, &ack.into());
        }
        fresh
    }

    /// A request; the name of its transaction, where it is new.
    pub(super) fn on_request(&mut self, net: &mut Network, request: &Message) -> Option<String> {
        let method = request.method();
        let name = transaction(request, method);
        if method == Method::Ack {
            self.on_ack(request, &name);
            return None;
        }
        if let Some(server) = self.servers.get(&name) {
            if let Some(last) = server.last.clone() {
                self.send(net, &last);
            }
            return None;
        }
        self.add_server(&name, request.clone());
        Some(name)
    }

    /// Another phone behind this agent gets the same request.
    pub(super) fn add_server(&mut self, name: &str, request: Message) {
        let tag = format!("a{}-{}", self.index, self.servers.len());
        let (last, code, acked, age) = (None, None, false, Duration::ZERO);
        self.servers.insert(name.into(), Server { request, tag, last, code, acked, age });
    }

    fn on_ack(&mut self, ack: &Message, name: &str) {
        let answered = format!("{}|{}", talk_name(ack, false), ack.cseq().expect("CSeq").number);
        let server = self.answers.get(&answered).map_or(name, String::as_str);
        if let Some(server) = self.servers.get_mut(server) {
            server.acked = true;
        }
    }

    /// The INVITE that a CANCEL is about.
    pub(super) fn cancelled(&self, cancel: &Message) -> Option<String> {
        let name = transaction(cancel, Method::Invite);
        self.servers.contains_key(&name).then_some(name)
    }

    /// Answer a request; a 2xx to an INVITE opens its dialog.
    pub(super) fn respond(&mut self, net: &mut Network, name: &str, code: u16) {
        let server = self.servers.get_mut(name).expect("ours");
        if server.code.is_some() {
            return;
        }
        let mut text = ua::response(&server.request, code, &server.tag, &self.host);
        if matches!(code, 401 | 407) {
            let field = if code == 407 { "Proxy-Authenticate" } else { "WWW-Authenticate" };
            text = text.replacen("Contact:", &format!("{field}: {CHALLENGE}\r\nContact:"), 1);
            self.challenges += 1;
        } else if code == 302 {
            // Another carrier, or a machine that is off.
            let elsewhere = format!("Contact: <sip:moved@10.0.0.{}:5060>", net.between(5, 9));
            text = text.replacen(&format!("Contact: <sip:callee@{}>", self.host), &elsewhere, 1);
            self.redirections += 1;
        }
        let response = ua::parse(text);
        let bytes = response.raw().clone();
        server.last = Some(bytes.clone());
        let invite = server.request.method() == Method::Invite;
        if code >= 200 {
            server.code = Some(code);
            if invite {
                self.timer(net, T1, Timer::AnswerAgain(name.into(), T1));
            }
        }
        if invite && (200..300).contains(&code) {
            let talk = talk_name(&response, false);
            let cseq = response.cseq().expect("CSeq").number;
            self.answers.insert(format!("{talk}|{cseq}"), name.into());
            let dialog = Dialog::callee(&self.host, &self.servers[name].request, &response);
            self.talks.entry(talk).or_insert_with(|| Talk { dialog, over: false, ack: None });
        }
        self.send(net, &bytes);
    }

    /// Timers G and H, and those of RFC 3261 section 13.3.1.4: send the final response until its ACK comes.
    pub(super) fn answer_again(&mut self, net: &mut Network, name: &str, interval: Duration) {
        let server = self.servers.get_mut(name).expect("ours");
        if server.acked {
            return;
        }
        server.age += interval;
        if server.age >= TIMEOUT {
            // Nobody took the answer: hang up.
            let response = Message::parse(server.last.clone().expect("sent")).expect("ours");
            if response.code() < 300 {
                self.bye(net, &talk_name(&response, false));
            }
            return;
        }
        let bytes = server.last.clone().expect("sent");
        self.send(net, &bytes);
        let next = (interval * 2).min(T2);
        self.timer(net, next, Timer::AnswerAgain(name.into(), next));
    }

    /// Hang up, where that has not been done.
    pub(super) fn bye(&mut self, net: &mut Network, talk: &str) {
        if let Some(there) = self.talks.get_mut(talk).filter(|there| !there.over) {
            there.over = true;
            let bye = there.dialog.request("BYE");
            self.request(net, bye, Some(talk.into()));
        }
    }

    /// Send a request within a dialog that goes on.
    pub(super) fn within(&mut self, net: &mut Network, talk: &str, method: &str) -> Option<String> {
        let there = self.talks.get_mut(talk).filter(|there| !there.over)?;
        let request = there.dialog.request(method);
        Some(self.request(net, request, Some(talk.into())))
    }
}

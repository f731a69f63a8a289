//! What a call costs: memory and time of the core alone.
//!
//! Each alone, so that no memory of another is used again:
//! `cargo test --release -p trunkline --lib what_an_established_call_keeps -- --ignored --nocapture`

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::call::Call;
use super::super::{Action, Core};
use super::rig::{CALLER, CARRIERS, URI, settings, target, udp};
use super::ua::{self, Dialog, parse};
use crate::decision::{Decision, RouteRequest};
use crate::time::Time;

const CALLS: usize = if cfg!(debug_assertions) { 2_000 } else { 50_000 };
/// So many calls are at the same step before any takes the next.
const BATCH: usize = 1_000;

struct Meter {
    core: Core<u32>,
    now: Time,
    spent: Duration,
    messages: usize,
    sent: Vec<Bytes>,
    routes: Vec<RouteRequest>,
}

impl Meter {
    fn timed(&mut self, work: impl FnOnce(&mut Core<u32>, Time)) {
        let began = Instant::now();
        work(&mut self.core, self.now);
        let mut actions = Vec::new();
        while let Some(action) = self.core.poll_action() {
            actions.push(action);
        }
        self.spent += began.elapsed();
        for action in actions {
            match action {
                Action::Send { bytes, .. } => self.sent.push(bytes),
                Action::Route(request) => self.routes.push(request),
                Action::StopRouting(_)
                | Action::Started(_)
                | Action::Answered(_)
                | Action::Settled(_)
                | Action::Heard { .. }
                | Action::Attempted { .. }
                | Action::Record(_)
                | Action::Locate { .. } => {}
            }
        }
    }

    /// These messages come one after the other; the last that left of each.
    fn receive(&mut self, from: &str, messages: Vec<String>) -> Vec<Bytes> {
        self.messages += messages.len();
        let flow = udp(from);
        let messages: Vec<Bytes> = messages.into_iter().map(Bytes::from).collect();
        self.sent.clear();
        self.timed(|core, now| messages.into_iter().for_each(|message| core.receive(now, flow, message)));
        std::mem::take(&mut self.sent)
    }

    /// Establish a batch of calls: INVITE 100 180 200 ACK; the callers' dialogs.
    fn establish(&mut self, batch: usize) -> Vec<Dialog> {
        let invites: Vec<String> = (0..BATCH).map(|n| realistic(&format!("b{batch}-{n}"))).collect();
        let sent: Vec<_> = invites.iter().map(|invite| parse(invite.clone())).collect();
        self.receive(CALLER, invites);
        let routes = std::mem::take(&mut self.routes);
        self.timed(|core, now| {
            for request in routes {
                let decision = Decision::Hunt {
                    message: request.message,
                    targets: vec![target(CARRIERS[0])],
                    customer: "".into(),
                    believed: true,
                    realm: None,
                };
                core.decide(now, request.call, decision, 0);
            }
        });
        let forwarded: Vec<_> = std::mem::take(&mut self.sent).into_iter().map(parse).collect();
        let answers = |code| forwarded.iter().map(|request| ua::response(request, code, "to", CARRIERS[0])).collect();
        self.receive(CARRIERS[0], answers(180));
        let answered = self.receive(CARRIERS[0], answers(200));
        let dialog = |(invite, answer): (_, &Bytes)| Dialog::caller(CALLER, invite, &parse(answer.clone()));
        let mut dialogs: Vec<Dialog> = sent.iter().zip(&answered).map(dialog).collect();
        let acks = dialogs.iter_mut().map(|dialog| dialog.request("ACK")).collect();
        self.receive(CALLER, acks);
        dialogs
    }

    fn hang_up(&mut self, mut dialogs: Vec<Dialog>) {
        let byes = dialogs.iter_mut().map(|dialog| dialog.request("BYE")).collect();
        let arrived = self.receive(CALLER, byes);
        let answers = arrived.into_iter().map(|bye| ua::response(&parse(bye), 200, "to", CARRIERS[0])).collect();
        self.receive(CARRIERS[0], answers);
    }

    /// Let the transactions of established calls run out.
    fn settle(&mut self) {
        for _ in 0..70 {
            self.now = self.now + Duration::from_secs(1);
            self.timed(Core::tick);
        }
    }
}

/// About as long as what a switch sends.
pub(super) fn realistic(name: &str) -> String {
    let body = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
                m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";
    let more = format!(
        "User-Agent: A Switch 1.2.3\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO\r\n\
         Supported: timer, 100rel\r\nP-Asserted-Identity: <sip:+12125550001@192.0.2.10>\r\n\
         Session-Expires: 1800\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    ua::invite(CALLER, name, URI).replace("Content-Length: 0\r\n\r\n", &more)
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn meter() -> Meter {
    let (sent, routes) = Default::default();
    let core = Core::new(settings(), 1);
    let mut meter = Meter { core, now: Time::from_micros(0), spent: Duration::ZERO, messages: 0, sent, routes };
    // Once round, so that what stays allocated is there before the measurement.
    let dialogs = meter.establish(0);
    meter.hang_up(dialogs);
    meter.settle();
    assert_eq!(meter.core.held(), 0);
    (meter.spent, meter.messages) = (Duration::ZERO, 0);
    meter
}

#[test]
#[ignore = "a measurement, to be run alone"]
fn what_an_established_call_keeps() {
    let mut meter = meter();
    let before = resident();
    for batch in 1..=CALLS / BATCH {
        meter.establish(batch);
        // The memory of the transactions serves the next batch.
        meter.settle();
    }
    let kept = (resident() - before) / CALLS;
    assert_eq!((meter.core.held(), meter.core.dialogs(), meter.core.transactions()), (CALLS, CALLS, 0));
    println!("an established call keeps {kept} bytes, {} of them itself", size_of::<Call<u32>>());
    let before = resident();
    for batch in 1..=CALLS / BATCH {
        meter.establish(CALLS + batch);
    }
    println!("in its first half minute {} bytes", (resident() - before) / CALLS);
    assert_eq!(meter.core.held(), 2 * CALLS);
}

#[test]
#[ignore = "a measurement, to be run alone"]
fn how_long_the_core_works_on_a_call() {
    let mut meter = meter();
    let dialogs: Vec<Vec<Dialog>> = (1..=CALLS / BATCH).map(|batch| meter.establish(batch)).collect();
    let setup = meter.spent;
    for batch in dialogs {
        meter.hang_up(batch);
    }
    let all = meter.spent;
    meter.settle();
    assert_eq!(meter.core.held(), 0);
    let per_call = |spent: Duration| spent.as_nanos() / CALLS as u128;
    let messages = meter.messages / CALLS;
    println!("{messages} messages in: {} ns, {} of them to the ACK; its timers:", per_call(all), per_call(setup));
    println!("{} ns more", per_call(meter.spent.saturating_sub(all)));
}

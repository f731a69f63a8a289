//! What the core asks of the allocator for one call. A count is the same on every machine: it tells what a time hides.
//!
//! `cargo test -p trunkline-sip what_a_call_asks -- --nocapture` prints it by message.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;

use super::super::{Action, Core};
use super::measure::realistic;
use super::rig::{CALLER, CARRIERS, settings, target, udp};
use super::ua::{self, Dialog, parse};
use crate::decision::{CallRef, Decision, RouteRequest};
use crate::time::Time;

/// A call that asks for more than this has been made dearer.
const MOST: usize = 50;

/// The system's allocator, and a count of what this thread has asked it for.
struct Counted;

#[global_allocator]
static COUNTED: Counted = Counted;

thread_local! {
    /// Pieces and bytes.
    static ASKED: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

fn count(bytes: usize) {
    // A thread that ends asks for nothing that is of interest.
    let _ = ASKED.try_with(|asked| asked.set((asked.get().0 + 1, asked.get().1 + bytes)));
}

#[allow(unsafe_code, reason = "an allocator is an unsafe trait; this one hands everything to the system's")]
// SAFETY: every call goes to the system's allocator as it came; counting touches no memory that was handed out.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps to the contract of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps to the contract of this very function.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller keeps to the contract of this very function.
        unsafe { System.realloc(memory, layout, size) }
    }
}

struct Count {
    core: Core<u32>,
    now: Time,
    /// By step, since the last call began.
    asked: Vec<(&'static str, usize, usize)>,
}

impl Count {
    fn step(&mut self, name: &'static str, work: impl FnOnce(&mut Core<u32>, Time)) -> (Vec<Bytes>, Vec<RouteRequest>) {
        let (mut sent, mut routes, mut others) = (Vec::with_capacity(8), Vec::with_capacity(8), Vec::with_capacity(8));
        let before = ASKED.get();
        work(&mut self.core, self.now);
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Send { bytes, .. } => sent.push(bytes),
                Action::Route(request) => routes.push(request),
                other => others.push(other),
            }
        }
        let after = ASKED.get();
        self.asked.push((name, after.0 - before.0, after.1 - before.1));
        (sent, routes)
    }

    /// One message comes; what leaves last.
    fn receive(&mut self, name: &'static str, from: &str, message: impl Into<Bytes>) -> Bytes {
        let (message, flow) = (message.into(), udp(from));
        let (mut sent, _) = self.step(name, |core, now| core.receive(now, flow, message));
        sent.pop().unwrap_or_default()
    }

    /// INVITE 100 180 200 ACK, BYE 200.
    fn call(&mut self, number: usize) {
        self.asked.clear();
        let invite = realistic(&format!("call-{number}"));
        let (message, flow) = (Bytes::from(invite.clone()), udp(CALLER));
        let (_, mut routes) = self.step("INVITE", |core, now| core.receive(now, flow, message));
        let request = routes.pop().expect("a call wants routes");
        let (targets, message) = (vec![target(CARRIERS[0])], request.message);
        let decision = Decision::Hunt { message, targets, customer: "".into(), believed: true, realm: None };
        let (mut sent, _) =
            self.step("decision", |core, now| assert!(core.decide(now, request.call, decision, 0).is_some()));
        self.written_down(request.call);
        let forwarded = parse(sent.pop().expect("an INVITE"));
        self.receive("100", CARRIERS[0], ua::response(&forwarded, 100, "to", CARRIERS[0]));
        self.receive("180", CARRIERS[0], ua::response(&forwarded, 180, "to", CARRIERS[0]));
        let answer = self.receive("200", CARRIERS[0], ua::response(&forwarded, 200, "to", CARRIERS[0]));
        self.written_down(request.call);
        let mut caller = Dialog::caller(CALLER, &parse(invite), &parse(answer));
        self.receive("ACK", CALLER, caller.request("ACK"));
        let bye = self.receive("BYE", CALLER, caller.request("BYE"));
        self.receive("200 of BYE", CARRIERS[0], ua::response(&parse(bye), 200, "to", CARRIERS[0]));
        self.now = self.now + Duration::from_secs(40);
        self.step("timers", Core::tick);
        assert_eq!(self.core.held(), 0);
    }

    /// As the journal has it done.
    fn written_down(&mut self, call: CallRef) {
        self.step("journal", |core, _| assert!(core.open_call(call).is_some()));
    }
}

#[test]
fn what_a_call_asks_the_allocator_for_is_bounded() {
    let mut count = Count { core: Core::new(settings(), 1), now: Time::from_micros(1), asked: Vec::with_capacity(16) };
    // What grows with the calls has room for one more.
    (0..20).for_each(|number| count.call(number));
    for (name, pieces, bytes) in &count.asked {
        println!("{name:>12} {pieces:>4} allocations, {bytes:>6} bytes");
    }
    let (pieces, bytes) = count.asked.iter().fold((0, 0), |sum, step| (sum.0 + step.1, sum.1 + step.2));
    println!("{:>12} {pieces:>4} allocations, {bytes:>6} bytes", "a call");
    assert!(pieces <= MOST, "{pieces} allocations, and {MOST} were enough");
}

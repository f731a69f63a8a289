//! Messages of one call leave in the order in which they came.

use super::rig::{Answered, CALLER, CARRIERS, Placed};
use super::ua;

/// With a number by which it is known on the other side.
fn numbered(message: &str, number: usize) -> String {
    message.replacen("Call-ID:", &format!("X-Order: {number}\r\nCall-ID:"), 1)
}

#[test]
fn whatever_two_sides_send_at_once_leaves_in_the_order_in_which_it_came() {
    for seed in 0..50 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut call = Answered::new();
        // By the side that they go to, and the requests that wait for an answer there.
        let (mut sent, mut arrived) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        let mut unanswered = [Vec::new(), Vec::new()];
        for number in 0..60 {
            let from = rng.usize(0..2);
            let (host, dialog) = if from == 0 { (CALLER, &mut call.caller) } else { (CARRIERS[0], &mut call.callee) };
            let message = if unanswered[from].is_empty() || rng.bool() {
                dialog.request(["INFO", "UPDATE", "MESSAGE"][rng.usize(0..3)])
            } else {
                let index = rng.usize(0..unanswered[from].len());
                ua::response(&unanswered[from].swap_remove(index), 200, "unused", host)
            };
            sent[1 - from].push(number);
            call.rig.receive(host, numbered(&message, number));
            if rng.usize(0..4) > 0 {
                continue;
            }
            while let Some(left) = call.rig.sent.pop_front() {
                let to = usize::from(left.flow.remote.to_string() != CALLER);
                let number = left.message.values_of("X-Order").first().and_then(|number| number.parse::<usize>().ok());
                arrived[to].extend(number);
                if left.message.is_request() {
                    unanswered[to].push(left.message);
                }
            }
        }
        for to in 0..2 {
            let some = &sent[to][..arrived[to].len()];
            assert_eq!(arrived[to], some, "seed {seed}, to {to}");
        }
        assert!(arrived.iter().map(Vec::len).sum::<usize>() > 20, "seed {seed}");
    }
}

#[test]
fn responses_of_a_setup_pass_in_their_order_and_none_passes_after_the_last() {
    let mut call = Placed::at_carrier(1);
    for (number, code) in [180, 183, 180, 200, 200].into_iter().enumerate() {
        let response = numbered(&ua::response(&call.forwarded, code, "to-0", CARRIERS[0]), number);
        call.rig.receive(CARRIERS[0], response);
    }
    // A copy of a 180 that was slow on its way.
    call.rig.receive(CARRIERS[0], ua::response(&call.forwarded, 180, "to-0", CARRIERS[0]));
    let order: Vec<String> = call.rig.sent.drain(..).flat_map(|sent| sent.message.values_of("X-Order")).collect();
    assert_eq!(order, ["0", "1", "2", "3", "4"]);
}

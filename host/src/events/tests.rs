use super::event::{CallBegun, CallOver};
use super::*;
use crate::cdr::record::End;

fn begun() -> CallBegun {
    CallBegun {
        call_id: "a@b".to_owned(),
        customer: "acme.eu".to_owned(),
        caller: "12125550100".to_owned(),
        callee: "13105550199".to_owned(),
        gateway: "carrier-a".into(),
        received: 1,
        answered: None,
    }
}

#[test]
fn a_routing_key_names_what_happened_and_to_whom_and_nothing_in_it_is_a_wildcard() {
    assert_eq!(Event::CallStarted(begun()).key(), "call.started.acme_eu");
    assert_eq!(Event::GatewayUp { gateway: "c*#.x".into() }.key(), "system.gateway-up.c___x");
    let stranger = CallBegun { customer: String::new(), ..begun() };
    assert_eq!(Event::CallAnswered(stranger).key(), "call.answered._");
}

#[test]
fn an_event_is_one_flat_object() {
    let over = CallOver { call: begun(), ended: 9, code: 200, end: End::CallerHungUp, duration: 8 };
    let message = Message { event: Event::CallEnded(over), at: 10 };
    let json: serde_json::Value = serde_json::from_slice(&message.json("edge-1").unwrap()).unwrap();
    let expected = serde_json::json!({
        "event": "call-ended", "node": "edge-1", "at": 10, "call_id": "a@b", "customer": "acme.eu",
        "caller": "12125550100", "callee": "13105550199", "gateway": "carrier-a", "received": 1, "answered": null,
        "ended": 9, "code": 200, "end": "caller-hung-up", "duration": 8,
    });
    assert_eq!(json, expected);
}

#[test]
fn what_finds_the_queue_full_is_dropped_and_counted_and_nobody_waits() {
    publish(Event::Reloaded {});
    assert!(!wanted(), "nobody listens yet");
    let mut received = open(2).unwrap();
    for _ in 0..5 {
        publish(Event::JournalWell {});
    }
    assert_eq!(counts().dropped, 3);
    assert_eq!(received.try_recv().unwrap().event, Event::JournalWell {});
    assert!(open(2).is_none(), "a process has one bus");
}

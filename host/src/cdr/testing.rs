//! Records to test with.

use super::chain::ChainHash;
use super::record::{Attempt, AttemptOutcome, CallRecord, End, RecordKey, Sides, StageOutcome, StageRecord, Times};

/// An answered call of 30 s with five stages and two attempts; the number makes it tell itself from others.
pub(crate) fn call(number: u64) -> Box<CallRecord> {
    let start = 1_763_869_000_000_000 + number * 1_000;
    let attempt = |gateway: &str, code| Attempt {
        gateway: gateway.into(),
        destination: "192.0.2.7:5060".parse().ok(),
        callee: "12125550123".to_owned(),
        started: start + 900,
        ringing: Some(start + 20_000),
        ended: start + 2_000_000,
        code,
        outcome: AttemptOutcome::Response,
        released: None,
        cost: Some("0.0031".to_owned()),
        price: Some("0.0059".to_owned()),
        currency: Some("USD".to_owned()),
    };
    let stage = |name: &str| StageRecord {
        stage: name.into(),
        digest: "0123456789abcdef".into(),
        outcome: StageOutcome::Proceed,
        micros: 12,
        fuel: 20_113,
        detail: None,
    };
    Box::new(CallRecord {
        key: RecordKey::default(),
        hash: ChainHash::NONE,
        call_id: format!("call-{number}@192.0.2.1"),
        customer: "acme".to_owned(),
        source: "192.0.2.1:5060".parse().unwrap(),
        transport: "udp".into(),
        caller: Sides { received: "13035550100".to_owned(), sent: "+13035550100".to_owned() },
        callee: Sides { received: "12125550123".to_owned(), sent: "+12125550123".to_owned() },
        times: Times {
            received: start,
            routed: Some(start + 800),
            ringing: Some(start + 20_000),
            answered: Some(start + 2_000_000),
            ended: start + 32_000_000,
        },
        code: 200,
        end: End::CallerHungUp,
        attempts: vec![attempt("carrier-a", 503), attempt("carrier-b", 200)],
        stages: ["auth", "blocklist", "lrn", "cnam", "rate"].map(stage).into(),
        attributes: vec![("plan".to_owned(), "wholesale-2".to_owned()), ("lrn".to_owned(), "12125559999".to_owned())],
    })
}

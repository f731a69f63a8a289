//! Records on a real RabbitMQ, which is stopped and started while calls run.

use std::collections::BTreeSet;

use anyhow::Result;
use trunkline::cdr::record::CallRecord;
use trunkline_tests::{Load, Rabbit, Setup, Sipp, until};

const NUMBERS: [(&str, &str); 3] = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "200")];

#[test]
fn every_record_reaches_both_queues_though_the_broker_stops_while_calls_run() -> Result<()> {
    let mut rabbit = Rabbit::start()?;
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?.carrier(callee.address()).fanout(&rabbit.url()).start()?;
    let calls = 2_000;

    let caller = Sipp::caller("caller", &NUMBERS, router.sip(), Load { calls, rate: 100 })?;
    rabbit.wait_for_depth("a", 100)?;
    rabbit.stop()?;
    let before = router.records()?.len();
    until("calls to run on without the broker", std::time::Duration::from_secs(20), || {
        Ok((router.records()?.len() > before + 100).then_some(()))
    })?;
    rabbit.resume()?;
    let caller = caller.wait()?;

    assert_eq!((caller.successful, caller.failed), (calls, 0));
    rabbit.wait_for_depth("a", calls)?;
    rabbit.wait_for_depth("b", calls)?;
    let keys = |records: &[CallRecord]| -> BTreeSet<_> { records.iter().map(|record| record.key.clone()).collect() };
    let stored = keys(&router.wait_for_records(calls as usize)?);
    assert_eq!(stored.len(), calls as usize);
    for queue in ["a", "b"] {
        // A record may come twice (at least once is the promise), but none may lack.
        let depth = rabbit.depth(queue)? as usize;
        assert_eq!(keys(&rabbit.take(queue, depth)?), stored, "queue {queue}");
    }
    router.wait_for_rows(calls as usize)
}

//! What RabbitMQ does to those who publish: several exchanges, queues that are gone, and a broker that is full.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use trunkline::cdr::record::CallRecord;
use trunkline_tests::{BLOCKED, Rabbit, Router, Setup, Sipp, place_answered, place_blocked, until};

const PATIENCE: Duration = Duration::from_secs(30);

fn setup(callee: &Sipp, fanout: &str) -> Result<Setup> {
    let setup = Setup::new()?.carrier(callee.address()).block(BLOCKED).without_sqlite();
    Ok(setup.section(&format!("[cdr.fanout]\namqp = {{ {fanout} }}")))
}

fn behind(router: &Router) -> Result<f64> {
    router.metric("trunkline_store_behind{store=\"fanout\"")
}

/// Waits for these many records, no more and no fewer; each once.
fn take(rabbit: &Rabbit, queue: &str, count: u32) -> Result<Vec<CallRecord>> {
    rabbit.wait_for_depth(queue, count)?;
    assert_eq!(rabbit.depth(queue)?, count, "queue {queue}");
    let records = rabbit.take(queue, count as usize)?;
    let keys: BTreeSet<_> = records.iter().map(|record| &record.key).collect();
    assert_eq!(keys.len(), count as usize, "queue {queue} has a record twice");
    Ok(records)
}

#[test]
fn two_tiers_of_quorum_queues_outlive_that_they_are_deleted_and_that_the_broker_is_full() -> Result<()> {
    let rabbit = Rabbit::start()?;
    let callee = Sipp::callee("callee", &[])?;
    let tiers = r#"exchange = "answered", queues = ["a", "b"], queue-type = "quorum", missed = { exchange = "missed", queues = ["m"] }"#;
    let router = setup(&callee, &format!("url = \"{}\", {tiers}", rabbit.url()))?.start()?;

    place_answered(&router, 3)?;
    place_blocked(&router, 2)?;
    for (queue, count) in [("a", 3), ("b", 3), ("m", 2)] {
        let records = take(&rabbit, queue, count)?;
        assert!(records.iter().all(|record| record.times.answered.is_none() == (queue == "m")), "queue {queue}");
    }
    let kinds = rabbit.control(&["list_queues", "name", "type", "durable", "--no-table-headers"])?;
    let kinds: BTreeSet<_> = kinds.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(kinds, ["a quorum true", "b quorum true", "m quorum true"].map(str::to_owned).into());

    a_full_broker_is_waited_for(&rabbit, &router)?;
    a_record_that_no_queue_takes_is_sent_again_once_there_is_one(&rabbit, &router)?;
    where_no_queue_is_named_a_returned_record_is_counted_and_told(&rabbit, &callee)
}

/// Flow control: the broker says `connection.blocked` to who publishes while its memory is used up.
fn a_full_broker_is_waited_for(rabbit: &Rabbit, router: &Router) -> Result<()> {
    let connected = |router: &Router| router.log().matches("\"connected\"").count();
    let before = connected(router);
    rabbit.control(&["set_vm_memory_high_watermark", "absolute", "1MB"])?;
    place_answered(router, 5)?;
    until("the router to tell that the broker is full", PATIENCE, || {
        Ok(router.log().contains("the broker blocks publishers").then_some(()))
    })?;
    assert!(behind(router)? > 0.5, "calls go on, their records wait");
    rabbit.control(&["set_vm_memory_high_watermark", "0.6"])?;
    for queue in ["a", "b"] {
        // Neither twice nor by another connection: it was waited for.
        take(rabbit, queue, 5).with_context(|| router.log())?;
    }
    assert_eq!(connected(router), before);
    Ok(())
}

/// The mandatory flag: the broker gives back what no queue took.
fn a_record_that_no_queue_takes_is_sent_again_once_there_is_one(rabbit: &Rabbit, router: &Router) -> Result<()> {
    assert_eq!(rabbit.delete("m")?, 0);
    place_blocked(router, 1)?;
    take(rabbit, "m", 1)?;
    assert!(router.log().contains("no queue is bound to"), "{}", router.log());
    assert!(router.metric("trunkline_store_unroutable_total{store=\"fanout\"")? >= 1.0);
    until("the fanout to be well", PATIENCE, || Ok((behind(router)? < 0.5).then_some(())))
}

/// Who consumes binds queues of its own there: that nobody does is theirs to mend, and holds up nothing.
fn where_no_queue_is_named_a_returned_record_is_counted_and_told(rabbit: &Rabbit, callee: &Sipp) -> Result<()> {
    let router = setup(callee, &format!("url = \"{}\", exchange = \"unheard\"", rabbit.url()))?.start()?;
    place_answered(&router, 2)?;
    until("both to be counted", PATIENCE, || {
        Ok((router.metric("trunkline_store_unroutable_total{store=\"fanout\"")? > 1.5).then_some(()))
    })?;
    assert!(router.log().contains("these records went to no consumer"), "{}", router.log());
    until("nothing to be held up", PATIENCE, || Ok((behind(&router)? < 0.5).then_some(())))
}

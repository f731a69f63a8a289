//! Several records share a message: fewer messages, the same promises.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use lapin::message::Delivery;
use lapin::types::AMQPValue;
use trunkline::cdr::message;
use trunkline::cdr::record::{CallRecord, RecordKey};
use trunkline::ledger::queue::content_type;
use trunkline_tests::{
    BLOCKED, Ledger, Link, Postgres, Rabbit, Router, Setup, Sipp, place_answered, place_blocked, records_of, run, until,
};

const PATIENCE: Duration = Duration::from_secs(40);

fn keys(records: &[CallRecord]) -> BTreeSet<RecordKey> {
    records.iter().map(|record| record.key.clone()).collect()
}

/// What the headers say, and that it is so.
fn assert_told(message: &Delivery) -> Result<Vec<CallRecord>> {
    assert_eq!(content_type(message), Some("application/x-ndjson"));
    let records = records_of(message)?;
    let (first, last) = (&records[0].key, &records[records.len() - 1].key);
    let headers = message.properties.headers().as_ref().context("no headers")?.inner();
    let header = |name: &str| headers.get(name).cloned();
    assert_eq!(header("records"), Some(AMQPValue::LongUInt(records.len() as u32)));
    assert_eq!(header("first"), Some(AMQPValue::LongLongInt(first.sequence as i64)));
    assert_eq!(header("last"), Some(AMQPValue::LongLongInt(last.sequence as i64)));
    let id = format!("{}/{}/{}-{}", first.node, first.epoch, first.sequence, last.sequence);
    assert_eq!(message.properties.message_id().as_ref().map(ToString::to_string), Some(id));
    Ok(records)
}

fn behind(router: &Router) -> Result<f64> {
    router.metric("trunkline_store_behind{store=\"fanout\"")
}

#[test]
fn records_that_wait_share_messages_of_their_tier_and_each_reaches_every_queue_and_the_books_once() -> Result<()> {
    let (rabbit, postgres) = (Rabbit::start()?, Postgres::start()?);
    let way = Link::to(rabbit.address())?;
    let callee = Sipp::callee("callee", &[])?;
    let missed = "missed = { exchange = \"missed\", queues = [\"m\"] }";
    let setup =
        Setup::new()?.carrier(callee.address()).block(BLOCKED).fanout_of(&rabbit.url_by(&way), 40).section(missed);
    let mut router = setup.start()?;
    place_answered(&router, 1)?;
    rabbit.wait_for_depth("a", 1)?;

    // The broker is out of reach for 150 records, and the router dies meanwhile.
    way.cut();
    place_answered(&router, 100)?;
    place_blocked(&router, 50)?;
    router.crash_and_restart()?;
    way.mend();
    until("every record to be confirmed", PATIENCE, || Ok((behind(&router)? < 0.5).then_some(())))?;

    let stored = keys(&router.wait_for_records(151)?);
    let mut seen = BTreeSet::new();
    // 101 answered calls in 40 each, one message before the outage and those of calls that were sent twice.
    for (queue, least, most) in [("a", 4, 10), ("m", 2, 6)] {
        let depth = rabbit.depth(queue)?;
        assert!((least..=most).contains(&depth), "{depth} messages in {queue}");
        for message in rabbit.deliveries(queue, depth as usize)? {
            let records = assert_told(&message)?;
            assert!(records.len() <= 40);
            assert!(records.iter().all(|record| record.times.answered.is_none() == (queue == "m")), "{queue}");
            seen.extend(keys(&records));
        }
    }
    assert_eq!(seen, stored, "each of them, in its tier");

    a_returned_message_counts_for_all_of_its_records(&rabbit, &callee)?;
    a_ledger_takes_both_forms_and_puts_aside_the_line_that_is_no_record(&rabbit, &postgres, &router)
}

/// No queue is bound, and none is named that could be waited for.
fn a_returned_message_counts_for_all_of_its_records(rabbit: &Rabbit, callee: &Sipp) -> Result<()> {
    let way = Link::to(rabbit.address())?;
    let fanout = format!("url = \"{}\", exchange = \"unheard\", records-per-message = 40", rabbit.url_by(&way));
    let setup = Setup::new()?.carrier(callee.address()).without_sqlite();
    let router = setup.section(&format!("[cdr.fanout]\namqp = {{ {fanout} }}")).start()?;
    way.cut();
    place_answered(&router, 10)?;
    router.wait_for_records(10)?;
    way.mend();
    until("nothing to be held up", PATIENCE, || Ok((behind(&router)? < 0.5).then_some(())))?;
    let returned = router.metric("trunkline_store_unroutable_total{store=\"fanout\"")?;
    assert!((returned - 10.0).abs() < 0.1, "{returned}");
    Ok(())
}

fn a_ledger_takes_both_forms_and_puts_aside_the_line_that_is_no_record(
    rabbit: &Rabbit,
    postgres: &Postgres,
    router: &Router,
) -> Result<()> {
    let ledger = Ledger::of_queue("b", &rabbit.url(), &postgres.url())?;
    let process = ledger.start_primary("ledger.log")?;
    let count = |what: &str| postgres.query(&format!("select count(*) from ledger.{what}")).unwrap_or_default();
    let wait_for = |what: &str, number: &str| {
        until(&format!("{number} in {what}"), PATIENCE, || Ok((count(what) == number).then_some(())))
            .with_context(|| format!("{} are there\n{}", count(what), process.last_lines()))
    };
    // Answered calls alone go there.
    wait_for("calls", "101")?;
    let url = format!("{}?options=-csearch_path%3Dledger", postgres.url());
    let exported = run(&["cdr", "export", "--url", &url, "--format", "jsonl"])?.1;
    let lines: Vec<&str> = exported.lines().collect();
    assert_eq!(lines.len(), 101);

    // All of them once more, as lines around one that is none, and each by itself; then one that is new.
    let mut new: CallRecord = serde_json::from_str(lines[0])?;
    new.key.sequence += 1_000_000;
    let text = format!("{}\nthis is no record\n{}\n", lines.join("\n"), serde_json::to_string(&new)?);
    rabbit.give("b", message::LINES, &[text.into_bytes()])?;
    let each: Vec<_> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
    rabbit.give("b", message::ONE, &each)?;
    wait_for("rejects", "1")?;
    wait_for("calls", "102")?;
    until("an empty queue", PATIENCE, || Ok((rabbit.depth("b")? == 0).then_some(())))?;
    until("all of them to be known", PATIENCE, || {
        Ok((ledger.metric("trunkline_ledger_duplicates_total")? >= 202.0).then_some(()))
    })?;
    assert_eq!(postgres.query("select convert_from(body, 'UTF8') from ledger.rejects")?, "this is no record");
    assert_eq!(count("calls"), "102");
    assert!(router.metric("trunkline_store_missing_total{store=\"fanout\"")? < 0.1);
    Ok(())
}

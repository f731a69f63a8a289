//! Two ledgers that know nothing of each other: two queues, two databases, the same books.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use trunkline_tests::{Ledger, Load, Postgres, Rabbit, Setup, Sipp, run, until};

const NUMBERS: [(&str, &str); 3] = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "200")];
const CALLS: u32 = 400;

#[test]
fn two_primaries_with_a_queue_and_a_database_each_keep_the_same_books_though_one_is_killed() -> Result<()> {
    let (rabbit, postgres) = (Rabbit::start()?, Postgres::start()?);
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?.carrier(callee.address()).without_sqlite().fanout(&rabbit.url()).start()?;
    let (a, b) = (postgres.url(), postgres.database("other")?);
    let ledgers = [Ledger::new(&rabbit.url(), &a)?, Ledger::of_queue("b", &rabbit.url(), &b)?];
    let first = ledgers[0].start_primary("ledger.log")?;
    let second = ledgers[1].start_primary("ledger.log")?;

    let callers = Sipp::caller("caller", &NUMBERS, router.sip(), Load { calls: CALLS, rate: 80 })?;
    let written = |ledger: &Ledger| Ok((ledger.metric("trunkline_ledger_records_total")? > 20.0).then_some(()));
    until("the second to write", Duration::from_secs(20), || written(&ledgers[1]))?;
    second.signal(Signal::SIGKILL)?;
    drop(second);
    let second = ledgers[1].start_primary("ledger.log")?;
    let counts = callers.wait()?;
    assert_eq!((counts.successful, counts.failed), (CALLS, 0));

    let ask = |url: &str| run(&["cdr", "list", "--url", url, "--limit", "1000", "--json"]).map(|(_, text)| text);
    for (process, url) in [(&first, &a), (&second, &b)] {
        until("every call to be written", Duration::from_secs(40), || {
            Ok((ask(url)?.lines().count() >= CALLS as usize).then_some(()))
        })
        .with_context(|| process.last_lines())?;
    }
    let (code, text) = run(&["cdr", "reconcile", "--a", &a, "--b", &b])?;
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(&format!("chain: {CALLS} records of {CALLS} are proven")), "{text}");
    // The money too, to the last digit.
    let sums = "select count(*), sum(price), sum(cost), count(unrated) from ledger.calls";
    let balance = "select customer, currency, balance from ledger.balances";
    for what in [sums, balance] {
        assert_eq!(postgres.query(what)?, postgres.query_in("other", what)?, "{what}");
    }
    Ok(())
}

//! What an accountant reads in the ledger's database, reckoned by hand.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use trunkline::cdr::message;
use trunkline_tests::{Ledger, Postgres, Rabbit, run, until};

const PATIENCE: Duration = Duration::from_secs(30);
/// 2026-01-31 23:50:00 UTC, in microseconds.
const LAST_OF_JANUARY: u64 = 1_769_903_400_000_000;
const MINUTE: u64 = 60_000_000;

/// A call as the router writes it: so many seconds of talk, or none, that rang after so many milliseconds.
fn call(sequence: u64, received: u64, talk: Option<u64>, delay: u64) -> String {
    let (code, gateway) = if talk.is_some() { (200, "one") } else { (486, "two") };
    let ringing = received + delay * 1_000;
    let answered = talk.map(|_| ringing + 2_000_000);
    let ended = answered.unwrap_or(ringing) + talk.unwrap_or(0) * 1_000_000;
    let callee = format!("1212555010{sequence}");
    serde_json::json!({
        "node": "edge-1", "epoch": 1_769_000_000, "sequence": sequence, "hash": format!("{sequence:064x}"),
        "call_id": format!("call-{sequence}@192.0.2.1"), "customer": "acme", "source": "192.0.2.1:5060", "transport": "udp",
        "caller": { "received": "13035550100", "sent": "13035550100" },
        "callee": { "received": callee, "sent": callee },
        "times": { "received": received, "routed": received + 500, "ringing": ringing, "answered": answered, "ended": ended },
        "code": code, "end": if talk.is_some() { "caller-hung-up" } else { "failed" },
        "attempts": [{
            "gateway": gateway, "destination": "192.0.2.7:5060", "callee": callee, "started": received + 900,
            "ringing": ringing, "ended": answered.unwrap_or(ended), "code": code, "outcome": "response",
            "cost": "0.0060", "price": "9.9", "currency": "USD",
        }],
        "stages": [], "attributes": [["jurisdiction", "inter"]],
    })
    .to_string()
}

#[test]
fn calls_are_charged_by_the_deck_of_their_day_and_summed_up_as_an_accountant_would() -> Result<()> {
    let (rabbit, postgres) = (Rabbit::start()?, Postgres::start()?);
    rabbit.listen("a", "any")?;
    let ledger = Ledger::new(&rabbit.url(), &postgres.url())?;
    // January's deck charges 0.0120 in 30/6, that of February 0.0240 by whole minutes.
    let folder = ledger.config().parent().context("no folder")?.to_owned();
    fs::write(folder.join("february.csv"), "prefix,rate,increment\n1,0.0240,60/60\n")?;
    let both = "csv = \"retail.csv\" }, { from = \"2026-02-01T00:00:00Z\", csv = \"february.csv\" }]";
    let text = fs::read_to_string(ledger.config())?;
    fs::write(ledger.config(), text.replace("csv = \"retail.csv\" }]", both))?;
    let process = ledger.start_primary("ledger.log")?;

    let calls = [
        call(1, LAST_OF_JANUARY, Some(31), 100),
        call(2, LAST_OF_JANUARY + MINUTE, Some(10), 200),
        call(3, LAST_OF_JANUARY + 2 * MINUTE, None, 3_000),
        call(4, LAST_OF_JANUARY + 9 * MINUTE, Some(61), 100),
        // Received in January, over in February: January's. The next is February's.
        call(5, LAST_OF_JANUARY + 10 * MINUTE - 1, Some(1), 100),
        call(6, LAST_OF_JANUARY + 10 * MINUTE, Some(61), 100),
    ];
    // All of them twice: nothing is charged twice.
    rabbit.give("a", message::LINES, &[(calls.join("\n") + "\n").into_bytes()])?;
    rabbit.give("a", message::ONE, &calls.each_ref().map(|call| call.clone().into_bytes()))?;
    until("every call to be known twice", PATIENCE, || {
        Ok((ledger.metric("trunkline_ledger_duplicates_total").unwrap_or_default() > 5.5).then_some(()))
    })
    .with_context(|| process.last_lines())?;
    let ask = |sql: &str| postgres.query(&format!("set timezone to 'UTC'; {sql}"));

    let each = ask("select sequence, billed, price, cost_billed, cost, tariff from ledger.calls order by sequence")?;
    let expected = [
        "1|36|0.0072|31|0.0031|retail/1",
        "2|30|0.006|10|0.001|retail/1",
        "3|||||",
        "4|66|0.0132|61|0.0061|retail/1",
        "5|30|0.006|1|0.0001|retail/1",
        "6|120|0.048|61|0.0061|retail/1",
    ];
    assert_eq!(each.lines().collect::<Vec<_>>(), expected);

    // By quarter hour, hour and day; January's five calls and February's one.
    let traffic =
        "select to_char(start, 'MM-DD HH24:MI'), gateway, calls, answered, asr, acd, minutes from ledger.traffic";
    for (span, january) in [(15, "01-31 23:45"), (60, "01-31 23:00"), (1_440, "01-31 00:00")] {
        let rows = ask(&format!("{traffic} where span = {span} order by start, gateway"))?;
        let expected = [
            format!("{january}|one|4|4|100.00|25.8|1.717"),
            format!("{january}|two|1|0|0.00||0.000"),
            "02-01 00:00|one|1|1|100.00|61.0|1.017".to_owned(),
        ];
        assert_eq!(rows.lines().collect::<Vec<_>>(), expected, "span {span}");
    }
    let whole =
        "select sum(calls), round(100.0 * sum(answered) / sum(calls), 2), customer, jurisdiction from ledger.usage
                 where span = 1440 and start < '2026-02-01' group by customer, jurisdiction";
    assert_eq!(ask(whole)?, "5|80.00|acme|inter");
    let codes = "select code, sum(calls) from ledger.usage where span = 60 group by code order by code";
    assert_eq!(ask(codes)?, "200|5\n486|1");
    let money = "select to_char(start, 'MM-DD'), billed_minutes, price, cost, margin, currency from ledger.money
                 where span = 1440 order by start";
    assert_eq!(ask(money)?, "01-31|2.700|0.0324|0.0103|0.0221|USD\n02-01|2.000|0.048|0.0061|0.0419|USD");
    assert_eq!(ask("select balance from ledger.balances")?, "-0.0804");

    // Half of the delays are 100 ms and one of 200, in buckets of a fifth; the call that failed rang after 3 s.
    let delays = "select min(pdd_p50), min(pdd_p95) from ledger.traffic where span = 1440 and gateway";
    let percentiles = |gateway: &str| -> Result<Vec<f64>> {
        let text = ask(&format!("{delays} = '{gateway}' and start < '2026-02-01'"))?;
        text.split('|').map(|number| number.parse().context("no number")).collect()
    };
    let (one, two) = (percentiles("one")?, percentiles("two")?);
    assert!((100.0..=120.0).contains(&one[0]) && (200.0..=240.0).contains(&one[1]), "{one:?}");
    assert!((3_000.0..=3_600.0).contains(&two[0]), "{two:?}");
    a_carriers_bill_is_compared_call_by_call(&postgres, &folder)
}

/// One call billed longer than it was, one that we have not, one that the carrier forgot.
fn a_carriers_bill_is_compared_call_by_call(postgres: &Postgres, folder: &std::path::Path) -> Result<()> {
    let store = format!("{}?options=-csearch_path%3Dledger", postgres.url());
    let bill = folder.join("bill.csv");
    let compare = |lines: &[&str]| -> Result<(i32, String)> {
        fs::write(&bill, format!("Called Number,Start,Seconds,Rate,Charge\n{}\n", lines.join("\n")))?;
        let map = "callee=Called Number,time=Start,duration=Seconds,rate=Rate,amount=Charge";
        let (bill, since) = (bill.display().to_string(), "2026-01-01T00:00:00Z");
        run(&[
            "cdr",
            "compare-bill",
            "--store",
            &store,
            "--gateway",
            "one",
            "--bill",
            &bill,
            "--map",
            map,
            "--since",
            since,
        ])
    };
    let lines = [
        "12125550101,2026-01-31T23:50:02Z,31,0.0060,0.0031",
        "12125550102,2026-01-31T23:51:02Z,10,0.0060,0.0010",
        "12125550104,2026-01-31T23:59:02Z,61,0.0060,0.0061",
        "12125550105,2026-02-01T00:00:02Z,1,0.0060,0.0001",
        "12125550106,2026-02-01T00:00:03Z,61,0.0060,0.0061",
    ];
    let (code, text) = compare(&lines)?;
    assert_eq!(code, 0, "{text}");
    let wrong = [
        lines[0],
        "12125550102,2026-01-31T23:51:02Z,16,0.0060,0.0016",
        "442071838750,2026-01-31T23:55:00Z,30,0.0060,0.0030",
        lines[3],
        lines[4],
    ];
    let (code, text) = compare(&wrong)?;
    assert_eq!(code, 1, "{text}");
    for told in ["billed 16.000 s, ours 10.000 s", "442071838750", "edge-1/1769000000/4"] {
        assert!(text.contains(told), "no `{told}` in:\n{text}");
    }
    Ok(())
}

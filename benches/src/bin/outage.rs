//! Calls at a steady rate while something that they need fails for six seconds, and then is well again: what callers
//! notice of it, through Trunkline, and where it has the same to wait for, through Kamailio.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use trunkline_benches::outage::{self, Callers, Plan, Row, judge, pass};
use trunkline_benches::peer;
use trunkline_tests::{Dns, Fault, LrnServer, Rabbit, Redis, Router, Setup, Sipp, SlowDisk};

#[derive(Parser)]
struct Arguments {
    /// Calls per second
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// What fails
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Failing::value_variants().to_vec())]
    faults: Vec<Failing>,
    /// Where the results go
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
}

/// What a call needs, or a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Failing {
    /// The LRN service takes requests and answers none
    Lrn,
    /// The Redis that a table asks is stopped
    Redis,
    /// The name server of the LRN service answers nothing
    Dns,
    /// The broker that records go to is stopped
    Rabbit,
    /// A stage of another customer loops for ever
    Plugin,
    /// The disk of the journal takes half a second for each sync
    Disk,
}

/// The deadline of every source that a call waits for, in milliseconds.
const DEADLINE: u32 = 50;
const OURS: &str = "Trunkline";
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Where the customer with the looping plugin calls from.
const BESIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let seconds = Duration::from_secs;
    let plan = Plan { healthy: seconds(5), failing: seconds(6), after: seconds(7), rate: arguments.rate };
    let callee = Sipp::callee("callee", &[])?;
    let mut rows = Vec::new();
    for fault in &arguments.faults {
        eprintln!("{fault:?} …");
        rows.extend(match fault {
            Failing::Lrn => lrn(&callee, plan)?,
            Failing::Redis => redis(&callee, plan)?,
            Failing::Dns => dns(&callee, plan)?,
            Failing::Rabbit => rabbit(&callee, plan)?,
            Failing::Plugin => plugin(&callee, plan)?,
            Failing::Disk => disk(&callee, plan)?,
        });
    }
    println!("{}", outage::write(&rows, plan, &arguments.out)?);
    let missed: Vec<&Row> = rows.iter().filter(|row| row.is_missed()).collect();
    for row in &missed {
        eprintln!("missed: {}, {}, {}: p99 {:.0} ms, {} failed", row.fault, row.system, row.phase, row.p99, row.failed);
    }
    if missed.is_empty() {
        eprintln!("every bar is met");
    }
    Ok(())
}

fn setup(callee: &Sipp) -> Result<Setup> {
    Ok(Setup::new()?.carrier(callee.address()).without_sqlite())
}

/// The calls of the one customer there is, with the fault in their midst.
fn calls(
    router: &Router,
    fault: &str,
    plan: Plan,
    begin: impl FnOnce() -> Result<()>,
    end: impl FnOnce() -> Result<()>,
) -> Result<Vec<Row>> {
    let callers = Callers::begin(HOME, router.sip(), plan, plan.rate)?;
    let failing = pass(plan, begin, end)?;
    let mut rows = callers.end(OURS, fault, failing)?;
    judge(&mut rows, DEADLINE.into());
    Ok(rows)
}

fn lrn(callee: &Sipp, plan: Plan) -> Result<Vec<Row>> {
    let what = "the LRN service hangs";
    let directory = LrnServer::start()?;
    let fails = |fault| {
        directory.fail(fault);
        Ok(())
    };
    let kamailio = peer::kamailio_asking(&directory, callee.address())?;
    let callers = Callers::begin(HOME, kamailio.sip, plan, plan.rate)?;
    let failing = pass(plan, || fails(Fault::Hang), || fails(Fault::None))?;
    let mut rows = callers.end(kamailio.name, what, failing)?;
    drop(kamailio);
    let router = setup(callee)?.lrn(&directory, DEADLINE).start()?;
    rows.extend(calls(&router, what, plan, || fails(Fault::Hang), || fails(Fault::None))?);
    Ok(rows)
}

fn redis(callee: &Sipp, plan: Plan) -> Result<Vec<Row>> {
    let redis = Redis::start()?;
    let router = setup(callee)?
        .table("lrn", r#"source = { redis = { service = "redis", field = "lrn" } }"#)
        .section(&format!("[services.redis]\nurl = \"{}\"\ndeadline = \"{DEADLINE}ms\"\n", redis.url()))
        .start()?;
    calls(&router, "Redis is stopped", plan, || redis.freeze(), || redis.thaw())
}

fn dns(callee: &Sipp, plan: Plan) -> Result<Vec<Row>> {
    let dns = Dns::start(&["host-record=lrn.test,127.0.0.1".to_owned()])?;
    let directory = LrnServer::start()?;
    // Each request needs a connection of its own, and with it an address.
    directory.fail(Fault::Close);
    let url = format!("http://lrn.test:{}", directory.address.port());
    let router = setup(callee)?
        .lrn_at(&url, DEADLINE)
        .section(&format!("[dns]\nservers = [\"{}\"]\ndeadline = \"500ms\"\n", dns.address))
        .start()?;
    calls(&router, "the DNS is dead", plan, || dns.hang(), || dns.resume())
}

fn rabbit(callee: &Sipp, plan: Plan) -> Result<Vec<Row>> {
    let rabbit = Rabbit::start()?;
    let router = setup(callee)?.fanout(&rabbit.url()).start()?;
    calls(&router, "RabbitMQ is stopped", plan, || rabbit.freeze(), || rabbit.thaw())
}

/// The one who is measured has a neighbour, who calls a quarter as often and gets the plugin.
fn plugin(callee: &Sipp, plan: Plan) -> Result<Vec<Row>> {
    const WELL: &str = "pipeline = \"default\"";
    const ILL: &str = "pipeline = \"hostile\"";
    let what = "a plugin of one customer loops";
    // Its breaker would fly past it after a few calls: here it is run, and cut, for every one of them.
    let keys = "fuel = 10_000_000\non-failure = \"skip\"\n\
                breaker = { failures = 1_000_000, window = \"10s\", open = \"5s\" }";
    let router = setup(callee)?
        .fault("loops", keys)?
        .pipeline("hostile", &["auth", "blocklist", "loops", "lrn", "cnam", "rate"])
        .customer("other", "127.0.0.2/32", WELL)
        .start()?;
    let turn = |from, to| {
        router.edit_config(from, to)?;
        let (code, answer) = router.reload()?;
        ensure!(code == 200, "the reload was answered {code}: {answer}");
        Ok(())
    };
    let other = Callers::begin(BESIDE, router.sip(), plan, (plan.rate / 4).max(1))?;
    let callers = Callers::begin(HOME, router.sip(), plan, plan.rate)?;
    let failing = pass(plan, || turn(WELL, ILL), || turn(ILL, WELL))?;
    let mut rows = callers.end("Trunkline, the other customers", what, failing)?;
    judge(&mut rows, DEADLINE.into());
    let mut own = other.end("Trunkline, the customer with the plugin", what, failing)?;
    judge(&mut own, DEADLINE.into());
    rows.extend(own);
    Ok(rows)
}

/// Records wait for it, and no call does.
fn disk(callee: &Sipp, plan: Plan) -> Result<Vec<Row>> {
    let router = setup(callee)?.start()?;
    let slow = Cell::new(None);
    let begin = || {
        slow.set(Some(SlowDisk::begin(router.id(), "journal", Duration::from_millis(500), router.folder())?));
        Ok(())
    };
    let end = || {
        drop(slow.take());
        Ok(())
    };
    calls(&router, "the journal's disk takes 500 ms for a sync", plan, begin, end)
}

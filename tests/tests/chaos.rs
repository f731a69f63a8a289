//! Whatever dies: every call that was completed has its record in every store, once.
//!
//! `cargo xtask chaos --minutes 10 --seed 7` runs it for longer.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use trunkline::cdr::chain::{Link, Verifier};
use trunkline::cdr::record::CallRecord;
use trunkline_tests::{Ledger, Load, Postgres, Process, Rabbit, Router, Setup, Sipp, SmallDisk, run, until};

/// A call that lost its BYE with the router ends by this.
const LONGEST: Duration = Duration::from_secs(10);
/// For stores to catch up, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long the database is away the first time, in a run that lasts long enough for it.
const LONG_OUTAGE: Duration = Duration::from_secs(20);
const NUMBERS: [(&str, &str); 3] = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "1500")];

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    BrokerKilled,
    DatabaseStopped,
    RouterKilled,
    LedgerKilledAndItsQueueDeleted,
    DiskFull,
}

/// Everything that a record passes through. Ends in this order.
struct Scene {
    disk: Option<SmallDisk>,
    writer: Process,
    ledger: Ledger,
    router: Router,
    rabbit: Rabbit,
    postgres: Postgres,
}

#[test]
fn whatever_dies_every_completed_call_has_one_record_in_each_store() -> Result<()> {
    let seconds = from_environment("TRUNKLINE_CHAOS_SECONDS", 30);
    let seed = from_environment("TRUNKLINE_CHAOS_SEED", fastrand::u64(..));
    let rate = u32::try_from(from_environment("TRUNKLINE_CHAOS_RATE", 50))?;
    println!("seed {seed}: {rate} calls a second for {seconds} s");
    let callee = Sipp::callee("callee", &[])?;
    let mut fates = fastrand::Rng::with_seed(seed);
    let shared = if fates.bool() { 1 } else { 100 };
    println!("{shared} records may share a message");
    let mut scene = Scene::set(&callee, shared)?;
    let load = Load { calls: rate * u32::try_from(seconds)?, rate };
    let callers = Sipp::caller("caller", &NUMBERS, scene.router.sip(), load)?;

    let end = Instant::now() + Duration::from_secs(seconds);
    let mut faults = [
        Fault::BrokerKilled,
        Fault::DatabaseStopped,
        Fault::RouterKilled,
        Fault::LedgerKilledAndItsQueueDeleted,
        Fault::DiskFull,
    ];
    let mut lost_with_queues = 0;
    let mut struck: BTreeMap<Fault, u32> = BTreeMap::new();
    while Instant::now() < end {
        // Each in its turn, in an order that only the seed knows.
        fates.shuffle(&mut faults);
        for fault in faults {
            let begin = Instant::now();
            let mut pause = Duration::from_millis(fates.u64(200..2_500));
            *struck.entry(fault).or_default() += 1;
            if seconds >= 60 && fault == Fault::DatabaseStopped && struck[&fault] == 1 {
                pause = LONG_OUTAGE;
            }
            lost_with_queues += scene.strike(fault, pause).with_context(|| format!("{fault:?}, seed {seed}"))?;
            println!("{fault:?}: {:?}", begin.elapsed());
            std::thread::sleep(pause.min(Duration::from_secs(2)));
            if Instant::now() >= end {
                break;
            }
        }
    }
    let completed = callers.completed()?;
    println!("{} of {} calls were completed, beside {struck:?}", completed.len(), load.calls);
    ensure!(completed.len() as u32 > load.calls / 4, "chaos, and not the end of all calls");

    scene.settle()?;
    scene.reconcile(lost_with_queues * u64::from(shared))?;
    scene.prove(&completed)?;
    scene.delete_some_and_find_them()?;
    scene.prove(&completed)
}

impl Scene {
    /// A is the ledger, fed by the broker; B is the router's own SQLite; it ships to PostgreSQL, too.
    fn set(callee: &Sipp, shared: u32) -> Result<Self> {
        let (rabbit, postgres) = (Rabbit::start()?, Postgres::start()?);
        let setup = Setup::new()?
            .carrier(callee.address())
            .fanout_of(&rabbit.url(), shared)
            .section(&format!("[cdr.stores.pg]\nsql = {{ url = \"{}\" }}", postgres.url()))
            .section(&format!("[call]\nmax-duration = \"{}s\"", LONGEST.as_secs()));
        let disk = SmallDisk::mount(&setup.folder().join("var/journal"), 256)?;
        let router = setup.start()?;
        let ledger = Ledger::new(&rabbit.url(), &postgres.url())?;
        let writer = ledger.start_primary("ledger.log")?;
        Ok(Self { disk, writer, ledger, router, rabbit, postgres })
    }

    /// One thing goes wrong for a while. Returns how many messages are gone with a queue.
    fn strike(&mut self, fault: Fault, pause: Duration) -> Result<u64> {
        match fault {
            Fault::BrokerKilled => {
                self.rabbit.crash()?;
                std::thread::sleep(pause);
                self.rabbit.resume()?;
            }
            Fault::DatabaseStopped => {
                self.postgres.stop()?;
                std::thread::sleep(pause);
                self.postgres.resume()?;
            }
            Fault::RouterKilled => self.router.crash_and_restart()?,
            Fault::LedgerKilledAndItsQueueDeleted => {
                self.writer.signal(Signal::SIGKILL)?;
                self.writer.wait(PATIENCE)?;
                std::thread::sleep(pause);
                let gone = self.rabbit.delete("a")?;
                self.writer = self.ledger.start("ledger.log")?;
                return Ok(gone.into());
            }
            Fault::DiskFull => {
                let Some(disk) = &self.disk else { return Ok(0) };
                disk.fill()?;
                std::thread::sleep(pause);
                disk.free()?;
            }
        }
        Ok(0)
    }

    /// Waits until no call is open and nothing is on its way.
    fn settle(&mut self) -> Result<()> {
        until("every call to be over and every store to have all", PATIENCE, || {
            let open = self.router.metric("trunkline_active_calls").unwrap_or(1.0);
            let behind = self.router.metric("trunkline_store_behind").unwrap_or(1.0);
            Ok((open + behind < 0.5).then_some(()))
        })
        .with_context(|| format!("the router wrote:\n{}", self.router.log()))?;
        // What a ledger has taken is in no queue, and nobody says whether it is written: it is asked to end, and what it
        // could not write is in the queue again. Each time it has longer.
        for seconds in [1, 2, 4, 8, 16] {
            until("an empty queue", PATIENCE, || Ok((self.rabbit.depth("a").ok() == Some(0)).then_some(())))
                .with_context(|| format!("the ledger wrote:\n{}", self.writer.last_lines()))?;
            std::thread::sleep(Duration::from_secs(seconds));
            self.writer.signal(Signal::SIGTERM)?;
            self.writer.wait(PATIENCE)?;
            if self.rabbit.depth("a")? == 0 {
                return Ok(());
            }
            self.writer = self.ledger.start("ledger.log")?;
        }
        bail!("the ledger leaves messages in its queue:\n{}", self.writer.last_lines())
    }

    fn a(&self) -> String {
        format!("{}?options=-csearch_path%3Dledger", self.postgres.url())
    }

    fn b(&self) -> String {
        format!("sqlite:{}", self.router.folder().join("var/cdr.db").display())
    }

    fn run_reconcile(&self, a: &str, more: &[&str]) -> Result<(i32, serde_json::Value)> {
        let journal = self.router.folder().join("var/journal").display().to_string();
        let words = ["cdr", "reconcile", "--json", "--a", a, "--b", &self.b(), "--journal", &journal];
        let (code, text) = run(&[&words, more].concat())?;
        Ok((code, serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))?))
    }

    fn fill(&self) -> Result<(i32, serde_json::Value)> {
        let config = self.ledger.config().display().to_string();
        self.run_reconcile(&self.a(), &["--fill", "-c", &config])
    }

    /// What a deleted queue took with it is all that any store lacks, and comes back from the other.
    fn reconcile(&self, lost_with_queues: u64) -> Result<()> {
        let (_, before) = self.run_reconcile(&self.a(), &[])?;
        let lacks = |report: &serde_json::Value, side: usize| report["report"]["sides"][side]["missing"].as_u64();
        println!("the ledger lacks {:?}; at most {lost_with_queues} were gone with a queue", lacks(&before, 0));
        ensure!(lacks(&before, 1) == Some(0), "the router's own store lacks nothing: {before:#}");
        ensure!(lacks(&before, 0) <= Some(lost_with_queues), "only a deleted queue takes records away: {before:#}");
        let (code, filled) = self.fill()?;
        ensure!(code == 0, "filled, the two are equal: {filled:#}");
        // The third store never needed anybody's help.
        let (code, report) = self.run_reconcile(&self.postgres.url(), &[])?;
        ensure!(code == 0, "the router's PostgreSQL has what its SQLite has: {report:#}");
        Ok(())
    }

    fn delete_some_and_find_them(&self) -> Result<()> {
        let one_percent = "sequence % 100 = 7";
        let count = |what: &str| -> Result<u64> { Ok(self.postgres.query(what)?.parse()?) };
        let chosen = count(&format!("select count(*) from ledger.calls where {one_percent}"))?;
        let all = count("select count(*) from ledger.calls")?;
        self.postgres.query(&format!("delete from ledger.calls where {one_percent}"))?;
        let (code, report) = self.run_reconcile(&self.a(), &[])?;
        ensure!(code == 1 && report["report"]["sides"][0]["missing"] == chosen, "{chosen} are missing: {report:#}");
        let (code, report) = self.fill()?;
        ensure!(code == 0 && report["filled"] == serde_json::json!([chosen, 0]), "{chosen} are filled: {report:#}");
        ensure!(count("select count(*) from ledger.calls")? == all, "as many as before");
        println!("of {all} records {chosen} were deleted, found and filled");
        Ok(())
    }

    fn prove(&self, completed: &[String]) -> Result<()> {
        let sql = |table: &str| format!("select record from {table} order by node, epoch, sequence");
        prove("the ledger", &self.postgres.query(&sql("ledger.calls"))?, completed)?;
        prove("PostgreSQL", &self.postgres.query(&sql("calls"))?, completed)?;
        prove("SQLite", &self.router.sqlite(&sql("calls"))?, completed)
    }
}

/// Every completed call has one answered record, every key is there once, and the chain is whole.
fn prove(store: &str, lines: &str, completed: &[String]) -> Result<()> {
    let records: Vec<CallRecord> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut answered: HashMap<&str, u32> = HashMap::new();
    for record in records.iter().filter(|record| record.times.answered.is_some()) {
        *answered.entry(&record.call_id).or_default() += 1;
    }
    let completed: HashSet<&str> = completed.iter().map(String::as_str).collect();
    let wrong: Vec<_> = completed.iter().filter(|id| answered.get(**id) != Some(&1)).collect();
    println!("{store}: {} records, {} completed calls without exactly one", records.len(), wrong.len());
    ensure!(wrong.is_empty(), "{store}: not exactly one answered record for {wrong:?}, but {:#?}", {
        let of_wrong = |record: &&CallRecord| wrong.iter().any(|id| **id == record.call_id);
        records.iter().filter(of_wrong).take(4).collect::<Vec<_>>()
    });
    let mut verifier = Verifier::default();
    for record in &records {
        let link = verifier.check(record);
        ensure!(link == Link::Whole, "{store}: {}/{} is {link:?}", record.key.epoch, record.key.sequence);
    }
    Ok(())
}

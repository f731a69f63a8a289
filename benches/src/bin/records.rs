//! What records take: of the worker that hands them over, of the journal, and on the way to RabbitMQ.
//!
//! The journal is in a temporary folder: set `TMPDIR` to measure another disk.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use tempfile::TempDir;
use trunkline::cdr::journal::{Journal, Options, slates};
use trunkline::cdr::message::{LINES, ONE};
use trunkline::cdr::record::CallRecord;
use trunkline::cdr::{Cdr, JournalHandle};
use trunkline::config::model;
use trunkline_benches::broker;
use trunkline_benches::figures::{Aim, Figures};
use trunkline_benches::record::{message, messages};
use trunkline_tests::Rabbit;

/// Records in the queue at once: half of what it holds by default.
const AHEAD: u64 = 32_768;
/// A note of a call with five stages is some 800 bytes.
const NOTE: usize = 800;
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Parser)]
struct Arguments {
    /// Records handed over, and journalled
    #[arg(long, default_value_t = 500_000)]
    records: u64,
    /// Records shipped to RabbitMQ, in each form
    #[arg(long, default_value_t = 200_000)]
    shipped: u64,
    /// Records that share a message in the second form: `cdr.fanout.amqp.records-per-message`
    #[arg(long, default_value_t = 100)]
    together: usize,
    /// Measure the way to RabbitMQ alone
    #[arg(long)]
    only_shipped: bool,
    /// Where the results go
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let record: CallRecord = serde_json::from_str(&message(1))?;
    let mut figures = Figures::default();
    if !arguments.only_shipped {
        for guarded in [false, true] {
            worker(&record, arguments.records, guarded, &mut figures)?;
        }
        journal(&record, arguments.records, &mut figures)?;
    }
    for together in [1, arguments.together] {
        shipped(&record, arguments.shipped, together, &mut figures)?;
    }
    println!("{}", figures.write(&arguments.out, "records")?);
    Ok(())
}

fn open(guarded: bool) -> Result<(TempDir, Journal, JournalHandle)> {
    let folder = tempfile::tempdir()?;
    let slates = if guarded { slates(folder.path()) } else { None };
    let (journal, handle) = Journal::open(folder.path(), "bench", Options { slates, ..Options::default() })?;
    Ok((folder, journal, handle.for_worker()))
}

/// Time on the worker's own thread; the journal catches up between the rounds, as it does between calls.
fn worker(record: &CallRecord, count: u64, guarded: bool, figures: &mut Figures) -> Result<()> {
    const ROUND: u64 = 1_000;
    let (_folder, journal, handle) = open(guarded)?;
    let (mut records, mut notes) = (Duration::ZERO, Duration::ZERO);
    for round in 0..count / ROUND {
        let begin = Instant::now();
        for call in round * ROUND..(round + 1) * ROUND {
            handle.started(call + 1, vec![7; NOTE]);
            handle.keep();
            handle.answered(call + 1, vec![7; NOTE]);
            handle.keep();
        }
        let between = Instant::now();
        for call in round * ROUND..(round + 1) * ROUND {
            handle.append(call + 1, record);
            handle.keep();
        }
        notes += between - begin;
        records += between.elapsed();
        wait_for(&journal, (round + 1) * ROUND);
    }
    let each = |all: Duration| all.as_secs_f64() * 1e6 / count as f64;
    let memory = if guarded { "with shared memory" } else { "without shared memory" };
    figures.add(format!("a record, of the worker's time, {memory}"), each(records), "µs", Some(Aim::AtMost(3.0)));
    figures.add(format!("its two notes, {memory}"), each(notes), "µs", None);
    journal.close(PATIENCE).map(|_| ()).context("the journal")
}

fn wait_for(journal: &Journal, sequence: u64) {
    while journal.status().synced.sequence < sequence {
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// As fast as the disk takes them, in groups.
fn journal(record: &CallRecord, count: u64, figures: &mut Figures) -> Result<()> {
    let (_folder, journal, handle) = open(true)?;
    let begin = Instant::now();
    for number in 1..=count {
        if number % 1_024 == 0 {
            wait_for(&journal, number.saturating_sub(AHEAD));
        }
        handle.append(number, record);
    }
    wait_for(&journal, count);
    let rate = count as f64 / begin.elapsed().as_secs_f64();
    let status = journal.status();
    ensure!(status.lost == 0, "{} records were lost", status.lost);
    let what = format!("records of {} bytes, journalled and synced", status.disk_use / count);
    figures.add(what, rate, "a second", Some(Aim::AtLeast(50_000.0)));
    journal.close(PATIENCE).map(|_| ()).context("the journal")
}

/// From the journal to two queues of a private RabbitMQ, until all is confirmed: so many records in a message.
fn shipped(record: &CallRecord, count: u64, together: usize, figures: &mut Figures) -> Result<()> {
    let rabbit = Rabbit::start()?;
    let folder = tempfile::tempdir()?;
    let config: model::Cdr = toml::from_str(&format!(
        "journal = \"journal\"\n[fanout.amqp]\nurl = \"{}\"\nexchange = \"trunkline.cdr\"\nqueues = [\"a\", \"b\"]\n\
         records-per-message = {together}",
        rabbit.url()
    ))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (cdr, handle) = Cdr::start(&config, "bench", folder.path(), runtime.handle())?;
    let begin = Instant::now();
    let behind = || cdr.lag().iter().map(|lag| lag.behind).sum::<u64>();
    for number in 1..=count {
        while number % 1_024 == 0 && number.saturating_sub(cdr.journal().synced.sequence) > AHEAD {
            std::thread::sleep(Duration::from_micros(200));
        }
        handle.append(number, record);
    }
    while cdr.journal().synced.sequence < count || behind() > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let rate = count as f64 / begin.elapsed().as_secs_f64();
    // One broker on a core or two takes no 20,000 messages: only where records share them is that asked for.
    let aim = (together > 1).then_some(Aim::AtLeast(20_000.0));
    let what = format!("records to two queues of RabbitMQ, {together} in a message, confirmed");
    figures.add(what, rate, "a second", aim);
    runtime.block_on(cdr.shutdown(PATIENCE)).context("the journal")?;
    let (url, bodies) = (rabbit.url(), messages(0..100 * together as u64, together));
    let (form, messages) = (if together == 1 { ONE } else { LINES }, count / together as u64);
    let alone = runtime.block_on(broker::publish(&url, "trunkline.alone", &["c", "d"], form, &bodies, messages))?;
    let rate = count as f64 / alone.as_secs_f64();
    figures.add("the same ready-made, without journal and JSON", rate, "a second", None);
    Ok(())
}

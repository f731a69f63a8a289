//! What the ledger takes: records read, rated, summed up and written to PostgreSQL, and sums alone in memory.
//!
//! `ledger --url postgres://…` writes to that database (tables in the schema `ledger` are made); without it, to a
//! private one that does not wait for the disk. First records come from memory, then from a private RabbitMQ; beside each
//! stands what the server does alone: COPY of the same rows, and messages that nobody reads.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use arc_swap::ArcSwap;
use clap::Parser;
use trunkline::cdr::message::{LINES, ONE};
use trunkline::cdr::record::CallRecord;
use trunkline::config::model::AmqpQueue;
use trunkline::ledger::consumer::{Consumer, Shared};
use trunkline::ledger::counters::Counters;
use trunkline::ledger::queue::Queue;
use trunkline::ledger::rating::{RateBook, Rules};
use trunkline::ledger::store::batch::{self, Rated};
use trunkline::ledger::store::lease::Lease;
use trunkline::ledger::store::prepare;
use trunkline::ledger::usage::Usage;
use trunkline::postgres::Database;
use trunkline_benches::broker;
use trunkline_benches::figures::{Aim, Figures};
use trunkline_benches::record::{message, messages};
use trunkline_tests::{Postgres, Rabbit};

const LEASE: Duration = Duration::from_secs(30);
/// Where a server keeps what it reads and writes, by default of Debian's package.
const AS_INSTALLED: &str = "shared_buffers=128MB";

#[derive(Parser)]
struct Arguments {
    /// The database; default: a private one
    #[arg(long)]
    url: Option<String>,
    /// Records to write
    #[arg(long, default_value_t = 100_000)]
    records: u64,
    /// Connections that write at once: `ledger.consumers`
    #[arg(long, default_value_t = 2)]
    writers: u64,
    /// Records in a transaction: `ledger.batch`
    #[arg(long, default_value_t = 5_000)]
    batch: u64,
    /// Records that share a message in the second form: `cdr.fanout.amqp.records-per-message`
    #[arg(long, default_value_t = 100)]
    together: usize,
    /// Records to sum up in memory
    #[arg(long, default_value_t = 10_000_000)]
    sums: u64,
    /// Where the results go
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
}

/// Records a second that the ledger is to take, wherever they come from.
const WANTED: Option<Aim> = Some(Aim::AtLeast(20_000.0));

fn book() -> RateBook {
    RateBook { currency: "USD".into(), places: 6, ..RateBook::default() }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut figures = Figures::default();
    figures.add("a record as JSON", message(1).len() as f64, "bytes", None);
    sums(arguments.sums, &mut figures)?;
    let private = if arguments.url.is_none() { Some(Postgres::start_with(&[AS_INSTALLED])?) } else { None };
    let url = arguments.url.clone().or(private.as_ref().map(Postgres::url)).context("no database")?;
    let database = Database::new(&url)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(write(&arguments, &database, &mut figures))?;
    if let Some(private) = &private {
        copied(private, arguments.records, &mut figures)?;
    }
    for (form, together) in (1..).zip([1, arguments.together]) {
        // Waits on a runtime of its own.
        let rabbit = Rabbit::start()?;
        let sequences = form * arguments.records + 1..(form + 1) * arguments.records + 1;
        runtime.block_on(from_broker(&arguments, rabbit.url(), &database, sequences, together, &mut figures))?;
    }
    println!("{}", figures.write(&arguments.out, "ledger")?);
    Ok(())
}

/// Rating and adding up, without a database, in batches as the ledger does.
fn sums(count: u64, figures: &mut Figures) -> Result<()> {
    let record: CallRecord = serde_json::from_str(&message(1))?;
    let charges = book().rate(&record);
    let begin = Instant::now();
    for batch in 0..count / 2_000 {
        let mut usage = Usage::default();
        let mut record = record.clone();
        for number in 0..2_000 {
            record.times.received += 500;
            record.code = if number % 3 == 0 { 503 } else { 200 };
            if number % 100 == 0 {
                record.customer = format!("customer-{}", (batch + number / 100) % 20);
            }
            usage.add(&record, &charges);
        }
        ensure!(usage.iter().count() > 0, "nothing was added up");
    }
    let rate = count as f64 / begin.elapsed().as_secs_f64();
    figures.add(format!("{count} records added up in memory, in three spans"), rate, "a second", None);
    Ok(())
}

async fn write(arguments: &Arguments, database: &Database, figures: &mut Figures) -> Result<()> {
    let mut connection = database.connect("trunkline-bench", LEASE).await?;
    prepare(&mut connection).await?;
    let lease = Lease::take(&mut connection, "bench", "bench", LEASE).await?.context("another bench is at work")?;
    let book = Arc::new(book());
    let begin = Instant::now();
    let mut writers = Vec::new();
    for writer in 0..arguments.writers {
        let (lease, book) = (lease.clone(), Arc::clone(&book));
        let mut connection = database.connect(&lease.session(), LEASE).await?;
        let (batch, count, writers_all) = (arguments.batch, arguments.records, arguments.writers);
        writers.push(tokio::spawn(async move {
            let mut first = 1 + writer * batch;
            let mut written = 0;
            while first <= count {
                let mut rated = Vec::with_capacity(batch as usize);
                for sequence in first..(first + batch).min(count + 1) {
                    let json = message(sequence);
                    let record: CallRecord = serde_json::from_str(&json)?;
                    rated.push(Rated { charges: book.rate(&record), json: json.into(), record });
                }
                written += batch::write(&mut connection, &lease, &rated, &[]).await?.new;
                first += batch * writers_all;
            }
            anyhow::Ok(written)
        }));
    }
    let mut written = 0;
    for writer in writers {
        written += writer.await??;
    }
    let rate = written as f64 / begin.elapsed().as_secs_f64();
    ensure!(written == arguments.records, "{written} of {} were new: use an empty database", arguments.records);
    let (writers, batch) = (arguments.writers, arguments.batch);
    let what = format!("records rated and written to PostgreSQL by {writers} writers, {batch} in a transaction");
    figures.add(what, rate, "a second", WANTED);
    lease.release(&mut connection).await
}

/// The rows that were written, once more into an empty table with the same indices, by one COPY and nothing else.
fn copied(server: &Postgres, count: u64, figures: &mut Figures) -> Result<()> {
    server.query("COPY ledger.calls TO '/dev/shm/trunkline-bench' (FORMAT binary)")?;
    server.query("CREATE TABLE copied (LIKE ledger.calls INCLUDING ALL)")?;
    let begin = Instant::now();
    server.query("COPY copied FROM '/dev/shm/trunkline-bench' (FORMAT binary)")?;
    let seconds = begin.elapsed().as_secs_f64();
    server.query("DROP TABLE copied")?;
    std::fs::remove_file("/dev/shm/trunkline-bench")?;
    figures.add("the same rows by one COPY alone", count as f64 / seconds, "a second", None);
    Ok(())
}

/// From a queue of a private RabbitMQ into the database, as `trunkline ledger` does it.
async fn from_broker(
    arguments: &Arguments,
    url: String,
    database: &Database,
    sequences: Range<u64>,
    together: usize,
    figures: &mut Figures,
) -> Result<()> {
    let count = arguments.records;
    let bodies = messages(sequences, together);
    let form = if together == 1 { ONE } else { LINES };
    broker::publish(&url, "bench", &["a", "b"], form, &bodies, bodies.len() as u64).await?;
    let seconds = broker::drain(&url, "b", bodies.len() as u64).await?.as_secs_f64();
    drop(bodies);
    let what = format!("records taken from RabbitMQ and dropped, {together} in a message");
    figures.add(what, count as f64 / seconds, "a second", None);

    let mut connection = database.connect("trunkline-bench", LEASE).await?;
    let lease = Lease::take(&mut connection, "bench", "bench", LEASE).await?.context("another bench is at work")?;
    let counters = Arc::new(Counters::default());
    let mut rules = Rules::default();
    rules.book = book();
    let shared = Shared {
        queue: Queue::new(&AmqpQueue { url, queue: "a".to_owned() })?,
        database: database.clone(),
        rules: Arc::new(ArcSwap::from_pointee(rules)),
        counters: Arc::clone(&counters),
        batch: arguments.batch as usize,
        linger: Duration::from_millis(100),
        lease: LEASE,
    };
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let begin = Instant::now();
    let consumers: Vec<_> = (0..arguments.writers)
        .map(|_| tokio::spawn(Consumer::new(shared.clone(), lease.clone(), stopped.clone()).run()))
        .collect();
    while counters.read().records < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let rate = count as f64 / begin.elapsed().as_secs_f64();
    let what = format!("records from RabbitMQ to PostgreSQL, {together} in a message");
    figures.add(what, rate, "a second", WANTED);
    stop.send(true)?;
    for consumer in consumers {
        consumer.await?;
    }
    lease.release(&mut connection).await
}

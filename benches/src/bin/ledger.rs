//! What the ledger takes: records read, rated, summed up and written to PostgreSQL, and sums alone in memory.
//!
//! `ledger --url postgres://…` writes to that database (tables in the schema `ledger` are made); without it, to a
//! private one that does not wait for the disk. Messages come from memory: the broker is not part of this.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use trunkline::cdr::record::CallRecord;
use trunkline::ledger::rating::RateBook;
use trunkline::ledger::store::batch::{self, Rated};
use trunkline::ledger::store::lease::Lease;
use trunkline::ledger::store::prepare;
use trunkline::ledger::usage::Usage;
use trunkline::postgres::Database;
use trunkline_benches::record::message;
use trunkline_tests::Postgres;

const LEASE: std::time::Duration = std::time::Duration::from_secs(30);

#[derive(Parser)]
struct Arguments {
    /// The database; default: a private one
    #[arg(long)]
    url: Option<String>,
    /// Records to write
    #[arg(long, default_value_t = 200_000)]
    records: u64,
    /// Connections that write at once: `ledger.consumers`
    #[arg(long, default_value_t = 2)]
    writers: u64,
    /// Records in a transaction: `ledger.batch`
    #[arg(long, default_value_t = 2_000)]
    batch: u64,
    /// Records to sum up in memory
    #[arg(long, default_value_t = 10_000_000)]
    sums: u64,
}

fn book() -> RateBook {
    RateBook { currency: "USD".into(), places: 6, ..RateBook::default() }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    println!("a record has {} bytes of JSON", message(1).len());
    sums(arguments.sums)?;
    let private = if arguments.url.is_none() { Some(Postgres::start()?) } else { None };
    let url = arguments.url.clone().or(private.as_ref().map(Postgres::url)).context("no database")?;
    write(&arguments, &Database::new(&url)?).await
}

/// Rating and adding up, without a database, in batches as the ledger does.
fn sums(count: u64) -> Result<()> {
    let record: CallRecord = serde_json::from_str(&message(1))?;
    let charges = book().rate(&record);
    let begin = Instant::now();
    let mut keys = 0;
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
        keys += usage.iter().count();
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{count} records added up in three spans in {seconds:.1} s: {:.0} a second, {keys} rows",
        count as f64 / seconds
    );
    Ok(())
}

async fn write(arguments: &Arguments, database: &Database) -> Result<()> {
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
    let seconds = begin.elapsed().as_secs_f64();
    ensure!(written == arguments.records, "{written} of {} were new: use an empty database", arguments.records);
    println!(
        "{written} records read, rated and written to {} by {} writers in batches of {} in {seconds:.1} s: {:.0} a second",
        database.place(),
        arguments.writers,
        arguments.batch,
        written as f64 / seconds
    );
    lease.release(&mut connection).await
}

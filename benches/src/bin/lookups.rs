//! What a look-up costs in the host: a cached row, a row of a file, the longest prefix of a large deck; and what such a
//! deck costs to load and to hold.
//!
//! `cargo run --release --bin lookups [ROWS]`: rows of the deck, 10,000,000 where nothing is said.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use trunkline::config::model::Config;
use trunkline::lookup::{self, Probe, Table};
use trunkline_benches::cpu;
use trunkline_tests::LrnServer;

/// Keys that the questions go round.
const KEYS: usize = 1_000;
/// Numbers that calls are to, far more than any cache of the processor holds the rows of.
const NUMBERS: usize = 1_000_000;
/// Questions of one measurement, and how often it is repeated: the quickest counts, the others met other work.
const QUESTIONS: usize = 2_000_000;
const ROUNDS: usize = 5;

fn main() -> Result<()> {
    let rows: u64 = match std::env::args().nth(1) {
        Some(text) => text.replace('_', "").parse().context("ROWS is a number")?,
        None => 10_000_000,
    };
    let folder = tempfile::tempdir()?;
    let office = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let server = LrnServer::start()?;
    write_deck(&folder.path().join("deck.csv"), rows)?;
    write_numbers(&folder.path().join("numbers.csv"))?;

    let before = cpu::resident()?;
    let config: Config = toml_of(&server)?;
    let began = on_processor()?;
    let built = lookup::build(&config, folder.path(), office.handle(), Arc::default());
    let took = on_processor()?.saturating_sub(began);
    let (tables, _services) = built.map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let table = |name: &str| tables.get(name).cloned().context("the table is there");
    let (deck, numbers, cached) = (table("deck")?, table("numbers")?, table("cached")?);
    let held = deck.stats().bytes;
    println!("deck: {rows} rows loaded in {:.1} s of a processor", took.as_secs_f64());
    println!(
        "deck: {:.1} bytes a row by its own count, {:.1} by the system's",
        held as f64 / rows as f64,
        (cpu::resident()?.saturating_sub(before)) as f64 / rows as f64
    );

    let keys: Vec<String> = (0..KEYS).map(|at| format!("1212{at:07}")).collect();
    for chunk in keys.chunks(100) {
        office.block_on(async {
            for key in chunk {
                if let Probe::Pending(load) = cached.probe(key) {
                    let _answer = load.await;
                }
            }
        });
    }
    report("a cached row", &keys, |key| hit(&cached, key))?;
    two_workers(&cached, &keys)?;
    report("a row of a file", &keys, |key| hit(&numbers, key))?;
    for (numbers, what) in [(KEYS, "a thousand numbers that come again"), (NUMBERS, "a million different numbers")] {
        let calls: Vec<String> = (0..numbers)
            .map(|_| format!("{}{:06}", prefix(fastrand::u64(..rows)), fastrand::u32(..1_000_000)))
            .collect();
        report(&format!("the prefixes of a number in the deck, {what}"), &calls, |number| {
            deck.prefix(number).is_ok_and(|rows| !rows.is_empty())
        })?;
    }
    Ok(())
}

fn hit(table: &Arc<Table>, key: &str) -> bool {
    matches!(table.probe(key), Probe::Ready(Ok(Some(_))))
}

fn report(what: &str, keys: &[String], ask: impl Fn(&str) -> bool) -> Result<()> {
    let quickest = (0..ROUNDS).map(|_| round(keys, &ask)).collect::<Result<Vec<_>>>()?.into_iter().min();
    let nanos = quickest.unwrap_or_default().as_nanos() as f64 / QUESTIONS as f64;
    println!("{what}: {nanos:.0} ns");
    Ok(())
}

fn round(keys: &[String], ask: &impl Fn(&str) -> bool) -> Result<Duration> {
    let began = on_processor()?;
    let found = keys.iter().cycle().take(QUESTIONS).filter(|key| black_box(ask(black_box(key)))).count();
    if found != QUESTIONS {
        bail!("{} questions were not answered from memory", QUESTIONS - found);
    }
    Ok(on_processor()?.saturating_sub(began))
}

/// Two threads on one table, as two workers are.
fn two_workers(table: &Arc<Table>, keys: &[String]) -> Result<()> {
    let ask = |key: &str| hit(table, key);
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| round(keys, &ask));
        (round(keys, &ask), other.join())
    });
    let other = other.map_err(|_| anyhow::anyhow!("a thread panicked"))??;
    println!("a cached row, two workers at once: {:.0} ns", one?.max(other).as_nanos() as f64 / QUESTIONS as f64);
    Ok(())
}

/// Prefixes of 8 digits, all different.
fn prefix(at: u64) -> String {
    format!("{}", 10_000_000 + at)
}

fn write_deck(path: &Path, rows: u64) -> Result<()> {
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    writeln!(file, "prefix,gateway,cost,price,currency")?;
    for at in 0..rows {
        writeln!(file, "{},carrier-{},0.00{:03},0.01{:03},USD", prefix(at), at % 20, at % 997, at % 991)?;
    }
    Ok(file.flush()?)
}

fn write_numbers(path: &Path) -> Result<()> {
    let lines = (0..KEYS).fold("number,lrn\n".to_owned(), |mut text, at| {
        let _infallible = writeln!(text, "1212{at:07},12125550000");
        text
    });
    Ok(std::fs::write(path, lines)?)
}

fn toml_of(server: &LrnServer) -> Result<Config> {
    let text = format!(
        r#"
        [services.api]
        url = "http://{}"
        deadline = "10s"
        [tables.cached]
        source = {{ http = {{ service = "api", path = "/lrn/{{key}}", field = "lrn" }} }}
        [tables.numbers]
        source = {{ csv = {{ path = "numbers.csv", key = "number" }} }}
        [tables.deck]
        source = {{ csv = {{ path = "deck.csv", key = "prefix", match = "prefix", fields = {{ gateway = "text", cost = "decimal", price = "decimal", currency = "text" }} }} }}
        "#,
        server.address
    );
    toml::from_str(&text).context("the configuration of the bench")
}

/// How long this thread has been on a processor: what other programs do meanwhile is not counted.
fn on_processor() -> Result<Duration> {
    Ok(Duration::from_nanos(cpu::of_this_thread()?))
}

//! What a look-up costs in the host: a cached row, a row of a file, the longest prefix of a large deck; and what such a
//! deck costs to load and to hold.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use trunkline::config::model::Config;
use trunkline::lookup::{self, Probe, Table};
use trunkline_benches::cpu;
use trunkline_benches::figures::{Aim, Figures};
use trunkline_tests::LrnServer;

/// Keys that the questions go round.
const KEYS: usize = 1_000;
/// Numbers that calls are to, far more than any cache of the processor holds the rows of.
const NUMBERS: usize = 1_000_000;
/// Questions of one measurement, and how often it is repeated: the quickest counts, the others met other work.
const QUESTIONS: usize = 2_000_000;
const ROUNDS: usize = 5;

#[derive(Parser)]
struct Arguments {
    /// Rows of the deck
    #[arg(long, default_value_t = 10_000_000)]
    rows: u64,
    /// Where the results go
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (rows, mut figures) = (arguments.rows, Figures::default());
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
    let resident = cpu::resident()?.saturating_sub(before);
    figures.add(
        format!("a deck of {rows} rows is loaded, in time on a processor"),
        took.as_secs_f64(),
        "s",
        Some(Aim::AtMost(15.0)),
    );
    figures.add(
        "a row of the deck in memory, by its own count",
        held as f64 / rows as f64,
        "bytes",
        Some(Aim::AtMost(100.0)),
    );
    figures.add("the same, by the system's", resident as f64 / rows as f64, "bytes", Some(Aim::AtMost(100.0)));

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
    figures.add("a cached row", quickest(&keys, |key| hit(&cached, key))?, "ns", Some(Aim::AtMost(150.0)));
    figures.add("the same, two workers at once", two_workers(&cached, &keys)?, "ns", Some(Aim::AtMost(150.0)));
    figures.add("a row of a file", quickest(&keys, |key| hit(&numbers, key))?, "ns", Some(Aim::AtMost(150.0)));
    for (numbers, what) in [(KEYS, "a thousand numbers that come again"), (NUMBERS, "a million different numbers")] {
        let calls: Vec<String> = (0..numbers)
            .map(|_| format!("{}{:06}", prefix(fastrand::u64(..rows)), fastrand::u32(..1_000_000)))
            .collect();
        let nanos = quickest(&calls, |number| deck.prefix(number).is_ok_and(|rows| !rows.is_empty()))?;
        figures.add(format!("the rows of a number in the deck, {what}"), nanos, "ns", Some(Aim::AtMost(500.0)));
    }
    println!("{}", figures.write(&arguments.out, "lookups")?);
    Ok(())
}

fn hit(table: &Arc<Table>, key: &str) -> bool {
    matches!(table.probe(key), Probe::Ready(Ok(Some(_))))
}

/// Nanoseconds of a question, in the quickest round.
fn quickest(keys: &[String], ask: impl Fn(&str) -> bool) -> Result<f64> {
    let rounds = (0..ROUNDS).map(|_| round(keys, &ask)).collect::<Result<Vec<_>>>()?;
    Ok(of_one(rounds.into_iter().min().unwrap_or_default()))
}

fn of_one(round: Duration) -> f64 {
    round.as_nanos() as f64 / QUESTIONS as f64
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
fn two_workers(table: &Arc<Table>, keys: &[String]) -> Result<f64> {
    let ask = |key: &str| hit(table, key);
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| round(keys, &ask));
        (round(keys, &ask), other.join())
    });
    let other = other.map_err(|_| anyhow::anyhow!("a thread panicked"))??;
    Ok(of_one(one?.max(other)))
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

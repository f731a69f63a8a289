//! How long a node takes to be ready with fifty plugins and a rate deck of a million rows, the first time and again,
//! and what a reload of all that does to the calls that are being set up meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use serde::Serialize;
use trunkline::cdr::record::CallRecord;
use trunkline_benches::report::{keep_json, share};
use trunkline_tests::{Load, Router, Setup, Sipp, marked, plugins_folder};

const STAGES: [&str; 5] = ["auth", "blocklist", "lrn", "cnam", "rate"];

#[derive(Parser)]
struct Arguments {
    /// Plugins, each a component of its own; a multiple of five
    #[arg(long, default_value_t = 50)]
    plugins: usize,
    /// Rows of the rate deck
    #[arg(long, default_value_t = 1_000_000)]
    rows: u32,
    /// Calls per second while the node reloads
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Where the results go
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
}

/// What was seen; times in milliseconds.
#[derive(Serialize)]
struct Seen {
    plugins: usize,
    rows: u32,
    /// From the start of the process to `/readyz`, every component compiled on the way.
    first_start: u128,
    /// The same once the compiled components are on disk.
    restart: u128,
    /// `POST /v1/reload` after a change, calls being set up meanwhile.
    reload: u128,
    calls: usize,
    failed: u32,
    /// From INVITE to the pipeline's decision: of all calls, and of those that came during the reload.
    routed_p99: f64,
    routed_p99_in_reload: f64,
    calls_in_reload: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let callee = Sipp::callee("callee", &[])?;
    let mut setup = Setup::new()?.without_sqlite();
    let folder = setup.folder().to_owned();
    for set in 0..arguments.plugins / STAGES.len() {
        setup = add_set(setup, &folder, set)?;
    }
    for row in 0..arguments.rows {
        setup = setup.route(&format!("1{row:06}"), "carrier", "0.0050");
    }
    let setup = setup
        .carrier(callee.address())
        .pipeline("default", &STAGES.map(|stage| named(stage, 0)).each_ref().map(String::as_str));

    let begin = Instant::now();
    let mut router = setup.start()?;
    let first_start = begin.elapsed();
    eprintln!("ready for the first time after {:.1} s", first_start.as_secs_f64());
    router.stop()?;
    let begin = Instant::now();
    router.start_again()?;
    let restart = begin.elapsed();
    eprintln!("ready again after {:.2} s", restart.as_secs_f64());

    let load = Load { calls: arguments.rate * 10, rate: arguments.rate };
    let words = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "200")];
    let caller = Sipp::caller("caller", &words, router.sip(), load)?;
    std::thread::sleep(Duration::from_secs(3));
    let (from, reload, to) = reload(&router)?;
    let counts = caller.wait()?;
    let records = router.wait_for_records(load.calls as usize)?;
    let all: Vec<f64> = records.iter().filter_map(routed_after).collect();
    let during = records.iter().filter(|record| (from..=to).contains(&record.times.received));
    let during: Vec<f64> = during.filter_map(routed_after).collect();
    let seen = Seen {
        plugins: arguments.plugins,
        rows: arguments.rows,
        first_start: first_start.as_millis(),
        restart: restart.as_millis(),
        reload: reload.as_millis(),
        calls: records.len(),
        failed: counts.failed,
        calls_in_reload: during.len(),
        routed_p99: p99(all),
        routed_p99_in_reload: p99(during),
    };
    println!("{}", keep_json(&arguments.out, "start", &seen)?);
    Ok(())
}

fn named(stage: &str, set: usize) -> String {
    format!("{stage}-{set}")
}

/// Five plugins of their own: the built-in ones with a custom section more, so that each is another component.
fn add_set(mut setup: Setup, folder: &Path, set: usize) -> Result<Setup> {
    let configs = [
        r#"{ table = "accounts" }"#,
        r#"{ table = "blocked" }"#,
        r#"{ table = "lrn" }"#,
        r#"{ table = "cnam" }"#,
        r#"{ table = "deck", npa-nxx = "npanxx" }"#,
    ];
    let names = STAGES.map(|stage| named(stage, set));
    for ((stage, name), config) in STAGES.iter().zip(&names).zip(configs) {
        let built = plugins_folder()?.join(format!("{stage}.wasm"));
        // Never seen before on this machine, so that it is compiled.
        let bytes = marked(&built, &fastrand::u64(..).to_le_bytes())?;
        let file = folder.join(format!("{name}.wasm"));
        fs::write(&file, bytes)?;
        setup = setup.plugin(name, &format!("component = \"{}\"\nconfig = {config}", file.display()));
    }
    let stages: Vec<&str> = names.iter().map(String::as_str).collect();
    let keys = format!("pipeline = \"set-{set}\"");
    Ok(setup.pipeline(&format!("set-{set}"), &stages).customer(
        &format!("customer-{set}"),
        &format!("192.0.2.{}/32", set + 1),
        &keys,
    ))
}

/// Changes the deck's file and the configuration, and has both read anew: when it began and ended, in µs since 1970.
fn reload(router: &Router) -> Result<(u64, Duration, u64)> {
    let deck = router.folder().join("deck.csv");
    let text = fs::read_to_string(&deck)?;
    fs::write(&deck, text.replace("0.0050", "0.0060"))?;
    let begin = Instant::now();
    let from = since_1970()?;
    let (code, answer) = router.reload()?;
    ensure!(code == 200, "the reload was answered {code}: {answer}");
    Ok((from, begin.elapsed(), since_1970()?))
}

fn since_1970() -> Result<u64> {
    Ok(std::time::UNIX_EPOCH.elapsed()?.as_micros() as u64)
}

/// Milliseconds from the INVITE to the pipeline's decision.
fn routed_after(record: &CallRecord) -> Option<f64> {
    Some((record.times.routed? - record.times.received) as f64 / 1e3)
}

fn p99(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    share(&values, 990)
}

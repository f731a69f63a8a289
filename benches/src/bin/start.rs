//! How long a node takes to be ready with fifty plugins and a rate deck of a million rows, the first time and again,
//! and what a reload of all that does to the calls that are being set up meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use trunkline::cdr::record::CallRecord;
use trunkline_benches::figures::{Aim, Figures};
use trunkline_benches::report::share;
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
    let mut figures = Figures::default();
    let setup = setup
        .carrier(callee.address())
        .pipeline("default", &STAGES.map(|stage| named(stage, 0)).each_ref().map(String::as_str));

    let begin = Instant::now();
    let mut router = setup.start()?;
    let (plugins, rows) = (arguments.plugins, arguments.rows);
    let node = format!("{plugins} plugins and a deck of {rows} rows");
    figures.add(format!("the first start with {node}, all compiled"), begin.elapsed().as_secs_f64(), "s", None);
    router.stop()?;
    let begin = Instant::now();
    router.start_again()?;
    figures.add("a restart", begin.elapsed().as_secs_f64(), "s", None);

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
    figures.add(format!("a reload, {} calls a second going on", arguments.rate), reload.as_secs_f64(), "s", None);
    figures.add(
        format!("failed, of {} calls", records.len()),
        f64::from(counts.failed),
        "calls",
        Some(Aim::AtMost(0.0)),
    );
    figures.add("from INVITE to the route, 99 of 100 calls", p99(all), "ms", None);
    let in_reload = format!("the same, of the {} calls that came during the reload", during.len());
    figures.add(in_reload, p99(during), "ms", None);
    println!("{}", figures.write(&arguments.out, "start")?);
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

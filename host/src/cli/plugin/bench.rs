//! `trunkline plugin bench`

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::bed::{Bed, Settings};
use super::thousands;
use crate::plugin::Stage;
use crate::plugin::recorded::{self, RecordedCall};

/// Measure what a component costs: fuel and time of a call, in a warm instance and with a new one for each call.
///
/// Runs recorded calls over and over on one thread. Lookups are answered from the recording: what a table or a service
/// takes is not in it. Warm is a call in an instance that has served others; cold makes the instance and configures it
/// first, as `isolation = "fresh"` does for every call.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  trunkline plugin bench vip.wasm calls.jsonl --config '{\"table\": \"vips\"}'")]
pub(super) struct Bench {
    /// The component.
    file: PathBuf,
    /// The recorded calls [default: one call between two numbers, with nothing to look up].
    calls: Option<PathBuf>,
    /// How long each of the two is measured.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Calls in one instance between two looks at the clock.
const ROUND: usize = 500;

/// Figures that are kept: enough for a p99, and bounded.
const MAX_SAMPLES: usize = 1_000_000;

impl Bench {
    pub(super) fn execute(&self) -> anyhow::Result<()> {
        let calls = match &self.calls {
            Some(file) => recorded::read(file).map_err(anyhow::Error::msg)?,
            None => vec![plain()?],
        };
        let bed = Bed::new(&self.file)?;
        let stage = bed.stage(&self.settings)?;
        let failed =
            bed.block_on(recorded::rehearse(&stage, &calls)).map_err(|failure| anyhow::anyhow!("{failure}"))?;
        if self.calls.is_some() && failed.iter().any(|call| !call.met) {
            bail!("a call is not answered as expected: see trunkline plugin test");
        }
        let time = Duration::from_secs(self.seconds);
        let (warm, fuel) = bed.block_on(warm(&stage, &calls, time))?;
        let cold = bed.block_on(cold(&stage, &calls, time))?;
        let mut out = io::stdout().lock();
        if self.json {
            let told = json!({
                "warm": warm.len(),
                "cold": cold.len(),
                "fuel": { "median": fuel.at(50), "p99": fuel.at(99) },
                "warm-micros": { "median": warm.at(50) as f64 / 1e3, "p99": warm.at(99) as f64 / 1e3 },
                "cold-micros": { "median": cold.at(50) as f64 / 1e3, "p99": cold.at(99) as f64 / 1e3 },
            });
            writeln!(out, "{told:#}")?;
            return Ok(());
        }
        writeln!(out, "{}: {} calls warm, {} cold", self.file.display(), warm.len(), cold.len())?;
        writeln!(out, "  {:<12}{:>14}{:>14}", "", "median", "p99")?;
        writeln!(out, "  {:<12}{:>14}{:>14}", "fuel", thousands(fuel.at(50)), thousands(fuel.at(99)))?;
        writeln!(out, "  {:<12}{:>14}{:>14}", "warm, µs", micros(warm.at(50)), micros(warm.at(99)))?;
        writeln!(out, "  {:<12}{:>14}{:>14}", "cold, µs", micros(cold.at(50)), micros(cold.at(99)))?;
        Ok(())
    }
}

/// A call of customer `acme` that finds nothing.
fn plain() -> anyhow::Result<RecordedCall> {
    Ok(serde_json::from_str(
        r#"{"call": {"caller": "12125550100", "callee": "13105550199", "request-uri": "sip:13105550199@sip.example.net",
            "from-uri": "sip:12125550100@acme.example", "to-uri": "sip:13105550199@sip.example.net"},
            "expect": {"verdict": "proceed"}}"#,
    )?)
}

/// Nanoseconds, and fuel, of each call after the first of an instance.
async fn warm(stage: &Stage, calls: &[RecordedCall], time: Duration) -> anyhow::Result<(Samples, Samples)> {
    let round: Vec<RecordedCall> = calls.iter().cycle().take(ROUND.max(calls.len()) + 1).cloned().collect();
    let (mut nanos, mut fuel) = (Samples::default(), Samples::default());
    let end = Instant::now() + time;
    while Instant::now() < end {
        let done = recorded::rehearse(stage, &round).await.map_err(|failure| anyhow::anyhow!("{failure}"))?;
        for call in done.iter().skip(1) {
            nanos.add(call.time.as_nanos() as u64);
            fuel.add(call.fuel);
        }
    }
    Ok((nanos, fuel))
}

/// Nanoseconds of a call with the making of its instance.
async fn cold(stage: &Stage, calls: &[RecordedCall], time: Duration) -> anyhow::Result<Samples> {
    let mut nanos = Samples::default();
    let end = Instant::now() + time;
    for call in calls.iter().cycle() {
        let began = Instant::now();
        recorded::rehearse(stage, std::slice::from_ref(call)).await.map_err(|failure| anyhow::anyhow!("{failure}"))?;
        nanos.add(began.elapsed().as_nanos() as u64);
        if Instant::now() >= end {
            break;
        }
    }
    Ok(nanos)
}

/// Figures, to be asked for their percentiles.
#[derive(Default)]
struct Samples(Vec<u64>);

impl Samples {
    fn add(&mut self, value: u64) {
        if self.0.len() < MAX_SAMPLES {
            self.0.push(value);
        }
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    /// The value that so many per cent do not exceed; 0 of none.
    fn at(&self, percent: usize) -> u64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(place).copied().unwrap_or(0)
    }
}

fn micros(nanos: u64) -> String {
    format!("{:.1}", nanos as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::Samples;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let samples = Samples((1..=200).rev().collect());
        assert_eq!((samples.at(50), samples.at(99), samples.at(100)), (100, 198, 200));
        assert_eq!(Samples::default().at(99), 0);
        assert_eq!(Samples(vec![7]).at(50), 7);
    }
}

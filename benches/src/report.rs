//! What was measured, for machines and for people.

use std::fmt::{self, Display, Write};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;

/// One run of one peer at one rate.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The peer.
    pub peer: &'static str,
    /// Calls begun each second.
    pub rate: u32,
    /// Calls in all.
    pub calls: u32,
    /// Calls that failed.
    pub failed: u32,
    /// Messages that SIPp sent again.
    pub retransmissions: u32,
    /// From the INVITE to its 200 as the caller sees it, by SIPp's clock of 4 ms: half of the calls, and 99 of 100, had
    /// theirs within so many milliseconds.
    pub setup_millis: [f64; 2],
    /// CPU time of the peer's processes divided by the calls, in microseconds.
    pub cpu_micros_per_call: u64,
    /// The same of each worker thread alone; empty where there are none of that name.
    pub worker_micros_per_call: Vec<u64>,
    /// Memory after the run, in MiB.
    pub pss_mib: u64,
}

/// All of one run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether the cores were kept awake: see [`crate::awake`].
    pub awake: bool,
    /// In the order in which they were run.
    pub rows: Vec<Row>,
}

impl Report {
    /// An empty report of this machine.
    pub fn new(awake: bool) -> Self {
        Self { awake, rows: Vec::new() }
    }

    /// Writes `NAME.json` and `NAME.md` into a folder; returns the Markdown.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<String> {
        keep(folder, name, self, &self.markdown())
    }

    fn markdown(&self) -> String {
        let mut text = format!(
            "Cores {}.\n\n| system | calls/s | calls | failed | sent again | set-up p50, p99, ms | CPU µs per call | of Kamailio's | its workers, µs | MiB |\n\
             |---|---|---|---|---|---|---|---|---|---|\n",
            if self.awake { "kept awake" } else { "asleep without work" }
        );
        for row in &self.rows {
            let _infallible = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {:.0}, {:.0} | {} | {} | {} | {} |",
                row.peer,
                row.rate,
                row.calls,
                row.failed,
                row.retransmissions,
                row.setup_millis[0],
                row.setup_millis[1],
                row.cpu_micros_per_call,
                self.share(row),
                workers(row),
                row.pss_mib
            );
        }
        text
    }

    /// A row's cost in percent of Kamailio's at the same rate.
    fn share(&self, row: &Row) -> String {
        let yardstick = self.rows.iter().find(|other| other.peer == "Kamailio" && other.rate == row.rate);
        match yardstick.map(|yardstick| yardstick.cpu_micros_per_call) {
            Some(micros) if micros > 0 => format!("{} %", row.cpu_micros_per_call * 100 / micros),
            _ => "–".to_owned(),
        }
    }
}

/// What every file of results begins with.
#[derive(Debug, Serialize)]
struct Taken {
    /// Processor, cores, kernel.
    machine: String,
    /// The day in UTC, such as `2026-11-24`.
    day: String,
    /// Of the code, such as `517f48c`; with `+` where files have changed since.
    commit: String,
}

impl Taken {
    fn now() -> Self {
        Self { machine: machine(), day: jiff::Timestamp::now().strftime("%F").to_string(), commit: commit() }
    }
}

impl Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, day, commit } = self;
        write!(f, "{machine}; {day}, commit {commit}.")
    }
}

/// Writes what was seen into a folder, for machines as `NAME.json` and for people as `NAME.md`, and in both when, on what
/// and by which code; returns the Markdown.
///
/// # Errors
/// When it cannot be written, or is no map.
pub fn keep(folder: &Path, name: &str, seen: &impl Serialize, table: &str) -> Result<String> {
    #[derive(Serialize)]
    struct Kept<'a, S> {
        #[serde(flatten)]
        taken: &'a Taken,
        #[serde(flatten)]
        seen: &'a S,
    }
    let taken = &Taken::now();
    let (json, markdown) = (serde_json::to_string_pretty(&Kept { taken, seen })?, format!("{taken}\n{table}"));
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(folder.join(format!("{name}.json")), format!("{json}\n")).context("cannot write the results")?;
    fs::write(folder.join(format!("{name}.md")), &markdown).context("cannot write the table")?;
    Ok(markdown)
}

/// Of the repository that this runs in; results of a run before count for no change.
fn commit() -> String {
    let git = |words: &[&str]| {
        let output = Command::new("git").args(words).output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok()
    };
    let Some(head) = git(&["rev-parse", "--short", "HEAD"]) else { return "unknown".to_owned() };
    let changes = git(&["status", "--porcelain", "--", ".", ":!benches/results"]);
    let mark = if changes.is_none_or(|changes| changes.is_empty()) { "" } else { "+" };
    format!("{}{mark}", head.trim())
}

/// Of sorted values the one that so many of a thousand are not above; 0 where there is none.
pub fn share(sorted: &[f64], of_thousand: usize) -> f64 {
    sorted.get((sorted.len() * of_thousand / 1_000).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// Processor, cores, kernel.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}

/// Side by side: whether they share the load evenly.
fn workers(row: &Row) -> String {
    let each: Vec<String> = row.worker_micros_per_call.iter().map(u64::to_string).collect();
    if each.is_empty() { "–".to_owned() } else { each.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_kept_for_machines_and_for_people_in_a_folder_that_need_not_exist() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let results = folder.path().join("new/results");
        let told = keep(&results, "seen", &serde_json::json!({ "calls": 2 }), "| calls | 2 |\n")?;
        assert_eq!(fs::read_to_string(results.join("seen.md"))?, told);
        let (taken, table) = told.split_once('\n').context("two parts")?;
        assert_eq!(table, "| calls | 2 |\n");
        let kept: serde_json::Value = serde_json::from_str(&fs::read_to_string(results.join("seen.json"))?)?;
        assert_eq!(kept["calls"], 2);
        for key in ["machine", "day", "commit"] {
            assert!(taken.contains(kept[key].as_str().context(key)?), "{key}: {taken}");
        }
        Ok(())
    }

    #[test]
    fn a_row_is_shown_as_a_share_of_kamailio_s_at_the_same_rate() {
        let row = |peer, rate, cpu| Row {
            peer,
            rate,
            calls: 1,
            failed: 0,
            retransmissions: 0,
            setup_millis: [1.0, 2.0],
            cpu_micros_per_call: cpu,
            worker_micros_per_call: Vec::new(),
            pss_mib: 1,
        };
        let rows = vec![row("Kamailio", 500, 400), row("Kamailio", 1000, 500), row("Trunkline", 1000, 200)];
        let report = Report { awake: true, rows };
        assert_eq!(report.share(&report.rows[2]), "40 %");
    }
}

//! What was measured, for machines and for people.

use std::fmt::Write;
use std::fs;
use std::path::Path;

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
    /// Processor, cores, kernel.
    pub machine: String,
    /// Whether the cores were kept awake: see [`crate::awake`].
    pub awake: bool,
    /// In the order in which they were run.
    pub rows: Vec<Row>,
}

impl Report {
    /// An empty report of this machine.
    pub fn new(awake: bool) -> Self {
        Self { machine: machine(), awake, rows: Vec::new() }
    }

    /// Writes `NAME.json` and `NAME.md` into a folder; returns the Markdown.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<String> {
        keep(folder, name, self, self.markdown())
    }

    fn markdown(&self) -> String {
        let mut text = format!(
            "{}, cores {}\n\n| system | calls/s | calls | failed | sent again | set-up p50, p99, ms | CPU µs per call | of Kamailio's | its workers, µs | MiB |\n\
             |---|---|---|---|---|---|---|---|---|---|\n",
            self.machine,
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

/// Writes what was seen into a folder, for machines as `NAME.json` and for people as `NAME.md`; returns the Markdown.
///
/// # Errors
/// When it cannot be written.
pub fn keep(folder: &Path, name: &str, seen: &impl Serialize, markdown: String) -> Result<String> {
    keep_json(folder, name, seen)?;
    fs::write(folder.join(format!("{name}.md")), &markdown).context("cannot write the table")?;
    Ok(markdown)
}

/// The same where there is no table; returns the JSON.
///
/// # Errors
/// When it cannot be written.
pub fn keep_json(folder: &Path, name: &str, seen: &impl Serialize) -> Result<String> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let json = serde_json::to_string_pretty(seen)?;
    fs::write(folder.join(format!("{name}.json")), format!("{json}\n")).context("cannot write the results")?;
    Ok(json)
}

/// Of sorted values the one that so many of a thousand are not above; 0 where there is none.
pub fn share(sorted: &[f64], of_thousand: usize) -> f64 {
    sorted.get((sorted.len() * of_thousand / 1_000).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// Processor, cores, kernel.
pub fn machine() -> String {
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
        assert_eq!(keep(&results, "seen", &[1, 2], "| 1 | 2 |\n".to_owned())?, "| 1 | 2 |\n");
        assert_eq!(fs::read_to_string(results.join("seen.json"))?, "[\n  1,\n  2\n]\n");
        assert_eq!(fs::read_to_string(results.join("seen.md"))?, "| 1 | 2 |\n");
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
        let report = Report { machine: "m".to_owned(), awake: true, rows };
        assert_eq!(report.share(&report.rows[2]), "40 %");
    }
}

//! What SIPp wrote down of each call and of each second.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::sipp::Counts;

/// A run of callers, call by call and second by second. Times are milliseconds since 1970.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// In all.
    pub counts: Counts,
    /// Of each call that was answered: when its INVITE left, and how many milliseconds later the 200 came, by
    /// SIPp's clock, which ticks every 4 ms.
    pub answered: Vec<(f64, f64)>,
    /// About every second: the time, and what was counted since the start.
    pub seconds: Vec<(f64, Counts)>,
}

/// From the statistics and the response times that SIPp left in its folder.
pub(crate) fn read(folder: &Path, statistics: &str) -> Result<Trace> {
    let text = fs::read_to_string(folder.join(statistics)).context("SIPp wrote no statistics")?;
    let (began, seconds) = seconds_of(&text).context("SIPp's statistics are not as we know them")?;
    let times = fs::read_dir(folder)?
        .filter_map(|file| Some(file.ok()?.path()))
        .find(|path| path.to_string_lossy().ends_with("_rtt.csv"))
        .context("SIPp wrote no response times")?;
    let counts = seconds.last().map(|(_, counts)| *counts).context("SIPp's statistics are empty")?;
    Ok(Trace { counts, answered: answered_of(&fs::read_to_string(times)?, began), seconds })
}

/// When SIPp began, and what it had counted when.
fn seconds_of(text: &str) -> Option<(f64, Vec<(f64, Counts)>)> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let names: Vec<&str> = lines.next()?.split(';').collect();
    let mut began = 0.0;
    let seconds = lines.map(|line| {
        let values: HashMap<&str, &str> = names.iter().copied().zip(line.split(';')).collect();
        let count = |name: &str| values.get(name)?.parse().ok();
        // The day, the time of day, and the seconds since 1970, with tabs between.
        let time = |name: &str| Some(values.get(name)?.rsplit('\t').next()?.parse::<f64>().ok()? * 1e3);
        began = time("StartTime")?;
        let counts = Counts {
            successful: count("SuccessfulCall(C)")?,
            failed: count("FailedCall(C)")?,
            retransmissions: count("Retransmissions(C)")?,
        };
        Some((time("CurrentTime")?, counts))
    });
    let seconds = seconds.collect::<Option<_>>()?;
    Some((began, seconds))
}

/// Lines of the milliseconds since the start at which an answer came, and how long it took.
fn answered_of(text: &str, began: f64) -> Vec<(f64, f64)> {
    let line = |line: &str| {
        let mut values = line.split(';').map(|value| value.parse::<f64>().ok());
        let (came, took) = (values.next()??, values.next()??);
        Some((began + came - took, took))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sipp_wrote_is_placed_in_time() {
        let statistics = "StartTime;CurrentTime;SuccessfulCall(C);FailedCall(C);Retransmissions(C);\n\
                          2026-11-23\t17:22:19.5\t1000.5;2026-11-23\t17:22:20.5\t1001.5;3;0;0;\n\
                          2026-11-23\t17:22:19.5\t1000.5;2026-11-23\t17:22:21.5\t1002.5;5;1;2;\n";
        let (began, seconds) = seconds_of(statistics).unwrap();
        let counts = |successful, failed, retransmissions| Counts { successful, failed, retransmissions };
        assert_eq!(seconds, [(1_001_500.0, counts(3, 0, 0)), (1_002_500.0, counts(5, 1, 2))]);
        let times = "Date_ms;response_time_ms;rtd_no\n24.5;4.5;1\n1000;0;1\n";
        assert_eq!(answered_of(times, began), [(1_000_520.0, 4.5), (1_001_500.0, 0.0)]);
    }
}

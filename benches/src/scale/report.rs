//! The results of the scale bench, for machines and for people.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::{Growth, Simulated, Stood};
use crate::report::keep;

/// All of one run. What was not asked for stays empty.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// In simulation.
    pub simulated: Option<Simulated>,
    /// On the wire, each system.
    pub standing: Vec<Stood>,
    /// With ever more configuration.
    pub growth: Vec<Growth>,
}

impl Report {
    /// Writes `scale.json` and `scale.md` into a folder; returns the Markdown.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, folder: &Path) -> Result<String> {
        keep(folder, "scale", self, &self.markdown()?)
    }

    fn markdown(&self) -> Result<String> {
        let mut text = String::new();
        if let Some(seen) = &self.simulated {
            write!(
                text,
                "\n| {} calls at once, simulated | |\n|---|---:|\n\
                 | heap of a standing call | {} bytes |\n| the same in its first half minute | {} bytes |\n\
                 | memory of the process, a standing call | {} bytes |\n\
                 | timers at rest, of one core | {:.2} % |\n| timers of a call, an hour | {:.1} µs |\n\
                 | core at a set-up: the first tenth of the calls, the last tenth | {:.1} µs, {:.1} µs |\n\
                 | core at a BYE and its answer, beside all | {:.1} µs |\n",
                seen.calls,
                seen.bytes_per_call,
                seen.young_bytes,
                seen.resident_bytes_per_call,
                seen.rest_per_mille / 10.0,
                seen.timer_nanos_per_call_hour as f64 / 1e3,
                seen.set_up_nanos.0 as f64 / 1e3,
                seen.set_up_nanos.1 as f64 / 1e3,
                seen.hang_up_nanos as f64 / 1e3
            )?;
        }
        if !self.standing.is_empty() {
            text.push_str(
                "\n| on the wire | calls at once | hung up well | sent again | MiB before | MiB standing | bytes per call | \
                 cores before | cores standing |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
            );
        }
        for seen in &self.standing {
            writeln!(
                text,
                "| {} | {} of {} | {} | {} | {} | {} | {} | {:.3} | {:.3} |",
                seen.peer,
                seen.stood,
                seen.calls,
                seen.ended,
                seen.sent_again,
                seen.before_kib / 1024,
                seen.standing_kib / 1024,
                seen.bytes_per_call,
                seen.idle_per_mille / 1e3,
                seen.rest_per_mille / 1e3
            )?;
        }
        if !self.growth.is_empty() {
            text.push_str("\n| grown | to | built, ms | MiB | a call, µs |\n|---|---:|---:|---:|---:|\n");
        }
        for seen in &self.growth {
            let of = format!("{:?}", seen.of).to_lowercase();
            let (mib, micros) = (seen.resident_kib / 1024, seen.call_nanos as f64 / 1e3);
            writeln!(text, "| {of} | {} | {} | {mib} | {micros:.1} |", seen.size, seen.built_millis)?;
        }
        Ok(text)
    }
}

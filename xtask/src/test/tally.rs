//! The sums of several test runs, read from what the runners print.

use std::fmt;
use std::ops::AddAssign;

/// How many tests went which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub(crate) passed: u32,
    /// Tests that failed.
    pub(crate) failed: u32,
    /// Runs that ended badly without naming a failed test: a build that failed, a process that crashed.
    pub(crate) broken: u32,
}

impl Tally {
    /// What one line of output reports: `test result: …` of cargo, `Summary […]` of nextest; else nothing.
    pub(crate) fn of_line(line: &str) -> Self {
        let line = without_colours(line);
        let line = line.as_str();
        // Nextest shows what a failed test printed, cargo's own report with it, indented.
        if !line.starts_with("test result:") && !line.trim_start().starts_with("Summary [") {
            return Self::default();
        }
        Self {
            passed: number_before(line, " passed"),
            failed: number_before(line, " failed") + number_before(line, " timed out"),
            broken: 0,
        }
    }

    /// Whether nothing failed.
    pub(crate) fn is_good(self) -> bool {
        self.failed == 0 && self.broken == 0
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.broken += other.broken;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_good() { "ok" } else { "FAILED" };
        write!(f, "test result: {verdict}. {} passed, {} failed", self.passed, self.failed)?;
        match self.broken {
            0 => Ok(()),
            broken => write!(f, ", {broken} runs broke off"),
        }
    }
}

fn number_before(line: &str, word: &str) -> u32 {
    let before = line.find(word).map_or("", |at| &line[..at]);
    let digits = before.len() - before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    before[before.len() - digits..].parse().unwrap_or(0)
}

/// Nextest colours its words on a terminal.
fn without_colours(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_s_report_is_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.2s";
        assert_eq!(Tally::of_line(line), Tally { passed: 12, failed: 3, broken: 0 });
    }

    #[test]
    fn nextest_s_report_is_counted_in_colour_too() {
        let line = "     Summary [   1.2s] 17 tests run: 14 passed, 2 failed, 1 timed out, 0 skipped";
        assert_eq!(Tally::of_line(line), Tally { passed: 14, failed: 3, broken: 0 });
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.0s] \u{1b}[1m9\u{1b}[0m tests run: \u{1b}[1m9\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m";
        assert_eq!(Tally::of_line(line), Tally { passed: 9, failed: 0, broken: 0 });
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(Tally::of_line("        PASS [   0.1s] x 3 failed"), Tally::default());
        assert_eq!(Tally::of_line("    test result: FAILED. 0 passed; 1 failed; 0 ignored"), Tally::default());
    }

    #[test]
    fn a_run_that_broke_off_is_no_success() {
        let mut tally = Tally { passed: 5, failed: 0, broken: 0 };
        assert!(tally.is_good());
        tally += Tally { broken: 1, ..Tally::default() };
        assert!(!tally.is_good());
        assert_eq!(tally.to_string(), "test result: FAILED. 5 passed, 0 failed, 1 runs broke off");
    }
}

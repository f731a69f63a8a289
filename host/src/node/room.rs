//! How many calls the node has room for.

use std::fs;

/// What a call takes at its largest, its messages and its part of the record included; most take a fifth.
const BYTES_PER_CALL: u64 = 16 << 10;
/// Calls may take so much of the memory; the rest is for tables, plugins and records on their way.
const SHARE: u64 = 4;
/// Where the memory cannot be found out.
const UNKNOWN: u64 = 4 << 30;

/// As configured, else what a quarter of the memory holds: of the machine, or of the control group where that has less.
pub(super) fn calls(configured: Option<usize>) -> usize {
    configured.unwrap_or_else(|| {
        let memory = [machine(), control_group()].into_iter().flatten().min().unwrap_or(UNKNOWN);
        let calls = (memory / SHARE / BYTES_PER_CALL) as usize;
        tracing::info!(calls, "calls held at once, by the memory; call.max-calls sets another bound");
        calls.max(1)
    })
}

/// proc(5), `MemTotal`.
fn machine() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.split_ascii_whitespace().next()?;
    Some(kib.parse::<u64>().ok()? << 10)
}

/// The limit of the control group, version 2, as it shows inside a container; `max` is none.
fn control_group() -> Option<u64> {
    fs::read_to_string("/sys/fs/cgroup/memory.max").ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_number_goes_before_the_memorys() {
        assert_eq!(calls(Some(7)), 7);
        assert!(calls(None) > 1_000, "a machine that runs the tests has room for more");
    }
}

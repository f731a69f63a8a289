//! CPU time and memory of a process and all its children, as the kernel counts them.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use trunkline_tests::{statistic, tree};

/// CPU time that a process and its children have used since their start, in microseconds.
///
/// # Errors
/// When the process is gone.
pub fn micros(root: u32) -> Result<u64> {
    let mut ticks = 0;
    for id in tree(root) {
        ticks += ticks_of(id).with_context(|| format!("process {id} is gone"))?;
    }
    Ok(ticks * 1_000_000 / ticks_per_second()?)
}

/// CPU time of each of a process's workers since its start, in microseconds, by the kernel's finer accounts. Empty for a
/// system that has no threads of that name.
pub fn workers(id: u32) -> Vec<u64> {
    let mut workers: Vec<(String, u64)> = fs::read_dir(format!("/proc/{id}/task"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|thread| {
            let name = fs::read_to_string(thread.path().join("comm")).ok()?;
            let accounts = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            let nanos: u64 = accounts.split_ascii_whitespace().next()?.parse().ok()?;
            name.starts_with("worker-").then_some((name, nanos / 1_000))
        })
        .collect();
    workers.sort();
    workers.into_iter().map(|(_, micros)| micros).collect()
}

/// Nanoseconds that this thread has had a processor.
///
/// # Errors
/// Where the kernel keeps no such accounts.
pub fn of_this_thread() -> Result<u64> {
    let accounts = fs::read_to_string("/proc/thread-self/schedstat").context("no accounts of this thread")?;
    let first = accounts.split(' ').next().unwrap_or_default();
    first.parse().with_context(|| format!("/proc/thread-self/schedstat reads {accounts:?}"))
}

/// Memory of a process and its children in MiB, shared pages divided among those who share them.
pub fn pss_mib(root: u32) -> u64 {
    pss_kib(root) / 1024
}

/// The same in KiB.
pub fn pss_kib(root: u32) -> u64 {
    let kib = |id: u32| -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?;
        text.lines().find_map(|line| line.strip_prefix("Pss:"))?.split_ascii_whitespace().next()?.parse().ok()
    };
    tree(root).into_iter().filter_map(kib).sum()
}

/// Bytes of this process in memory, as the kernel tells.
///
/// # Errors
/// Where it does not tell.
pub fn resident() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text.split(' ').nth(1).context("/proc/self/statm")?.parse()?;
    Ok(pages * 4096)
}

/// User and system time: fields 14 and 15 of proc(5).
fn ticks_of(id: u32) -> Option<u64> {
    Some(statistic(id, 14)? + statistic(id, 15)?)
}

fn ticks_per_second() -> Result<u64> {
    let output = Command::new("getconf").arg("CLK_TCK").output().context("getconf")?;
    String::from_utf8(output.stdout)?.trim().parse().context("getconf CLK_TCK")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted() {
        let before = micros(std::process::id()).unwrap();
        let begin = std::time::Instant::now();
        while begin.elapsed().as_millis() < 200 {}
        // Another process may have had the core for most of that time, but not for all of it.
        assert!(micros(std::process::id()).unwrap() > before);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        assert!(micros(u32::MAX).is_err());
    }
}

//! CPU time and memory of a process and all its children, as the kernel counts them.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

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

/// Memory of a process and its children in MiB, shared pages divided among those who share them.
pub fn pss_mib(root: u32) -> u64 {
    let kib = |id: u32| -> Option<u64> {
        let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok()?;
        text.lines().find_map(|line| line.strip_prefix("Pss:"))?.split_ascii_whitespace().next()?.parse().ok()
    };
    tree(root).into_iter().filter_map(kib).sum::<u64>() / 1024
}

/// The process itself first.
fn tree(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|id: u32| Some((id, field(id, 4)?.try_into().ok()?)))
        .collect();
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(parent) = tree.get(next).copied() {
        tree.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(id, _)| *id));
        next += 1;
    }
    tree
}

/// User and system time: fields 14 and 15 of proc(5).
fn ticks_of(id: u32) -> Option<u64> {
    Some(field(id, 14)? + field(id, 15)?)
}

/// A field of `/proc/PID/stat` by its number in proc(5); the second may hold blanks, so count from its end.
fn field(id: u32, number: usize) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

fn ticks_per_second() -> Result<u64> {
    let output = Command::new("getconf").arg("CLK_TCK").output().context("getconf")?;
    String::from_utf8(output.stdout)?.trim().parse().context("getconf CLK_TCK")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_belongs_to_the_tree_of_its_parent() {
        let mut child = Command::new("sleep").arg("30").spawn().unwrap();
        let tree = tree(std::process::id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(tree[0], std::process::id());
        assert!(tree.contains(&child.id()));
    }

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

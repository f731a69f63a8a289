//! `slowest TARGET FOLDER…`: which input of these folders takes the longest, each timed alone, the best of some runs.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The best of so many: a busy machine makes any one run slow.
const RUNS: u32 = 5;
/// As many are shown.
const SHOWN: usize = 3;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some((name, run)) = arguments.next().and_then(|name| Some((name.clone(), trunkline_fuzz::target(&name)?)))
    else {
        eprintln!("slowest TARGET FOLDER…");
        return ExitCode::FAILURE;
    };
    let mut timed: Vec<(Duration, usize, PathBuf)> = Vec::new();
    for entry in arguments.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
        let Ok(bytes) = fs::read(entry.path()) else { continue };
        let once = |_| {
            let begin = Instant::now();
            run(&bytes);
            begin.elapsed()
        };
        let best = (0..RUNS).map(once).min().unwrap_or_default();
        timed.push((best, bytes.len(), entry.path()));
    }
    timed.sort_by_key(|(time, ..)| std::cmp::Reverse(*time));
    println!("{name}: {} inputs", timed.len());
    for (time, length, path) in timed.iter().take(SHOWN) {
        println!("  {time:>12.1?}  {length:>6} bytes  {}", path.display());
    }
    ExitCode::SUCCESS
}

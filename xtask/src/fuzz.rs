//! `cargo xtask fuzz`: libFuzzer over the targets of `fuzz/`, on the stable toolchain.
//!
//! What it finds new goes to `fuzz/` in the target folder, and is where the next run begins; what is kept for good is
//! `fuzz/corpus`, which `--keep` makes small again: one input for each thing that any of them reaches.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{setup, tools};

/// `cargo xtask fuzz`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// For how long, all targets together
    #[arg(long, default_value_t = 40)]
    seconds: u64,
    /// This target alone
    #[arg(long)]
    target: Option<String>,
    /// Afterwards, make `fuzz/corpus` of all that was found so far
    #[arg(long)]
    keep: bool,
}

/// As in `trunkline_fuzz::TARGETS`, with the longest input: one of a few calls is longer than one message.
const TARGETS: [(&str, u32); 4] = [("message", 4_096), ("uri", 512), ("framing", 4_096), ("core", 4_096)];

/// The longest input that is kept in the repository.
const MOST_KEPT: u32 = 1_024;

/// An input that takes longer than this is a finding.
const PATIENCE: Duration = Duration::from_secs(5);

/// What makes the compiler count which edges are taken and which values compared. They are flags of the stable compiler;
/// only the crates that run get them, not build scripts.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                        -Cllvm-args=-sanitizer-coverage-pc-table \
                        -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";

/// Run them; an error when something was found.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let chosen = |(name, _): &&(&str, u32)| arguments.target.as_deref().is_none_or(|only| only == *name);
    let targets: Vec<&(&str, u32)> = TARGETS.iter().filter(chosen).collect();
    if targets.is_empty() {
        bail!("no such target: there are {}", TARGETS.map(|(name, _)| name).join(", "));
    }
    tools::need(&[("g++", "g++")], "libFuzzer")?;
    let program = build()?;
    let seconds = (arguments.seconds / targets.len() as u64).max(1);
    let mut found = Vec::new();
    for (target, longest) in targets {
        let report = fuzz(&program, target, *longest, seconds)?;
        println!("{target}: {report}");
        if report.failed {
            found.push(*target);
        }
        if arguments.keep {
            keep(&program, target)?;
        }
    }
    if !found.is_empty() {
        bail!("something does not hold: {}; the inputs are in {}", found.join(", "), folder().display());
    }
    Ok(())
}

/// Builds and work of the fuzzer: a target folder of its own, since its flags would build everything else anew.
fn folder() -> PathBuf {
    setup::target_dir().join("fuzz")
}

fn build() -> Result<PathBuf> {
    setup::say("building the fuzz targets");
    let rustc = setup::output(Command::new("rustc").arg("-vV")).context("rustc does not tell its host")?;
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not tell its host")?;
    let mut cargo = tools::cargo();
    cargo.args(["build", "--locked", "--package", "trunkline-fuzz", "--features", "engine", "--profile", "fuzz"]);
    cargo.args(["--bin", "fuzz", "--target", host, "--target-dir"]).arg(folder());
    setup::run(cargo.env("RUSTFLAGS", COVERAGE).env_remove("CARGO_ENCODED_RUSTFLAGS"))?;
    Ok(folder().join(host).join("fuzz/fuzz"))
}

fn kept(target: &str) -> PathBuf {
    setup::root().join("fuzz/corpus").join(target)
}

/// libFuzzer for one target, in the folder where it leaves what it finds.
fn engine(program: &Path, target: &str) -> Result<(Command, PathBuf)> {
    let work = folder().join("work").join(target);
    fs::create_dir_all(&work)?;
    let mut command = Command::new(program);
    command.env("TRUNKLINE_FUZZ_TARGET", target).current_dir(folder());
    command.arg(format!("-artifact_prefix={}/{target}-", folder().display()));
    command.arg(format!("-timeout={}", PATIENCE.as_secs())).args(["-rss_limit_mb=1024", "-verbosity=0"]);
    Ok((command, work))
}

/// What a run came to.
struct Report {
    executions: u64,
    seconds: u64,
    slowest: u64,
    failed: bool,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { executions, seconds, slowest, failed } = self;
        let verdict = if *failed { "FAILED" } else { "nothing found" };
        write!(f, "{executions} executions in {seconds} s, the slowest {slowest} s: {verdict}")
    }
}

fn fuzz(program: &Path, target: &str, longest: u32, seconds: u64) -> Result<Report> {
    let (mut command, work) = engine(program, target)?;
    command.args([format!("-max_total_time={seconds}"), format!("-max_len={longest}")]);
    command.arg("-print_final_stats=1").arg(work).arg(kept(target));
    let rfcs = ["rfc4475", "rfc5118"].map(|rfc| setup::root().join("tests/corpus").join(rfc));
    let output = command.args(rfcs).output().context("cannot start the fuzzer")?;
    let text = String::from_utf8_lossy(&output.stderr);
    let statistic = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok())
    };
    let failed = !output.status.success();
    if failed {
        println!("{text}");
    }
    let executions = statistic("number_of_executed_units").context("the fuzzer tells no statistics")?;
    Ok(Report { executions, seconds, slowest: statistic("slowest_unit_time_sec").unwrap_or(0), failed })
}

/// The smallest inputs that reach all that was ever reached, in the place of those that were kept.
fn keep(program: &Path, target: &str) -> Result<()> {
    let (mut command, work) = engine(program, target)?;
    let fresh = folder().join("kept").join(target);
    drop(fs::remove_dir_all(&fresh));
    fs::create_dir_all(&fresh)?;
    // Once each edge, however often it was taken: some hundred files in all, not thousands.
    command.args(["-set_cover_merge=1", "-use_counters=0", &format!("-max_len={MOST_KEPT}")]);
    command.arg(&fresh).arg(kept(target)).arg(work);
    let output = command.output().context("cannot start the fuzzer")?;
    if !output.status.success() {
        bail!("{target}: the inputs were not merged:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    drop(fs::remove_dir_all(kept(target)));
    fs::create_dir_all(kept(target))?;
    for entry in fs::read_dir(fresh)? {
        let path = entry?.path();
        fs::copy(&path, kept(target).join(path.file_name().context("a name")?))?;
    }
    Ok(())
}

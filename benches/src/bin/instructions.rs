//! Counts instructions by callgrind and holds them against what the repository keeps.
//!
//! `instructions`: shows, and fails where a count is beyond the tolerance. What another compiler has made is shown alone.
//! `--record`: keeps what was counted.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Parser;
use trunkline_benches::instructions::{Compilers, Counts, Finding, Kept, WORKS, count, fuel_of_stages, run, rustc};

/// Percent. Two builds of one compiler on two machines are a tenth of that apart.
const TOLERANCE: u64 = 5;

#[derive(Parser)]
struct Arguments {
    /// Keep these counts from now on
    #[arg(long)]
    record: bool,
    /// Where they are kept
    #[arg(long, default_value = "benches/instructions.toml")]
    file: PathBuf,
    /// The compiler of the plugins, as it names itself
    #[arg(long, default_value = "unknown")]
    plugins_by: String,
    /// Do this piece of work in this process; callgrind looks on
    #[arg(long, hide = true)]
    work: Option<String>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(work) = &arguments.work {
        println!("{}", run(work)?);
        return Ok(());
    }
    let seen = all()?;
    let compilers = Compilers { router: rustc()?, plugins: arguments.plugins_by };
    if arguments.record {
        let kept = Kept { compilers, tolerance: TOLERANCE, counts: seen };
        kept.write(&arguments.file)?;
        for (name, count) in &kept.counts {
            println!("{name}: {count}");
        }
        println!("kept in {}", arguments.file.display());
        return Ok(());
    }
    let kept = Kept::read(&arguments.file)?;
    let (mut beyond, mut others) = (Vec::new(), false);
    for (name, finding) in kept.findings(&seen) {
        let (was, is) = (kept.counts.get(&name).copied().unwrap_or(0), seen.get(&name).copied().unwrap_or(0));
        let told = match finding {
            Finding::Same => "as kept".to_owned(),
            Finding::More(percent) => format!("{percent} % MORE than kept"),
            Finding::Less(percent) => format!("{percent} % less than kept"),
            Finding::Unknown => "not kept yet".to_owned(),
            Finding::Missing => "not counted any more".to_owned(),
        };
        println!("{name}: {is} instructions, kept {was}: {told}");
        let is_other = !kept.compilers.agree_on(&compilers, &name);
        others |= is_other;
        let differs = matches!(finding, Finding::More(_) | Finding::Less(_));
        if finding != Finding::Same && !(differs && is_other) {
            beyond.push(name);
        }
    }
    if others {
        println!(
            "kept are counts of {:?}, these are of {compilers:?}: what they made otherwise is not judged",
            kept.compilers
        );
    }
    if beyond.is_empty() {
        return Ok(());
    }
    bail!(
        "beyond {} %: {}; where that is meant to be, `cargo xtask bench --only instructions --record` and commit {}",
        kept.tolerance,
        beyond.join(", "),
        arguments.file.display()
    );
}

fn all() -> Result<Counts> {
    let program = std::env::current_exe()?;
    let mut seen = Counts::new();
    for work in WORKS {
        seen.insert(work.to_owned(), count(&program, &["--work", work])?);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    seen.extend(runtime.block_on(fuel_of_stages())?);
    Ok(seen)
}

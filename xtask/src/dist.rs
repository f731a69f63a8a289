//! `cargo xtask dist`: the router as it is shipped and measured, built by what calls were seen to do.
//!
//! It is built twice. The first one counts how often each of its branches is taken, and is given calls
//! (`benches/src/bin/train.rs`). The second is laid out by these counts: what a call runs stands together and is inlined,
//! what it never runs is out of the way. See <https://doc.rust-lang.org/rustc/profile-guided-optimization.html>.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{plugins, setup, tools};

/// `cargo xtask dist`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Watch calls anew, though an earlier profile is there
    #[arg(long)]
    again: bool,
}

/// Build it, and say where it is.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    plugins::run(&plugins::Arguments::default())?;
    tools::need(&[("sipp", "sip-tester")], "the calls that are watched")?;
    if arguments.again && profile().exists() {
        fs::remove_file(profile())?;
    }
    setup::say(format!("built: {}", router()?.display()));
    Ok(())
}

/// The router, built by a profile of calls; by the profile of an earlier time where there is one.
pub(crate) fn router() -> Result<PathBuf> {
    beside(&by_profile(("trunkline", "trunkline"))?)
}

/// One of the programs that run the router's code within them, built as the router is.
pub(crate) fn inside(name: &str) -> Result<PathBuf> {
    by_profile(("trunkline-benches", name))
}

/// One of the programs that measure it, beside it. It starts others and reads their accounts: it is built in the profile
/// that the tests have anyway, in a fraction of the time.
pub(crate) fn rig(name: &str) -> Result<PathBuf> {
    setup::run(tools::cargo().args(["build", "--release", "--workspace", "--bin", name]))?;
    beside(&setup::target_dir().join("release").join(name))
}

/// A copy of a program where the router is.
fn beside(built: &Path) -> Result<PathBuf> {
    let name = built.file_name().context("a program has a name")?;
    let copy = folder().join(name);
    fs::create_dir_all(folder())?;
    // In place of the old one, which may be running: not into it.
    if copy.exists() {
        fs::remove_file(&copy).with_context(|| format!("cannot remove {}", copy.display()))?;
    }
    fs::copy(built, &copy).with_context(|| format!("cannot copy {}", built.display()))?;
    Ok(copy)
}

/// Where the router and the rig are.
fn folder() -> PathBuf {
    setup::target_dir().join("dist")
}

/// What calls did: kept, since it fits as long as the code is much the same.
fn profile() -> PathBuf {
    folder().join("calls.profdata")
}

/// A package's program, laid out by what calls did.
fn by_profile(program: (&str, &str)) -> Result<PathBuf> {
    if !profile().exists() {
        watch()?;
    }
    setup::say(format!("building {} by what calls did (the first time takes a quarter of an hour)", program.1));
    build(program, &format!("-Cprofile-use={}", profile().display()), &setup::target_dir())
}

/// Has calls run through a router that counts, and keeps what it counted.
fn watch() -> Result<()> {
    let profdata = profdata()?;
    setup::say("building a router that counts what calls do (the first time takes twenty minutes)");
    let watched = setup::target_dir().join("watched");
    let counts = watched.join("counts");
    let router = build(("trunkline", "trunkline"), &format!("-Cprofile-generate={}", counts.display()), &watched)?;
    // The rig starts the router that stands beside it.
    let train = router.with_file_name("train");
    fs::copy(rig("train")?, &train).with_context(|| format!("cannot copy {}", train.display()))?;
    if counts.exists() {
        fs::remove_dir_all(&counts)?;
    }
    setup::say("placing 20,000 calls through it");
    setup::run(Command::new(&train).current_dir(setup::root()))?;
    setup::run(Command::new(profdata).args(["merge", "--sparse", "-o"]).arg(profile()).arg(&counts))?;
    // Some gigabytes that nobody needs any more.
    fs::remove_dir_all(&watched).with_context(|| format!("cannot remove {}", watched.display()))
}

/// Builds a package's program with more flags for the compiler; they are for it alone, not for what builds it.
fn build((package, name): (&str, &str), flags: &str, target: &Path) -> Result<PathBuf> {
    let host = host()?;
    let mut cargo = tools::cargo();
    cargo.args(["build", "--profile", "dist", "--package", package, "--bin", name, "--target", &host]);
    setup::run(cargo.arg("--target-dir").arg(target).env("RUSTFLAGS", flags))?;
    Ok(target.join(host).join("dist").join(name))
}

/// The tool of the compiler's own version that reads counts.
fn profdata() -> Result<PathBuf> {
    let sysroot = setup::output(Command::new("rustc").args(["--print", "sysroot"])).context("no rustc")?;
    let tool = Path::new(&sysroot).join("lib/rustlib").join(host()?).join("bin/llvm-profdata");
    if !tool.exists() {
        setup::say("reading the counts needs llvm-profdata: adding rustup's component llvm-tools");
        let by_hand = "the compiler's own llvm-profdata is missing: rustup component add llvm-tools";
        setup::run(Command::new("rustup").args(["component", "add", "llvm-tools"])).context(by_hand)?;
    }
    Ok(tool)
}

/// The machine that we are on, as the compiler calls it.
fn host() -> Result<String> {
    let version = setup::output(Command::new("rustc").arg("-vV")).context("no rustc")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say for which machine it is")
}

//! `cargo xtask test`: installs what the tests need, builds all, runs every test there is, and sums up.

mod tally;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use tally::Tally;

use crate::{bench, plugins, setup, tools};

/// `cargo xtask test`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only tests whose name contains this
    filter: Option<String>,
}

/// The programs that the end-to-end tests run, and the Debian packages they come in.
pub(crate) const PROGRAMS: [(&str, &str); 17] = [
    ("sipp", "sip-tester"),
    ("sipsak", "sipsak"),
    ("kamailio", "kamailio"),
    ("svmap", "sipvicious"),
    ("rabbitmq-server", "rabbitmq-server"),
    ("curl", "curl"),
    ("sqlite3", "sqlite3"),
    ("redis-server", "redis-server"),
    ("openssl", "openssl"),
    ("memcached", "memcached"),
    ("dnsmasq", "dnsmasq-base"),
    ("prometheus", "prometheus"),
    ("mkfs.ext4", "e2fsprogs"),
    ("faketime", "faketime"),
    ("valgrind", "valgrind"),
    ("tsc", "node-typescript"),
    // The server itself is not in the path; this comes with it.
    ("pg_createcluster", "postgresql"),
];

/// The end-to-end tests run beside SIPp, brokers and routers of their own: more at once than this and they disturb
/// each other's timers on a small machine.
const END_TO_END_AT_ONCE: &str = "2";

/// Run every test; an error when one failed.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let begin = Instant::now();
    tools::need(&PROGRAMS, "the end-to-end tests (SIP clients, a broker, databases)")?;
    plugins::run(&plugins::Arguments::everything())?;
    setup::say("building everything (one profile for tests, demo and bench, so that wasmtime is compiled once)");
    setup::run(tools::cargo().args(["build", "--release", "--workspace"]))?;
    let filter = arguments.filter.as_deref();
    let mut total = Tally::default();
    for (title, command) in suites(filter) {
        setup::say(format!("{title} ({:.0} s so far)", begin.elapsed().as_secs_f64()));
        total += watch(command)?;
    }
    let counted = if filter.is_none() {
        setup::say(format!("instructions of what every call needs ({:.0} s so far)", begin.elapsed().as_secs_f64()));
        bench::instructions(false)
    } else {
        Ok(())
    };
    println!("\n{total} ({:.0} s)", begin.elapsed().as_secs_f64());
    if !total.is_good() {
        bail!("not all tests passed: see the failures above");
    }
    if total.passed == 0 {
        bail!("no test has this name");
    }
    counted.context("all tests passed, but something takes another number of instructions")
}

fn suites(filter: Option<&str>) -> Vec<(&'static str, Command)> {
    let nextest = setup::has("cargo-nextest");
    let tests = |selection: &[&str], at_once: Option<&str>| {
        let mut command = tools::cargo();
        command.args(if nextest { ["nextest", "run"].as_slice() } else { &["test"] });
        command.args(["--release", "--no-fail-fast"]).args(selection);
        if nextest {
            // A machine that stalls is no fault of the code: such a test is run once more, and named as flaky.
            command.args(["--no-tests=pass", "--retries", "1"]);
        }
        if let Some(count) = at_once {
            // The one reads the one, the other the other.
            command.env("NEXTEST_TEST_THREADS", count).env("RUST_TEST_THREADS", count);
        }
        command.args(filter);
        command
    };
    let mut plugins = tools::cargo();
    plugins.args(["test", "--release", "--workspace", "--no-fail-fast", "--manifest-path"]);
    plugins.arg(setup::root().join("plugins/Cargo.toml"));
    plugins.arg("--target-dir").arg(setup::target_dir().join("plugins-native")).args(filter);
    let mut suites = vec![
        ("unit and simulation tests", tests(&["--workspace", "--lib", "--bins"], None)),
        ("the plugins and their SDK, natively", plugins),
        ("end-to-end tests", tests(&["--workspace", "--test", "*"], Some(END_TO_END_AT_ONCE))),
    ];
    if filter.is_none() {
        let mut examples = tools::cargo();
        examples.args(["test", "--release", "--workspace", "--doc", "--no-fail-fast"]);
        suites.push(("examples in the documentation", examples));
    }
    suites
}

/// Runs a test command with its output in sight and counts what it reports.
fn watch(mut command: Command) -> Result<Tally> {
    // Both test runners report on one stream and nothing else writes a line of that form: read them as one.
    let (reader, writer) = std::io::pipe()?;
    let mut child = command
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    // The command keeps writing ends of its own open: without it the pipe ends with the child.
    drop(command);
    let mut tally = Tally::default();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        tally += Tally::of_line(&line);
    }
    if !child.wait()?.success() && tally.failed == 0 {
        // It did not come as far as a test, or a test's process ended without a report.
        tally.broken += 1;
    }
    Ok(tally)
}

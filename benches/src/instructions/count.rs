//! Counting: instructions by callgrind, fuel by the engine.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use trunkline::plugin::Cancel;
use trunkline::routing::NewCall;
use trunkline::sip::flow::{Flow, Transport};
use trunkline::sip::message::Message;
use trunkline_tests::Setup;
use trunkline_tests::script::Caller;

use super::kept::STAGE;
use crate::inside::Inside;

/// The instructions of one piece of work, each time it is done. `program ARGUMENTS` does it, and prints how often.
///
/// # Errors
/// When valgrind is not installed, or the work fails.
pub fn count(program: &Path, arguments: &[&str]) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("callgrind.out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*counted_work*", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(arguments)
        .output()
        .context("valgrind is not there: apt-get install valgrind")?;
    ensure!(output.status.success(), "under callgrind: {}", String::from_utf8_lossy(&output.stderr));
    let times: u64 = String::from_utf8(output.stdout)?.trim().parse().context("how often it was done")?;
    let text = String::from_utf8_lossy(&std::fs::read(&out)?).into_owned();
    // One event, Ir; the line `totals:` sums up what was collected, whatever the thread.
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    let total: u64 = total.and_then(|total| total.trim().parse().ok()).context("callgrind gave no total")?;
    ensure!(total > 0, "callgrind saw nothing of `counted_work`: was the program stripped of its symbols?");
    Ok(total / times)
}

/// What the five stages burn for one call: WebAssembly instructions, counted by the engine itself. Their machine code is
/// made at run time, for the processor that it finds; callgrind would show it other features, and compile it anew for
/// minutes.
///
/// # Errors
/// When a stage gives no verdict.
pub async fn fuel_of_stages() -> Result<Vec<(String, u64)>> {
    let caller = Caller {
        address: "127.0.0.1:5062".parse()?,
        router: "127.0.0.1:5060".parse()?,
        carrier: "127.0.0.1:5070".parse()?,
    };
    let setup = Setup::new()?.carrier(caller.carrier).section("[call]\nsetup-budget = \"30s\"");
    let setup = [
        ("auth", r#"config = { table = "accounts" }"#),
        ("blocklist", r#"config = { table = "blocked" }"#),
        ("lrn", r#"config = { table = "lrn", header = "P-LRN" }"#),
        ("cnam", r#"config = { table = "cnam" }"#),
        ("rate", r#"config = { table = "deck", npa-nxx = "npanxx" }"#),
    ]
    .into_iter()
    .fold(setup, |setup, (name, config)| setup.plugin(name, &format!("deadline = \"10s\"\n{config}")));
    let router = Inside::new(64)?.router(&setup).await?;
    let invite = Message::parse(Bytes::from(caller.invite(7))).ok().context("an INVITE")?;
    let flow = Flow::to(0, Transport::Udp, caller.address);
    let call = || NewCall::received_now(Arc::new(invite.clone()), flow);
    // The first finds everything cold.
    let _cold = router.route(call(), Cancel::default()).await;
    let stages = router.route(call(), Cancel::default()).await.facts.stages;
    ensure!(stages.len() == 5 && stages.iter().all(|stage| stage.outcome.is_verdict()), "not routed: {stages:?}");
    Ok(stages.into_iter().map(|stage| (format!("{STAGE}{}", stage.stage), stage.fuel)).collect())
}

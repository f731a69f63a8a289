//! Plugins in Python, JavaScript and C against the host: the examples answer as their recorded calls say, and what a
//! guest throws arrives in the host's log and in the call's record.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use trunkline::cdr::record::StageOutcome;
use trunkline_tests::{Load, Router, Setup, Sipp, marked, place, plugins_folder, until};

/// Runs an example's recorded calls through the component that `cargo xtask plugins --examples` built.
fn recorded(example: &str, config: &str) -> Result<()> {
    let component = plugins_folder()?.join("examples").join(example).with_extension("wasm");
    let calls = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/examples").join(example).join("calls.jsonl");
    let output = Command::new(Router::program()?)
        .args(["plugin", "test"])
        .args([&component, &calls])
        .args(["--config", config])
        .output()
        .context("cannot start trunkline")?;
    let told = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&told));
    Ok(())
}

#[test]
fn the_python_example_routes_by_the_time_of_day() -> Result<()> {
    recorded("python-time-of-day", r#"{"utc-offset": "-05:00"}"#)
}

#[test]
fn the_javascript_example_gives_calling_numbers_one_form() -> Result<()> {
    recorded("javascript-ani", r#"{"shown": "numbers"}"#)
}

#[test]
fn the_c_example_blocks_number_ranges() -> Result<()> {
    recorded("c-blocked-prefix", r#"{"callees": "ranges", "callers": "callers", "code": 604}"#)
}

#[test]
fn what_a_guest_throws_is_in_the_log_and_in_the_record_of_a_call_that_goes_on() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let examples = plugins_folder()?.join("examples");
    let plugin = |name: &str, config: &str| {
        let component = examples.join(name).with_extension("wasm");
        format!(
            "component = {:?}\nmemory = \"64MiB\"\nfuel = 50_000_000\ndeadline = \"5s\"\non-failure = \"skip\"\n\
             compile = \"wait\"\nconfig = {config}",
            component.display().to_string()
        )
    };
    let router = Setup::new()?
        .carrier(callee.address())
        // The deck of the five stages has no column `peak`, and the other two tables do not exist.
        .plugin("time-of-day", &plugin("python-time-of-day", r#"{ deck = "deck" }"#))
        .plugin("ani", &plugin("javascript-ani", r#"{ shown = "none" }"#))
        .plugin("ranges", &plugin("c-blocked-prefix", r#"{ callees = "none" }"#))
        .section("[call]\nsetup-budget = \"10s\"")
        .pipeline("default", &["time-of-day", "ani", "ranges", "rate"])
        .start()?;
    let words = [("caller", "2125550100"), ("callee", "19195550101"), ("talk", "100")];

    place("caller", &words, router.sip(), Load::ONE).context("the stages are skipped and the call goes on")?;
    let record = &router.wait_for_records(1)?[0];
    let told = |stage: &str| {
        let stage = record.stages.iter().find(|ran| &*ran.stage == stage).expect("the stage is in the record");
        assert_eq!(stage.outcome, StageOutcome::Error, "{:?}", stage.detail);
        stage.detail.clone().unwrap_or_default()
    };
    let python = told("time-of-day");
    assert!(
        python.starts_with("KeyError: 'off-peak' (plugin.py, line ")
            || python.starts_with("KeyError: 'peak' (plugin.py, line "),
        "{python}"
    );
    let javascript = told("ani");
    assert!(javascript.contains("table none: unknown table (plugin.js:"), "{javascript}");
    assert_eq!(told("ranges"), "table none: unknown table");
    let log = router.log();
    assert!(log.contains("KeyError") && log.contains("by way of app.py, line "), "Python's exception: {log}");
    assert!(log.contains("LookupFailed"), "JavaScript's error: {log}");
    Ok(())
}

#[test]
fn a_python_plugin_that_is_still_compiled_stalls_neither_the_start_nor_a_call() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let setup = Setup::new()?.carrier(callee.address());
    let component = setup.folder().join("time-of-day.wasm");
    let example = plugins_folder()?.join("examples/python-time-of-day.wasm");
    // Never compiled before on this machine.
    fs::write(&component, marked(&example, &fastrand::u64(..).to_le_bytes())?)?;
    let plugin = format!(
        "component = {:?}\nmemory = \"64MiB\"\nfuel = 50_000_000\ndeadline = \"5s\"\non-failure = \"skip\"\n\
         config = {{ deck = \"deck\" }}",
        component.display().to_string()
    );
    let router = setup
        .plugin("time-of-day", &plugin)
        .section("[call]\nsetup-budget = \"10s\"")
        .pipeline("default", &["time-of-day", "rate"])
        .start()?;
    let mut calls = 0;
    let mut call = || -> Result<StageOutcome> {
        let words = [("caller", "2125550100"), ("callee", "19195550101"), ("talk", "100")];
        place("caller", &words, router.sip(), Load::ONE).context("a call goes on without the stage")?;
        calls += 1;
        let records = router.wait_for_records(calls)?;
        let stage = records[calls - 1].stages.iter().find(|ran| &*ran.stage == "time-of-day");
        Ok(stage.context("the stage is in the record")?.outcome)
    };

    assert_eq!(call()?, StageOutcome::Loading, "the router is ready long before the component is");
    let log = router.log();
    let told = log.lines().find(|line| line.contains("the start does not wait for this component to be compiled"));
    assert!(told.is_some_and(|line| line.contains("time-of-day")), "{log}");

    // It asks the deck for a column that is not there: with that it has run.
    until("the component to be compiled", Duration::from_mins(3), || Ok((call()? == StageOutcome::Error).then_some(())))
}

//! The journal's disk fails: calls go on, or are refused where the operator wants it so, and it is told.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use trunkline_tests::{Counts, FailingDisk, Load, Router, Setup, Sipp, SmallDisk, until};

const NUMBERS: [(&str, &str); 3] = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "50")];
const PATIENCE: Duration = Duration::from_secs(20);

/// A disk of its own for the journal; `None`, and said so, where this process may not mount.
fn disk(setup: &Setup) -> Result<Option<SmallDisk>> {
    SmallDisk::mount(&setup.folder().join("var/journal"), 8)
}

fn call(router: &Router) -> Result<Counts> {
    Sipp::caller("caller", &NUMBERS, router.sip(), Load::ONE)?.wait()
}

fn wait_for_failing(router: &Router, failing: f64) -> Result<()> {
    until(&format!("trunkline_journal_failing to be {failing}"), PATIENCE, || {
        Ok((router.metric("trunkline_journal_failing")? - failing).abs().le(&0.1).then_some(()))
    })
}

/// Calls by which the journal finds out: the first ones may still fit into what its files have of their last blocks. How
/// many, all of them good.
fn call_until_failing(router: &Router) -> Result<usize> {
    for calls in 1..=20 {
        assert_eq!(call(router)?.successful, 1);
        if router.metric("trunkline_journal_failing")? > 0.5 {
            return Ok(calls);
        }
    }
    anyhow::bail!("twenty calls were journalled on a full disk")
}

#[test]
fn a_full_disk_stops_no_call_is_told_and_costs_no_record_once_it_has_room() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let setup = Setup::new()?.carrier(callee.address());
    let Some(disk) = disk(&setup)? else { return Ok(()) };
    let router = setup.start()?;
    assert_eq!(call(&router)?.successful, 1);
    router.wait_for_records(1)?;
    disk.fill()?;
    let calls = call_until_failing(&router)?;
    assert_eq!(call(&router)?.successful, 1);
    assert!(router.log().contains("the journal's disk refuses call records"), "{}", router.log());
    until("the journal to lag behind", PATIENCE, || {
        Ok((router.metric("trunkline_journal_lag_seconds")? > 0.5).then_some(()))
    })?;
    disk.free()?;
    wait_for_failing(&router, 0.0)?;
    until("the journal to lag no more", PATIENCE, || {
        Ok((router.metric("trunkline_journal_lag_seconds")? < 0.5).then_some(()))
    })?;
    router.wait_for_rows(1 + calls + 1)
}

/// As a disk does that loses a sector: the kernel lets nobody write to it any more, while the router has files open there.
#[test]
fn a_disk_that_turns_read_only_under_a_running_router_stops_no_call_and_is_told() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let setup = Setup::new()?.carrier(callee.address()).without_sqlite();
    let journal = setup.folder().join("var/journal");
    let Some(disk) = FailingDisk::mount(&journal, &setup.folder().join("disk.img"))? else { return Ok(()) };
    let router = setup.start()?;
    assert_eq!(call(&router)?.successful, 1);
    router.wait_for_records(1)?;
    disk.turn_read_only()?;
    call_until_failing(&router)?;
    assert_eq!(call(&router)?.successful, 1);
    let log = router.log();
    assert!(log.contains("the journal's disk refuses call records") && log.contains("Read-only file system"), "{log}");
    Ok(())
}

#[test]
fn where_the_operator_wants_no_call_without_a_record_a_full_disk_refuses_new_calls() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let setup = Setup::new()?.carrier(callee.address()).cdr("on-journal-failure = \"refuse\"");
    let Some(disk) = disk(&setup)? else { return Ok(()) };
    let router = setup.start()?;
    disk.fill()?;
    call_until_failing(&router)?;
    assert_eq!(call(&router)?.failed, 1);
    disk.free()?;
    wait_for_failing(&router, 0.0)?;
    assert_eq!(call(&router)?.successful, 1);
    Ok(())
}

#[test]
fn a_node_does_not_start_on_a_journal_that_it_cannot_write_and_names_it() -> Result<()> {
    let setup = Setup::new()?;
    let Some(disk) = disk(&setup)? else { return Ok(()) };
    disk.forbid_writing()?;
    let output = Command::new(Router::program()?).args(["run", "-c"]).arg(setup.write()?).output()?;
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(words.contains("cannot open the journal") && words.contains("Read-only"), "{words}");
    Ok(())
}

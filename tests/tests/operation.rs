//! What an operator does: check, reload, stop, restart.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use trunkline::cdr::record::End;
use trunkline_tests::{Load, Phone, Router, Setup, Sipp, answered, hang_up, marked, place, plugins_folder};

const NUMBERS: [(&str, &str); 3] = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "100")];

#[test]
fn a_bad_configuration_is_refused_with_every_fault_named() -> Result<()> {
    let setup = Setup::new()?
        .pipeline("default", &["auth", "nowhere"])
        .section("[call]\nsetup-budget = \"soon\"\n[timers]\nt9 = \"1s\"\n");
    let config = setup.write()?;
    for command in ["check", "run"] {
        let output = Command::new(Router::program()?).arg(command).arg("-c").arg(&config).output()?;
        let words = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{command}: {words}");
        assert!(words.contains("setup-budget") && words.contains("t9"), "{command} said:\n{words}");
    }
    Ok(())
}

#[test]
fn check_is_content_with_a_good_configuration() -> Result<()> {
    let nowhere = Phone::waiting()?;
    let setup = Setup::new()?.carrier(nowhere.address());
    let output = Command::new(Router::program()?).args(["check", "-c"]).arg(setup.write()?).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn explain_shows_the_stages_and_the_route_without_placing_a_call() -> Result<()> {
    let mut carrier = Phone::waiting()?;
    let setup = Setup::new()?.carrier(carrier.address());
    let output = Command::new(Router::program()?)
        .args(["explain", "--source", "127.0.0.1", "--from", "12125550100", "--to", "19195550101", "-c"])
        .arg(setup.write()?)
        .output()?;
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{words}{}", String::from_utf8_lossy(&output.stderr));
    let told = ["input", "accounts[127.0.0.1]", "from the file", "verdict     route carrier"];
    for word in ["auth", "blocklist", "lrn", "cnam", "rate", "carrier"].into_iter().chain(told) {
        assert!(words.contains(word), "no `{word}` in:\n{words}");
    }
    carrier.hear_nothing(std::time::Duration::from_millis(100))
}

#[test]
fn explain_tells_shadows_and_a_canary_apart_from_the_stages_that_decide_and_records_those() -> Result<()> {
    let carrier = Phone::waiting()?;
    let setup = Setup::new()?.carrier(carrier.address());
    let folder = setup.folder().to_owned();
    let (again, traps) = (folder.join("lrn-2.wasm"), plugins_folder()?.join("faults/traps.wasm"));
    fs::write(&again, marked(&plugins_folder()?.join("lrn.wasm"), b"2")?)?;
    let table = |name: &str| format!("config = {{ table = \"{name}\" }}\n");
    let shadow = |component: &Path| format!("shadow = {{ component = \"{}\", share = \"1%\" }}", component.display());
    let canary = format!("canary = {{ component = \"{}\", share = \"100%\", promote-after = 10 }}", traps.display());
    let setup = setup
        .plugin("lrn", &(table("lrn") + &shadow(&again)))
        .plugin("cnam", &(table("cnam") + &shadow(&traps)))
        .plugin("blocklist", &(table("blocked") + &canary));
    let config = setup.write()?;
    let program = Router::program()?;
    let explain = |more: &[&str]| -> Result<String> {
        let call = ["explain", "--source", "127.0.0.1", "--from", "12125550100", "--to", "19195550101", "-c"];
        let output = Command::new(&program).args(call).arg(&config).args(more).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    };

    let told: Value = serde_json::from_str(&explain(&["--json"])?)?;
    let stages = told["stages"].as_array().context("no stages")?;
    let told = |stage: &Value| {
        let of = |key: &str| stage[key].as_str().unwrap_or_default().to_owned();
        let shadow = &stage["shadow"]["answered"];
        (
            of("stage"),
            of("outcome"),
            of("trial"),
            shadow["verdict"].to_string() + shadow["error"].as_str().unwrap_or(""),
        )
    };
    let expected = [
        ("auth", "proceed", "", "null"),
        ("blocklist", "trap", "canary", "null"),
        ("blocklist", "proceed", "", "null"),
        ("lrn", "proceed", "", "\"proceed\""),
        ("cnam", "proceed", "", "nulltrap: "),
        ("rate", "route", "", "null"),
    ];
    ensure!(stages.len() == expected.len(), "{stages:#?}");
    for (stage, (name, outcome, trial, shadow)) in stages.iter().zip(expected) {
        let told = told(stage);
        assert_eq!((&*told.0, &*told.1, &*told.2), (name, outcome, trial), "{stage:#}");
        assert!(told.3.starts_with(shadow), "{stage:#}");
        assert!(stage["shadow"].is_null() || stage["shadow"]["digest"] != stage["digest"], "{stage:#}");
    }
    let text = explain(&[])?;
    for line in [
        "2. blocklist: trap   as canary",
        "   shadow      answers the same ",
        "   shadow      answers otherwise ",
        "+ error trap: ",
    ] {
        assert!(text.contains(line), "no `{line}` in:\n{text}");
    }

    // What is recorded is what the component that decides answers.
    for (stage, table) in [("blocklist", "blocked"), ("lrn", "lrn"), ("cnam", "cnam")] {
        let (seen, built_in) = (folder.join(format!("{stage}.jsonl")), plugins_folder()?.join(format!("{stage}.wasm")));
        explain(&["--record", &seen.display().to_string(), "--stage", stage])?;
        let config = format!("{{\"table\": \"{table}\"}}");
        let test =
            Command::new(&program).args(["plugin", "test", "--config", &config]).args([&built_in, &seen]).output()?;
        assert!(test.status.success(), "{stage}: {}", String::from_utf8_lossy(&test.stdout));
    }
    Ok(())
}

/// The documented example in a folder of its own, so that what `check` compiles does not stay beside it.
fn example(folder: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/example"))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), folder.join(entry.file_name()))?;
        }
    }
    Ok(folder.join("trunkline.toml"))
}

#[test]
fn the_documented_example_is_right_and_routes_a_call_past_its_absent_services() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = example(folder.path())?;

    let check = Command::new(Router::program()?).args(["check", "-c"]).arg(&config).output()?;
    let words = String::from_utf8_lossy(&check.stdout).into_owned() + &String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{words}");

    let call = ["--json", "--source", "127.0.0.1", "--from", "12125550100", "--to", "14155550101"];
    let explain = Command::new(Router::program()?).arg("explain").args(call).arg("-c").arg(&config).output()?;
    let words = String::from_utf8_lossy(&explain.stdout).into_owned() + &String::from_utf8_lossy(&explain.stderr);
    assert!(explain.status.success(), "{words}");
    let told: serde_json::Value = serde_json::from_slice(&explain.stdout)?;
    let stages: Vec<_> = told["stages"].as_array().into_iter().flatten().map(|stage| &stage["stage"]).collect();
    assert_eq!(stages, ["auth", "blocklist", "lrn", "cnam", "rate"], "{words}");
    // What listens at the services' addresses on this machine is not ours to say: the other stages are sure.
    for (place, outcome) in [(0, "proceed"), (1, "proceed"), (4, "route")] {
        assert_eq!(told["stages"][place]["outcome"], outcome, "{words}");
    }
    let attributes = told["attributes"].to_string();
    assert!(attributes.contains(r#"["jurisdiction","inter"]"#), "{attributes}");
    let gateways: Vec<_> =
        told["result"]["hunt"].as_array().into_iter().flatten().map(|route| &route["gateway"]).collect();
    assert_eq!(gateways, ["carrier-b", "carrier-a"], "{words}");
    Ok(())
}

#[test]
fn a_reload_under_load_fails_no_call_and_new_calls_follow_it() -> Result<()> {
    let (old, new) = (Sipp::callee("callee", &[])?, Sipp::callee("callee", &[])?);
    let router = Setup::new()?
        .gateway("old", old.address())
        .gateway("new", new.address())
        .route("1", "old", "0.0010")
        .start()?;
    let deck = router.folder().join("deck.csv");

    let caller = Sipp::caller("caller", &NUMBERS, router.sip(), Load { calls: 600, rate: 200 })?;
    router.wait_for_records(100)?;
    fs::write(&deck, fs::read_to_string(&deck)?.replace(",old,", ",new,"))?;
    let (code, words) = router.reload()?;
    assert_eq!(code, 200, "{words}");
    let caller = caller.wait()?;

    assert_eq!((caller.successful, caller.failed), (600, 0));
    let (old, new) = (old.finish()?, new.finish()?);
    assert!(old.successful >= 100 && new.successful >= 100, "old {old:?}, new {new:?}");
    assert_eq!(old.successful + new.successful, 600);
    Ok(())
}

#[test]
fn a_bad_reload_changes_nothing_and_says_why() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?.carrier(callee.address()).start()?;
    router.edit_config("[gateways.carrier]", "[gateways.renamed]\nuri = \"sip:\"\n[gateways.carrier]")?;

    let (code, words) = router.reload()?;

    assert!((400..500).contains(&code), "{code}");
    assert!(words.contains("renamed"), "{words}");
    place("caller", &NUMBERS, router.sip(), Load { calls: 5, rate: 5 })?;
    Ok(())
}

#[test]
fn sigterm_lets_the_records_out_before_the_end() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let mut router = Setup::new()?.carrier(callee.address()).start()?;
    place("caller", &NUMBERS, router.sip(), Load { calls: 200, rate: 200 })?;

    router.stop()?;

    assert_eq!(router.records()?.len(), 200);
    router.wait_for_rows(200)
}

#[test]
fn sigterm_lets_a_call_in_progress_end_and_takes_no_new_one() -> Result<()> {
    let mut callee = Phone::waiting()?;
    let mut router = Setup::new()?.carrier(callee.address()).start()?;
    let mut caller = Phone::calling(router.sip())?;
    let sent = caller.invite("12125550100", "19195550101");
    caller.say(&sent)?;
    let got = callee.hear("INVITE")?;
    let (mut near, _) = answered(&mut caller, &mut callee, &got)?;

    router.drain()?;
    let mut late = Phone::calling(router.sip())?;
    late.say(&late.invite("12125550100", "19195550102"))?;
    late.hear("503")?;
    hang_up(&mut caller, &mut near, &mut callee)?;

    router.wait_for_end()?;
    assert_eq!(router.record_of(sent.header("Call-ID"))?.end, End::CallerHungUp);
    Ok(())
}

#[test]
fn after_a_kill_the_records_go_on_without_a_hole() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let mut router = Setup::new()?.carrier(callee.address()).start()?;
    let once = Load { calls: 50, rate: 50 };
    Sipp::caller("caller", &NUMBERS, router.sip(), once)?.wait()?;
    router.wait_for_records(50)?;

    router.crash_and_restart()?;

    place("caller", &NUMBERS, router.sip(), once)?;
    let mut keys: Vec<_> = router.wait_for_records(100)?.into_iter().map(|record| record.key).collect();
    keys.dedup();
    assert_eq!(keys.iter().map(|key| key.sequence).collect::<Vec<_>>(), (1..=100).collect::<Vec<_>>());
    assert!(keys.iter().all(|key| key.epoch == keys[0].epoch));
    router.wait_for_rows(100)
}

#[test]
fn calls_are_counted_in_the_metrics() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?.carrier(callee.address()).start()?;
    Sipp::caller("caller", &NUMBERS, router.sip(), Load { calls: 10, rate: 10 })?.wait()?;
    router.wait_for_records(10)?;
    assert!(
        (router.metric("trunkline_calls_total")? - 10.0).abs() < f64::EPSILON,
        "{}",
        router.admin("GET", "/metrics")?.1
    );
    Ok(())
}

/// Stages, set-up times, post-dial delays, attempts and calls, as the page counts them.
fn counted(router: &Router) -> Result<Vec<f64>> {
    let names =
        ["stages_total{", "setup_seconds_count{", "post_dial_delay_seconds_count{", "attempts_total{", "calls_total{"];
    names.iter().map(|name| router.metric(&format!("trunkline_{name}"))).collect()
}

#[test]
fn a_call_is_counted_while_it_goes_on_each_thing_once_and_not_again_by_the_process_that_takes_it_up() -> Result<()> {
    let (mut refusing, mut callee) = (Phone::waiting()?, Phone::waiting()?);
    let setup = Setup::new()?.gateway("first", refusing.address()).gateway("second", callee.address());
    let mut router = setup.route("1", "first", "0.0010").route("1", "second", "0.0020").start()?;
    let mut caller = Phone::calling(router.sip())?;
    let sent = caller.invite("12125550100", "19195550101");
    caller.say(&sent)?;
    let got = refusing.hear("INVITE")?;
    assert_eq!(counted(&router)?, [5.0, 1.0, 0.0, 0.0, 0.0], "the pipeline has decided");

    refusing.say(&refusing.answer(&got, "503 Service Unavailable", ""))?;
    refusing.hear("ACK")?;
    let got = callee.hear("INVITE")?;
    callee.say(&callee.answer(&got, "180 Ringing", ""))?;
    caller.hear("180")?;
    assert_eq!(counted(&router)?, [5.0, 1.0, 1.0, 1.0, 0.0], "one gateway has refused it, the other rings");

    let (mut near, _) = answered(&mut caller, &mut callee, &got)?;
    assert_eq!(counted(&router)?, [5.0, 1.0, 1.0, 2.0, 0.0], "it talks");
    hang_up(&mut caller, &mut near, &mut callee)?;
    router.record_of(sent.header("Call-ID"))?;
    assert_eq!(counted(&router)?, [5.0, 1.0, 1.0, 2.0, 1.0], "it is over");

    let again = caller.invite("12125550100", "19195550101");
    caller.say(&again)?;
    let got = refusing.hear("INVITE")?;
    let (mut near, _) = answered(&mut caller, &mut refusing, &got)?;
    assert_eq!(counted(&router)?, [10.0, 2.0, 2.0, 3.0, 1.0]);
    router.crash_and_restart()?;
    hang_up(&mut caller, &mut near, &mut refusing)?;
    router.record_of(again.header("Call-ID"))?;
    assert_eq!(counted(&router)?, [0.0, 0.0, 0.0, 0.0, 1.0], "the rest was counted by the process that is gone");
    Ok(())
}

#[test]
fn a_call_in_progress_goes_on_over_a_stop_and_a_kill_and_has_its_record_at_its_end() -> Result<()> {
    let mut callee = Phone::waiting()?;
    let mut router = Setup::new()?.carrier(callee.address()).start()?;
    let mut caller = Phone::calling(router.sip())?;
    let sent = caller.invite("12125550100", "19195550101");
    caller.say(&sent)?;
    let got = callee.hear("INVITE")?;
    let (mut near, _) = answered(&mut caller, &mut callee, &got)?;

    router.stop_at_once()?;
    router.start_again()?;
    router.crash_and_restart()?;
    assert!(router.records()?.is_empty(), "it has not ended");
    hang_up(&mut caller, &mut near, &mut callee)?;

    let record = router.record_of(sent.header("Call-ID"))?;
    assert_eq!((record.code, record.end), (200, End::CallerHungUp));
    assert!(record.duration_micros() > 0 && record.stages.len() == 5 && record.attempts.len() == 1);
    Ok(())
}

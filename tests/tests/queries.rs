//! Records as an operator reads them: `trunkline cdr list`, `show`, `tail`, `export`, and the proof that stores agree.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use trunkline::cdr::record::CallRecord;
use trunkline_tests::{BLOCKED, Process, Router, Setup, Sipp, place_answered, place_blocked, run, until};

const PATIENCE: Duration = Duration::from_secs(20);

/// `trunkline cdr` with these words: what it wrote.
fn cdr(words: &[&str]) -> Result<String> {
    let (code, text) = run(&[&["cdr"], words].concat())?;
    anyhow::ensure!(code == 0, "{words:?} ended with {code}:\n{text}");
    Ok(text)
}

/// Three answered calls, then two that were refused, in every store.
#[test]
fn five_calls_are_listed_shown_followed_exported_and_proven_from_every_store() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let setup = Setup::new()?.carrier(callee.address()).block(BLOCKED);
    let config = setup.write()?.display().to_string();
    let router = setup.start()?;
    // One after the other: stores list them as they came, and the journal as they ended.
    for _ in 0..3 {
        place_answered(&router, 1)?;
    }
    for _ in 0..2 {
        place_blocked(&router, 1)?;
    }
    let records = router.wait_for_records(5)?;
    router.wait_for_rows(5)?;
    let folder = router.folder();
    let of = |kind: &str, place: &str| format!("{kind}:{}", folder.join(place).display());
    let urls = [of("sqlite", "var/cdr.db"), of("files", "var/cdr"), of("journal", "var/journal")];
    let mut sources: Vec<Vec<&str>> = urls.iter().map(|url| vec!["--url", url]).collect();
    sources.extend([
        vec!["-c", &config],
        vec!["-c", &config, "--store", "archive"],
        vec!["-c", &config, "--store", "journal"],
    ]);
    for source in &sources {
        every_filter_finds_its_calls(source, &records)?;
        a_call_is_shown_whole(source, &records)?;
        all_are_exported(source, &records)?;
    }
    a_tail_shows_the_calls_that_pass_as_they_end(&router, &config)?;
    stores_that_agree_are_proven_and_an_altered_record_is_named(&urls)
}

fn every_filter_finds_its_calls(source: &[&str], records: &[CallRecord]) -> Result<()> {
    let fourth = trunkline::cli::render::time(records[3].times.received);
    let list = |words: &[&str]| cdr(&[&["list"], source, words].concat());
    for (words, found) in [
        (vec![], 5),
        (vec!["--answered"], 3),
        (vec!["--missed"], 2),
        (vec!["--code", "603"], 2),
        (vec!["--code", "200", "--missed"], 0),
        (vec!["--customer", "acme"], 5),
        (vec!["--customer", "globex"], 0),
        (vec!["--gateway", "carrier"], 3),
        (vec!["--number", BLOCKED], 2),
        (vec!["--end", "refused"], 2),
        (vec!["--end", "caller-hung-up"], 3),
        (vec!["--skipped", "lrn"], 0),
        (vec!["--since", &fourth], 2),
        (vec!["--until", &fourth], 3),
        (vec!["--limit", "4"], 4),
    ] {
        let lines = list(&words)?;
        assert_eq!(lines.lines().count(), found, "{source:?} {words:?}\n{lines}");
    }
    // The newest last, each with what a person looks for.
    let text = list(&["--limit", "3"])?;
    for (line, record) in text.lines().zip(&records[2..]) {
        let (code, end, gateway) =
            if record.code == 200 { ("200", "caller-hung-up", "carrier") } else { ("603", "refused", " - ") };
        for word in ["acme", &record.caller.received, &record.callee.received, code, end, gateway, &record.call_id] {
            assert!(line.contains(word), "no `{word}` in: {line}");
        }
    }
    let json = list(&["--json"])?;
    let read: Vec<CallRecord> = json.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(read, records, "{source:?}");
    Ok(())
}

fn a_call_is_shown_whole(source: &[&str], records: &[CallRecord]) -> Result<()> {
    let show = |call: &str| cdr(&[&["show"], source, &[call]].concat());
    let record = &records[0];
    let story = show(&record.call_id)?;
    let attempt = &record.attempts[0];
    let destination = attempt.destination.context("no destination")?.to_string();
    let key = format!("{}/{}/{}", record.key.node, record.key.epoch, record.key.sequence);
    let words = [
        &*record.call_id,
        &key,
        "acme from 127.0.0.1:",
        "200 caller-hung-up",
        "received",
        "ringing",
        "answered",
        "ended",
        "auth",
        "blocklist",
        "lrn",
        "cnam",
        "rate",
        "proceed",
        "route",
        &record.stages[0].digest,
        "carrier",
        &destination,
        "0.0050",
        "jurisdiction",
    ];
    for word in words {
        assert!(story.contains(word), "no `{word}` in:\n{story}");
    }
    assert_eq!(show(&key)?, story);
    let refused = show(&records[4].call_id)?;
    assert!(refused.contains("603 refused") && refused.contains("reject"), "{refused}");
    let (code, _) = run(&[&["cdr", "show"], source, &["nobody@nowhere"]].concat())?;
    assert_eq!(code, 1);
    Ok(())
}

fn all_are_exported(source: &[&str], records: &[CallRecord]) -> Result<()> {
    let text = cdr(&[&["export"], source, &["--format", "csv"]].concat())?;
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    let (header, rows) = rows.split_first().context("nothing")?;
    assert_eq!(rows.len(), records.len());
    for (row, record) in rows.iter().zip(records) {
        let cell = |name: &str| -> Result<&str> {
            Ok(row[header.iter().position(|column| *column == name).with_context(|| format!("no column {name}"))?])
        };
        let is_answered = record.code == 200;
        assert_eq!(cell("sequence")?, record.key.sequence.to_string());
        assert_eq!((cell("call_id")?, cell("customer")?), (&*record.call_id, "acme"));
        assert_eq!(cell("code")?, record.code.to_string());
        assert_eq!(cell("gateway")?, if is_answered { "carrier" } else { "" });
        assert_eq!(cell("cost_per_minute")?, if is_answered { "0.0050" } else { "" });
        assert_eq!(cell("answered")?.is_empty(), !is_answered);
        assert_eq!(cell("pdd_seconds")?.is_empty(), !is_answered);
        let micros = record.duration_micros();
        assert_eq!(cell("seconds")?, format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000));
    }
    let some = cdr(&[&["export"], source, &["--format", "jsonl", "--missed"]].concat())?;
    let read: Vec<CallRecord> = some.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(read, records[3..]);
    Ok(())
}

fn a_tail_shows_the_calls_that_pass_as_they_end(router: &Router, config: &str) -> Result<()> {
    let mut tail = Process::start(&Router::program()?, router.folder().join("tail.log"), |command| {
        command.args(["cdr", "tail", "--answered", "-c", config]);
    })?;
    // It begins at the end: only then is what it shows known.
    let mut calls = 0;
    until("the tail to follow", PATIENCE, || {
        place_answered(router, 1)?;
        calls += 1;
        Ok((!tail.output().is_empty()).then_some(()))
    })?;
    let before = tail.output().lines().count();
    place_blocked(router, 1)?;
    place_answered(router, 2)?;
    until("two more", PATIENCE, || Ok((tail.output().lines().count() >= before + 2).then_some(())))?;
    let shown = tail.output();
    assert!(shown.lines().count() <= calls + 2 && !shown.contains("603"), "{shown}");
    tail.signal(Signal::SIGINT)?;
    assert!(tail.wait(PATIENCE)?.success());
    Ok(())
}

fn stores_that_agree_are_proven_and_an_altered_record_is_named(urls: &[String; 3]) -> Result<()> {
    let [sqlite, files, journal] = urls;
    let reconcile = |a: &str, b: &str| run(&["cdr", "reconcile", "--a", a, "--b", b]);
    until("every store to have all", PATIENCE, || {
        Ok((reconcile(sqlite, files)?.0 == 0 && reconcile(files, journal)?.0 == 0).then_some(()))
    })?;
    for (a, b) in [(sqlite, files), (files, journal), (journal, sqlite)] {
        let (code, text) = reconcile(a, b)?;
        let chain = text.lines().find_map(|line| line.strip_prefix("chain: ")).context("no chain")?;
        let (proven, rest) = chain.split_once(" records of ").context("no records")?;
        assert!(code == 0 && rest.starts_with(&format!("{proven} are proven")), "{text}");
    }
    // Somebody makes a call a customer's of another name, where SQL is all that it takes.
    let file = sqlite.trim_start_matches("sqlite:");
    let change =
        "update calls set customer = 'globex', record = json_set(record, '$.customer', 'globex') where sequence = 2";
    let changed = Command::new("sqlite3").arg(Path::new(file)).arg(change).status().context("sqlite3")?;
    assert!(changed.success());
    let (code, text) = reconcile(sqlite, journal)?;
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("the chain proves B's; A's was altered") && text.contains("A has \"globex\""), "{text}");
    Ok(())
}

//! What `trunkline plugin check`, `test` and `bench` tell those who write plugins, of good plugins and of bad ones.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use regex_lite::Regex;
use tempfile::TempDir;
use trunkline::plugin::CONTRACT_VERSION;
use trunkline::plugin::versions::digest;
use trunkline_tests::{Router, plugins_folder};

/// What a command came to.
struct Told {
    code: i32,
    out: String,
    err: String,
}

/// Runs `trunkline plugin` with what it compiles kept in `cache`.
fn plugin_keeping(cache: &Path, arguments: &[impl AsRef<OsStr>]) -> Result<Told> {
    let mut command = Command::new(Router::program()?);
    let output = command.arg("plugin").args(arguments).env("XDG_CACHE_HOME", cache).output()?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).context("it writes UTF-8");
    let code = output.status.code().context("it was killed")?;
    Ok(Told { code, out: text(output.stdout)?, err: text(output.stderr)? })
}

/// Runs `trunkline plugin`, which then compiles anew.
fn plugin(arguments: &[impl AsRef<OsStr>]) -> Result<Told> {
    plugin_keeping(tempfile::tempdir()?.path(), arguments)
}

/// Asks the table of its configuration for the number that is called: goes on, or refuses with 404 or 503.
fn asks() -> Result<PathBuf> {
    Ok(plugins_folder()?.join("benches/asks.wasm"))
}

/// Goes on with every call.
fn proceeds() -> Result<PathBuf> {
    Ok(plugins_folder()?.join("benches/proceeds.wasm"))
}

fn file(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
    let path = folder.path().join(name);
    fs::write(&path, content)?;
    Ok(path)
}

#[test]
fn check_tells_what_a_plugin_is_what_it_may_reach_and_that_it_loads() -> Result<()> {
    let (component, cache) = (proceeds()?, tempfile::tempdir()?);
    let check = || plugin_keeping(cache.path(), &[OsStr::new("check"), component.as_os_str()]);
    let bytes = fs::read(&component)?;
    let digest = digest(&bytes);
    let told = |compiled: &str| {
        let lines = format!(
            "{}\n  size      # bytes\n  digest    sha256:{digest}, in call records {}\n  \
             contract  trunkline:routing@{CONTRACT_VERSION}; this router has {CONTRACT_VERSION}\n  \
             exports   configure, handle\n  imports   trunkline:routing/telemetry@{CONTRACT_VERSION}\n  \
             may reach the router's log and metrics, to write to (telemetry)\n  compiled  {compiled}\n  loads     yes\n",
            component.display(),
            &digest[..16],
        );
        lines.replace('#', &thousands(bytes.len()))
    };
    let millis = Regex::new(r"in \d+ ms")?;

    let first = check()?;
    assert_eq!(millis.replace(&first.out, "in - ms"), told("in - ms"), "{}", first.err);
    assert_eq!(first.code, 0);

    let again = check()?;
    assert_eq!(millis.replace(&again.out, "in - ms"), told("before; read in - ms"), "{}", again.err);
    Ok(())
}

/// 12345 as `12,345`, up to a million.
fn thousands(count: usize) -> String {
    format!("{},{:03}", count / 1_000, count % 1_000)
}

#[test]
fn check_tells_that_a_plugin_refuses_the_configuration_which_does_not_count_against_it() -> Result<()> {
    let component = asks()?;
    let told = plugin(&[OsStr::new("check"), component.as_os_str()])?;
    assert!(told.out.contains("loads     yes; it refuses this configuration: missing field `table`"), "{}", told.out);
    assert_eq!(told.code, 0, "a router with another configuration would load it");

    let config = r#"{"table": "dip"}"#.as_ref();
    let told = plugin(&["check".as_ref(), component.as_os_str(), "--config".as_ref(), config])?;
    assert!(told.out.ends_with("  loads     yes\n"), "{}", told.out);
    Ok(())
}

#[test]
fn check_tells_why_no_router_would_load_a_file_and_exits_with_1() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let whole = fs::read(proceeds()?)?;
    let other = wat::parse_str(
        r#"(component
             (core module $code (func (export "run")))
             (core instance $code (instantiate $code))
             (func (export "run") (canon lift (core func $code "run"))))"#,
    )?;
    let reaching = wat::parse_str(
        r#"(component (import "wasi:cli/exit@0.2.6" (instance (export "exit" (func (param "status" u8))))))"#,
    )?;
    for (name, content, words) in [
        ("garbage", &b"no WebAssembly at all"[..], &["is not WebAssembly"][..]),
        ("empty", b"", &["is not WebAssembly"]),
        ("cut", &whole[..whole.len() / 2], &["is no valid component", "out of bounds"]),
        ("module", b"\0asm\x01\0\0\0", &["is a core WebAssembly module, not a component", "build it with the SDK"]),
        ("other", &other, &["exports   run\n", "imports   nothing\n", "is no `stage`", "no export `configure`"]),
        (
            "reaching",
            &reaching,
            &["imports   wasi:cli/exit@0.2.6\n", "exports   nothing\n", "does not lend", "WASI is not lent"],
        ),
    ] {
        let told = plugin(&["check".as_ref(), file(&folder, name, content)?.as_os_str()])?;
        assert!(words.iter().all(|words| told.out.contains(words)), "{name}: {words:?} in\n{}", told.out);
        let (_, last) = told.out.trim_end().rsplit_once('\n').context("several lines")?;
        assert!(last.starts_with("  loads     no: "), "{name}: {last}");
        assert_eq!((told.code, &*told.err), (1, ""), "{name}");
    }
    let told = plugin(&["check".as_ref(), folder.path().join("nowhere.wasm").as_os_str()])?;
    assert!(told.err.contains("nowhere.wasm: No such file"), "{}", told.err);
    assert_eq!(told.code, 1);
    Ok(())
}

#[test]
fn test_shows_what_was_expected_and_what_came_and_exits_with_1() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let calls = file(
        &folder,
        "calls.jsonl",
        r#"{"name": "a number with a row goes on", "call": {"callee": "1"}, "asked": [{"lookup": {"table": "dip", "key": "1", "row": []}}], "expect": {"verdict": "proceed"}}
{"name": "a number without a row goes on too", "call": {"callee": "2"}, "asked": [{"lookup": {"table": "dip", "key": "2"}}], "expect": {"verdict": "proceed"}}
# Without a name, and asked for another number.
{"call": {"callee": "3"}, "asked": [{"lookup": {"table": "dip", "key": "1", "row": []}}], "expect": {"verdict": "proceed"}}
"#,
    )?;
    let (component, config) = (asks()?, r#"{"table": "dip"}"#);
    let told =
        plugin(&["test".as_ref(), component.as_os_str(), calls.as_os_str(), "--config".as_ref(), config.as_ref()])?;
    let figures = Regex::new(r"[\d,]+ fuel, \d+ µs")?;
    assert_eq!(
        figures.replace_all(&told.out, "(fuel, time)"),
        r#"ok      a number with a row goes on   (fuel, time)
DIFFER  a number without a row goes on too   (fuel, time)
        - verdict "proceed"
        + verdict {"reject":{"code":404,"reason":"no row"}}
DIFFER  call 3   (fuel, time)
        - verdict "proceed"
        + verdict {"reject":{"code":503,"reason":"no answer"}}
          asked, and not in the recording: {"lookup":{"table":"dip","key":"3"}}
1 of 3 calls as expected (- what was expected, + what it answered instead)
"#,
        "{}",
        told.err
    );
    assert_eq!(told.code, 1);
    Ok(())
}

#[test]
fn test_shows_a_trap_beside_the_outcome_that_was_expected() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let calls = file(&folder, "calls.jsonl", r#"{"expect": {"verdict": "proceed"}}"#)?;
    let component = plugins_folder()?.join("faults/traps.wasm");
    let told = plugin(&["test".as_ref(), component.as_os_str(), calls.as_os_str()])?;
    let difference =
        "        - verdict \"proceed\"\n        + error trap: wasm trap: wasm `unreachable` instruction executed\n";
    assert!(told.out.contains(difference), "{}", told.out);
    assert_eq!(told.code, 1);
    Ok(())
}

#[test]
fn test_tells_the_line_and_the_word_of_a_recording_that_cannot_be_read() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let calls =
        file(&folder, "calls.jsonl", "\n{\"call\": {\"calle\": \"1\"}, \"expect\": {\"verdict\": \"proceed\"}}\n")?;
    let told = plugin(&["test".as_ref(), proceeds()?.as_os_str(), calls.as_os_str()])?;
    assert!(told.err.contains("calls.jsonl:2: unknown field `calle`, expected one of"), "{}", told.err);
    assert_eq!((told.code, &*told.out), (1, ""));
    Ok(())
}

#[test]
fn bench_measures_warm_and_cold_calls_and_the_fuel_that_test_tells() -> Result<()> {
    let folder = tempfile::tempdir()?;
    // Two, since the first of an instance may take more.
    let calls = file(&folder, "calls.jsonl", "{\"expect\": {\"verdict\": \"proceed\"}}\n".repeat(2))?;
    let component = proceeds()?;
    let tested = plugin(&["test".as_ref(), component.as_os_str(), calls.as_os_str()])?;
    let second = tested.out.lines().nth(1).context("two calls")?;
    let fuel = Regex::new(r" ([\d,]+) fuel")?.captures(second).context("it tells the fuel")?[1].replace(',', "");

    let seconds = ["--seconds", "1", "--json"].map(OsStr::new);
    let told = plugin(&[&["bench".as_ref(), component.as_os_str(), calls.as_os_str()][..], &seconds].concat())?;
    ensure!(told.code == 0, "{}", told.err);
    let figures: serde_json::Value = serde_json::from_str(&told.out)?;
    let figure = |name: &str| {
        let value = figures.pointer(name).and_then(serde_json::Value::as_f64);
        value.with_context(|| format!("no {name} in {figures}"))
    };

    assert_eq!(figure("/fuel/median")?.to_string(), fuel);
    for of in ["fuel", "warm-micros", "cold-micros"] {
        let (median, high) = (figure(&format!("/{of}/median"))?, figure(&format!("/{of}/p99"))?);
        assert!(median > 0.0 && median <= high, "{of} in {figures}");
        // A call that takes longer than the second of its measurement would not be one of many.
        assert!(high < 1e6, "{of} in {figures}");
    }
    let (warm, cold) = (figure("/warm")?, figure("/cold")?);
    assert!(warm > cold && cold > 10.0, "so many calls of each in a second: {figures}");
    assert!(figure("/cold-micros/median")? > figure("/warm-micros/median")?, "an instance has to be made: {figures}");
    Ok(())
}

#[test]
fn bench_measures_no_plugin_that_answers_otherwise_than_recorded() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let calls = file(&folder, "calls.jsonl", r#"{"expect": {"verdict": {"reject": {"code": 603}}}}"#)?;
    let told = plugin(&["bench".as_ref(), proceeds()?.as_os_str(), calls.as_os_str()])?;
    assert!(told.err.contains("a call is not answered as expected: see trunkline plugin test"), "{}", told.err);
    assert_eq!((told.code, &*told.out), (1, ""));
    Ok(())
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let calls = file(&folder, "calls.jsonl", r#"{"expect": {"verdict": "proceed"}}"#)?;
    for command in ["check", "test"] {
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        let mut trunkline = Command::new(Router::program()?);
        trunkline.args(["plugin", command]).arg(proceeds()?).args((command == "test").then_some(&calls));
        let output = trunkline.stdout(writer).output()?;
        assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(0), ""), "{command}");
    }
    Ok(())
}

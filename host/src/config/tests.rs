//! What operators read when a configuration is wrong. Each `testdata/NAME.toml` has what it must say beside it in
//! `NAME.txt`; `TRUNKLINE_BLESS=1` writes those anew, for a person to read before they are committed.

use std::path::{Path, PathBuf};

use super::units::TimeSpan;
use super::{ConfigErrors, Loaded, load_with};

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/testdata")
}

fn environment(name: &str) -> Option<String> {
    match name {
        "SECRET" => Some("hunter2".to_owned()),
        "PORT" => Some("5060".to_owned()),
        _ => None,
    }
}

/// Everything that a load says; paths of this machine cut off.
fn said(result: Result<Loaded, ConfigErrors>) -> String {
    let problems = match result {
        Ok(loaded) => loaded.warnings,
        Err(errors) => errors.problems,
    };
    let folder = format!("{}/", testdata().display());
    let lines: Vec<String> = problems.iter().map(|problem| problem.to_string().replace(&folder, "")).collect();
    lines.join("\n") + "\n"
}

fn load_text(text: &str) -> Result<Loaded, ConfigErrors> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("trunkline.toml");
    std::fs::write(&file, text).expect("the file is written");
    load_with(&file, &environment)
}

fn snapshot(name: &str) {
    let file = testdata().join(format!("{name}.toml"));
    let said = said(load_with(&file, &environment));
    let expected = testdata().join(format!("{name}.txt"));
    if std::env::var_os("TRUNKLINE_BLESS").is_some() {
        std::fs::write(&expected, &said).expect("the snapshot is written");
    }
    assert_eq!(said, std::fs::read_to_string(&expected).unwrap_or_default(), "{name}");
}

#[test]
fn keys_of_the_wrong_name_or_shape_are_all_told_in_one_go() {
    snapshot("shapes");
}

#[test]
fn names_that_lead_nowhere_are_told_with_the_nearest_one() {
    snapshot("references");
}

#[test]
fn a_wrong_ledger_is_told_with_what_would_be_right() {
    snapshot("ledger");
}

#[test]
fn a_file_for_the_ledger_alone_needs_no_listener() {
    let ledger =
        "[ledger]\namqp = { url = 'amqp://127.0.0.1', queue = 'a' }\nsql = { url = 'postgres://127.0.0.1/cdr' }\n";
    let loaded = load_text(ledger).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.ledger.expect("the ledger").increment.to_string(), "1/1");
}

#[test]
fn values_out_of_range_are_told_with_what_would_be_right() {
    snapshot("ranges");
}

#[test]
fn variables_that_are_not_set_are_named() {
    snapshot("environment");
}

#[test]
fn text_that_is_no_toml_is_told_with_its_place() {
    snapshot("syntax");
}

#[test]
fn what_is_allowed_but_looks_wrong_is_a_warning() {
    snapshot("warnings");
}

#[test]
fn a_file_that_is_not_there_is_told_with_where_it_was_looked_for() {
    let errors = load_with(Path::new("no/such.toml"), &environment).expect_err("there is no such file");
    let looked_for = std::path::absolute("no/such.toml").expect("a current folder");
    assert_eq!(
        errors.to_string(),
        format!("no/such.toml: there is no such file (looked for {})", looked_for.display())
    );
}

#[test]
fn variables_are_filled_in_and_dollar_dollar_stays() {
    let loaded = load_text(
        r#"
        listen.udp = ["127.0.0.1:${PORT}"]
        admin = { bind = "0.0.0.0:9060", token = "a-${SECRET}-$${SECRET}" }
        "#,
    )
    .expect("a right configuration");
    assert_eq!(loaded.config.listen.udp, ["127.0.0.1:5060".parse().unwrap()]);
    assert_eq!(loaded.config.admin.token.as_deref(), Some("a-hunter2-${SECRET}"));
    assert!(!loaded.text.contains("hunter2"), "the text kept is the file's own");
}

#[test]
fn a_secret_from_the_environment_is_in_no_message() {
    let errors = load_text(
        r#"
        listen.udp = ["127.0.0.1:5060"]
        [call]
        setup-budget = "${SECRET}"
        [gateways.a]
        uri = "http:${SECRET}"
        [cdr.fanout]
        amqp = { url = "http://guest:${SECRET}@127.0.0.1/", exchange = "x" }
        "#,
    )
    .expect_err("three faults");
    assert_eq!(errors.errors(), 3, "{errors}");
    assert!(!errors.to_string().contains("hunter2"), "{errors}");
}

#[test]
fn an_empty_file_lacks_a_listener() {
    let errors = load_text("").expect_err("nothing to listen on");
    assert!(errors.to_string().contains("listen: there is no listener"), "{errors}");
}

#[test]
fn any_bytes_give_errors_and_no_panic() {
    let right = std::fs::read_to_string(testdata().join("shapes.toml")).expect("testdata");
    for cut in 0..right.len() {
        if let Some(text) = right.get(..cut) {
            let _ = load_text(text);
        }
    }
}

#[test]
fn the_example_of_the_documentation_is_right_and_draws_no_warning() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/example/trunkline.toml");
    let loaded = load_with(&example, &environment).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.warnings, []);
}

#[test]
fn a_node_drains_for_half_a_minute_unless_it_is_told_otherwise() {
    let drain = |node: &str| {
        let text = format!("{node}\n[listen]\nudp = ['127.0.0.1:5060']\n");
        load_text(&text).expect("a configuration").config.node.drain
    };
    assert_eq!(drain(""), TimeSpan::from_secs(30));
    assert_eq!(drain("[node]\nname = 'edge-1'"), TimeSpan::from_secs(30));
    assert_eq!(drain("[node]\ndrain = '10m'"), TimeSpan::from_secs(600));
    assert_eq!(drain("[node]\ndrain = '0s'"), TimeSpan::from_secs(0), "cut at once");
}

#[test]
fn the_journal_syncs_every_ten_milliseconds_or_always() {
    let load = |keys: &str| load_text(&format!("[listen]\nudp = ['127.0.0.1:5060']\n[cdr]\n{keys}\n"));
    let sync = |keys: &str| load(keys).expect("a configuration").config.cdr.sync;
    assert_eq!(sync(""), TimeSpan::from_millis(10));
    assert_eq!(sync("sync = 'always'"), TimeSpan::default());
    let told = said(load("sync = '0ms'"));
    assert!(told.contains("cdr.sync") && told.contains("`always`"), "{told}");
}

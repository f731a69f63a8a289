use trunkline_plugin::testing::{FakeHost, call, configured};
use trunkline_plugin::{LookupFailure, Row, config};

use super::*;

const CALLEE: &str = "2125550100";

fn named(name: &str) -> FakeHost {
    FakeHost::new().row("cnam", "2025550123", Row::new().with("name", name))
}

fn left(why: &str) -> Outcome {
    Outcome::proceed().attribute("cnam", why)
}

fn shown(name: &str) -> Outcome {
    Outcome::proceed().caller_name(name).attribute("cnam", "found")
}

#[test]
fn the_callers_name_is_shown_however_the_number_is_written() {
    for caller in ["2025550123", "12025550123", "+12025550123"] {
        let outcome = configured::<Cnam>("{}").handle(&call(caller, CALLEE), &named("ALICE LIDDELL"));
        assert_eq!(outcome, Ok(shown("ALICE LIDDELL")), "{caller}");
    }
}

#[test]
fn a_name_is_cut_to_what_a_telephone_shows() {
    let call = call("2025550123", CALLEE);
    let stage: Cnam = configured("{}");
    assert_eq!(stage.handle(&call, &named("THE VERY LONG NAME LLC")), Ok(shown("THE VERY LONG N")));
    assert_eq!(stage.handle(&call, &named("EXACTLY FIFTEEN AND")), Ok(shown("EXACTLY FIFTEEN")));
    assert_eq!(stage.handle(&call, &named("Ève\r\nVia: x\0  B")), Ok(shown("Ève Via: x B")));
    assert_eq!(configured::<Cnam>(r#"{ "max-length": 3 }"#).handle(&call, &named("AB CD")), Ok(shown("AB")));
}

#[test]
fn a_private_caller_is_neither_dipped_nor_named() {
    let stage: Cnam = configured("{}");
    for value in ["id", "user;critical", "header", "full"] {
        let host = named("ALICE").with_header("Privacy", value);
        assert_eq!(stage.handle(&call("2025550123", CALLEE), &host), Ok(left("private")), "{value}");
        assert!(host.dips().is_empty(), "{value}");
    }
    let mut anonymous = call("2025550123", CALLEE);
    anonymous.from_uri = "sip:anonymous@anonymous.invalid".to_owned();
    assert_eq!(stage.handle(&anonymous, &named("ALICE")), Ok(left("private")));
    let open = named("ALICE").with_header("Privacy", "none");
    assert_eq!(stage.handle(&call("2025550123", CALLEE), &open), Ok(shown("ALICE")));
}

#[test]
fn no_failure_of_the_table_fails_the_call() {
    for reason in [LookupFailure::Deadline, LookupFailure::UnknownTable, LookupFailure::BadKey] {
        let host = FakeHost::new().failing("cnam", reason);
        assert_eq!(configured::<Cnam>("{}").handle(&call("2025550123", CALLEE), &host), Ok(left("unavailable")));
        assert_eq!(host.logged().len(), 1);
    }
}

#[test]
fn a_caller_without_name_or_number_stays_as_it_came() {
    let stage: Cnam = configured("{}");
    assert_eq!(stage.handle(&call("2025550123", CALLEE), &FakeHost::new().table("cnam")), Ok(left("none")));
    assert_eq!(stage.handle(&call("2025550123", CALLEE), &named(" \r\n ")), Ok(left("none")));
    assert_eq!(stage.handle(&call("alice", CALLEE), &named("ALICE")), Ok(left("none")));
}

#[test]
fn a_name_that_the_caller_brought_can_be_kept() {
    let stage: Cnam = configured(r#"{ "overwrite": false }"#);
    for (from, expected) in [
        ("\"Alice\" <sip:2025550123@acme.example>;tag=1", left("kept")),
        ("Alice <sip:2025550123@acme.example>;tag=1", left("kept")),
        ("\"\" <sip:2025550123@acme.example>;tag=1", shown("LIDDELL")),
        ("<sip:2025550123@acme.example>;tag=1", shown("LIDDELL")),
        ("sip:2025550123@acme.example;tag=1", shown("LIDDELL")),
    ] {
        let host = named("LIDDELL").with_header("From", from);
        assert_eq!(stage.handle(&call("2025550123", CALLEE), &host), Ok(expected), "{from}");
    }
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    for (json, word) in
        [(r#"{ "max-lenght": 15 }"#, "did you mean `max-length`?"), (r#"{ "max-length": 0 }"#, "1 to 64")]
    {
        let error = config::parse::<Cnam>(json).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}

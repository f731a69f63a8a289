use trunkline_plugin::testing::{FakeHost, call, configured};
use trunkline_plugin::{LookupFailure, Verdict, config};

use super::*;

const CALLER: &str = "2025550123";
const CALLEE: &str = "12125550100";

fn account(name: &str) -> Row {
    Row::new().with("account", name).with("status", "active")
}

fn auth(json: &str) -> Auth {
    configured(json)
}

fn refused(outcome: &Outcome) -> Option<u16> {
    if let Verdict::Reject(rejection) = &outcome.verdict { Some(rejection.code) } else { None }
}

#[test]
fn a_known_address_is_its_account() {
    let host = FakeHost::new().row("accounts", "192.0.2.1", account("acme"));
    let outcome = auth("{}").handle(&call(CALLER, CALLEE), &host).unwrap();
    assert_eq!(outcome, Outcome::proceed().attribute("account", "acme").attribute("auth", "address"));
}

#[test]
fn an_unknown_address_is_refused_with_403() {
    let outcome = auth("{}").handle(&call(CALLER, CALLEE), &FakeHost::new().table("accounts")).unwrap();
    assert_eq!(refused(&outcome), Some(403));
}

#[test]
fn an_account_that_is_not_active_is_refused_and_named() {
    for status in ["suspended", "", "inactive"] {
        let row = Row::new().with("account", "acme").with("status", status);
        let host = FakeHost::new().row("accounts", "192.0.2.1", row);
        let outcome = auth(r#"{ "inactive-code": 402 }"#).handle(&call(CALLER, CALLEE), &host).unwrap();
        assert_eq!(refused(&outcome), Some(402), "{status:?}");
        assert_eq!(outcome.attribute_value("account"), Some("acme"));
    }
}

#[test]
fn a_table_that_does_not_answer_is_a_failure_and_no_verdict() {
    let host = FakeHost::new().failing("accounts", LookupFailure::Deadline);
    let error = auth("{}").handle(&call(CALLER, CALLEE), &host).unwrap_err();
    assert_eq!(error.to_string(), "table accounts: no answer in time");
}

#[test]
fn accounts_behind_one_address_are_told_apart_by_the_longest_tech_prefix() {
    let host = FakeHost::new()
        .row("accounts", "192.0.2.1/777", account("short"))
        .row("accounts", "192.0.2.1/7778", account("long"))
        .row("accounts", "192.0.2.1", account("bare"));
    let auth = auth(r#"{ "tech-prefix": true }"#);
    for (dialled, expected, left) in [
        ("777812125550100", "long", Some("12125550100")),
        ("77712125550100", "short", Some("12125550100")),
        ("12125550100", "bare", None),
    ] {
        let outcome = auth.handle(&call(CALLER, dialled), &host).unwrap();
        assert_eq!(outcome.attribute_value("account"), Some(expected), "{dialled}");
        let proceed = Outcome::proceed();
        assert_eq!(outcome.edits, left.map_or(proceed.clone(), |left| proceed.callee_number(left)).edits, "{dialled}");
    }
    assert_eq!(host.round_trips(), 3, "one round trip for each call");
}

#[test]
fn a_tech_prefix_may_end_in_an_escaped_hash() {
    let host = FakeHost::new().row("accounts", "192.0.2.1/1234#", account("acme"));
    let mut call = call(CALLER, "");
    call.request_uri = "sip:1234%2312125550100@sip.example.net".to_owned();
    let outcome = auth(r#"{ "tech-prefix": true }"#).handle(&call, &host).unwrap();
    assert_eq!(outcome.edits, Outcome::proceed().callee_number(CALLEE).edits);
    assert_eq!(outcome.attribute_value("auth"), Some("tech-prefix"));
}

#[test]
fn a_row_with_a_prefix_lets_in_only_what_carries_it() {
    let host = FakeHost::new().row("accounts", "192.0.2.1", account("acme").with("prefix", "99"));
    let outcome = auth("{}").handle(&call(CALLER, "9912125550100"), &host).unwrap();
    assert_eq!(outcome.edits, Outcome::proceed().callee_number(CALLEE).edits);
    assert_eq!(refused(&auth("{}").handle(&call(CALLER, CALLEE), &host).unwrap()), Some(403));
    assert_eq!(refused(&auth("{}").handle(&call(CALLER, "99"), &host).unwrap()), Some(484));
}

#[test]
fn an_unknown_source_is_challenged_and_let_in_by_its_credentials() {
    let host = FakeHost::new().table("accounts").row("users", "alice", account("acme"));
    let auth = auth(r#"{ "digest": "example.net", "users": "users" }"#);
    let mut call = call(CALLER, CALLEE);
    for digest in [Digest::Absent, Digest::Stale] {
        call.digest = digest;
        assert_eq!(auth.handle(&call, &host).unwrap(), Outcome::challenge("example.net"));
    }
    call.digest = Digest::Verified("alice".to_owned());
    assert_eq!(auth.handle(&call, &host).unwrap().attribute_value("account"), Some("acme"));
    call.digest = Digest::Verified("mallory".to_owned());
    assert_eq!(refused(&auth.handle(&call, &host).unwrap()), Some(403));
    call.digest = Digest::Failed;
    assert_eq!(refused(&auth.handle(&call, &host).unwrap()), Some(403));
}

#[test]
fn without_a_table_of_users_the_verified_user_is_the_account() {
    let mut call = call(CALLER, CALLEE);
    call.digest = Digest::Verified("alice".to_owned());
    let host = FakeHost::new().table("accounts");
    let outcome = auth(r#"{ "digest": "example.net" }"#).handle(&call, &host).unwrap();
    assert_eq!(outcome, Outcome::proceed().attribute("account", "alice").attribute("auth", "digest"));
    // Verified for another realm's sake: without `digest` here it lets nobody in.
    assert_eq!(refused(&auth("{}").handle(&call, &host).unwrap()), Some(403));
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    for (json, word) in [
        (r#"{ "tabel": "x" }"#, "did you mean `table`?"),
        (r#"{ "unknown-code": 200 }"#, "unknown-code: 200"),
        (r#"{ "prefix-lengths": [0] }"#, "prefix-lengths: 0"),
        (r#"{ "users": "users" }"#, "needs digest"),
    ] {
        let error = config::parse::<Auth>(json).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}

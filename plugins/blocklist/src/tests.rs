use trunkline_plugin::testing::{FakeHost, call, configured};
use trunkline_plugin::{LookupFailure, config};

use super::*;

fn blocked(code: u16, reason: &str, table: &str) -> Outcome {
    Outcome::reject(code, reason).attribute("blocked", table)
}

#[test]
fn a_blocked_number_neither_calls_nor_is_called() {
    let stage: Blocklist = configured("{}");
    let host = FakeHost::new().row("blocked", "12025550123", Row::new());
    for (caller, callee) in [("12025550123", "12125550100"), ("12125550100", "12025550123")] {
        assert_eq!(stage.handle(&call(caller, callee), &host), Ok(blocked(603, "", "blocked")));
    }
    assert_eq!(stage.handle(&call("12125550100", "13125550100"), &host), Ok(Outcome::proceed()));
}

#[test]
fn no_way_of_dialling_gets_round_the_list() {
    let stage: Blocklist = configured(r#"{ "callees": "numbers" }"#);
    for listed in ["12025550123", "2025550123"] {
        let host = FakeHost::new().row("numbers", listed, Row::new());
        for dialled in ["2025550123", "12025550123", "+12025550123"] {
            let outcome = stage.handle(&call("12125550100", dialled), &host).unwrap();
            assert_eq!(outcome, blocked(603, "", "numbers"), "{dialled} against {listed}");
        }
    }
}

#[test]
fn each_side_has_its_own_tables() {
    let stage: Blocklist = configured(r#"{ "callers": "ani", "callees": "dnis" }"#);
    let host = FakeHost::new().row("ani", "12025550123", Row::new()).table("dnis");
    assert_eq!(stage.handle(&call("2025550123", "2125550100"), &host), Ok(blocked(603, "", "ani")));
    assert_eq!(stage.handle(&call("2125550100", "2025550123"), &host), Ok(Outcome::proceed()));
}

#[test]
fn the_longest_blocked_prefix_decides() {
    let stage: Blocklist = configured(r#"{ "callee-prefixes": "destinations", "code": 403 }"#);
    let host = FakeHost::new().row("destinations", "53", Row::new().with("reason", "Cuba")).row(
        "destinations",
        "5352",
        Row::new().with("reason", "Cuba mobile").with("code", 404),
    );
    assert_eq!(
        stage.handle(&call("12025550123", "+535212345"), &host),
        Ok(blocked(404, "Cuba mobile", "destinations"))
    );
    assert_eq!(stage.handle(&call("12025550123", "+537212345"), &host), Ok(blocked(403, "Cuba", "destinations")));
}

#[test]
fn an_exchange_is_blocked_by_npa_and_nxx() {
    let stage: Blocklist = configured(r#"{ "caller-npa-nxx": "exchanges" }"#);
    let host = FakeHost::new().row("exchanges", "202555", Row::new());
    assert_eq!(stage.handle(&call("2025550123", "2125550100"), &host), Ok(blocked(603, "", "exchanges")));
    assert_eq!(stage.handle(&call("2025560123", "2025550100"), &host), Ok(Outcome::proceed()));
}

#[test]
fn all_exact_tables_are_asked_in_one_round_trip() {
    let stage: Blocklist =
        configured(r#"{ "table": "a", "callers": "b", "callees": "c", "caller-npa-nxx": "d", "callee-npa-nxx": "e" }"#);
    let host = FakeHost::new().table("a").table("b").table("c").table("d").table("e");
    assert_eq!(stage.handle(&call("2025550123", "2125550100"), &host), Ok(Outcome::proceed()));
    assert_eq!(host.round_trips(), 1);
}

#[test]
fn a_caller_without_a_number_is_looked_up_nowhere() {
    let stage: Blocklist = configured(r#"{ "callers": "ani" }"#);
    let host = FakeHost::new().table("ani");
    assert_eq!(stage.handle(&call("anonymous", "2125550100"), &host), Ok(Outcome::proceed()));
    assert!(host.dips().is_empty());
}

#[test]
fn a_silent_table_is_no_all_clear_but_another_may_block() {
    let stage: Blocklist = configured(r#"{ "callers": "ani", "callees": "dnis" }"#);
    let silent = || FakeHost::new().failing("ani", LookupFailure::Deadline);
    let call = call("2025550123", "2125550100");
    assert!(stage.handle(&call, &silent().table("dnis")).is_err());
    assert_eq!(stage.handle(&call, &silent().row("dnis", "12125550100", Row::new())), Ok(blocked(603, "", "dnis")));
}

#[test]
fn a_row_cannot_turn_a_refusal_into_an_answer() {
    let stage: Blocklist = configured("{}");
    let host = FakeHost::new().row("blocked", "12025550123", Row::new().with("code", 200));
    assert_eq!(stage.handle(&call("2025550123", "2125550100"), &host), Ok(blocked(603, "", "blocked")));
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    for (json, word) in [
        (r#"{ "caler-prefixes": "x" }"#, "did you mean `caller-prefixes`?"),
        (r#"{ "code": 180 }"#, "code: 180"),
        (r#"{ "country-code": "+1" }"#, "country-code"),
    ] {
        let error = config::parse::<Blocklist>(json).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn an_asserted_identity_hides_no_blocked_from() {
    let stage: Blocklist = configured("{}");
    let host = FakeHost::new().row("blocked", "12025550123", Row::new());
    let mut masked = call("12125550100", "13125550100");
    masked.from_uri = "sip:+12025550123@192.0.2.1".to_owned();
    assert_eq!(stage.handle(&masked, &host), Ok(blocked(603, "", "blocked")));
}

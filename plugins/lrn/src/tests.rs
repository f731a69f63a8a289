use trunkline_plugin::testing::{FakeHost, call, configured};
use trunkline_plugin::{LookupFailure, Row, config};

use super::*;

const CALLER: &str = "2125550100";

fn ported() -> FakeHost {
    FakeHost::new().row("lrn", "2025550123", Row::new().with("lrn", "2025550000"))
}

fn known(lrn: Option<&str>) -> Outcome {
    let outcome = Outcome::proceed().attribute("npdi", "yes");
    lrn.map_or(outcome.clone(), |lrn| outcome.attribute("lrn", lrn))
}

#[test]
fn a_ported_number_is_found_however_it_was_dialled() {
    let stage: Lrn = configured("{}");
    for dialled in ["2025550123", "12025550123", "+12025550123"] {
        let host = ported();
        assert_eq!(stage.handle(&call(CALLER, dialled), &host), Ok(known(Some("2025550000"))), "{dialled}");
        assert_eq!(host.dips(), [("lrn".to_owned(), "2025550123".to_owned())]);
    }
}

#[test]
fn the_dip_takes_the_form_that_the_table_wants() {
    for (form, key) in [("e164", "12025550123"), ("plus-e164", "+12025550123"), ("as-dialled", "2025550123")] {
        let stage: Lrn = configured(&format!(r#"{{ "key": "{form}" }}"#));
        let host = FakeHost::new().row("lrn", key, Row::new().with("lrn", "+1-202-555-0000"));
        assert_eq!(stage.handle(&call(CALLER, "2025550123"), &host), Ok(known(Some("2025550000"))), "{form}");
    }
}

#[test]
fn a_number_that_is_not_ported_is_known_to_be_so() {
    let stage: Lrn = configured("{}");
    let absent = FakeHost::new().table("lrn");
    let empty = FakeHost::new().row("lrn", "2025550123", Row::new().with("lrn", ""));
    let itself = FakeHost::new().row("lrn", "2025550123", Row::new().with("lrn", "12025550123"));
    for host in [absent, empty, itself] {
        assert_eq!(stage.handle(&call(CALLER, "12025550123"), &host), Ok(known(None)));
    }
}

#[test]
fn a_number_that_was_dipped_before_is_not_dipped_again() {
    let stage: Lrn = configured(r#"{ "user-parameters": true }"#);
    for (user, lrn) in [
        ("+12025550123;npdi;rn=+1-202-555-0000", Some("2025550000")),
        ("2025550123;rn=2025550000", Some("2025550000")),
        ("2025550123;npdi", None),
    ] {
        let mut call = call(CALLER, "12025550123");
        call.request_uri = format!("sip:{user}@sip.example.net;user=phone");
        let host = ported();
        assert_eq!(stage.handle(&call, &host), Ok(known(lrn)), "{user}");
        assert!(host.dips().is_empty(), "{user}");
    }
}

#[test]
fn a_routing_number_that_cannot_be_read_is_asked_for_anew() {
    let mut call = call(CALLER, "12025550123");
    call.request_uri = "sip:12025550123;npdi;rn=bogus@sip.example.net".to_owned();
    let host = ported();
    assert_eq!(configured::<Lrn>("{}").handle(&call, &host), Ok(known(Some("2025550000"))));
    assert_eq!(host.dips().len(), 1);
}

#[test]
fn what_is_no_number_of_the_plan_is_not_dipped() {
    let stage: Lrn = configured("{}");
    let host = ported();
    for dialled in ["911", "+4532123456", "01144207946012", "alice", "", "+442079460123"] {
        assert_eq!(stage.handle(&call(CALLER, dialled), &host), Ok(Outcome::proceed()), "{dialled}");
    }
    assert!(host.dips().is_empty());
}

#[test]
fn the_answer_is_written_to_the_request_as_configured() {
    let stage: Lrn = configured(r#"{ "user-parameters": true, "header": "P-LRN" }"#);
    let written = known(Some("2025550000"))
        .set_header("P-LRN", "2025550000")
        .user_parameter("rn", "+12025550000")
        .user_parameter("npdi", "");
    assert_eq!(stage.handle(&call(CALLER, "2025550123"), &ported()), Ok(written));
    let not_ported = known(None).user_parameter("npdi", "");
    assert_eq!(stage.handle(&call(CALLER, "2025550123"), &FakeHost::new().table("lrn")), Ok(not_ported));
}

#[test]
fn a_table_that_does_not_answer_fails_the_stage_unless_the_dip_is_optional() {
    let host = FakeHost::new().failing("lrn", LookupFailure::Unavailable("breaker open".to_owned()));
    let call = call(CALLER, "2025550123");
    let error = configured::<Lrn>("{}").handle(&call, &host).unwrap_err();
    assert_eq!(error.to_string(), "table lrn: breaker open");
    assert_eq!(configured::<Lrn>(r#"{ "optional": true }"#).handle(&call, &host), Ok(Outcome::proceed()));
    assert_eq!(host.logged().len(), 1);
}

#[test]
fn an_answer_that_is_no_routing_number_fails_the_stage() {
    for answer in ["<html>", "123", "4532123456789"] {
        let host = FakeHost::new().row("lrn", "2025550123", Row::new().with("lrn", answer));
        let error = configured::<Lrn>("{}").handle(&call(CALLER, "2025550123"), &host).unwrap_err().to_string();
        assert!(error.contains(answer), "{error}");
    }
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    for (json, word) in [
        (r#"{ "user-parameter": true }"#, "did you mean `user-parameters`?"),
        (r#"{ "header": "P LRN" }"#, "header:"),
        (r#"{ "key": "natonal" }"#, "did you mean `national`?"),
    ] {
        let error = config::parse::<Lrn>(json).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}

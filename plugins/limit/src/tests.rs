use trunkline_plugin::testing::{FakeHost, call, configured};
use trunkline_plugin::{Attribute, Row, config};

use super::*;

const CALLER: &str = "12125550100";
const CALLEE: &str = "13105550199";

fn refused(outcome: &Outcome) -> Option<(u16, Option<&str>)> {
    let Verdict::Reject(rejection) = &outcome.verdict else { return None };
    Some((rejection.code, rejection.headers.first().map(|header| header.value.as_str())))
}

#[test]
fn calls_beyond_the_limit_are_refused_with_retry_after() {
    let stage: Limit = configured(r#"{ "limits": [{ "key": "callee:{callee}", "calls": 2 }], "retry-after": 5 }"#);
    let host = FakeHost::new();
    for _ in 0..2 {
        assert_eq!(stage.handle(&call(CALLER, CALLEE), &host), Ok(Outcome::proceed()));
    }
    let third = stage.handle(&call(CALLER, CALLEE), &host).unwrap();
    assert_eq!(refused(&third), Some((503, Some("5"))));
    assert_eq!(third.attributes[0].value, format!("callee:{CALLEE}"));
    assert_eq!(
        stage.handle(&call(CALLER, "13105550100"), &host),
        Ok(Outcome::proceed()),
        "another number is another key"
    );
}

#[test]
fn calls_per_second_are_counted_by_their_own_key() {
    let stage: Limit = configured(
        r#"{ "limits": [{ "key": "customer:{customer}", "calls-per-second": 1 }], "code": 480, "retry-after": 0 }"#,
    );
    let host = FakeHost::new();
    assert_eq!(stage.handle(&call(CALLER, CALLEE), &host), Ok(Outcome::proceed()));
    assert_eq!(refused(&stage.handle(&call(CALLER, CALLEE), &host).unwrap()), Some((480, None)));
}

#[test]
fn a_table_says_the_limits_of_each_account() {
    let stage: Limit = configured(
        r#"{ "limits": [{ "key": "account:{attribute:account}", "calls": 1, "table": "limits", "row": "{attribute:account}" }] }"#,
    );
    let host = FakeHost::new().row("limits", "big", Row::new().with("calls", 3));
    let of = |account: &str| {
        let mut call = call(CALLER, CALLEE);
        call.attributes.push(Attribute { name: "account".into(), value: account.into() });
        stage.handle(&call, &host).unwrap()
    };
    let taken = |account: &str| (0..5).filter(|_| refused(&of(account)).is_none()).count();
    assert_eq!(taken("big"), 3);
    assert_eq!(taken("small"), 1, "without a row its own limit counts");
    assert_eq!(stage.handle(&call(CALLER, CALLEE), &host), Ok(Outcome::proceed()), "no account, no limit");
}

#[test]
fn a_marked_call_goes_on() {
    let stage: Limit = configured(r#"{ "limits": [{ "key": "all", "calls": 1 }], "mark": true }"#);
    let host = FakeHost::new();
    assert_eq!(stage.handle(&call(CALLER, CALLEE), &host), Ok(Outcome::proceed()));
    assert_eq!(stage.handle(&call(CALLER, CALLEE), &host), Ok(Outcome::proceed().attribute("limited", "all")));
}

#[test]
fn a_wrong_configuration_is_refused_before_any_call() {
    let wrong = |text: &str| config::parse::<Limit>(text).unwrap_err();
    assert!(wrong("{}").contains("limits: there is none"));
    assert!(
        wrong(r#"{ "limits": [{ "key": "{custumer}", "calls": 1 }] }"#)
            .contains("limits[0].key: {custumer} is none of")
    );
    assert!(wrong(r#"{ "limits": [{ "key": "x" }] }"#).contains("needs `calls-per-second`"));
    assert!(wrong(r#"{ "limits": [{ "key": "x", "table": "t" }] }"#).contains("`table` and `row` go together"));
}

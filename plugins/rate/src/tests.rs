use trunkline_plugin::testing::{FakeHost, call, configured};
use trunkline_plugin::{LookupFailure, Verdict, config};

use super::*;

const CALLER: &str = "2025550123";
const CALLEE: &str = "12125550100";

fn row(prefix: &str, gateway: &str, cost: &str) -> Row {
    Row::new().with("prefix", prefix).with("gateway", gateway).with("cost", cost)
}

/// A deck whose rows stand under their own prefix.
fn deck(rows: &[Row]) -> FakeHost {
    rows.iter()
        .fold(FakeHost::new().table("deck"), |host, row| host.row("deck", &row.text("prefix").unwrap(), row.clone()))
}

fn routes(outcome: &Outcome) -> &[Route] {
    if let Verdict::Route(routes) = &outcome.verdict { routes } else { panic!("no routes: {outcome:?}") }
}

fn gateways(outcome: &Outcome) -> Vec<&str> {
    routes(outcome).iter().map(|route| route.gateway.as_str()).collect()
}

fn refused(outcome: &Outcome) -> Option<u16> {
    if let Verdict::Reject(rejection) = &outcome.verdict { Some(rejection.code) } else { None }
}

fn rate(json: &str, call: &Call, host: &FakeHost) -> Outcome {
    configured::<Rate>(json).handle(call, host).unwrap()
}

#[test]
fn gateways_are_hunted_from_the_least_cost_and_then_by_priority() {
    let host = deck(&[
        row("1212", "dear", "0.02"),
        row("1212", "second", "0.010").with("priority", "2"),
        row("1212", "first", "0.01").with("priority", "1"),
        row("1212", "cheap", "0.0095"),
    ]);
    assert_eq!(gateways(&rate("{}", &call(CALLER, CALLEE), &host)), ["cheap", "first", "second", "dear"]);
    let bounded = rate(r#"{ "max-routes": 2 }"#, &call(CALLER, CALLEE), &host);
    assert_eq!(gateways(&bounded), ["cheap", "first"]);
}

#[test]
fn the_longest_prefix_of_each_gateway_counts_even_when_it_costs_more() {
    let host = deck(&[row("1", "a", "0.001"), row("1212555", "a", "0.03"), row("1212", "b", "0.02")]);
    let outcome = rate("{}", &call(CALLER, CALLEE), &host);
    assert_eq!(gateways(&outcome), ["b", "a"]);
    assert_eq!(routes(&outcome)[1].rate.as_ref().unwrap().cost, "0.03".parse().unwrap());
    assert_eq!(outcome.attribute_value("rate-prefix"), Some("1212"));
}

#[test]
fn a_ported_number_is_rated_by_its_routing_number_and_dialled_by_its_own() {
    let host = deck(&[row("1212", "dialled", "0.01"), row("1646", "ported", "0.01")]);
    let ported = call(CALLER, CALLEE).with_attribute("lrn", "6465550000");
    let outcome = rate("{}", &ported, &host);
    assert_eq!(gateways(&outcome), ["ported"]);
    assert_eq!(routes(&outcome)[0].callee, None);
    assert_eq!(outcome.attribute_value("rated-number"), Some("16465550000"));
    assert_eq!(gateways(&rate(r#"{ "use-lrn": false }"#, &ported, &host)), ["dialled"]);
}

#[test]
fn a_number_is_found_in_the_deck_however_it_was_dialled() {
    let host = deck(&[row("1212", "a", "0.01"), row("212", "moroccan", "0.3")]);
    for dialled in ["2125550100", "12125550100", "+12125550100"] {
        assert_eq!(gateways(&rate("{}", &call(CALLER, dialled), &host)), ["a"], "{dialled}");
    }
    assert_eq!(gateways(&rate("{}", &call(CALLER, "+212612345678"), &host)), ["moroccan"]);
    let national = deck(&[row("212", "n", "0.01")]);
    assert_eq!(gateways(&rate(r#"{ "form": "national" }"#, &call(CALLER, CALLEE), &national)), ["n"]);
}

fn by_state() -> FakeHost {
    deck(&[Row::new().with("prefix", "1").with("gateway", "a").with("cost-inter", "0.004").with("cost-intra", "0.011")])
        .row("exchanges", "202555", Row::new().with("state", "DC"))
        .row("exchanges", "202556", Row::new().with("state", "dc"))
        .row("exchanges", "212555", Row::new().with("state", "NY"))
}

#[test]
fn the_cost_is_that_of_the_jurisdiction() {
    for (callee, jurisdiction, cost) in [
        ("12125550100", "inter", "0.004"),
        ("12025560100", "intra", "0.011"),
        ("13125550100", "indeterminate", "0.011"),
    ] {
        let outcome = rate(r#"{ "npa-nxx": "exchanges" }"#, &call(CALLER, callee), &by_state());
        assert_eq!(outcome.attribute_value("jurisdiction"), Some(jurisdiction));
        assert_eq!(routes(&outcome)[0].rate.as_ref().unwrap().cost, cost.parse().unwrap(), "{jurisdiction}");
    }
}

#[test]
fn the_jurisdiction_is_that_of_the_routing_number() {
    let call = call(CALLER, "12125550100").with_attribute("lrn", "2025560000");
    let outcome = rate(r#"{ "npa-nxx": "exchanges" }"#, &call, &by_state());
    assert_eq!(outcome.attribute_value("jurisdiction"), Some("intra"));
}

#[test]
fn a_jurisdiction_table_that_does_not_answer_does_not_fail_the_call() {
    let host = deck(&[row("1", "a", "0.01")]).failing("exchanges", LookupFailure::Deadline);
    let outcome = rate(r#"{ "npa-nxx": "exchanges", "indeterminate": "inter" }"#, &call(CALLER, CALLEE), &host);
    assert_eq!(outcome.attribute_value("jurisdiction"), Some("indeterminate"));
    assert_eq!(gateways(&outcome), ["a"]);
}

#[test]
fn routes_below_the_margin_are_left_out() {
    let host = deck(&[row("1", "dear", "0.0091"), row("1", "fits", "0.009"), row("1", "cheap", "0.001")]);
    let paying = call(CALLER, CALLEE).with_attribute("price", "0.01");
    for margin in ["0.001", "10%"] {
        let json = format!(r#"{{ "min-margin": "{margin}" }}"#);
        assert_eq!(gateways(&rate(&json, &paying, &host)), ["cheap", "fits"], "{margin}");
    }
    assert_eq!(refused(&rate(r#"{ "min-margin": "1" }"#, &paying, &host)), Some(503));
    let unknown_price = call(CALLER, CALLEE);
    assert_eq!(refused(&rate(r#"{ "min-margin": "0.001" }"#, &unknown_price, &host)), Some(503));
}

#[test]
fn the_price_is_the_attributes_else_the_tables_else_the_decks() {
    let host = || deck(&[row("1", "a", "0.01").with("price", "0.02")]);
    let price = |outcome: &Outcome| routes(outcome)[0].rate.as_ref().unwrap().price.unwrap().to_string();
    let table = host().row("prices", "1212", Row::new().with("price", "0.03"));
    let json = r#"{ "price-table": "prices" }"#;
    assert_eq!(price(&rate("{}", &call(CALLER, CALLEE), &host())), "0.02");
    assert_eq!(price(&rate(json, &call(CALLER, CALLEE), &table)), "0.03");
    assert_eq!(price(&rate(json, &call(CALLER, CALLEE).with_attribute("price", "0.04"), &table)), "0.04");
}

#[test]
fn a_price_in_another_currency_is_no_margin() {
    let host = deck(&[row("1", "a", "0.01")]).row("prices", "1", Row::new().with("price", "9").with("currency", "EUR"));
    let priced = rate(r#"{ "price-table": "prices" }"#, &call(CALLER, CALLEE), &host);
    assert_eq!(routes(&priced)[0].rate.as_ref().unwrap().price, None);
    let json = r#"{ "price-table": "prices", "min-margin": "0" }"#;
    assert_eq!(refused(&rate(json, &call(CALLER, CALLEE), &host)), Some(503));
}

#[test]
fn costs_in_another_currency_come_last() {
    let host = deck(&[row("1", "euro", "0.001").with("currency", "EUR"), row("1", "dollar", "0.01")]);
    assert_eq!(gateways(&rate("{}", &call(CALLER, CALLEE), &host)), ["dollar", "euro"]);
}

#[test]
fn each_gateway_gets_the_number_in_its_own_form() {
    let host = deck(&[
        row("1", "plain", "0.01"),
        row("1", "national", "0.02").with("strip", "1"),
        row("1", "prefixed", "0.03").with("prepend", "9911#").with("ring-timeout", "20000"),
        row("1", "plus", "0.04").with("prepend", "+"),
        row("1", "too-short", "0.05").with("strip", "11"),
    ]);
    let outcome = rate("{}", &call(CALLER, CALLEE), &host);
    let numbers: Vec<_> = routes(&outcome).iter().map(|route| route.callee.as_deref()).collect();
    assert_eq!(numbers, [None, Some("2125550100"), Some("9911#12125550100"), Some("+12125550100")]);
    assert_eq!(routes(&outcome)[2].ring_timeout, Some(20_000));
    assert_eq!(host.logged().len(), 1, "the row that leaves nothing of the number is told");
}

#[test]
fn numbers_can_be_sent_in_one_form_however_they_were_dialled() {
    let host = deck(&[row("1", "a", "0.01")]);
    for dialled in ["2125550100", "12125550100"] {
        let outcome = rate(r#"{ "send": "plus-e164" }"#, &call(CALLER, dialled), &host);
        assert_eq!(routes(&outcome)[0].callee.as_deref(), Some("+12125550100"));
    }
}

#[test]
fn one_bad_line_does_not_stop_the_deck() {
    let host = deck(&[
        row("1", "", "0.001"),
        row("1", "a", "1,5"),
        row("1", "b", ""),
        row("1", "c", "0.01").with("prepend", "sip:"),
        row("1", "d", "0.01").with("strip", "-1"),
        row("1", "e", "0.01").with("currency", "$"),
        row("1", "good", "0.02"),
    ]);
    assert_eq!(gateways(&rate("{}", &call(CALLER, CALLEE), &host)), ["good"]);
    assert_eq!((host.logged().len(), host.metric_value("bad_deck_rows")), (6, 6));
}

#[test]
fn a_number_that_the_deck_does_not_know_is_refused() {
    let host = deck(&[row("44", "a", "0.01")]);
    assert_eq!(refused(&rate("{}", &call(CALLER, CALLEE), &host)), Some(404));
    assert_eq!(refused(&rate("{}", &call(CALLER, ""), &host)), Some(404));
    assert_eq!(refused(&rate(r#"{ "no-route-code": 503 }"#, &call(CALLER, CALLEE), &host)), Some(503));
}

#[test]
fn a_deck_that_does_not_answer_fails_the_stage() {
    let host = FakeHost::new().failing("deck", LookupFailure::Deadline);
    assert!(configured::<Rate>("{}").handle(&call(CALLER, CALLEE), &host).is_err());
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    for (json, word) in [
        (r#"{ "min-margn": "1" }"#, "did you mean `min-margin`?"),
        (r#"{ "min-margin": "a lot" }"#, "min-margin: \"a lot\""),
        (r#"{ "min-margin": 0.002 }"#, "expected a string"),
        (r#"{ "max-routes": 33 }"#, "max-routes: 33"),
        (r#"{ "currency": "dollars" }"#, "currency: \"dollars\""),
        (r#"{ "no-route-code": 200 }"#, "no-route-code: 200"),
    ] {
        let error = config::parse::<Rate>(json).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}

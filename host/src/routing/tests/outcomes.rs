//! An outcome is applied whole or not at all.

use super::*;

/// The outcome of `b`, which is skipped on failure, must be refused and leave the call as it was.
async fn refused(outcome: Outcome) -> String {
    let effects = [attribute("mark", "left behind")];
    let outcome = Outcome { attributes: [&outcome.attributes[..], &effects].concat(), ..outcome };
    let last = Guest::answering(&routing(vec![over("one")]));
    let routed = routed([passing(), Guest::answering(&outcome), last]).await;
    assert_eq!(outcomes(&routed), [StageOutcome::Proceed, StageOutcome::Invalid, StageOutcome::Route]);
    let Decision::Hunt { message, .. } = &routed.decision else { panic!("an answer") };
    assert_eq!(message.raw(), call_from("192.0.2.1:5060").message.raw(), "the request is as it was");
    assert_eq!(routed.facts.attributes, [("plan".to_owned(), "wholesale".to_owned())]);
    routed.facts.stages[1].detail.clone().unwrap()
}

fn editing(edits: Vec<contract::Edit>) -> Outcome {
    Outcome { edits, ..proceed() }
}

#[tokio::test]
async fn one_bad_edit_among_good_ones_refuses_them_all() {
    use contract::Edit::{AddHeader, CalleeNumber, CallerName, CallerNumber, RemoveHeader, SetHeader};
    let good = || CalleeNumber("13105559999".to_owned());
    let bad = [
        SetHeader(header("X-Bad Name", "v")),
        SetHeader(header("X-Injected", "v\r\nRoute: <sip:evil.example>")),
        AddHeader(header("Via", "SIP/2.0/UDP evil.example")),
        RemoveHeader("Call-ID".to_owned()),
        CallerNumber("not a number".to_owned()),
        CalleeNumber("1@evil.example".to_owned()),
        CallerName("Bob\r\nX: y".to_owned()),
    ];
    for edit in bad {
        let detail = refused(editing(vec![good(), edit.clone()])).await;
        assert!(!detail.is_empty(), "{edit:?}");
    }
}

#[tokio::test]
async fn a_route_over_an_unknown_gateway_is_left_out_and_the_record_names_it() {
    let routes = vec![over("nowhere"), over("two"), over("gone"), over("one"), over("nowhere")];
    let routed = routed([passing(), passing(), Guest::answering(&routing(routes))]).await;
    let Decision::Hunt { targets, .. } = &routed.decision else { panic!("an answer") };
    let gateways: Vec<_> = routed.facts.targets.iter().map(|target| &*target.gateway).collect();
    assert_eq!((targets.len(), gateways), (2, vec!["two", "one"]), "in their order");
    let stage = &routed.facts.stages[2];
    assert_eq!(stage.outcome, StageOutcome::Route);
    assert_eq!(stage.detail.as_deref(), Some("left out, unknown gateways: `gone`, `nowhere`"));
}

#[tokio::test]
async fn many_unknown_gateways_with_endless_names_make_no_endless_record() {
    let unknown = (0..31).map(|n| over(&format!("{n}{}", "\u{1}é".repeat(10_000))));
    let routes = unknown.chain([over("one")]).collect();
    let routed = routed([passing(), passing(), Guest::answering(&routing(routes))]).await;
    let stage = &routed.facts.stages[2];
    assert_eq!(stage.outcome, StageOutcome::Route);
    let bytes = stage.detail.as_ref().unwrap().len();
    assert!((900..=1_100).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn routes_over_nothing_but_unknown_gateways_refuse_the_outcome() {
    assert!(refused(routing(vec![over("nowhere"), over("gone")])).await.contains("nowhere"));
}

#[tokio::test]
async fn a_bad_route_beside_one_over_an_unknown_gateway_still_refuses_the_outcome() {
    let bad = Route { attempt_timeout: Some(0), ..over("one") };
    assert!(refused(routing(vec![over("nowhere"), over("two"), bad])).await.contains("attempt-timeout"));
}

#[tokio::test]
async fn thirty_two_routes_are_taken_and_thirty_three_or_ten_thousand_or_none_are_not() {
    let most = routed([passing(), passing(), Guest::answering(&routing(vec![over("one"); 32]))]).await;
    assert!(matches!(&most.decision, Decision::Hunt { targets, .. } if targets.len() == 32));
    assert!(refused(routing(vec![over("one"); 33])).await.contains("at most 32"));
    refused(routing(vec![over("one"); 10_000])).await;
    refused(routing(Vec::new())).await;
}

#[tokio::test]
async fn a_route_with_a_number_header_or_wait_that_cannot_be_is_refused() {
    let bad = [
        Route { callee: Some("12 34".to_owned()), ..over("one") },
        Route { caller: Some("bob".to_owned()), ..over("one") },
        Route { headers: vec![header("X", "a\nb")], ..over("one") },
        Route { attempt_timeout: Some(0), ..over("one") },
        Route { ring_timeout: Some(u32::MAX), ..over("one") },
    ];
    for route in bad {
        refused(routing(vec![over("two"), route])).await;
    }
}

#[tokio::test]
async fn a_rate_that_is_no_money_is_refused() {
    let cost = |scale| contract::Decimal { digits: 1, scale };
    for (scale, currency) in [(19, "USD"), (2, "usd"), (2, "DOLLAR")] {
        let rate = contract::Rate { cost: cost(scale), price: None, currency: currency.to_owned() };
        refused(routing(vec![Route { rate: Some(rate), ..over("one") }])).await;
    }
}

#[tokio::test]
async fn an_answer_that_no_response_could_be_is_refused() {
    let rejection = |code, reason: &str, headers| {
        let rejection = contract::Rejection { code, reason: reason.to_owned(), headers };
        Outcome { verdict: Verdict::Reject(rejection), ..proceed() }
    };
    for code in [0, 100, 200, 299, 700, u16::MAX] {
        refused(rejection(code, "", Vec::new())).await;
    }
    refused(rejection(603, "No\r\nX: y", Vec::new())).await;
    refused(rejection(603, "", vec![header("To", "<sip:x@y>")])).await;
    refused(rejection(603, "", vec![header("Reason", "a\r\n\r\nb")])).await;
    let redirection = |contacts: &[&str]| {
        let contacts = contacts.iter().map(ToString::to_string).collect();
        Outcome { verdict: Verdict::Redirect(contacts), ..proceed() }
    };
    for contacts in [&[][..], &["no uri"], &["sip:a@b>\r\nX: y"], &["sip:a@b"; 33]] {
        refused(redirection(contacts)).await;
    }
}

#[tokio::test]
async fn attributes_beyond_their_number_or_size_are_refused() {
    let named = |names: Vec<String>| {
        let attributes = names.iter().map(|name| attribute(name, "v")).collect();
        Outcome { attributes, ..proceed() }
    };
    refused(named((0..64).map(|n| format!("a{n}")).collect())).await;
    refused(named(vec![String::new()])).await;
    refused(named(vec!["n".repeat(65)])).await;
    refused(Outcome { attributes: vec![attribute("n", &"v".repeat(1_025))], ..proceed() }).await;
}

//! The ways that a call can take.

use std::time::{Duration, Instant};

use futures_util::FutureExt;

use super::*;

#[tokio::test]
async fn the_edits_of_the_stages_leave_with_the_call_and_the_last_one_routes_it() {
    let number = Outcome { edits: vec![contract::Edit::CalleeNumber("13105559999".to_owned())], ..proceed() };
    let name = Outcome {
        edits: vec![contract::Edit::CallerName("ACME \"Inc\"".to_owned())],
        attributes: vec![attribute("lrn", "13105559999"), attribute("plan", "premium")],
        ..proceed()
    };
    let cost = contract::Decimal { digits: 345, scale: 5 };
    let rate = contract::Rate { cost, price: None, currency: "USD".to_owned() };
    let first = Route { callee: Some("#99113105559999".to_owned()), rate: Some(rate), ..over("one") };
    let second = Route { attempt_timeout: Some(1_500), ..over("two") };
    let last = routing(vec![first, second]);
    let routed = routed([&number, &name, &last].map(Guest::answering)).await;

    assert_eq!(outcomes(&routed), [StageOutcome::Proceed, StageOutcome::Proceed, StageOutcome::Route]);
    let Decision::Hunt { message, targets, .. } = &routed.decision else { panic!("{:?}", routed.decision) };
    assert_eq!(message.uri(), b"sip:13105559999@192.0.2.2");
    assert_eq!(message.from().unwrap().display, br#"ACME \"Inc\""#);
    assert_eq!(targets[0].destination.unwrap().address, "192.0.2.10:5070".parse().unwrap());
    assert_eq!(targets[0].request_host.as_deref(), Some("192.0.2.10:5070"));
    assert_eq!(targets[1].destination.unwrap().address, "[2001:db8::2]:5060".parse().unwrap());
    assert_eq!(targets[1].attempt_timeout, Duration::from_millis(1_500));

    let facts = &routed.facts;
    assert_eq!(&*facts.customer, "acme");
    assert_eq!(facts.callee.received, "+13105550123");
    assert_eq!(facts.callee.sent, "13105559999");
    assert_eq!(facts.targets[0].callee, "#99113105559999");
    assert_eq!(facts.targets[0].rate.as_ref().unwrap().cost, "0.00345");
    assert_eq!(facts.targets[1].callee, "13105559999");
    let left = [("plan".to_owned(), "premium".to_owned()), ("lrn".to_owned(), "13105559999".to_owned())];
    assert_eq!(facts.attributes, left, "a later value replaces the earlier in its place");
}

#[tokio::test]
async fn a_call_of_memory_alone_is_routed_at_the_first_poll() {
    let bed = Bed::new();
    let router = router(&bed, [passing(), passing(), Guest::answering(&routing(vec![over("one")]))]).await;
    let routed = router.route(call_from("192.0.2.1:5060"), Cancel::default()).now_or_never();
    assert!(matches!(routed.expect("ready").decision, Decision::Hunt { .. }));
}

#[tokio::test]
async fn a_stranger_runs_no_stage() {
    let bed = Bed::new();
    let router = router(&bed, [passing(), passing(), passing()]).await;
    let routed = router.route(call_from("198.51.100.1:5060"), Cancel::default()).await;
    assert_eq!((code(&routed), &*routed.facts.customer, routed.facts.stages.len()), (403, "", 0));
    assert_eq!(routed.facts.caller.received, "+12125550100");
}

#[tokio::test]
async fn a_call_that_nobody_routes_gets_404() {
    assert_eq!(code(&routed([passing(), passing(), passing()]).await), 404);
}

#[tokio::test]
async fn a_rejection_ends_the_pipeline() {
    let routed = routed([Guest::answering(&reject(603)), passing(), passing()]).await;
    assert_eq!((code(&routed), outcomes(&routed)), (603, vec![StageOutcome::Reject]));
}

#[tokio::test]
async fn a_failing_stage_is_skipped_or_refuses_the_call_as_configured() {
    let trap = || Guest::new("unreachable");
    let skipped = routed([passing(), trap(), Guest::answering(&routing(vec![over("one")]))]).await;
    assert_eq!(outcomes(&skipped), [StageOutcome::Proceed, StageOutcome::Trap, StageOutcome::Route]);
    assert!(skipped.facts.stages[1].detail.as_deref().unwrap().contains("unreachable"));
    let refused = routed([trap(), passing(), passing()]).await;
    assert_eq!((code(&refused), outcomes(&refused)), (503, vec![StageOutcome::Trap]));
}

#[tokio::test]
async fn a_redirection_names_its_contacts_in_order() {
    let contacts = vec!["sip:1@192.0.2.7".to_owned(), "sip:1@192.0.2.8;transport=tcp".to_owned()];
    let outcome = Outcome { verdict: Verdict::Redirect(contacts), ..proceed() };
    let routed = routed([Guest::answering(&outcome), passing(), passing()]).await;
    let Decision::Respond { code, headers, .. } = routed.decision else { panic!("a hunt") };
    let contact = |uri: &str| ("Contact".to_owned(), format!("<{uri}>"));
    assert_eq!((code, headers), (302, vec![contact("sip:1@192.0.2.7"), contact("sip:1@192.0.2.8;transport=tcp")]));
}

#[tokio::test]
async fn a_challenge_is_the_hosts_for_the_customers_realm_alone() {
    let challenge = |realm: &str| Outcome { verdict: Verdict::Challenge(realm.to_owned()), ..proceed() };
    let challenged = routed([Guest::answering(&challenge("acme.example")), passing(), passing()]).await;
    let Decision::Respond { code, headers, .. } = &challenged.decision else { panic!("a hunt") };
    assert_eq!(*code, 407);
    assert!(headers.iter().all(|(name, value)| name == "Proxy-Authenticate" && value.contains("acme.example")));
    assert!(!headers.is_empty());
    let foreign = routed([Guest::answering(&challenge("other.example")), passing(), passing()]).await;
    assert_eq!(outcomes(&foreign), [StageOutcome::Invalid]);
}

#[tokio::test]
async fn permits_are_held_while_the_call_lasts_and_not_by_a_refused_one() {
    const TAKE: &str = r#"(import "trunkline:routing/limits@0.1.0" "take-permit"
        (func $take (param i32 i32 i32) (result i32)))"#;
    let taking = || {
        let guest = passing().importing(TAKE).holding(512, b"k");
        guest.after("(drop (call $take (i32.const 512) (i32.const 1) (i32.const 9)))")
    };
    let bed = Bed::new();
    let going = router(&bed, [taking(), passing(), Guest::answering(&routing(vec![over("one")]))]).await;
    let routed = going.route(call_from("192.0.2.1:5060"), Cancel::default()).await;
    assert_eq!(bed.lent.limits.in_use("k"), 1);
    drop(routed);
    assert_eq!(bed.lent.limits.in_use("k"), 0);
    let refused = router(&bed, [taking(), passing(), Guest::answering(&reject(503))]).await;
    let routed = refused.route(call_from("192.0.2.1:5060"), Cancel::default()).await;
    assert_eq!(bed.lent.limits.in_use("k"), 0);
    assert!(routed.facts.permits.is_empty());
}

#[tokio::test]
async fn a_cancelled_call_ends_with_every_stage_in_its_record() {
    let bed = Bed::new();
    // The guest gives the thread back every 100,000 instructions, and so the CANCEL a chance.
    let router = router(&bed, [passing(), Guest::new("(loop $again (br $again)) unreachable"), passing()]).await;
    let cancel = Cancel::default();
    let mut call = Box::pin(router.route(call_from("192.0.2.1:5060"), cancel.clone()));
    assert!(call.as_mut().now_or_never().is_none());
    cancel.cancel();
    let routed = call.await;
    assert_eq!(code(&routed), 487);
    assert_eq!(outcomes(&routed), [StageOutcome::Proceed, StageOutcome::Cancelled, StageOutcome::Cancelled]);
}

#[tokio::test]
async fn a_used_up_budget_skips_what_can_be_skipped_and_still_asks_the_others() {
    let bed = Bed::new();
    let spin = Guest::new("(loop $again (br $again)) unreachable");
    for (name, guest) in [("a", &spin), ("b", &passing()), ("c", &Guest::answering(&routing(vec![over("one")])))] {
        bed.put(&format!("{name}.wasm"), &guest.build());
    }
    let config = format!(
        "call.setup-budget = '20ms'\nplugins.a.fuel = 100_000_000_000\nplugins.a.deadline = '10s'\n\
         plugins.a.on-failure = 'skip'\n{CONFIG}"
    );
    let router = Router::new(Arc::new(snapshot(&bed, &config).await.unwrap()));
    let began = Instant::now();
    let routed = router.route(call_from("192.0.2.1:5060"), Cancel::default()).await;
    assert_eq!(outcomes(&routed), [StageOutcome::Budget, StageOutcome::Budget, StageOutcome::Route]);
    assert!(began.elapsed() < Duration::from_secs(5), "the budget cut, not the stage's own deadline");
}

//! A configuration becomes a snapshot whole, or everything that is wrong with it is said.

use super::*;

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let bed = Bed::new();
    bed.put("a.wasm", b"garbage");
    bed.put("b.wasm", &passing().refusing("`table` is missing").build());
    let problems = snapshot(
        &bed,
        r#"
        pipelines.default = ["a", "b", "missing"]
        plugins.a.component = "a.wasm"
        plugins.b.component = "b.wasm"
        gateways.one.uri = "tel:1"
        [customers.acme]
        sources = ["192.0.2.0/24"]
        plugins = { c = "c.wasm" }
        [customers.bravo]
        sources = ["192.0.2.0/24"]
        pipeline = "none"
        "#,
    )
    .await
    .unwrap_err();
    for expected in [
        "gateways.one.uri: `tel:1` is no SIP URI",
        "plugins.a.component: `a.wasm`",
        "is not WebAssembly",
        "plugins.b.component: `b.wasm` refuses its configuration: `table` is missing",
        "pipelines.default: `missing` is no plugin",
        "customers.acme.plugins.c: `c` is no stage",
        "customers.bravo.sources: 192.0.2.0/24 is acme's already",
        "customers.bravo.pipeline: there is no pipeline `none`",
    ] {
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:#?}");
    }
}

#[tokio::test]
async fn a_customers_own_component_serves_its_calls_and_nobody_elses() {
    let bed = Bed::new();
    bed.put("a.wasm", &passing().build());
    bed.put("own.wasm", &Guest::answering(&reject(486)).build());
    let config = r#"
        pipelines.default = ["a"]
        plugins.a.component = "a.wasm"
        [customers.acme]
        sources = ["192.0.2.0/24"]
        plugins = { a = "own.wasm" }
        [customers.bravo]
        sources = ["198.51.100.0/24"]
    "#;
    let router = Router::new(Arc::new(snapshot(&bed, config).await.unwrap()));
    let acme = router.route(call_from("192.0.2.1:5060"), Cancel::default()).await;
    let bravo = router.route(call_from("198.51.100.1:5060"), Cancel::default()).await;
    assert_eq!((code(&acme), code(&bravo)), (486, 404));
    assert_ne!(acme.facts.stages[0].digest, bravo.facts.stages[0].digest, "the record tells which component ran");
}

#[tokio::test]
async fn a_component_that_two_customers_share_is_one_stage() {
    let bed = Bed::new();
    bed.put("a.wasm", &passing().build());
    let config = r#"
        pipelines.default = ["a"]
        plugins.a.component = "a.wasm"
        customers.acme.sources = ["192.0.2.0/24"]
        customers.bravo.sources = ["198.51.100.0/24"]
    "#;
    let snapshot = snapshot(&bed, config).await.unwrap();
    assert_eq!(snapshot.seats().count(), 1);
}

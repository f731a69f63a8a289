//! Who listens hears at once what calls, gateways and breakers do, and what is counted on arrives: over TLS too, with
//! certificates on both sides.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use trunkline_tests::{Fault, Load, LrnServer, Pki, Rabbit, Setup, Sipp, place, until};

const NUMBERS: [(&str, &str); 3] = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "50")];

#[test]
fn calls_and_gateways_are_told_by_amqps_and_an_unknown_authority_is_not_believed() -> Result<()> {
    let (pki, stranger) = (Pki::new()?, Pki::new()?);
    let broker = pki.sign("broker", "localhost", "DNS:localhost,IP:127.0.0.1")?;
    let node = pki.sign("node", "node", "")?;
    let rabbit = Rabbit::start_with_tls(&broker, &pki.authority())?;
    rabbit.listen("heard", "trunkline.events")?;
    let callee = Sipp::callee("callee", &[])?;
    let url = rabbit.tls_url()?;
    let tls = |authority: &Pki| {
        format!(
            "tls = {{ ca = \"{}\", certificate = \"{}\", key = \"{}\" }}",
            authority.authority().display(),
            node.certificate.display(),
            node.key.display()
        )
    };
    let fanout = |authority: &Pki| {
        let tls = tls(authority);
        format!("[cdr.fanout]\namqp = {{ url = \"{url}\", exchange = \"trunkline.cdr\", queues = [\"a\"], {tls} }}")
    };
    let events = format!("[events]\namqp = {{ url = \"{url}\", {} }}", tls(&pki));
    let setup = || -> Result<Setup> { Ok(Setup::new()?.carrier(callee.address()).without_sqlite()) };
    let router = setup()?.section(&fanout(&pki)).section(&events).start()?;

    place("caller", &NUMBERS, router.sip(), Load { calls: 3, rate: 10 })?;
    for action in ["disable", "enable"] {
        assert_eq!(router.admin("POST", &format!("/v1/gateways/carrier/{action}"))?.0, 200);
    }
    rabbit.wait_for_depth("a", 3)?;
    assert_eq!(rabbit.take("a", 3)?.len(), 3);
    rabbit.wait_for_depth("heard", 11)?;
    let mut heard: BTreeMap<String, u32> = BTreeMap::new();
    for (key, body) in rabbit.take_messages("heard", 11)? {
        let event: serde_json::Value = serde_json::from_slice(&body)?;
        assert_eq!(event["node"], "test", "{event}");
        *heard.entry(key).or_default() += 1;
    }
    let expected = [
        ("call.answered.acme", 3),
        ("call.ended.acme", 3),
        ("call.started.acme", 3),
        ("system.gateway-down.carrier", 1),
        ("system.gateway-up.carrier", 1),
    ];
    assert_eq!(heard, expected.map(|(key, count)| (key.to_owned(), count)).into());

    // The broker's certificate is not of the authority that this one believes.
    let wary = setup()?.section(&fanout(&stranger)).start()?;
    place("caller", &NUMBERS, wary.sip(), Load::ONE)?;
    until("the broker to be refused", Duration::from_secs(20), || {
        Ok(wary.log().contains("records wait in the journal for this store").then_some(()))
    })?;
    assert!(wary.metric("trunkline_store_behind{store=\"fanout\"")? > 0.0);
    Ok(())
}

#[test]
fn the_opening_and_the_closing_of_a_breaker_are_told_once_each_by_the_service_s_name() -> Result<()> {
    let (rabbit, lrn) = (Rabbit::start()?, LrnServer::start()?);
    rabbit.listen("heard", "trunkline.events")?;
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?
        .lrn(&lrn, 50)
        .section("breaker = { failures = 3, open = \"300ms\" }")
        .section(&format!("[events]\namqp = {{ url = \"{}\" }}", rabbit.url()))
        .carrier(callee.address())
        .without_sqlite()
        .start()?;
    let mut calls = 0;
    let mut call = |count| {
        calls += count;
        Sipp::caller("caller", &NUMBERS, router.sip(), Load { calls: count, rate: 20 })?.wait()
    };
    lrn.fail(Fault::Error);
    assert_eq!(call(10)?.failed, 0);
    assert!((router.metric("trunkline_breaker_opened_total{kind=\"service\",name=\"lrn-api\"}")? - 1.0).abs() < 0.1);
    lrn.fail(Fault::None);
    until("the breaker to close", Duration::from_secs(20), || {
        assert_eq!(call(1)?.failed, 0);
        Ok((router.metric("trunkline_breaker_state{kind=\"service\",name=\"lrn-api\"}")? < 1.0).then_some(()))
    })?;
    // Three of each call, and the breaker's.
    let all = calls * 3 + 2;
    rabbit.wait_for_depth("heard", all)?;
    let heard = rabbit.take_messages("heard", all as usize)?;
    let of_breakers: Vec<(String, serde_json::Value)> = heard
        .into_iter()
        .filter(|(key, _)| key.starts_with("system."))
        .map(|(key, body)| Ok((key, serde_json::from_slice(&body)?)))
        .collect::<Result<_>>()?;
    let keys: Vec<&str> = of_breakers.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["system.breaker-open.lrn-api", "system.breaker-closed.lrn-api"]);
    for ((_, body), event) in of_breakers.iter().zip(["breaker-open", "breaker-closed"]) {
        let told = ["event", "kind", "name", "node"].map(|field| body[field].as_str());
        assert_eq!(told, [event, "service", "lrn-api", "test"].map(Some), "{body}");
    }
    Ok(())
}

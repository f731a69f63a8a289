//! Records over HTTP to a receiver that misbehaves, while calls run and the router dies.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use trunkline::cdr::record::RecordKey;
use trunkline_tests::{Load, Manner, Setup, Sipp, Webhook, until};

const NUMBERS: [(&str, &str); 3] = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "100")];
const SECRET: &str = "a secret that both sides know";

fn keys(webhook: &Webhook) -> Result<BTreeSet<RecordKey>> {
    let mut keys = BTreeSet::new();
    for delivery in webhook.deliveries() {
        keys.extend(delivery.records()?.into_iter().map(|record| record.key));
    }
    Ok(keys)
}

#[test]
fn a_webhook_gets_every_record_signed_though_it_refuses_hangs_and_the_router_dies() -> Result<()> {
    let (webhook, callee) = (Webhook::start()?, Sipp::callee("callee", &[])?);
    let store = format!(
        "[cdr.stores.billing]\nhttp = {{ url = \"{}\", secret = \"{SECRET}\", batch = 40, deadline = \"500ms\" }}",
        webhook.url()
    );
    let mut router = Setup::new()?.carrier(callee.address()).without_sqlite().section(&store).start()?;
    let calls = 600;
    let callers = Sipp::caller("caller", &NUMBERS, router.sip(), Load { calls, rate: 100 })?;
    until("the first records", Duration::from_secs(20), || Ok((!keys(&webhook)?.is_empty()).then_some(())))?;
    for manner in [Manner::Refuses, Manner::Hangs] {
        let before = webhook.requests();
        webhook.answers(manner);
        until("it to be tried again", Duration::from_secs(20), || Ok((webhook.requests() > before + 2).then_some(())))?;
        assert!(router.metric("trunkline_store_behind{store=\"store billing\"")? > 0.0, "{manner:?}");
    }
    webhook.answers(Manner::TakesAtMost(10));
    router.crash_and_restart()?;
    // One that was being set up when the router died may have failed.
    let counts = callers.wait()?;
    assert!(counts.successful > calls * 9 / 10, "{counts:?}");

    until("every store to have all", Duration::from_secs(40), || {
        Ok((router.metric("trunkline_store_behind")? + router.metric("trunkline_active_calls")? < 0.5).then_some(()))
    })?;
    let stored: BTreeSet<_> = router.records()?.into_iter().map(|record| record.key).collect();
    assert!(stored.len() >= counts.successful as usize);
    assert_eq!(keys(&webhook)?, stored);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut bodies = HashMap::new();
    for delivery in webhook.deliveries() {
        assert_eq!(delivery.header("trunkline-signature")?, delivery.expected_signature(SECRET)?);
        assert!(now - delivery.header("trunkline-timestamp")?.parse::<u64>()? < 300);
        assert_eq!(delivery.header("content-type")?, "application/json");
        let key = delivery.header("idempotency-key")?.to_owned();
        let body = bodies.entry(key).or_insert_with(|| delivery.body.clone());
        assert_eq!(*body, delivery.body, "one key, one batch");
    }
    Ok(())
}

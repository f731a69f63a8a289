//! Whose call it is, and whether it is believed who calls.

use super::*;
use crate::plugin::Trace;

const CLAIMS: &str =
    "P-Asserted-Identity: <sip:+12125550911@192.0.2.1>\r\nP-Preferred-Identity: <tel:+12125550911>\r\n";

/// A call with these header fields.
fn call_with(fields: &str, source: &str) -> NewCall {
    let call = call_from(source);
    let text = String::from_utf8_lossy(call.message.raw()).replacen("Max-F", &format!("{fields}Max-F"), 1);
    NewCall { message: Arc::new(Message::parse(Bytes::from(text)).unwrap()), ..call }
}

/// A router whose stages leave a call as it is and send it on, and whose customer has this key.
async fn router_with(bed: &Bed, key: &str) -> Router {
    let guests = [passing(), passing(), Guest::answering(&routing(vec![over("one")]))];
    for (name, guest) in ["a.wasm", "b.wasm", "c.wasm"].iter().zip(&guests) {
        bed.put(name, &guest.build());
    }
    Router::new(Arc::new(snapshot(bed, &format!("{CONFIG}{key}\n")).await.unwrap()))
}

#[tokio::test]
async fn who_calls_is_believed_from_those_sources_alone_that_are_trusted() {
    for (key, source, believed) in [
        ("", "192.0.2.1:5060", false),
        ("trust-identity = false", "192.0.2.1:5060", false),
        ("trust-identity = true", "192.0.2.1:5060", true),
        ("trust-identity = ['192.0.2.1']", "192.0.2.1:5060", true),
        ("trust-identity = ['192.0.2.1']", "192.0.2.2:5060", false),
    ] {
        let bed = Bed::new();
        let router = router_with(&bed, key).await;
        let trace = Arc::new(Trace::default());
        let call = NewCall { trace: Some(Arc::clone(&trace)), ..call_with(CLAIMS, source) };
        let received = Arc::clone(&call.message);
        let routed = router.route(call, Cancel::default()).await;

        let caller = if believed { "12125550911" } else { "12125550100" };
        assert_eq!(trace.stories()[0].input.caller.trim_start_matches('+'), caller, "what stages see: {key}");
        assert_eq!(routed.facts.caller.received, format!("+{caller}"), "what the record says: {key}");
        let Decision::Hunt { message, believed: later, .. } = &routed.decision else { panic!("{:?}", routed.decision) };
        assert_eq!(*later, believed, "{key}");
        assert_eq!(message.raw() == received.raw(), believed, "what leaves: {key}");
        assert_eq!(message.values_of("P-Asserted-Identity").is_empty(), !believed, "{key}");
        assert_eq!(message.values_of("P-Preferred-Identity").is_empty(), !believed, "{key}");
    }
}

#[tokio::test]
async fn what_a_stage_asserts_leaves_though_the_customer_is_not_believed() {
    let bed = Bed::new();
    let asserted = contract::Edit::SetHeader(header("P-Asserted-Identity", "<tel:+12125550000>"));
    let stage = Outcome { edits: vec![asserted], ..proceed() };
    let last = Guest::answering(&routing(vec![over("one")]));
    let routed = router(&bed, [Guest::answering(&stage), passing(), last]).await;
    let routed = routed.route(call_with(CLAIMS, "192.0.2.1:5060"), Cancel::default()).await;
    let Decision::Hunt { message, .. } = &routed.decision else { panic!("{:?}", routed.decision) };
    assert_eq!(message.values_of("P-Asserted-Identity"), ["<tel:+12125550000>"]);
}

//! Whose call it is, and whether it is believed who calls.

use super::super::call::unix_micros;
use super::*;
use crate::plugin::Trace;
use crate::sip::digest::Login;

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

/// Three customers behind one address, one with a larger network around it, one by its certificate, one by a password.
const CUSTOMERS: &str = r#"
    [customers.bravo]
    sources = ["203.0.113.7"]
    tech-prefix = "777"
    [customers.charlie]
    sources = ["203.0.113.7"]
    tech-prefix = "7778#"
    [customers.delta]
    sources = ["203.0.113.0/24"]
    tls-identities = ["delta.example"]
    [customers.echo]
    tech-prefix = "888"
    digest = { realm = "here", users = { ed = "secret" }, from-anywhere = true }
    [customers.foxtrot]
    digest = { realm = "here", users = { fox = "secret" }, from-anywhere = true }
"#;

fn calling(number: &str, source: &str) -> NewCall {
    let call = call_from(source);
    let text = String::from_utf8_lossy(call.message.raw()).replacen("+13105550123@", &format!("{number}@"), 1);
    NewCall { message: Arc::new(Message::parse(Bytes::from(text)).unwrap()), ..call }
}

#[tokio::test]
async fn whose_call_it_is_is_said_by_certificate_then_address_then_tech_prefix() {
    let bed = Bed::new();
    let router = router_with(&bed, CUSTOMERS).await;
    let delta: Arc<[Box<str>]> = Arc::from(["delta.example".into()]);
    for (number, source, identities, customer, left) in [
        ("77713105550123", "203.0.113.7:5060", None, "bravo", "13105550123"),
        ("7778%2313105550123", "203.0.113.7:5060", None, "charlie", "13105550123"),
        ("13105550123", "203.0.113.7:5060", None, "", ""),
        ("77713105550123", "203.0.113.8:5060", None, "delta", "77713105550123"),
        ("77713105550123", "192.0.2.1:5060", None, "acme", "77713105550123"),
        ("77713105550123", "203.0.113.7:5060", Some(Arc::clone(&delta)), "delta", "77713105550123"),
        ("13105550123", "198.51.100.1:5060", Some(delta), "delta", "13105550123"),
    ] {
        let call = NewCall { identities, ..calling(number, source) };
        let snapshot = router.snapshot();
        let turned = snapshot.turns_away(call.source.ip(), call.identities.as_deref(), &call.message);
        assert_eq!(turned.is_some(), customer.is_empty(), "at the door: {number} from {source}");
        let routed = router.route(call, Cancel::default()).await;
        assert_eq!(&*routed.facts.customer, customer, "{number} from {source}");
        if let Decision::Hunt { message, .. } = &routed.decision {
            assert_eq!(message.uri(), format!("sip:{left}@192.0.2.2").as_bytes());
            assert_eq!(routed.facts.callee.received, number, "the record says what was dialled");
            assert_eq!(routed.facts.callee.sent, left);
        }
    }
}

/// The INVITE again, with an answer to this challenge.
fn with_credentials(call: &NewCall, challenge: &[(String, String)], user: &str, password: &str) -> NewCall {
    let fields = challenge.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<Vec<_>>().concat();
    let challenge = format!("SIP/2.0 407 No\r\nCSeq: 1 INVITE\r\n{fields}\r\n");
    let challenge = Message::parse(Bytes::from(challenge)).unwrap();
    let login = Login { user: user.to_owned(), password: password.to_owned() };
    let (lines, _) = login.answer(&challenge, b"INVITE", call.message.uri(), "cnonce").expect("an answer");
    let lines = String::from_utf8(lines).unwrap();
    let text = String::from_utf8_lossy(call.message.raw()).replacen("Max-F", &format!("{lines}Max-F"), 1);
    NewCall { message: Arc::new(Message::parse(Bytes::from(text)).unwrap()), ..call.clone() }
}

#[tokio::test]
async fn a_stranger_with_right_credentials_is_their_customer_once_and_with_wrong_ones_nobody() {
    let bed = Bed::new();
    let router = router_with(&bed, CUSTOMERS).await;
    let received = unix_micros();
    let stranger = NewCall { received, ..call_from("198.51.100.1:5060") };
    let ask = || router.snapshot().turns_away(stranger.source.ip(), None, &stranger.message).expect("a challenge");
    let Dismissal { code, headers: challenge } = ask();
    assert_eq!((code, challenge.len()), (407, 2), "no MD5: {challenge:?}");
    assert!(challenge.iter().all(|(name, value)| name == "Proxy-Authenticate" && value.contains("realm=\"here\"")));

    for (user, customer) in [("ed", "echo"), ("fox", "foxtrot")] {
        let call = with_credentials(&stranger, &ask().headers, user, "secret");
        assert!(router.snapshot().turns_away(call.source.ip(), None, &call.message).is_none());
        let routed = router.route(call.clone(), Cancel::default()).await;
        assert_eq!(&*routed.facts.customer, customer);
        assert!(matches!(routed.decision, Decision::Hunt { .. }));
        // The same once more is a replay: it is asked again.
        let again = router.route(call, Cancel::default()).await;
        let Decision::Dismiss(Dismissal { code: 407, headers }) = &again.decision else {
            panic!("{:?}", again.decision)
        };
        assert!(headers[0].1.contains("stale=true"), "{headers:?}");
    }
    let roaming = NewCall { received, ..calling("88813105550123", "198.51.100.1:5060") };
    let routed = router.route(with_credentials(&roaming, &ask().headers, "ed", "secret"), Cancel::default()).await;
    let Decision::Hunt { message, .. } = &routed.decision else { panic!("{:?}", routed.decision) };
    assert!(message.uri().starts_with(b"sip:13105550123@"), "it dials as from home");
    for (user, password) in [("ed", "guess"), ("nobody", "secret")] {
        let call = with_credentials(&stranger, &challenge, user, password);
        let routed = router.route(call, Cancel::default()).await;
        assert_eq!((super::code(&routed), &*routed.facts.customer), (403, ""), "{user}");
    }
}

//! Calls through pipelines of hand-written guests.

mod built_in;
mod failing;
mod identities;
mod outcomes;
mod shares;
mod snapshots;
mod starts;
mod trials;
mod ways;

use std::sync::Arc;

use bytes::Bytes;

use super::{Cancel, NewCall, Parts, Routed, Router, Snapshot};
use crate::cdr::record::StageOutcome;
use crate::config::model::Config;
use crate::plugin::contract::{self, Attribute, Outcome, Route, Verdict};
use crate::plugin::testing::{Bed, Guest, proceed, reject};
use crate::plugin::versions::Versions;
use crate::sip::decision::Decision;
use crate::sip::digest::Nonces;
use crate::sip::door::Dismissal;
use crate::sip::flow::Transport;
use crate::sip::message::Message;

/// One customer, two gateways; the stages are `a`, `b` and `c`, each from its file.
const CONFIG: &str = r#"
    pipelines.default = ["a", "b", "c"]
    plugins.a.component = "a.wasm"
    plugins.b.component = "b.wasm"
    plugins.c.component = "c.wasm"
    plugins.b.on-failure = "skip"
    [gateways]
    one.uri = "sip:192.0.2.10:5070"
    two.uri = "sip:[2001:db8::2]"
    [customers.acme]
    sources = ["192.0.2.0/24"]
    attributes = { plan = "wholesale" }
    digest = { realm = "acme.example", users = { alice = "secret" } }
"#;

fn parts(bed: &Bed) -> Parts {
    Parts {
        locator: None,
        components: Arc::clone(&bed.components),
        tables: bed.lent.tables.clone(),
        services: bed.lent.services.clone(),
        limits: Arc::clone(&bed.lent.limits),
        nonces: Arc::new(Nonces::new([7; 32])),
        versions: Arc::new(Versions::open(bed.folder().join("components"), true)),
        accounts: Arc::default(),
        counters: Arc::default(),
        compiling: Arc::new(tokio::sync::Semaphore::new(2)),
        shadows: None,
    }
}

async fn snapshot(bed: &Bed, config: &str) -> Result<Snapshot, Vec<String>> {
    let config: Config = toml::from_str(config).unwrap();
    let built = Snapshot::build(&config, bed.folder(), &parts(bed), None).await;
    built.map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

async fn router(bed: &Bed, guests: [Guest; 3]) -> Router {
    for (name, guest) in ["a.wasm", "b.wasm", "c.wasm"].iter().zip(&guests) {
        bed.put(name, &guest.build());
    }
    // A budget that a busy test machine keeps.
    let config = format!("call.setup-budget = '10s'\n{CONFIG}");
    Router::new(Arc::new(snapshot(bed, &config).await.unwrap()))
}

/// What becomes of a call through these stages.
async fn routed(guests: [Guest; 3]) -> Routed {
    let bed = Bed::new();
    router(&bed, guests).await.route(call_from("192.0.2.1:5060"), Cancel::default()).await
}

fn call_from(source: &str) -> NewCall {
    let invite = "INVITE sip:+13105550123@192.0.2.2 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
        From: \"Bob\" <sip:+12125550100@192.0.2.1>;tag=1\r\n\
        To: <sip:+13105550123@192.0.2.2>\r\n\
        Call-ID: call-1@192.0.2.1\r\n\
        CSeq: 1 INVITE\r\n\
        Max-Forwards: 70\r\n\
        Content-Length: 0\r\n\r\n";
    NewCall {
        message: Arc::new(Message::parse(Bytes::from_static(invite.as_bytes())).unwrap()),
        source: source.parse().unwrap(),
        transport: Transport::Udp,
        identities: None,
        received: 1_700_000_000_000_000,
        trace: None,
    }
}

fn passing() -> Guest {
    Guest::answering(&proceed())
}

fn attribute(name: &str, value: &str) -> Attribute {
    Attribute { name: name.to_owned(), value: value.to_owned() }
}

fn header(name: &str, value: &str) -> contract::Header {
    contract::Header { name: name.to_owned(), value: value.to_owned() }
}

fn over(gateway: &str) -> Route {
    Route {
        gateway: gateway.to_owned(),
        callee: None,
        caller: None,
        rate: None,
        attempt_timeout: None,
        ring_timeout: None,
        headers: Vec::new(),
        parallel: false,
    }
}

fn routing(routes: Vec<Route>) -> Outcome {
    Outcome { verdict: Verdict::Route(routes), ..proceed() }
}

fn code(routed: &Routed) -> u16 {
    match &routed.decision {
        Decision::Respond { code, .. } | Decision::Dismiss(Dismissal { code, .. }) => *code,
        Decision::Hunt { .. } => panic!("a hunt"),
    }
}

fn outcomes(routed: &Routed) -> Vec<StageOutcome> {
    routed.facts.stages.iter().map(|stage| stage.outcome).collect()
}

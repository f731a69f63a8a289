//! Records to measure with.

use std::ops::Range;

/// Records as lines, so many in a message; each by itself where that is one.
pub fn messages(sequences: Range<u64>, together: usize) -> Vec<String> {
    let records: Vec<_> = sequences.map(message).collect();
    match together {
        1 => records,
        _ => records.chunks(together).map(|records| records.join("\n") + "\n").collect(),
    }
}

/// A record as a router sends it: five stages, two attempts, answered. Customers, gateways, codes and times vary.
pub fn message(sequence: u64) -> String {
    let received = 1_790_000_000_000_000 + sequence * 500;
    let (customer, gateway, code) = (sequence % 20, sequence % 7, if sequence.is_multiple_of(3) { 503 } else { 200 });
    let at = |micros: u64| received + micros;
    let answered = if code == 200 { at(2_000_000).to_string() } else { "null".to_owned() };
    let ringing = at(20_000 + sequence % 3_000_000);
    let attempt = |gateway: &str, code: u64| {
        format!(
            r#"{{"gateway":"{gateway}","destination":"192.0.2.7:5060","callee":"12125550123","started":{},"ringing":{ringing},"ended":{},"code":{code},"outcome":"response","cost":"0.0031","price":"0.0059","currency":"USD"}}"#,
            at(900),
            at(2_000_000)
        )
    };
    let stages: Vec<String> = ["auth", "blocklist", "lrn", "cnam", "rate"]
        .iter()
        .map(|stage| {
            format!(r#"{{"stage":"{stage}","digest":"0123456789abcdef","outcome":"proceed","micros":12,"fuel":20113,"detail":null}}"#)
        })
        .collect();
    format!(
        r#"{{"node":"edge-1","epoch":1790000000,"sequence":{sequence},"hash":"{:064x}","call_id":"call-{sequence}@192.0.2.1","customer":"customer-{customer}","source":"192.0.2.1:5060","transport":"udp","caller":{{"received":"13035550100","sent":"+13035550100"}},"callee":{{"received":"12125550123","sent":"+12125550123"}},"times":{{"received":{received},"routed":{},"ringing":{ringing},"answered":{answered},"ended":{}}},"code":{code},"end":"caller-hung-up","attempts":[{},{}],"stages":[{}],"attributes":[["plan","wholesale-2"],["lrn","12125559999"],["rated-number","12125559999"],["jurisdiction","inter"]]}}"#,
        sequence,
        at(800),
        at(32_000_000),
        attempt("gateway-0", 503),
        attempt(&format!("gateway-{gateway}"), code),
        stages.join(","),
    )
}

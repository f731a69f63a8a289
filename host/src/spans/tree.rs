//! A record as spans.

use std::fmt::Write as _;
use std::net::SocketAddr;

use sha2::{Digest as _, Sha256};

use super::Traced;
use super::otlp::{Attribute, CLIENT, Event, INTERNAL, SERVER, Span, Status};
use super::visit::{Heard, Visit};
use crate::cdr::record::{Attempt, AttemptOutcome, CallRecord, StageOutcome, StageRecord, UnixMicros};

/// The spans of one call, its own first.
pub(super) fn spans(traced: &Traced) -> Vec<Span> {
    let Traced { record, visits } = traced;
    let trace = trace_id(&record.call_id);
    let root = root(&trace, record);
    let parent = root.span_id.clone();
    let mut spans = vec![root];
    // What was not chosen when it came has no times of its stages: they ran one after the other.
    let mut next = record.times.received;
    let mut visits = visits.iter();
    for stage in &record.stages {
        // One that is still compiled was not entered; those behind a cancelled call neither: no visits are left.
        let visit = if stage.outcome == StageOutcome::Loading { None } else { visits.next() };
        let began = visit.map_or(next, |visit| visit.began);
        let span = of_stage(&trace, &parent, stage, began);
        next = began + stage.micros;
        let heard = visit.into_iter().flat_map(|visit: &Visit| &visit.heard);
        let heard: Vec<Span> = heard.map(|heard| of_question(&trace, &span.span_id, heard, next)).collect();
        spans.push(span);
        spans.extend(heard);
    }
    spans.extend(record.attempts.iter().map(|attempt| of_attempt(&trace, &parent, attempt)));
    spans
}

/// Follows from the Call-ID: whoever has it finds the trace, and nodes that a call passes make one trace of it. 16 bytes of
/// SHA-256.
fn trace_id(call_id: &str) -> String {
    hex(&Sha256::digest(call_id.as_bytes())[..16])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

fn span(trace: &str, parent: &str, name: String, kind: u8, (began, ended): (UnixMicros, UnixMicros)) -> Span {
    // An id of zeros alone is none.
    let id = fastrand::u64(1..);
    Span {
        trace_id: trace.to_owned(),
        span_id: format!("{id:016x}"),
        parent_span_id: parent.to_owned(),
        name,
        kind,
        start_time_unix_nano: nanos(began),
        end_time_unix_nano: nanos(ended.max(began)),
        attributes: Vec::new(),
        events: Vec::new(),
        status: Status::UNSET,
    }
}

fn nanos(micros: UnixMicros) -> String {
    format!("{micros}000")
}

fn root(trace: &str, record: &CallRecord) -> Span {
    let times = &record.times;
    let mut span = span(trace, "", "call".to_owned(), SERVER, (times.received, times.ended));
    span.attributes = vec![
        Attribute::text("sip.call_id", record.call_id.as_str()),
        Attribute::number("sip.response.status_code", record.code.into()),
        Attribute::text("trunkline.customer", record.customer.as_str()),
        Attribute::text("trunkline.end", record.end.word()),
        Attribute::text("network.transport", &*record.transport),
    ];
    span.attributes.extend(peer(record.source));
    let moments = [("routed", times.routed), ("ringing", times.ringing), ("answered", times.answered)];
    let event = |(name, at): (&'static str, Option<UnixMicros>)| Some(Event { time_unix_nano: nanos(at?), name });
    span.events = moments.into_iter().filter_map(event).collect();
    // What the caller did wrong is no error of this node (as for HTTP servers in the semantic conventions).
    if record.code >= 500 {
        span.status = Status::error(format!("{} {}", record.code, record.end.word()));
    }
    span
}

fn peer(address: SocketAddr) -> [Attribute; 2] {
    [
        Attribute::text("network.peer.address", address.ip().to_canonical().to_string()),
        Attribute::number("network.peer.port", address.port().into()),
    ]
}

fn of_stage(trace: &str, parent: &str, stage: &StageRecord, began: UnixMicros) -> Span {
    let name = format!("stage {}", stage.stage);
    let mut span = span(trace, parent, name, INTERNAL, (began, began + stage.micros));
    let outcome = stage.outcome.word();
    // The detail stays in the record: it is what a stage likes to say, and quotes numbers.
    span.attributes = vec![
        Attribute::text("trunkline.stage.outcome", outcome),
        Attribute::text("trunkline.stage.digest", &*stage.digest),
        Attribute::number("trunkline.stage.fuel", stage.fuel),
    ];
    if !stage.outcome.is_verdict() {
        span.status = Status::error(outcome);
    }
    span
}

/// `end` is the stage's, for a question that was cut with it.
fn of_question(trace: &str, parent: &str, heard: &Heard, end: UnixMicros) -> Span {
    let ended = heard.micros.map_or(end, |micros| heard.began + micros);
    let mut span = span(trace, parent, heard.name.clone(), CLIENT, (heard.began, ended));
    span.attributes.extend(heard.origin.map(|origin| Attribute::text("trunkline.lookup.origin", origin)));
    if let Some(error) = heard.error {
        span.status = Status::error(error);
    } else if heard.micros.is_none() {
        span.status = Status::error("no answer before the stage was cut");
    }
    span
}

fn of_attempt(trace: &str, parent: &str, attempt: &Attempt) -> Span {
    let name = format!("attempt {}", attempt.gateway);
    let mut span = span(trace, parent, name, CLIENT, (attempt.started, attempt.ended));
    let outcome = attempt.outcome.word();
    span.attributes = vec![
        Attribute::text("trunkline.attempt.outcome", outcome),
        Attribute::number("sip.response.status_code", attempt.code.into()),
    ];
    span.attributes.extend(attempt.destination.into_iter().flat_map(peer));
    span.events.extend(attempt.ringing.map(|at| Event { time_unix_nano: nanos(at), name: "ringing" }));
    if attempt.outcome != AttemptOutcome::Cancelled && attempt.code >= 400 {
        span.status = Status::error(format!("{} {outcome}", attempt.code));
    }
    span
}

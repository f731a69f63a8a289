//! SIPp's scenarios by UDP, TCP and TLS: what carriers' test plans ask for, between real SIPp endpoints on both sides.
//!
//! What is particular to a transport is in `transports.rs` and `survival.rs`; what SIPp cannot say is in the other files, word
//! by word.

use anyhow::Result;
use trunkline::cdr::record::{AttemptOutcome, CallRecord, End};
use trunkline_tests::Scenario;

use AttemptOutcome::{Cancelled, Response, Timeout, Unreachable};

/// The calls ended so, over attempts that ended so.
#[track_caller]
fn ended(records: &[CallRecord], code: u16, end: End, attempts: &[(u16, AttemptOutcome)]) {
    for record in records {
        let seen: Vec<_> = record.attempts.iter().map(|attempt| (attempt.code, attempt.outcome)).collect();
        assert_eq!((record.code, record.end, &*seen), (code, end, attempts), "by {}", record.transport);
    }
}

#[track_caller]
fn answered_after(records: &[CallRecord], before: &[(u16, AttemptOutcome)]) {
    ended(records, 200, End::CallerHungUp, &[before, &[(200, Response)]].concat());
}

#[test]
fn a_call_is_answered_and_hung_up() -> Result<()> {
    answered_after(&Scenario::new("caller", &[("talk", "50")])?.gateway("callee", &[]).run(1)?, &[]);
    Ok(())
}

#[test]
fn requests_within_a_call_pass_both_ways() -> Result<()> {
    for (method, more, status, code) in [
        ("UPDATE", "", "200 OK", "200"),
        ("INFO", "", "200 OK", "200"),
        ("REFER", "Refer-To: <sip:19195550102@elsewhere.example>\n", "202 Accepted", "202"),
    ] {
        let caller = Scenario::new("within", &[("method", method), ("more", more), ("code", code)])?;
        answered_after(&caller.gateway("within_callee", &[("method", method), ("status", status)]).run(1)?, &[]);
    }
    Ok(())
}

#[test]
fn a_re_invite_passes_each_way() -> Result<()> {
    answered_after(&Scenario::new("changing", &[])?.gateway("changed", &[]).run(1)?, &[]);
    Ok(())
}

#[test]
fn a_provisional_response_that_wants_prack_gets_it() -> Result<()> {
    answered_after(&Scenario::new("prack", &[])?.gateway("prack_callee", &[]).run(1)?, &[]);
    Ok(())
}

#[test]
fn early_media_of_two_gateways_reaches_the_caller_and_the_one_that_loses_is_cancelled() -> Result<()> {
    let script = Scenario::new("early", &[])?
        .with(|setup| setup.plugin("rate", "config = { table = \"deck\", npa-nxx = \"npanxx\", parallel = 2 }"));
    let script = script.gateway("cancelled", &[("progress", "183 Session Progress")]).gateway("early_callee", &[]);
    ended(&script.run(1)?, 200, End::CallerHungUp, &[(487, Cancelled), (200, Response)]);
    Ok(())
}

#[test]
fn a_cancel_ends_the_call_with_487_in_each_state_of_its_setup() -> Result<()> {
    let waiting = ("patience", "200");
    for (caller, callee) in [
        // Before the gateway has said anything: it is cancelled as soon as it has.
        ([("progress", "180"), waiting], [("progress", "180 Ringing"), ("silence", "600")]),
        ([("progress", "180"), waiting], [("progress", "100 Trying"), ("silence", "0")]),
        ([("progress", "180"), ("patience", "2500")], [("progress", "180 Ringing"), ("silence", "0")]),
        ([("progress", "183"), ("patience", "2500")], [("progress", "183 Session Progress"), ("silence", "0")]),
    ] {
        let records = Scenario::new("cancelling", &caller)?.gateway("cancelled", &callee).run(1)?;
        ended(&records, 487, End::Cancelled, &[(487, Cancelled)]);
    }
    Ok(())
}

#[test]
fn while_two_gateways_ring_each_is_cancelled_and_its_487_acknowledged() -> Result<()> {
    let script = Scenario::new("cancelling_both", &[])?
        .with(|setup| setup.plugin("rate", "config = { table = \"deck\", npa-nxx = \"npanxx\", parallel = 2 }"));
    let records = script.gateway("cancelled", &[]).gateway("cancelled", &[]).run(1)?;
    ended(&records, 487, End::Cancelled, &[(487, Cancelled), (487, Cancelled)]);
    Ok(())
}

#[test]
fn a_cancel_that_crosses_the_answer_leaves_the_call_answered() -> Result<()> {
    answered_after(&Scenario::new("crossing", &[])?.gateway("callee", &[]).run(1)?, &[]);
    Ok(())
}

#[test]
fn a_503_a_408_a_dead_port_and_silence_lead_to_the_next_gateway() -> Result<()> {
    let script = Scenario::new("caller", &[("talk", "0")])?.gateway("refusing", &[("code", "503")]);
    let script = script.gateway("refusing", &[("code", "408")]).dead().silent("attempt-timeout = \"300ms\"");
    let failed = [(503, Response), (408, Response), (503, Unreachable), (408, Timeout)];
    answered_after(&script.gateway("callee", &[]).run(1)?, &failed);
    Ok(())
}

#[test]
fn a_302_is_followed_where_the_operator_says_so() -> Result<()> {
    let moved = [("code", "302"), ("more", "\nContact: <@next@>")];
    let script = Scenario::new("caller", &[("talk", "0")])?.gateway_with("refusing", &moved, "redirect = \"follow\"");
    answered_after(&script.gateway("callee", &[]).run(1)?, &[(302, Response)]);
    Ok(())
}

#[test]
fn a_302_is_an_answer_where_the_operator_does_not() -> Result<()> {
    let moved = [("code", "302"), ("more", "\nContact: <sip:elsewhere@192.0.2.1>")];
    let records = Scenario::new("refused", &[("code", "302")])?.gateway("refusing", &moved).run(1)?;
    ended(&records, 302, End::Failed, &[(302, Response)]);
    Ok(())
}

const LOGIN: [(&str, &str); 2] = [("user", "trunk7"), ("password", "s3cret")];

#[test]
fn a_trunk_that_knows_md5_alone_logs_in() -> Result<()> {
    let digest = "digest = { realm = \"pbx.example\", users = { trunk7 = \"s3cret\" }, md5 = \"only\", \
                  from-anywhere = true }";
    let script = Scenario::new("logging_in", &LOGIN)?.with(|setup| setup.only_customer("trunk", digest));
    let script = script.with(|setup| setup.pipeline("default", &["rate"])).gateway("callee", &[]);
    answered_after(&script.run(1)?, &[]);
    Ok(())
}

#[test]
fn a_gateway_that_wants_a_login_gets_it() -> Result<()> {
    let keys = "digest = { user = \"trunk7\", password = \"s3cret\" }";
    let script = Scenario::new("caller", &[("talk", "0")])?.gateway_with("asking", &LOGIN, keys);
    answered_after(&script.run(1)?, &[]);
    Ok(())
}

#[test]
fn a_request_without_a_hop_left_is_answered_483() -> Result<()> {
    Scenario::new("refused", &[("code", "483"), ("hops", "0")])?.run(0).map(drop)
}

#[test]
fn a_call_that_comes_back_is_answered_482() -> Result<()> {
    let records = Scenario::new("refused", &[("code", "482")])?.itself().run(1)?;
    ended(&records, 482, End::Failed, &[(482, Response)]);
    Ok(())
}

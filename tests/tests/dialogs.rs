//! What happens within and around one call, word by word.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use trunkline::cdr::record::End;
use trunkline_tests::{Dialog, Message, Phone, Router, Setup, answered, hang_up};

const CALLER: &str = "12125550100";
const CALLEE: &str = "19195550101";

/// A caller, a router and a callee.
struct Line {
    caller: Phone,
    callee: Phone,
    router: Router,
}

impl Line {
    fn new() -> Result<Self> {
        let callee = Phone::waiting()?;
        let router = Setup::new()?.carrier(callee.address()).start()?;
        Ok(Self { caller: Phone::calling(router.sip())?, callee, router })
    }

    /// The INVITE as the caller sent it and as the callee got it.
    fn invite(&mut self) -> Result<(Message, Message)> {
        let sent = self.caller.invite(CALLER, CALLEE);
        self.caller.say(&sent)?;
        Ok((sent, self.callee.hear("INVITE")?))
    }

    /// An answered call: the two ends of its dialog.
    fn answered(&mut self) -> Result<(Dialog, Dialog, String)> {
        let (sent, got) = self.invite()?;
        let (near, far) = answered(&mut self.caller, &mut self.callee, &got)?;
        Ok((near, far, sent.header("Call-ID").to_owned()))
    }
}

#[test]
fn a_100_comes_at_once_and_is_the_router_s_own() -> Result<()> {
    let mut line = Line::new()?;
    line.caller.say(&line.caller.invite(CALLER, CALLEE))?;
    assert_eq!(line.caller.hear_any()?.kind(), "100");
    Ok(())
}

#[test]
fn what_leaves_is_what_came_outside_the_headers_that_a_proxy_must_touch() -> Result<()> {
    let callee = Phone::waiting()?;
    // Without lrn and cnam, no stage edits the call.
    let router = Setup::new()?.pipeline("default", &["auth", "blocklist", "rate"]).carrier(callee.address()).start()?;
    let mut line = Line { caller: Phone::calling(router.sip())?, callee, router };
    let odd = "X-Odd:   two  spaces,\"a,b\"\r\nx-folded: one\r\n two\r\nSubject: caf\u{e9}";
    let sent = line.caller.invite(CALLER, CALLEE).with(odd);
    line.caller.say(&sent)?;

    let got = line.callee.hear("INVITE")?;

    let untouched = |message: &Message| -> Vec<String> {
        let ours = ["via:", "record-route:", "max-forwards:"];
        let lines = message.0.split("\r\n").skip(1).map(str::to_owned);
        lines.filter(|line| !ours.iter().any(|name| line.to_ascii_lowercase().starts_with(name))).collect()
    };
    assert_eq!(untouched(&got), untouched(&sent));
    assert_eq!(got.header("Max-Forwards"), "69");
    assert_eq!(got.headers("Via").len(), 2);
    assert_eq!(got.headers("Via")[1].split(';').next(), sent.header("Via").split(';').next());
    Ok(())
}

#[test]
fn an_invite_sent_again_is_absorbed_and_answered_from_memory() -> Result<()> {
    let mut line = Line::new()?;
    let (sent, got) = line.invite()?;
    line.callee.say(&line.callee.answer(&got, "180 Ringing", ""))?;
    line.caller.hear("180")?;

    line.caller.say(&sent)?;

    assert_eq!(line.caller.hear("180")?.header("CSeq"), "1 INVITE");
    line.callee.hear_nothing(Duration::from_millis(300))
}

#[test]
fn an_answer_sent_again_reaches_the_caller_again() -> Result<()> {
    let mut line = Line::new()?;
    let (_, got) = line.invite()?;
    let answer = line.callee.answer(&got, "200 OK", "");
    line.callee.say(&answer)?;
    let first = line.caller.hear("200")?;

    line.callee.say(&answer)?;

    assert_eq!(line.caller.hear("200")?, first);
    Ok(())
}

#[test]
fn cancel_before_180_ends_the_call_with_487() -> Result<()> {
    let mut line = Line::new()?;
    let (sent, got) = line.invite()?;
    // RFC 3261 section 9.1: a CANCEL waits for a provisional response on its own branch.
    line.callee.say(&line.callee.answer(&got, "100 Trying", ""))?;
    cancelled(&mut line, &sent, &got)
}

#[test]
fn cancel_after_180_ends_the_call_with_487() -> Result<()> {
    let mut line = Line::new()?;
    let (sent, got) = line.invite()?;
    line.callee.say(&line.callee.answer(&got, "180 Ringing", ""))?;
    line.caller.hear("180")?;
    cancelled(&mut line, &sent, &got)
}

fn cancelled(line: &mut Line, sent: &Message, got: &Message) -> Result<()> {
    line.caller.say(&line.caller.follow("CANCEL", sent, sent.header("To")))?;

    let cancel = line.callee.hear("CANCEL")?;
    assert_eq!(cancel.header("Via"), got.header("Via"), "the CANCEL is on the INVITE's branch");
    line.callee.say(&line.callee.answer(&cancel, "200 OK", ""))?;
    line.callee.say(&line.callee.answer(got, "487 Request Terminated", ""))?;
    line.callee.hear("ACK")?;
    // The 200 is the router's own answer to the CANCEL; the two may come in either order.
    let mut heard = [line.caller.hear_final()?, line.caller.hear_final()?];
    heard.sort_by(|a, b| a.kind().cmp(b.kind()));
    assert_eq!(heard.each_ref().map(Message::kind), ["200", "487"]);
    assert_eq!(heard[0].header("CSeq"), "1 CANCEL");
    line.caller.say(&line.caller.follow("ACK", sent, heard[1].header("To")))?;

    let record = line.router.record_of(sent.header("Call-ID"))?;
    assert_eq!((record.code, record.end), (487, End::Cancelled));
    assert_eq!(record.attempts.iter().map(|attempt| attempt.code).collect::<Vec<_>>(), [487]);
    line.caller.hear_nothing(Duration::from_millis(700))
}

#[test]
fn a_cancel_that_crosses_the_200_leaves_the_call_answered() -> Result<()> {
    let mut line = Line::new()?;
    let (sent, got) = line.invite()?;
    let answer = line.callee.answer(&got, "200 OK", "");
    line.callee.say(&answer)?;
    let heard = line.caller.hear("200")?;

    line.caller.say(&line.caller.follow("CANCEL", &sent, sent.header("To")))?;

    assert_eq!(line.caller.hear_any()?.header("CSeq"), "1 CANCEL");
    let mut near = Dialog::of_caller(&heard);
    line.caller.say(&near.ack(&line.caller, 1))?;
    line.callee.hear("ACK")?;
    hang_up(&mut line.caller, &mut near, &mut line.callee)?;
    let record = line.router.record_of(sent.header("Call-ID"))?;
    assert_eq!((record.code, record.end), (200, End::CallerHungUp));
    Ok(())
}

#[test]
fn the_callee_can_hang_up() -> Result<()> {
    let mut line = Line::new()?;
    let (_, mut far, call_id) = line.answered()?;

    hang_up(&mut line.callee, &mut far, &mut line.caller)?;
    assert_eq!(line.router.record_of(&call_id)?.end, End::CalleeHungUp);
    Ok(())
}

#[test]
fn requests_within_the_dialog_reach_the_other_side_both_ways() -> Result<()> {
    let mut line = Line::new()?;
    let (mut near, mut far, call_id) = line.answered()?;
    for method in ["INFO", "UPDATE", "REFER", "MESSAGE", "NOTIFY"] {
        line.caller.say(&near.request(&line.caller, method, "X-Way: there\r\n"))?;
        let got = line.callee.hear(method)?;
        assert_eq!((got.header("X-Way"), got.headers("Via").len()), ("there", 2));
        line.callee.say(&line.callee.answer(&got, "200 OK", ""))?;
        assert!(line.caller.hear("200")?.header("CSeq").ends_with(method));

        line.callee.say(&far.request(&line.callee, method, "X-Way: back\r\n"))?;
        let got = line.caller.hear(method)?;
        assert_eq!(got.header("X-Way"), "back");
        line.caller.say(&line.caller.answer(&got, "202 Accepted", ""))?;
        assert!(line.callee.hear("202")?.header("CSeq").ends_with(method));
    }
    hang_up(&mut line.caller, &mut near, &mut line.callee)?;
    assert_eq!(line.router.record_of(&call_id)?.end, End::CallerHungUp);
    Ok(())
}

#[test]
fn a_re_invite_is_answered_and_acknowledged_end_to_end_and_opens_no_record() -> Result<()> {
    let mut line = Line::new()?;
    let (mut near, mut far, call_id) = line.answered()?;

    line.callee.say(&far.request(&line.callee, "INVITE", ""))?;
    let got = line.caller.hear("INVITE")?;
    line.caller.say(&line.caller.answer(&got, "200 OK", ""))?;
    line.callee.hear("200")?;
    line.callee.say(&far.ack(&line.callee, 1))?;
    line.caller.hear("ACK")?;

    hang_up(&mut line.caller, &mut near, &mut line.callee)?;
    line.router.record_of(&call_id)?;
    assert_eq!(line.router.records()?.len(), 1);
    Ok(())
}

#[test]
fn prack_of_a_reliable_provisional_response_reaches_the_callee() -> Result<()> {
    let mut line = Line::new()?;
    let (_, got) = line.invite()?;
    line.callee.say(&line.callee.answer(&got, "183 Session Progress", "Require: 100rel\r\nRSeq: 1\r\n"))?;
    let progress = line.caller.hear("183")?;
    assert_eq!(progress.header("RSeq"), "1");

    let mut early = Dialog::of_caller(&progress);
    line.caller.say(&early.request(&line.caller, "PRACK", "RAck: 1 1 INVITE\r\n"))?;

    let prack = line.callee.hear("PRACK")?;
    assert_eq!(prack.header("RAck"), "1 1 INVITE");
    line.callee.say(&line.callee.answer(&prack, "200 OK", ""))?;
    assert!(line.caller.hear("200")?.header("CSeq").ends_with("PRACK"));
    Ok(())
}

#[test]
fn max_forwards_0_is_answered_483_and_goes_nowhere() -> Result<()> {
    let mut line = Line::new()?;
    let sent = line.caller.invite(CALLER, CALLEE);
    let sent = Message(sent.0.replace("Max-Forwards: 70", "Max-Forwards: 0"));
    line.caller.say(&sent)?;

    let refusal = line.caller.hear("483")?;

    line.caller.say(&line.caller.follow("ACK", &sent, refusal.header("To")))?;
    line.callee.hear_nothing(Duration::from_millis(200))
}

#[test]
fn a_bye_of_a_dialog_that_nobody_knows_is_answered_481_or_404() -> Result<()> {
    let mut line = Line::new()?;
    let stray = line.caller.request("BYE", CALLER, CALLEE, "", "");
    let within = stray.header("To").to_owned() + ";tag=gone";
    line.caller.say(&Message(stray.0.replace(stray.header("To"), &within)))?;
    let answer = line.caller.hear_any()?;
    assert!(["481", "404"].contains(&answer.kind()), "{}", answer.0);
    Ok(())
}

#[test]
fn options_to_the_router_is_answered_200_as_sipsak_sees_it() -> Result<()> {
    // sipsak cuts the last digit off a port of five, and wants to resolve the name of this machine unless it is told one.
    let free =
        (5_100..10_000).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).find(|port| UdpSocket::bind(port).is_ok());
    let address = free.context("no free port of four digits")?;
    let callee = Phone::waiting()?;
    let _router = Setup::new()?.listen(address).carrier(callee.address()).start()?;

    let sipsak = Command::new("sipsak").args(["-v", "-H", "127.0.0.1", "-s", &format!("sip:{address}")]).output()?;

    let words = String::from_utf8_lossy(&sipsak.stdout).into_owned();
    assert!(sipsak.status.success() && words.contains("200 OK"), "{words}{}", String::from_utf8_lossy(&sipsak.stderr));
    Ok(())
}

#[test]
fn bytes_that_are_no_sip_are_dropped_and_the_router_lives() -> Result<()> {
    let mut line = Line::new()?;
    for noise in ["", "\r\n\r\n", "\0\0\0", "INVITE", "INVITE sip:x SIP/2.0\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n"] {
        line.caller.say(&Message(noise.to_owned()))?;
    }
    line.caller.say(&Message("A".repeat(60_000)))?;
    let (_, got) = {
        let sent = line.caller.invite(CALLER, CALLEE);
        line.caller.say(&sent)?;
        (sent, line.callee.hear("INVITE")?)
    };
    assert!(line.router.is_running());
    assert_eq!(got.kind(), "INVITE");
    Ok(())
}

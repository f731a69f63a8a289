//! Which gateway gets a call, and what the others hear of it (RFC 3261 section 16.7).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Result, bail};
use trunkline::cdr::record::{AttemptOutcome, CallRecord, End};
use trunkline_tests::{Message, Phone, Router, Setup, answered, free_udp, hang_up, until};

const CALLER: &str = "12125550100";
const CALLEE: &str = "19195550101";
const PATIENCE: Duration = Duration::from_secs(10);

use AttemptOutcome::{Cancelled, Down, Full, Response, Timeout, Unreachable};

/// A deck that prefers these gateways in this order.
fn in_order(gateways: &[(&str, &Phone, &str)]) -> Result<Setup> {
    let setup = Setup::new()?.without_sqlite();
    Ok(gateways.iter().enumerate().fold(setup, |setup, (index, (name, phone, keys))| {
        setup.gateway_with(name, phone.address(), keys).route("1", name, &format!("0.00{:02}", index + 10))
    }))
}

fn call(caller: &Phone) -> Result<Message> {
    let sent = caller.invite(CALLER, CALLEE);
    caller.say(&sent)?;
    Ok(sent)
}

/// A gateway refuses the call and hears its ACK, on the branch of its INVITE (RFC 3261 section 17.1.1.3).
fn refuse(gateway: &mut Phone, status: &str, more: &str) -> Result<Message> {
    let got = gateway.hear("INVITE")?;
    gateway.say(&gateway.answer(&got, status, more))?;
    let ack = gateway.hear("ACK")?;
    assert_eq!(ack.headers("Via"), [got.header("Via")]);
    assert!(ack.header("To").contains(";tag="), "{}", ack.0);
    Ok(got)
}

/// A gateway answers the call; both ends of its dialog.
fn attempts(record: &CallRecord) -> Vec<(&str, u16, AttemptOutcome)> {
    record.attempts.iter().map(|attempt| (&*attempt.gateway, attempt.code, attempt.outcome)).collect()
}

#[test]
fn a_408_a_503_and_a_dead_port_lead_on_and_a_gateway_that_wants_rest_is_left_alone() -> Result<()> {
    let (mut late, mut resting, mut last) = (Phone::waiting()?, Phone::waiting()?, Phone::waiting()?);
    let dead = free_udp(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    let setup = in_order(&[("late", &late, ""), ("resting", &resting, "")])?.gateway("dead", dead);
    let setup = setup.route("1", "dead", "0.0015").gateway("last", last.address()).route("1", "last", "0.0020");
    let router = setup.start()?;
    let mut caller = Phone::calling(router.sip())?;

    let first = call(&caller)?;
    refuse(&mut late, "408 Request Timeout", "")?;
    refuse(&mut resting, "503 Service Unavailable", "Retry-After: 60\r\n")?;
    let got = last.hear("INVITE")?;
    let (mut near, _) = answered(&mut caller, &mut last, &got)?;
    hang_up(&mut caller, &mut near, &mut last)?;

    let tried = [("late", 408, Response), ("resting", 503, Response), ("dead", 503, Unreachable)];
    let record = router.record_of(first.header("Call-ID"))?;
    assert_eq!(attempts(&record), [&tried[..], &[("last", 200, Response)]].concat());

    let second = call(&caller)?;
    refuse(&mut late, "408 Request Timeout", "")?;
    let got = last.hear("INVITE")?;
    let (mut near, _) = answered(&mut caller, &mut last, &got)?;
    hang_up(&mut caller, &mut near, &mut last)?;

    let record = router.record_of(second.header("Call-ID"))?;
    assert_eq!(attempts(&record)[..2], [("late", 408, Response), ("resting", 503, Down)]);
    resting.hear_nothing(Duration::from_millis(100))
}

#[test]
fn a_redirection_is_followed_by_q_where_the_operator_says_so_and_passed_on_elsewhere() -> Result<()> {
    let (mut moved, mut worse, mut better) = (Phone::waiting()?, Phone::waiting()?, Phone::waiting()?);
    let setup = in_order(&[("moved", &moved, "redirect = \"follow\"")])?;
    let router = setup.gateway("strict", moved.address()).route("44", "strict", "0.0100").start()?;
    let mut caller = Phone::calling(router.sip())?;
    let to_both = |moved: &Phone, got: &Message| {
        let contacts =
            format!("Contact: <sip:w@{}>;q=0.2, \"B, C\" <sip:b@{}>;q=0.8", worse.address(), better.address());
        let own = format!("Contact: <sip:callee@{}>", moved.address());
        Message(moved.answer(got, "302 Moved Temporarily", "").0.replace(&own, &contacts))
    };

    let sent = call(&caller)?;
    let got = moved.hear("INVITE")?;
    moved.say(&to_both(&moved, &got))?;
    moved.hear("ACK")?;
    let at_better = better.hear("INVITE")?;
    assert_eq!(at_better.first_line(), format!("INVITE sip:b@{} SIP/2.0", better.address()));
    better.say(&better.answer(&at_better, "500 Server Internal Error", ""))?;
    better.hear("ACK")?;
    let at_worse = worse.hear("INVITE")?;
    let (mut near, _) = answered(&mut caller, &mut worse, &at_worse)?;
    hang_up(&mut caller, &mut near, &mut worse)?;
    let record = router.record_of(sent.header("Call-ID"))?;
    assert_eq!(record.attempts.iter().map(|attempt| attempt.code).collect::<Vec<_>>(), [302, 500, 200]);

    let sent = caller.invite(CALLER, "442079460000");
    caller.say(&sent)?;
    let got = moved.hear("INVITE")?;
    moved.say(&Message(moved.answer(&got, "302 Moved Temporarily", "").0))?;
    moved.hear("ACK")?;
    let told = caller.hear("302")?;
    caller.say(&caller.follow("ACK", &sent, told.header("To")))?;
    assert_eq!(router.record_of(sent.header("Call-ID"))?.end, End::Failed);
    Ok(())
}

#[test]
fn of_two_gateways_that_ring_at_once_the_first_to_answer_wins_and_the_other_is_cancelled() -> Result<()> {
    let (mut one, mut other) = (Phone::waiting()?, Phone::waiting()?);
    let both = "config = { table = \"deck\", npa-nxx = \"npanxx\", parallel = 2 }";
    let router = in_order(&[("one", &one, ""), ("other", &other, "")])?.plugin("rate", both).start()?;
    let mut caller = Phone::calling(router.sip())?;
    let sent = call(&caller)?;
    let (at_one, at_other) = (one.hear("INVITE")?, other.hear("INVITE")?);
    one.say(&one.answer(&at_one, "183 Session Progress", ""))?;
    let early = caller.hear("183")?;
    other.say(&other.answer(&at_other, "183 Session Progress", ""))?;
    assert_ne!(caller.hear("183")?.header("To"), early.header("To"), "early media of both, each a dialog");

    let (mut near, _) = answered(&mut caller, &mut other, &at_other)?;

    let cancel = one.hear("CANCEL")?;
    assert_eq!(cancel.headers("Via"), [at_one.header("Via")]);
    one.say(&one.answer(&cancel, "200 OK", ""))?;
    one.say(&one.answer(&at_one, "487 Request Terminated", ""))?;
    assert_eq!(one.hear("ACK")?.headers("Via"), [at_one.header("Via")]);
    hang_up(&mut caller, &mut near, &mut other)?;
    let record = router.record_of(sent.header("Call-ID"))?;
    assert_eq!(attempts(&record), [("one", 487, Cancelled), ("other", 200, Response)]);
    caller.hear_nothing(Duration::from_millis(100))
}

#[test]
fn an_answer_of_a_gateway_that_was_given_up_is_acknowledged_and_hung_up_and_in_the_record() -> Result<()> {
    let (mut slow, mut quick) = (Phone::waiting()?, Phone::waiting()?);
    let router = in_order(&[("slow", &slow, "attempt-timeout = \"300ms\""), ("quick", &quick, "")])?.start()?;
    let mut caller = Phone::calling(router.sip())?;
    let sent = call(&caller)?;
    let at_slow = slow.hear("INVITE")?;
    let at_quick = quick.hear("INVITE")?;
    let (mut near, _) = answered(&mut caller, &mut quick, &at_quick)?;

    slow.say(&slow.answer(&at_slow, "200 OK", ""))?;

    slow.hear("ACK")?;
    let bye = slow.hear("BYE")?;
    slow.say(&slow.answer(&bye, "200 OK", ""))?;
    hang_up(&mut caller, &mut near, &mut quick)?;
    let record = router.record_of(sent.header("Call-ID"))?;
    assert_eq!(attempts(&record), [("slow", 408, Timeout), ("quick", 200, Response)]);
    assert!(record.attempts[0].released.is_some() && record.attempts[1].released.is_none());
    caller.hear_nothing(Duration::from_millis(100))
}

#[test]
fn a_full_gateway_is_gone_past_until_one_of_its_calls_ends() -> Result<()> {
    let (mut small, mut large) = (Phone::waiting()?, Phone::waiting()?);
    let router = in_order(&[("small", &small, "max-calls = 1"), ("large", &large, "")])?.start()?;
    let (mut first, mut second) = (Phone::calling(router.sip())?, Phone::calling(router.sip())?);
    call(&first)?;
    let got = small.hear("INVITE")?;
    let (mut near, _) = answered(&mut first, &mut small, &got)?;

    let sent = call(&second)?;
    let got = large.hear("INVITE")?;
    let (mut beside, _) = answered(&mut second, &mut large, &got)?;
    hang_up(&mut second, &mut beside, &mut large)?;
    hang_up(&mut first, &mut near, &mut small)?;
    call(&first)?;
    let got = small.hear("INVITE")?;
    small.say(&small.answer(&got, "486 Busy Here", ""))?;

    first.hear("486")?;
    let record = router.record_of(sent.header("Call-ID"))?;
    assert_eq!(attempts(&record), [("small", 503, Full), ("large", 200, Response)]);
    Ok(())
}

/// What the admin API says of a gateway's health.
fn state(router: &Router, name: &str) -> Result<String> {
    let gateways: serde_json::Value = serde_json::from_str(&router.admin("GET", "/v1/gateways")?.1)?;
    let found = gateways.as_array().into_iter().flatten().find(|gateway| gateway["name"] == name);
    let Some(found) = found else { bail!("no gateway {name} in {gateways}") };
    Ok(found["state"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_gateway_that_leaves_its_probes_unanswered_gets_no_calls_until_it_answers_again() -> Result<()> {
    let (mut probed, mut other) = (Phone::waiting()?, Phone::waiting()?);
    let keys = "probe = \"1s\"\nprobe-timeout = \"200ms\"\ndown-after = 1\nup-after = 1";
    let router = in_order(&[("probed", &probed, keys), ("other", &other, "")])?.start()?;
    let mut caller = Phone::calling(router.sip())?;
    let is = |wanted: &str| Ok((state(&router, "probed")? == wanted).then_some(()));
    until("the gateway to be down", PATIENCE, || is("down"))?;

    let past = call(&caller)?;
    refuse(&mut other, "486 Busy Here", "")?;
    let refused = caller.hear("486")?;
    caller.say(&caller.follow("ACK", &past, refused.header("To")))?;
    until("the gateway to be up", PATIENCE, || {
        let probe = probed.hear("OPTIONS")?;
        probed.say(&probed.answer(&probe, "200 OK", ""))?;
        is("up")
    })?;
    let again = call(&caller)?;
    let got = loop {
        let heard = probed.hear_any()?;
        match heard.kind() {
            "OPTIONS" => probed.say(&probed.answer(&heard, "200 OK", ""))?,
            _ => break heard,
        }
    };

    assert_eq!((got.kind(), got.header("Call-ID")), ("INVITE", again.header("Call-ID")));
    let record = router.record_of(past.header("Call-ID"))?;
    assert_eq!(attempts(&record), [("probed", 503, Down), ("other", 486, Response)]);
    Ok(())
}

#[test]
fn a_gateway_that_leads_back_to_this_router_ends_in_482_and_not_in_a_storm() -> Result<()> {
    let own = free_udp(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    let setup = Setup::new()?.without_sqlite().listen(own).gateway("ourselves", own);
    let router = setup.route("1", "ourselves", "0.0010").start()?;
    let mut caller = Phone::calling(own)?;

    let sent = call(&caller)?;

    let refusal = caller.hear("482")?;
    caller.say(&caller.follow("ACK", &sent, refusal.header("To")))?;
    assert_eq!(router.record_of(sent.header("Call-ID"))?.code, 482);
    // Once as it came, and at most once more as the stages had changed it.
    assert!(router.metric("trunkline_calls_total")? <= 3.0);
    caller.hear_nothing(Duration::from_millis(200))
}

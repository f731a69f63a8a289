//! CANCEL in every state of a call that has one (RFC 3261 sections 9 and 16.10).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::Result;
use trunkline::cdr::record::{AttemptOutcome, End};
use trunkline_tests::{Fault, LrnServer, Message, Phone, Router, Setup, answered, free_tcp, hang_up};

const CALLER: &str = "12125550100";
const CALLEE: &str = "19195550101";

/// The caller cancels, and hears what is due: 200 for the CANCEL, 487 for the INVITE, in this order.
fn cancel(caller: &mut Phone, sent: &Message) -> Result<()> {
    caller.say(&caller.follow("CANCEL", sent, sent.header("To")))?;
    let accepted = caller.hear("200")?;
    assert_eq!(accepted.header("CSeq"), "1 CANCEL");
    Ok(())
}

fn terminated(caller: &mut Phone, sent: &Message) -> Result<()> {
    let terminated = caller.hear("487")?;
    caller.say(&caller.follow("ACK", sent, terminated.header("To")))
}

/// A callee is cancelled: on the branch of its INVITE, and acknowledged there.
fn cancelled(callee: &mut Phone, got: &Message) -> Result<()> {
    let cancel = callee.hear("CANCEL")?;
    assert_eq!(cancel.headers("Via"), [got.header("Via")], "the CANCEL is on the INVITE's branch");
    callee.say(&callee.answer(&cancel, "200 OK", ""))?;
    callee.say(&callee.answer(got, "487 Request Terminated", ""))?;
    let ack = callee.hear("ACK")?;
    assert_eq!(ack.headers("Via"), [got.header("Via")], "and so is the ACK of its 487");
    assert!(ack.header("To").contains(";tag="));
    Ok(())
}

fn ended(router: &Router, sent: &Message, attempts: &[(u16, AttemptOutcome)]) -> Result<()> {
    let record = router.record_of(sent.header("Call-ID"))?;
    assert_eq!((record.code, record.end), (487, End::Cancelled));
    let seen: Vec<_> = record.attempts.iter().map(|attempt| (attempt.code, attempt.outcome)).collect();
    assert_eq!(seen, attempts);
    Ok(())
}

#[test]
fn while_a_stage_waits_for_its_lookup_the_call_ends_at_once_and_no_gateway_hears_of_it() -> Result<()> {
    let (lrn, mut callee) = (LrnServer::start()?, Phone::waiting()?);
    lrn.fail(Fault::Hang);
    let slow = "deadline = \"3s\"\nconfig = { table = \"lrn\" }";
    let setup = Setup::new()?.without_sqlite().lrn(&lrn, 3_000).plugin("lrn", slow).carrier(callee.address());
    let router = setup.section("[call]\nsetup-budget = \"3s\"\n").start()?;
    let mut caller = Phone::calling(router.sip())?;
    let sent = caller.invite(CALLER, CALLEE);
    caller.say(&sent)?;
    caller.hear_any()?;

    cancel(&mut caller, &sent)?;

    terminated(&mut caller, &sent)?;
    ended(&router, &sent, &[])?;
    callee.hear_nothing(Duration::from_millis(200))
}

#[test]
fn in_the_second_attempt_only_the_gateway_that_rings_is_cancelled() -> Result<()> {
    let (mut first, mut second) = (Phone::waiting()?, Phone::waiting()?);
    let setup = Setup::new()?.without_sqlite().gateway("first", first.address()).gateway("second", second.address());
    let router = setup.route("1", "first", "0.0010").route("1", "second", "0.0020").start()?;
    let mut caller = Phone::calling(router.sip())?;
    let sent = caller.invite(CALLER, CALLEE);
    caller.say(&sent)?;
    let refused = first.hear("INVITE")?;
    first.say(&first.answer(&refused, "500 Server Internal Error", ""))?;
    first.hear("ACK")?;
    let got = second.hear("INVITE")?;
    second.say(&second.answer(&got, "180 Ringing", ""))?;
    caller.hear("180")?;

    cancel(&mut caller, &sent)?;

    cancelled(&mut second, &got)?;
    terminated(&mut caller, &sent)?;
    ended(&router, &sent, &[(500, AttemptOutcome::Response), (487, AttemptOutcome::Cancelled)])?;
    first.hear_nothing(Duration::from_millis(100))
}

#[test]
fn while_two_gateways_ring_both_are_cancelled_and_acknowledged_each_on_its_branch() -> Result<()> {
    let (mut one, mut other) = (Phone::waiting()?, Phone::waiting()?);
    let both = "config = { table = \"deck\", npa-nxx = \"npanxx\", parallel = 2 }";
    let setup = Setup::new()?.without_sqlite().plugin("rate", both).gateway("one", one.address());
    let setup = setup.gateway("other", other.address()).route("1", "one", "0.0010").route("1", "other", "0.0020");
    let router = setup.start()?;
    let mut caller = Phone::calling(router.sip())?;
    let sent = caller.invite(CALLER, CALLEE);
    caller.say(&sent)?;
    let (at_one, at_other) = (one.hear("INVITE")?, other.hear("INVITE")?);
    assert_ne!(at_one.header("Via"), at_other.header("Via"), "each has a branch of its own");
    one.say(&one.answer(&at_one, "180 Ringing", ""))?;
    caller.hear("180")?;
    other.say(&other.answer(&at_other, "180 Ringing", ""))?;
    caller.hear("180")?;

    cancel(&mut caller, &sent)?;

    cancelled(&mut one, &at_one)?;
    cancelled(&mut other, &at_other)?;
    terminated(&mut caller, &sent)?;
    ended(&router, &sent, &[(487, AttemptOutcome::Cancelled); 2])?;
    caller.hear_nothing(Duration::from_millis(100))
}

#[test]
fn over_tcp_on_both_sides_the_cancel_goes_the_way_of_its_invite() -> Result<()> {
    let mut callee = Phone::waiting_on_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    let tcp = free_tcp()?;
    let uri = format!("sip:{};transport=tcp", callee.address());
    let setup = Setup::new()?.without_sqlite().listen_tcp(&[tcp]).gateway_uri("carrier", &uri, "");
    let router = setup.route("1", "carrier", "0.0050").start()?;
    let mut caller = Phone::over_tcp(tcp)?;
    let sent = caller.invite(CALLER, CALLEE);
    caller.say(&sent)?;
    let got = callee.hear("INVITE")?;
    callee.say(&callee.answer(&got, "180 Ringing", ""))?;
    caller.hear("180")?;

    cancel(&mut caller, &sent)?;

    cancelled(&mut callee, &got)?;
    terminated(&mut caller, &sent)?;
    ended(&router, &sent, &[(487, AttemptOutcome::Cancelled)])
}

#[test]
fn a_re_invite_is_cancelled_as_a_call_is_and_the_call_goes_on() -> Result<()> {
    let mut callee = Phone::waiting()?;
    let router = Setup::new()?.without_sqlite().carrier(callee.address()).start()?;
    let mut caller = Phone::calling(router.sip())?;
    let sent = caller.invite(CALLER, CALLEE);
    caller.say(&sent)?;
    let got = callee.hear("INVITE")?;
    let (mut near, _) = answered(&mut caller, &mut callee, &got)?;
    let again = near.request(&caller, "INVITE", "");
    let number = again.header("CSeq").replace(" INVITE", "");
    caller.say(&again)?;
    let offered = callee.hear("INVITE")?;
    callee.say(&callee.answer(&offered, "180 Ringing", ""))?;
    caller.hear("180")?;

    let within = |method: &str, to: &str| {
        let text = caller.follow(method, &again, to).0.replace("CSeq: 1 ", &format!("CSeq: {number} "));
        let routes: String =
            again.headers("Route").iter().fold(String::new(), |text, route| text + "Route: " + route + "\r\n");
        Message(text.replacen("Max-Forwards", &format!("{routes}Max-Forwards"), 1))
    };
    let (stop, to) = (within("CANCEL", again.header("To")), again.header("To").to_owned());
    let ack = within("ACK", &to);
    caller.say(&stop)?;
    assert!(caller.hear("200")?.header("CSeq").ends_with("CANCEL"));

    cancelled(&mut callee, &offered)?;
    caller.hear("487")?;
    caller.say(&ack)?;
    hang_up(&mut caller, &mut near, &mut callee)?;
    let record = router.record_of(sent.header("Call-ID"))?;
    assert_eq!((record.code, record.end), (200, End::CallerHungUp));
    Ok(())
}

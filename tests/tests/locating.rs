//! Gateways by name (RFC 3263): a real DNS server answers, changes, hangs and dies.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use trunkline::cdr::record::AttemptOutcome::{Response, Unreachable};
use trunkline_tests::{Dialog, Dns, Message, Phone, Router, Setup, hang_up, until};

const CALLER: &str = "12125550100";
const CALLEE: &str = "19195550101";
const PATIENCE: Duration = Duration::from_secs(8);

/// A router whose one gateway is at this URI, found by this server.
fn router(dns: &Dns, uri: &str, keys: &str) -> Result<Router> {
    Setup::new()?
        .gateway_uri("carrier", uri, keys)
        .route("1", "carrier", "0.0050")
        .section(&format!("[dns]\nservers = [\"{}\"]\ndeadline = \"500ms\"\n", dns.address))
        .start()
}

fn srv(priority: u16, phone: &Phone) -> String {
    srv_of("carrier.test", priority, phone)
}

fn srv_of(name: &str, priority: u16, phone: &Phone) -> String {
    format!("srv-host=_sip._udp.{name},a.carrier.test,{},{priority},10", phone.address().port())
}

/// An answer with another Contact.
fn with_contact(answer: &Message, contact: &str) -> Message {
    Message(answer.0.replace(answer.header("Contact"), contact))
}

fn host() -> String {
    "host-record=a.carrier.test,127.0.0.1".to_owned()
}

/// A call that this phone hears of and refuses; how long it took to come there.
fn rings(router: &Router, callee: &mut Phone) -> Result<Duration> {
    let mut caller = Phone::calling(router.sip())?;
    let begin = Instant::now();
    caller.say(&caller.invite(CALLER, CALLEE))?;
    let got = callee.hear("INVITE")?;
    let took = begin.elapsed();
    callee.say(&callee.answer(&got, "486 Busy Here", ""))?;
    caller.hear("486")?;
    callee.hear("ACK")?;
    Ok(took)
}

#[test]
fn a_call_goes_to_the_server_that_srv_prefers_and_past_one_that_refuses() -> Result<()> {
    let mut first = Phone::waiting()?;
    let gone = Phone::waiting()?;
    // Nobody has the port of the most preferred server: ICMP says so at once.
    let records = [srv(10, &gone), srv(20, &first), host()];
    drop(gone);
    let dns = Dns::start(&records)?;
    let router = router(&dns, "sip:carrier.test;transport=udp", "")?;
    let took = rings(&router, &mut first)?;
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(router.metric("trunkline_dns_queries_total{result=\"asked\"}")? >= 2.0);
    Ok(())
}

#[test]
fn a_server_that_stays_silent_is_gone_past_after_its_attempt_timeout() -> Result<()> {
    let (silent, mut second) = (Phone::waiting()?, Phone::waiting()?);
    let dns = Dns::start(&[srv(10, &silent), srv(20, &second), host()])?;
    let router = router(&dns, "sip:carrier.test;transport=udp", "attempt-timeout = \"300ms\"\n")?;
    let took = rings(&router, &mut second)?;
    assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(2), "{took:?}");
    Ok(())
}

#[test]
fn while_the_dns_hangs_calls_go_on_by_the_last_answer_and_wait_for_nothing() -> Result<()> {
    let mut callee = Phone::waiting()?;
    let dns = Dns::start(&[srv(10, &callee), host()])?;
    let router = router(&dns, "sip:carrier.test;transport=udp", "")?;
    rings(&router, &mut callee)?;

    dns.hang()?;
    until("a question without an answer", PATIENCE, || {
        Ok((router.metric("trunkline_dns_queries_total{result=\"stale\"}")? > 0.0).then_some(()))
    })?;
    let took = rings(&router, &mut callee)?;

    assert!(took < Duration::from_millis(500), "{took:?}");
    dns.resume()
}

#[test]
fn naptr_leads_to_the_service_that_it_names() -> Result<()> {
    let mut callee = Phone::waiting()?;
    let service = format!("srv-host=_sip._udp.other.test,a.carrier.test,{},0,0", callee.address().port());
    let naptr = "naptr-record=carrier.test,10,0,s,SIP+D2U,,_sip._udp.other.test".to_owned();
    let dns = Dns::start(&[naptr, service, host()])?;
    let router = router(&dns, "sip:carrier.test", "")?;
    rings(&router, &mut callee)?;
    Ok(())
}

#[test]
fn an_address_that_did_not_answer_is_tried_last_by_the_calls_that_follow() -> Result<()> {
    let (mut silent, mut second) = (Phone::waiting()?, Phone::waiting()?);
    let dns = Dns::start(&[srv(10, &silent), srv(20, &second), host()])?;
    let router = router(&dns, "sip:carrier.test;transport=udp", "attempt-timeout = \"1s\"\n")?;
    let first = rings(&router, &mut second)?;
    silent.hear("INVITE")?;
    let next = rings(&router, &mut second)?;
    assert!(first >= Duration::from_millis(950) && next < Duration::from_millis(700), "{first:?}, {next:?}");
    Ok(())
}

/// A call of an answering carrier that names `media.test` in its Contact, where `media` is.
struct Named {
    caller: Phone,
    callee: Phone,
    media: Phone,
    near: Dialog,
    router: Router,
}

impl Named {
    /// The caller's requests come to where the name leads, the BYE too. The first may have left before that was known.
    fn requests_reach_the_name(&mut self) -> Result<()> {
        let Self { caller, media, near, .. } = self;
        let info = until("a request where the name leads", PATIENCE, || {
            caller.say(&near.request(caller, "INFO", ""))?;
            media.hear_within("INFO", Duration::from_millis(300))
        })?;
        media.say(&media.answer(&info, "200 OK", ""))?;
        caller.hear_within("200", PATIENCE)?.context("the INFO's answer")?;
        hang_up(caller, near, media)
    }
}

fn named(dns: impl Fn(&Dns) -> Result<()>) -> Result<(Named, Dns)> {
    named_by(
        |_| vec!["host-record=media.test,127.0.0.1".to_owned()],
        |media| format!("<sip:callee@media.test:{}>", media.address().port()),
        dns,
    )
}

/// The same with these records and this Contact.
fn named_by(
    records: impl Fn(&Phone) -> Vec<String>,
    contact: impl Fn(&Phone) -> String,
    dns: impl Fn(&Dns) -> Result<()>,
) -> Result<(Named, Dns)> {
    let (mut callee, media) = (Phone::waiting()?, Phone::waiting()?);
    let dns_server = Dns::start(&records(&media))?;
    let router = router(&dns_server, &format!("sip:{};transport=udp", callee.address()), "")?;
    dns(&dns_server)?;
    let mut caller = Phone::calling(router.sip())?;
    caller.say(&caller.invite(CALLER, CALLEE))?;
    let got = callee.hear("INVITE")?;
    let answer = callee.answer(&got, "200 OK", "");
    callee.say(&with_contact(&answer, &contact(&media)))?;
    let near = Dialog::of_caller(&caller.hear("200")?);
    caller.say(&near.ack(&caller, 1))?;
    Ok((Named { caller, callee, media, near, router }, dns_server))
}

#[test]
fn requests_within_a_call_go_to_where_the_name_in_the_contact_leads() -> Result<()> {
    let (mut line, _dns) = named(|_| Ok(()))?;
    until("the name to be asked for", PATIENCE, || {
        Ok((line.router.metric("trunkline_dns_queries_total{result=\"asked\"}")? > 0.0).then_some(()))
    })?;
    line.requests_reach_the_name()
}

#[test]
fn while_the_dns_hangs_a_call_whose_contact_is_a_name_waits_for_nothing_and_ends_well() -> Result<()> {
    let (mut line, dns) = named(Dns::hang)?;
    line.callee.hear("ACK")?;
    let begin = Instant::now();
    hang_up(&mut line.caller, &mut line.near, &mut line.callee)?;
    assert!(begin.elapsed() < Duration::from_millis(400), "{:?}", begin.elapsed());
    dns.resume()
}

#[test]
fn a_request_within_a_call_goes_past_an_address_of_the_name_that_is_dead() -> Result<()> {
    let gone = Phone::waiting()?;
    let records = |media: &Phone| vec![srv_of("media.test", 10, &gone), srv_of("media.test", 20, media), host()];
    let (mut line, _dns) = named_by(records, |_| "<sip:callee@media.test;transport=udp>".to_owned(), |_| Ok(()))?;
    drop(gone);
    line.requests_reach_the_name()
}

#[test]
fn a_302_to_a_name_is_followed_to_where_the_name_leads_and_past_an_address_that_is_dead() -> Result<()> {
    let (mut moved, mut there, gone) = (Phone::waiting()?, Phone::waiting()?, Phone::waiting()?);
    let dns = Dns::start(&[srv_of("moved.test", 10, &gone), srv_of("moved.test", 20, &there), host()])?;
    drop(gone);
    let router = router(&dns, &format!("sip:{};transport=udp", moved.address()), "redirect = \"follow\"\n")?;
    let mut caller = Phone::calling(router.sip())?;
    let sent = caller.invite(CALLER, CALLEE);
    caller.say(&sent)?;
    let got = moved.hear("INVITE")?;
    let answer = moved.answer(&got, "302 Moved Temporarily", "");
    moved.say(&with_contact(&answer, "<sip:b@moved.test;transport=udp>, <sip:c@nowhere.test>;q=0.5"))?;
    moved.hear("ACK")?;

    let got = there.hear("INVITE")?;
    assert_eq!(got.first_line(), "INVITE sip:b@moved.test;transport=udp SIP/2.0");
    there.say(&there.answer(&got, "503 Service Unavailable", ""))?;
    there.hear("ACK")?;

    caller.hear_final()?;
    let record = router.record_of(sent.header("Call-ID"))?;
    // The second Contact leads nowhere.
    assert_eq!(record.attempts.iter().map(|attempt| attempt.code).collect::<Vec<_>>(), [302, 503, 503, 503]);
    let led_to = record.attempts.iter().map(|attempt| attempt.outcome).collect::<Vec<_>>();
    assert_eq!(led_to, [Response, Unreachable, Response, Unreachable]);
    moved.hear_nothing(Duration::from_millis(100))
}

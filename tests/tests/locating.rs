//! Gateways by name (RFC 3263): a real DNS server answers, changes, hangs and dies.

use std::time::{Duration, Instant};

use anyhow::Result;
use trunkline_tests::{Dialog, Dns, Message, Phone, Router, Setup, until};

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
    format!("srv-host=_sip._udp.carrier.test,a.carrier.test,{},{priority},10", phone.address().port())
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

fn named(dns: impl Fn(&Dns) -> Result<()>) -> Result<(Named, Dns)> {
    let (mut callee, media) = (Phone::waiting()?, Phone::waiting()?);
    let dns_server = Dns::start(&["host-record=media.test,127.0.0.1".to_owned()])?;
    let router = router(&dns_server, &format!("sip:{};transport=udp", callee.address()), "")?;
    dns(&dns_server)?;
    let mut caller = Phone::calling(router.sip())?;
    caller.say(&caller.invite(CALLER, CALLEE))?;
    let got = callee.hear("INVITE")?;
    let answer = callee.answer(&got, "200 OK", "");
    let contact = answer.header("Contact").to_owned();
    let named = format!("<sip:callee@media.test:{}>", media.address().port());
    callee.say(&Message(answer.0.replace(&contact, &named)))?;
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
    // The ACK, or the first of these, may have left before the answer came.
    let info = until("a request at the name's address", PATIENCE, || {
        line.caller.say(&line.near.request(&line.caller, "INFO", ""))?;
        line.media.hear_within("INFO", Duration::from_millis(300))
    })?;
    line.media.say(&line.media.answer(&info, "200 OK", ""))?;
    line.caller.hear("200")?;
    line.caller.say(&line.near.request(&line.caller, "BYE", ""))?;
    let bye = line.media.hear("BYE")?;
    line.media.say(&line.media.answer(&bye, "200 OK", ""))?;
    line.caller.hear("200")?;
    Ok(())
}

#[test]
fn while_the_dns_hangs_a_call_whose_contact_is_a_name_waits_for_nothing_and_ends_well() -> Result<()> {
    let (mut line, dns) = named(Dns::hang)?;
    line.callee.hear("ACK")?;
    let begin = Instant::now();
    line.caller.say(&line.near.request(&line.caller, "BYE", ""))?;
    let bye = line.callee.hear("BYE")?;
    assert!(begin.elapsed() < Duration::from_millis(400), "{:?}", begin.elapsed());
    line.callee.say(&line.callee.answer(&bye, "200 OK", ""))?;
    line.caller.hear("200")?;
    dns.resume()
}

//! Beside other people's software: a chain of proxies with Kamailio on both sides, and the scanners of the Internet.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;
use trunkline::cdr::record::End;
use trunkline_tests::{Dialog, Kamailio, Load, Message, Phone, Router, Setup, Sipp, answered, free_udp, place};

const CALLER: &str = "12125550100";
const CALLEE: &str = "19195550101";
/// Where the customer and the carrier are while strangers scan from 127.0.0.1.
const CUSTOMER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const CARRIER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// A telephone, Kamailio, the router, Kamailio, a telephone.
struct Chain {
    caller: Phone,
    callee: Phone,
    front: Kamailio,
    back: Kamailio,
    router: Router,
}

impl Chain {
    fn new() -> Result<Self> {
        let callee = Phone::waiting()?;
        let back = Kamailio::before(callee.address())?;
        Self::with(callee, back, "")
    }

    /// The Kamailio behind the router wants credentials.
    fn with_login() -> Result<Self> {
        let callee = Phone::waiting()?;
        let back = Kamailio::before_with_login(callee.address(), "carrier.example", "trunk7", "s3cret")?;
        Self::with(callee, back, "digest = { user = \"trunk7\", password = \"s3cret\" }")
    }

    fn with(callee: Phone, back: Kamailio, keys: &str) -> Result<Self> {
        let setup = Setup::new()?.without_sqlite().gateway_with("carrier", back.address(), keys);
        let router = setup.route("1", "carrier", "0.0050").start()?;
        let front = Kamailio::before(router.sip())?;
        Ok(Self { caller: Phone::calling(front.address())?, callee, front, back, router })
    }

    /// An answered call: the INVITE as sent, and both ends of its dialog.
    fn answered(&mut self) -> Result<(Message, Dialog, Dialog)> {
        let sent = self.caller.invite(CALLER, CALLEE);
        self.caller.say(&sent)?;
        let got = self.callee.hear("INVITE").with_context(|| self.logs())?;
        // Each Kamailio and the router is in the route of what follows.
        assert_eq!((got.headers("Via").len(), got.headers("Record-Route").len()), (4, 3), "{}", got.0);
        self.callee.say(&self.callee.answer(&got, "180 Ringing", ""))?;
        self.caller.hear("180")?;
        let (near, far) = answered(&mut self.caller, &mut self.callee, &got).with_context(|| self.logs())?;
        Ok((sent, near, far))
    }

    fn logs(&self) -> String {
        format!("before:\n{}\nbehind:\n{}\nthe router:\n{}", self.front.log(), self.back.log(), self.router.log())
    }
}

/// One end sends a request within the dialog, the other takes it.
fn passes(method: &str, from: (&mut Phone, &mut Dialog), to: &mut Phone) -> Result<()> {
    let (phone, dialog) = from;
    let request = dialog.request(phone, method, "");
    phone.say(&request)?;
    let got = to.hear(method)?;
    assert_eq!(got.headers("Route"), [""; 0], "every hop took its own Route off");
    to.say(&to.answer(&got, "200 OK", ""))?;
    let answer = phone.hear("200")?;
    assert_eq!(answer.header("CSeq"), request.header("CSeq"), "whatever number the other side knows it by");
    if method == "INVITE" {
        let number = request.header("CSeq").split(' ').next().and_then(|number| number.parse().ok());
        phone.say(&dialog.ack(phone, number.context("a number")?))?;
        to.hear("ACK")?;
    }
    Ok(())
}

/// Two calls with re-INVITEs, UPDATE and INFO from both ends; the one ends from the caller, the other from the callee.
fn calls_go_their_way(mut chain: Chain) -> Result<()> {
    for (ends, end) in [("caller", End::CallerHungUp), ("callee", End::CalleeHungUp)] {
        let (sent, mut near, mut far) = chain.answered()?;
        let Chain { caller, callee, router, .. } = &mut chain;
        for method in ["INVITE", "UPDATE", "INFO", "INVITE"] {
            passes(method, (caller, &mut near), callee).context(method)?;
            passes(method, (callee, &mut far), caller).context(method)?;
        }
        match ends {
            "caller" => passes("BYE", (caller, &mut near), callee)?,
            _ => passes("BYE", (callee, &mut far), caller)?,
        }
        let record = router.record_of(sent.header("Call-ID"))?;
        assert_eq!((record.code, record.end, record.attempts.len()), (200, end, 1), "{ends}");
    }
    Ok(())
}

#[test]
fn between_two_kamailios_calls_set_up_change_and_end_from_both_sides() -> Result<()> {
    calls_go_their_way(Chain::new()?)
}

#[test]
fn a_kamailio_that_wants_a_login_gets_it_and_the_call_goes_its_way_by_the_shifted_numbers() -> Result<()> {
    calls_go_their_way(Chain::with_login()?)
}

#[test]
fn a_kamailio_that_is_given_the_wrong_password_ends_the_call_and_not_the_router() -> Result<()> {
    let mut callee = Phone::waiting()?;
    let back = Kamailio::before_with_login(callee.address(), "carrier.example", "trunk7", "s3cret")?;
    let keys = "digest = { user = \"trunk7\", password = \"wrong\" }";
    let setup = Setup::new()?.without_sqlite().gateway_with("carrier", back.address(), keys);
    let router = setup.route("1", "carrier", "0.0050").start()?;
    let mut caller = Phone::calling(router.sip())?;
    let sent = caller.invite(CALLER, CALLEE);
    caller.say(&sent)?;

    let told = caller.hear_final()?;

    assert!(!told.0.contains("wrong") && told.kind() != "200", "{}", told.0);
    caller.say(&caller.follow("ACK", &sent, told.header("To")))?;
    let record = router.record_of(sent.header("Call-ID"))?;
    assert_eq!((record.end, record.attempts.len()), (End::Failed, 1));
    callee.hear_nothing(Duration::from_millis(100))
}

#[test]
fn a_cancel_passes_the_chain_and_every_hop_ends_its_transaction() -> Result<()> {
    let mut chain = Chain::new()?;
    let sent = chain.caller.invite(CALLER, CALLEE);
    chain.caller.say(&sent)?;
    let got = chain.callee.hear("INVITE").with_context(|| chain.logs())?;
    chain.callee.say(&chain.callee.answer(&got, "180 Ringing", ""))?;
    chain.caller.hear("180")?;

    chain.caller.say(&chain.caller.follow("CANCEL", &sent, sent.header("To")))?;

    let cancel = chain.callee.hear("CANCEL")?;
    chain.callee.say(&chain.callee.answer(&cancel, "200 OK", ""))?;
    chain.callee.say(&chain.callee.answer(&got, "487 Request Terminated", ""))?;
    chain.callee.hear("ACK")?;
    let mut heard = [chain.caller.hear_final()?, chain.caller.hear_final()?];
    heard.sort_by(|a, b| a.kind().cmp(b.kind()));
    assert_eq!(heard.each_ref().map(Message::kind), ["200", "487"]);
    chain.caller.say(&chain.caller.follow("ACK", &sent, heard[1].header("To")))?;
    let record = chain.router.record_of(sent.header("Call-ID"))?;
    assert_eq!((record.code, record.end), (487, End::Cancelled));
    chain.callee.hear_nothing(Duration::from_millis(700))
}

#[test]
fn a_hundred_calls_through_the_chain_all_succeed_and_each_has_its_record() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let back = Kamailio::before(callee.address())?;
    let router = Setup::new()?.without_sqlite().carrier(back.address()).start()?;
    let front = Kamailio::before(router.sip())?;
    let words = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "200")];

    place("caller", &words, front.address(), Load { calls: 100, rate: 50 })?;
    assert_eq!(callee.finish()?.failed, 0);
    let records = router.wait_for_records(100)?;
    assert!(records.len() == 100 && records.iter().all(|record| record.end == End::CallerHungUp));
    Ok(())
}

/// What one of sipvicious' programs prints when it is let loose on the router, from 127.0.0.1: here that is nobody.
fn scan(program: &str, router: &Router, arguments: &[&str]) -> Result<String> {
    let home = TempDir::with_prefix("trunkline-scan-")?;
    let (host, port) = (router.sip().ip().to_string(), router.sip().port().to_string());
    let local = free_udp(IpAddr::V4(Ipv4Addr::LOCALHOST))?.port().to_string();
    let output = Command::new("timeout")
        .args(["30", program, "-p", &port, "-P", &local])
        .args(arguments)
        .arg(&host)
        .env("HOME", home.path())
        .current_dir(home.path())
        .output()
        .with_context(|| format!("{program}: `cargo xtask test` installs it"))?;
    Ok(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// Every scan that sipvicious knows while a customer's calls go on; what each has printed.
fn scanned(abuse: &str) -> Result<(Router, Vec<String>)> {
    let callee = Sipp::callee_on(IpAddr::V4(CARRIER), "callee", &[])?;
    let setup = Setup::new()?.without_sqlite().customer("acme", &format!("{CUSTOMER}/32"), "");
    let router = setup.carrier(callee.address()).section(abuse).start()?;
    let words = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "500")];
    let calls = Sipp::caller_on(IpAddr::V4(CUSTOMER), "caller", &words, router.sip(), Load { calls: 60, rate: 15 })?;

    let mut told = vec![scan("svmap", &router, &[])?];
    for method in ["REGISTER", "INVITE", "OPTIONS"] {
        let scope = ["-m", method, "-e", "1000-1300", "--force", "--maximumtime=2"];
        told.push(scan("svwar", &router, &scope)?);
    }

    let calls = calls.wait()?;
    assert_eq!((calls.successful, calls.failed), (60, 0), "calls of customers go on");
    assert_eq!(callee.finish()?.successful, 60, "and no scanner's call reached the gateway");
    let records = router.wait_for_records(60)?;
    let strangers = records.iter().filter(|record| record.customer.is_empty());
    assert!(strangers.clone().all(|record| record.end == End::Refused && record.attempts.is_empty()));
    for seen in &told {
        // A table of what was found has a row for each device or extension.
        let found = seen.lines().any(|line| line.starts_with('|') && line.contains(|c: char| c.is_ascii_digit()));
        assert!(!found || seen.contains("SIP Device"), "an extension was told apart from another:\n{seen}");
        assert!(!seen.to_ascii_lowercase().contains("trunkline"), "it says what it is:\n{seen}");
    }
    Ok((router, told))
}

#[test]
fn sipvicious_hears_nothing_at_all() -> Result<()> {
    let (router, told) = scanned("")?;

    assert!(told.iter().all(|seen| seen.contains("found nothing")), "{told:#?}");
    assert!(router.metric("trunkline_abuse_drops_total{reason=\"scanner\"}")? >= 4.0);
    Ok(())
}

#[test]
fn sipvicious_under_another_name_learns_of_no_extension_and_is_banned() -> Result<()> {
    let (router, told) = scanned("[abuse]\nuser-agents = []\nrate = 20\nburst = 40\n")?;

    assert!(told[1..].iter().all(|seen| seen.contains("found nothing")), "{told:#?}");
    assert!(router.metric("trunkline_abuse_bans_begun_total{reason=\"rate\"}")? >= 1.0);
    assert!(router.metric("trunkline_abuse_drops_total{reason=\"banned\"}")? >= 1.0);
    Ok(())
}

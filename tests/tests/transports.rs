//! Calls over TCP and TLS, across transports and address families, and what goes wrong with connections.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Result;
use trunkline::cdr::record::{AttemptOutcome, End};
use trunkline_tests::{
    Counts, Dialog, Load, Message, Phone, Pki, Router, Setup, Sipp, answered, free_tcp, free_tcp_on, hang_up, until,
};

const CALLER: &str = "12125550100";
const CALLEE: &str = "19195550101";
const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const WORDS: [(&str, &str); 3] = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "50")];
const LOAD: Load = Load { calls: 50, rate: 50 };
const ALL: Counts = Counts { successful: 50, failed: 0, retransmissions: 0 };
const PATIENCE: Duration = Duration::from_secs(5);

/// A router that listens by TCP on 127.0.0.1 and ::1, and the address of the former.
fn over_tcp(setup: Setup) -> Result<(Setup, SocketAddr)> {
    let address = free_tcp()?;
    Ok((setup.listen_tcp(&[address, free_tcp_on(V6)?]), address))
}

/// All numbers go to this gateway.
fn carrier(uri: &str) -> Result<Setup> {
    Ok(Setup::new()?.gateway_uri("carrier", uri, "").route("1", "carrier", "0.0050"))
}

fn tcp(address: SocketAddr) -> String {
    format!("sip:{address};transport=tcp")
}

#[test]
fn sipp_calls_over_one_tcp_connection_and_is_answered_over_another() -> Result<()> {
    let callee = Sipp::callee_over_tcp(V4, "callee", &[])?;
    let (setup, address) = over_tcp(carrier(&tcp(callee.address()))?)?;
    let router = setup.start()?;

    let caller = Sipp::caller_over_tcp("t1", "caller", &WORDS, address, LOAD)?;

    assert_eq!(caller.wait()?, ALL);
    assert_eq!(callee.finish()?, ALL);
    let records = router.wait_for_records(50)?;
    assert!(records.iter().all(|record| record.end == End::CallerHungUp && &*record.transport == "tcp"));
    assert!(router.metric("trunkline_messages_total{transport=\"tcp\",direction=\"received\"}")? >= 50.0 * 6.0);
    Ok(())
}

#[test]
fn every_call_may_have_a_connection_of_its_own() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let (setup, address) = over_tcp(Setup::new()?.carrier(callee.address()))?;
    let _router = setup.start()?;
    let caller = Sipp::caller_over_tcp("tn", "caller", &WORDS, address, LOAD)?;
    assert_eq!(caller.wait()?, ALL);
    Ok(())
}

#[test]
fn a_call_from_udp_and_ipv4_goes_to_tcp_and_ipv6() -> Result<()> {
    let callee = Sipp::callee_over_tcp(V6, "callee", &[])?;
    let (setup, _) = over_tcp(carrier(&tcp(callee.address()))?)?;
    let router = setup.start()?;

    let caller = Sipp::caller("caller", &WORDS, router.sip(), LOAD)?;

    assert_eq!(caller.wait()?, ALL);
    assert_eq!(callee.finish()?, ALL);
    assert_eq!(router.wait_for_records(50)?.len(), 50);
    Ok(())
}

/// A caller over UDP, a callee over TCP.
struct Crossing {
    caller: Phone,
    callee: Phone,
    router: Router,
}

impl Crossing {
    fn new() -> Result<Self> {
        let callee = Phone::waiting_on_tcp(V4)?;
        let (setup, _) = over_tcp(carrier(&tcp(callee.address()))?)?;
        let router = setup.start()?;
        Ok(Self { caller: Phone::calling(router.sip())?, callee, router })
    }

    /// The INVITE as the callee got it, and the two ends of the answered call.
    fn answered(&mut self) -> Result<(Message, Dialog, Dialog)> {
        self.caller.say(&self.caller.invite(CALLER, CALLEE))?;
        let got = self.callee.hear("INVITE")?;
        let (near, far) = answered(&mut self.caller, &mut self.callee, &got)?;
        Ok((got, near, far))
    }
}

#[test]
fn a_call_that_crosses_transports_has_a_record_route_for_each_and_ends_from_either_side() -> Result<()> {
    let mut line = Crossing::new()?;
    let (invite, _, mut far) = line.answered()?;
    let routes = invite.headers("Record-Route");
    assert_eq!(routes.len(), 2, "{}", invite.0);
    assert!(routes[0].contains(";transport=tcp;") && !routes[1].contains("transport="), "{routes:?}");
    assert!(invite.header("Via").starts_with("SIP/2.0/TCP ") && invite.header("Via").contains(";alias"));

    hang_up(&mut line.callee, &mut far, &mut line.caller)?;
    assert_eq!(line.router.record_of(invite.header("Call-ID"))?.end, End::CalleeHungUp);
    Ok(())
}

#[test]
fn a_connection_that_is_killed_in_mid_call_is_opened_anew_for_the_next_request() -> Result<()> {
    let mut line = Crossing::new()?;
    let (invite, mut near, _) = line.answered()?;

    line.callee.cut();
    until("the router to notice", PATIENCE, || {
        Ok((line.router.metric("trunkline_connections ")? == 0.0).then_some(()))
    })?;
    hang_up(&mut line.caller, &mut near, &mut line.callee)?;
    assert_eq!(line.router.record_of(invite.header("Call-ID"))?.end, End::CallerHungUp);
    Ok(())
}

#[test]
fn a_gateway_whose_tcp_port_is_dead_costs_no_time() -> Result<()> {
    let mut callee = Phone::waiting()?;
    let (setup, _) = over_tcp(Setup::new()?.gateway_uri("dead", &tcp(free_tcp()?), ""))?;
    let router =
        setup.gateway("alive", callee.address()).route("1", "dead", "0.0010").route("1", "alive", "0.0050").start()?;
    let mut caller = Phone::calling(router.sip())?;
    let begin = Instant::now();
    let invite = caller.invite(CALLER, CALLEE);
    caller.say(&invite)?;

    let got = callee.hear("INVITE")?;

    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    callee.say(&callee.answer(&got, "486 Busy Here", ""))?;
    caller.hear("486")?;
    let record = router.record_of(invite.header("Call-ID"))?;
    assert_eq!(record.attempts[0].outcome, AttemptOutcome::Unreachable);
    Ok(())
}

#[test]
fn a_gateway_that_closes_before_it_answers_is_gone_past_at_once() -> Result<()> {
    let (mut dying, mut callee) = (Phone::waiting_on_tcp(V4)?, Phone::waiting()?);
    let (setup, _) = over_tcp(Setup::new()?.gateway_uri("dying", &tcp(dying.address()), ""))?;
    let router =
        setup.gateway("alive", callee.address()).route("1", "dying", "0.0010").route("1", "alive", "0.0050").start()?;
    let mut caller = Phone::calling(router.sip())?;
    caller.say(&caller.invite(CALLER, CALLEE))?;
    dying.hear("INVITE")?;
    let begin = Instant::now();

    dying.cut();

    let got = callee.hear("INVITE")?;
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    callee.say(&callee.answer(&got, "486 Busy Here", ""))?;
    caller.hear("486")?;
    Ok(())
}

#[test]
fn a_caller_over_tcp_is_called_back_by_its_own_connection_where_it_says_alias() -> Result<()> {
    let mut callee = Phone::waiting()?;
    let (setup, address) = over_tcp(Setup::new()?.carrier(callee.address()))?;
    let _router = setup.start()?;
    let mut caller = Phone::over_tcp(address)?;
    let invite = caller.invite(CALLER, CALLEE);
    // A port at which nobody listens: only the connection leads to this caller.
    let closed = free_tcp()?.port();
    let own = caller.address();
    let text = invite.0.replace(&format!("TCP {own};"), &format!("TCP {}:{closed};alias;", own.ip()));
    let invite = Message(text.replace(&format!("{own};transport"), &format!("{}:{closed};transport", own.ip())));
    caller.say(&invite)?;
    let got = callee.hear("INVITE")?;
    let (_, mut far) = answered(&mut caller, &mut callee, &got)?;

    callee.say(&far.request(&callee, "BYE", ""))?;

    caller.hear("BYE")?;
    Ok(())
}

#[test]
fn a_certificate_makes_its_owner_the_customer_whatever_its_address() -> Result<()> {
    let (pki, mut callee) = (Pki::new()?, Phone::waiting()?);
    let address = free_tcp()?;
    let own = pki.sign("router", "router", "DNS:sip.router.test")?;
    let router = Setup::new()?
        .listen_tls(address, &own, Some(&pki.authority()))
        .carrier(callee.address())
        .pipeline("named", &["blocklist", "rate"])
        .customer("bycert", "192.0.2.1/32", "tls-identities = [\"sip.carrier.test\"]\npipeline = \"named\"")
        .start()?;

    for (file, common_name, alternative, customer) in [
        ("san", "nobody", "DNS:SIP.carrier.test", "bycert"),
        ("uri", "nobody", "URI:sip:sip.carrier.test", "bycert"),
        ("cn", "sip.carrier.test", "", "bycert"),
        ("other", "sip.carrier.test", "DNS:other.test", "acme"),
    ] {
        let shown = pki.sign(file, common_name, alternative)?;
        let mut caller = Phone::over_tls(address, "sip.router.test", &pki, Some(&shown))?;
        let invite = caller.invite(CALLER, CALLEE);
        caller.say(&invite)?;
        let got = callee.hear("INVITE")?;
        assert!(got.headers("Record-Route")[1].contains(";transport=tls;"), "{}", got.0);
        callee.say(&callee.answer(&got, "486 Busy Here", ""))?;
        caller.hear("486")?;
        let record = router.record_of(invite.header("Call-ID"))?;
        assert_eq!((&*record.customer, &*record.transport), (customer, "tls"), "{file}");
        callee.hear("ACK")?;
    }
    Ok(())
}

#[test]
fn a_peer_without_a_certificate_that_was_asked_for_gets_nowhere_and_is_counted() -> Result<()> {
    let pki = Pki::new()?;
    let address = free_tcp()?;
    let own = pki.sign("router", "router", "DNS:sip.router.test")?;
    let router = Setup::new()?.listen_tls(address, &own, Some(&pki.authority())).start()?;

    let refused = Phone::over_tls(address, "sip.router.test", &pki, None).and_then(|mut caller| {
        caller.say(&caller.request("OPTIONS", CALLER, CALLEE, "", ""))?;
        caller.hear_any()
    });

    assert!(refused.is_err());
    until("the count", PATIENCE, || {
        let count = router.metric("trunkline_tls_handshakes_failed_total{reason=\"no-certificate\"}")?;
        Ok(((count - 1.0).abs() < 0.5).then_some(()))
    })
}

#[test]
fn a_gateway_over_tls_must_show_a_certificate_for_its_name() -> Result<()> {
    let (right, wrong) = (gateway_over_tls("127.0.0.1")?, gateway_over_tls("192.0.2.1")?);
    assert_eq!((right, wrong), (AttemptOutcome::Response, AttemptOutcome::Unreachable));
    Ok(())
}

/// How an attempt ends over a gateway (a second router, which refuses the call) whose certificate holds this address.
fn gateway_over_tls(certified: &str) -> Result<AttemptOutcome> {
    let pki = Pki::new()?;
    let (near, far) = (free_tcp()?, free_tcp()?);
    let own = pki.sign("near", "near", "DNS:near.test")?;
    let theirs = pki.sign("far", "far", &format!("IP:{certified}"))?;
    let _far = Setup::new()?.listen_tls(far, &theirs, None).start()?;
    let router = carrier(&format!("sips:{far}"))?
        .listen_tls(near, &own, None)
        .section(&format!("[tls]\nca = \"{}\"\n", pki.authority().display()))
        .start()?;
    let mut caller = Phone::calling(router.sip())?;
    let invite = caller.invite(CALLER, CALLEE);
    caller.say(&invite)?;
    caller.hear_final()?;
    Ok(router.record_of(invite.header("Call-ID"))?.attempts[0].outcome)
}

#[test]
fn a_reload_changes_the_certificate_for_new_connections_and_drops_no_old_one() -> Result<()> {
    let (pki, mut callee) = (Pki::new()?, Phone::waiting()?);
    let address = free_tcp()?;
    let own = pki.sign("router", "router", "DNS:old.test")?;
    let router = Setup::new()?.listen_tls(address, &own, None).carrier(callee.address()).start()?;
    let caller = Phone::over_tls(address, "old.test", &pki, None)?;

    pki.sign("router", "router", "DNS:new.test")?;
    assert_eq!(router.reload()?.0, 200);

    assert!(Phone::over_tls(address, "old.test", &pki, None).is_err());
    Phone::over_tls(address, "new.test", &pki, None)?;
    caller.say(&caller.invite(CALLER, CALLEE))?;
    callee.hear("INVITE")?;

    std::fs::write(&own.key, "no key")?;
    let (code, why) = router.reload()?;
    assert_eq!(code, 422);
    assert!(why.contains("listen.tls[0].key"), "{why}");
    Phone::over_tls(address, "new.test", &pki, None)?;
    Ok(())
}

#[test]
fn half_open_handshakes_have_a_bound_and_an_end_and_then_peers_come_through_again() -> Result<()> {
    let (pki, address) = (Pki::new()?, free_tcp()?);
    let own = pki.sign("router", "router", "DNS:sip.router.test")?;
    let bounds = "[streams]\nmax-handshakes-per-source = 4\nhandshake-timeout = \"1s\"\n";
    let router = Setup::new()?.without_sqlite().listen_tls(address, &own, None).section(bounds).start()?;

    // Whoever opens them says nothing.
    let open: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(address)).collect::<Result<_, _>>()?;

    let failed = |reason| router.metric(&format!("trunkline_tls_handshakes_failed_total{{reason=\"{reason}\"}}"));
    until("those beyond the bound to be hung up on", PATIENCE, || {
        Ok((failed("too-many-of-source")? > 20.0).then_some(()))
    })?;
    until("those within it to be given up", PATIENCE, || Ok((failed("timeout")? > 3.5).then_some(())))?;
    let mut caller = Phone::over_tls(address, "sip.router.test", &pki, None)?;
    caller.say(&caller.request("OPTIONS", CALLER, CALLEE, "", ""))?;
    caller.hear("200")?;
    drop(open);
    Ok(())
}

#[test]
fn a_stream_of_garbage_is_hung_up_on_and_calls_go_on() -> Result<()> {
    let mut callee = Phone::waiting()?;
    let (setup, address) = over_tcp(Setup::new()?.carrier(callee.address()))?;
    let router = setup.start()?;
    let mut rng = fastrand::Rng::with_seed(1);
    for _ in 0..50 {
        let garbage: Vec<u8> = (0..2_000).map(|_| rng.u8(..)).collect();
        // The router may have hung up before all was written.
        let _closed = Phone::over_tcp(address)?.say_bytes(&garbage);
    }
    let caller = Phone::over_tcp(address)?;
    caller.say(&caller.invite(CALLER, CALLEE))?;
    callee.hear("INVITE")?;
    assert!(router.metric("trunkline_connections_closed_total{reason=\"unframed\"}")? > 0.0);
    Ok(())
}

#[test]
fn a_collector_gets_a_copy_of_every_message_by_hep() -> Result<()> {
    let collector = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    collector.set_read_timeout(Some(PATIENCE))?;
    let mut callee = Phone::waiting()?;
    let hep = format!("[hep]\ncollector = \"udp:{}\"\nid = 7\n", collector.local_addr()?);
    let (setup, address) = over_tcp(Setup::new()?.carrier(callee.address()).section(&hep))?;
    let _router = setup.start()?;
    let mut caller = Phone::over_tcp(address)?;
    caller.say(&caller.invite(CALLER, CALLEE))?;
    let got = callee.hear("INVITE")?;
    callee.say(&callee.answer(&got, "486 Busy Here", ""))?;
    caller.hear("486")?;

    let mut copies = Vec::new();
    let mut buffer = vec![0; 65_535];
    // INVITE in, 100 out, INVITE out, 486 in, ACK out, 486 out.
    while copies.len() < 6 {
        let (length, _) = collector.recv_from(&mut buffer)?;
        assert_eq!(&buffer[..4], b"HEP3");
        let printable = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { '.' };
        let text: String = buffer[..length].iter().map(printable).collect();
        copies.push(text[text.find("SIP/2.0").map_or(0, |at| at.saturating_sub(40))..].to_owned());
    }
    assert_eq!(copies.iter().filter(|copy| copy.contains("INVITE sip:")).count(), 2, "{copies:?}");
    assert_eq!(copies.iter().filter(|copy| copy.contains("SIP/2.0 486 ")).count(), 2, "{copies:?}");
    Ok(())
}

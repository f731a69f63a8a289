//! What UDP has proven of one call, over TCP and TLS: everything within it, and what ends it before it begins.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use trunkline::cdr::record::End;
use trunkline_tests::{Dialog, Message, Phone, Pki, Router, Setup, free_tcp};

const CALLER: &str = "12125550100";
const CALLEE: &str = "19195550101";
/// To a gateway that leads back to the router itself.
const CIRCLE: &str = "442079460000";
const NAME: &str = "sip.router.test";

/// A router that listens by TCP and TLS, and a callee over TCP.
struct Line {
    router: Router,
    callee: Phone,
    tcp: SocketAddr,
    tls: SocketAddr,
    pki: Pki,
}

impl Line {
    fn new() -> Result<Self> {
        let callee = Phone::waiting_on_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
        let (pki, tcp, tls) = (Pki::new()?, free_tcp()?, free_tcp()?);
        let own = pki.sign("router", "router", &format!("DNS:{NAME}"))?;
        let over_tcp = |address: SocketAddr| format!("sip:{address};transport=tcp");
        let router = Setup::new()?
            .without_sqlite()
            .listen_tcp(&[tcp])
            .listen_tls(tls, &own, None)
            .gateway_uri("carrier", &over_tcp(callee.address()), "")
            .gateway_uri("ourselves", &over_tcp(tcp), "")
            .route("1", "carrier", "0.0050")
            .route("44", "ourselves", "0.0050")
            .start()?;
        Ok(Self { router, callee, tcp, tls, pki })
    }

    /// One caller by each kind of stream.
    fn callers(&self) -> Result<[(&'static str, Phone); 2]> {
        Ok([("tcp", Phone::over_tcp(self.tcp)?), ("tls", Phone::over_tls(self.tls, NAME, &self.pki, None)?)])
    }
}

/// One end asks within the dialog, the other answers.
fn asks(phone: &mut Phone, dialog: &mut Dialog, other: &mut Phone, method: &str, more: &str) -> Result<Message> {
    phone.say(&dialog.request(phone, method, more))?;
    let got = other.hear(method)?;
    other.say(&other.answer(&got, "200 OK", ""))?;
    assert!(phone.hear("200")?.header("CSeq").ends_with(method));
    Ok(got)
}

#[test]
fn prack_update_info_refer_and_re_invite_go_both_ways_over_tcp_and_tls() -> Result<()> {
    let mut line = Line::new()?;
    for (transport, mut caller) in line.callers()? {
        let callee = &mut line.callee;
        let sent = caller.invite(CALLER, CALLEE);
        caller.say(&sent)?;
        let got = callee.hear("INVITE").context(transport)?;
        callee.say(&callee.answer(&got, "183 Session Progress", "Require: 100rel\r\nRSeq: 1\r\n"))?;
        let mut near = Dialog::of_caller(&caller.hear("183")?);
        let prack = asks(&mut caller, &mut near, callee, "PRACK", "RAck: 1 1 INVITE\r\n")?;
        assert_eq!(prack.header("RAck"), "1 1 INVITE");
        let answer = callee.answer(&got, "200 OK", "");
        callee.say(&answer)?;
        caller.hear("200")?;
        caller.say(&near.ack(&caller, 1))?;
        callee.hear("ACK")?;

        let mut far = Dialog::of_callee(&got, &answer);
        for method in ["UPDATE", "INFO", "REFER"] {
            asks(&mut caller, &mut near, callee, method, "").context(method)?;
            asks(callee, &mut far, &mut caller, method, "").context(method)?;
        }
        let again = asks(&mut caller, &mut near, callee, "INVITE", "")?;
        let number = again.header("CSeq").split(' ').next().and_then(|number| number.parse().ok());
        caller.say(&near.ack(&caller, number.context("a number")?))?;
        callee.hear("ACK")?;
        asks(&mut caller, &mut near, callee, "BYE", "")?;

        let record = line.router.record_of(sent.header("Call-ID"))?;
        assert_eq!((record.code, record.end, &*record.transport), (200, End::CallerHungUp, transport));
    }
    Ok(())
}

#[test]
fn a_redirection_max_forwards_0_and_a_loop_end_a_call_over_tcp_and_tls_as_over_udp() -> Result<()> {
    let mut line = Line::new()?;
    for (transport, mut caller) in line.callers()? {
        let refused = |caller: &mut Phone, sent: &Message, code: &str| -> Result<()> {
            let told = caller.hear(code).context(transport)?;
            caller.say(&caller.follow("ACK", sent, told.header("To")))
        };
        let sent = caller.invite(CALLER, CALLEE);
        caller.say(&sent)?;
        let got = line.callee.hear("INVITE")?;
        line.callee.say(&line.callee.answer(&got, "302 Moved Temporarily", ""))?;
        line.callee.hear("ACK")?;
        refused(&mut caller, &sent, "302")?;
        assert_eq!(line.router.record_of(sent.header("Call-ID"))?.code, 302);

        let sent = caller.invite(CALLER, CALLEE);
        let sent = Message(sent.0.replace("Max-Forwards: 70", "Max-Forwards: 0"));
        caller.say(&sent)?;
        refused(&mut caller, &sent, "483")?;
        line.callee.hear_nothing(Duration::from_millis(200))?;

        let sent = caller.invite(CALLER, CIRCLE);
        caller.say(&sent)?;
        refused(&mut caller, &sent, "482")?;
        assert_eq!(line.router.record_of(sent.header("Call-ID"))?.code, 482);
    }
    Ok(())
}

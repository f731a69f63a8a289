//! Requests that are large for a datagram (RFC 3261 section 18.1.1), and messages of 64 kB.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Result;
use tokio::net::TcpSocket;
use trunkline::cdr::record::End;
use trunkline_tests::{Message, Phone, Router, Setup, answered, free_tcp, hang_up};

const CALLER: &str = "12125550100";
const CALLEE: &str = "19195550101";
const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The same with a body that makes it so many bytes long.
fn padded(message: &Message, length: usize) -> Message {
    let (head, _) = message.0.split_once("\r\n\r\n").expect("a head");
    let fields = head.lines().filter(|line| !line.starts_with("Content-"));
    let head = fields.fold(String::new(), |head, line| head + line + "\r\n") + "Content-Type: text/plain\r\n";
    let body = length - head.len() - "Content-Length: 00000\r\n\r\n".len();
    Message(format!("{head}Content-Length: {body:05}\r\n\r\n{}", "x".repeat(body)))
}

/// A router that listens by TCP too; all numbers go to this gateway.
fn router(gateway: &str, keys: &str) -> Result<(Router, SocketAddr)> {
    let tcp = free_tcp()?;
    let setup = Setup::new()?.without_sqlite().listen_tcp(&[tcp]).gateway_uri("carrier", gateway, keys);
    Ok((setup.route("1", "carrier", "0.0050").start()?, tcp))
}

const TCP_ABOVE: &str = "tcp-above = \"1300B\"";

#[test]
fn a_large_invite_goes_by_tcp_to_a_gateway_that_takes_it_and_a_small_one_by_datagram() -> Result<()> {
    let mut by_tcp = Phone::waiting_on_tcp(V4)?;
    let mut by_udp = Phone::waiting_at(by_tcp.address())?;
    let (router, _) = router(&format!("sip:{}", by_tcp.address()), TCP_ABOVE)?;
    let mut caller = Phone::calling(router.sip())?;

    let invite = padded(&caller.invite(CALLER, CALLEE), 1_600);
    caller.say(&invite)?;
    let got = by_tcp.hear("INVITE")?;
    assert!(got.header("Via").starts_with("SIP/2.0/TCP "), "{}", got.0);
    assert!(!got.header("Record-Route").contains("transport"), "the call goes on by datagram: {}", got.0);
    assert_eq!(got.body(), invite.body());
    let (mut near, _) = answered(&mut caller, &mut by_tcp, &got)?;
    hang_up(&mut caller, &mut near, &mut by_tcp)?;

    caller.say(&padded(&caller.invite(CALLER, CALLEE), 900))?;
    let got = by_udp.hear("INVITE")?;
    assert!(got.header("Via").starts_with("SIP/2.0/UDP "), "{}", got.0);
    by_udp.say(&by_udp.answer(&got, "486 Busy Here", ""))?;
    by_udp.hear("ACK")?;
    caller.hear("486")?;
    let records = router.wait_for_records(2)?;
    assert_eq!(records.iter().map(|record| record.code).collect::<Vec<_>>(), [200, 486]);
    Ok(())
}

#[test]
fn a_large_invite_goes_by_datagram_after_all_where_the_gateway_refuses_tcp() -> Result<()> {
    let mut callee = Phone::waiting()?;
    let (router, _) = router(&format!("sip:{}", callee.address()), TCP_ABOVE)?;
    let mut caller = Phone::calling(router.sip())?;
    for _ in 0..3 {
        let invite = padded(&caller.invite(CALLER, CALLEE), 4_000);
        caller.say(&invite)?;
        let got = callee.hear("INVITE")?;
        assert!(got.header("Via").starts_with("SIP/2.0/UDP "), "{}", got.0);
        assert_eq!(got.body(), invite.body());
        let (mut near, _) = answered(&mut caller, &mut callee, &got)?;
        hang_up(&mut caller, &mut near, &mut callee)?;
        let record = router.record_of(invite.header("Call-ID"))?;
        assert_eq!((record.code, record.end, record.attempts.len()), (200, End::CallerHungUp, 1));
    }
    // Counted once a second. It was asked once for a connection by each worker that had one of the calls.
    trunkline_tests::until("the counts", Duration::from_secs(5), || {
        let event = |event| router.metric(&format!("trunkline_transaction_events_total{{event=\"{event}\"}}"));
        let (asked, refused) = (event("by-connection")?, event("by-datagram")?);
        Ok((asked >= 1.0 && (asked - refused).abs() < 0.5).then_some(()))
    })
}

/// A port that neither takes a connection nor refuses one: the queue of those that nobody accepts is full.
struct Deaf {
    address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Deaf {
    fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(async {
            let socket = TcpSocket::new_v4()?;
            socket.bind((V4, 0).into())?;
            socket.listen(1)?.into_std()
        })?;
        let address = listener.local_addr()?;
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            waiting.push(stream);
        }
        Ok(Self { address, _listener: listener, _waiting: waiting })
    }
}

#[test]
fn a_large_invite_goes_by_datagram_within_its_attempt_where_nobody_answers_by_tcp() -> Result<()> {
    let deaf = Deaf::new()?;
    let mut callee = Phone::waiting_at(deaf.address)?;
    // Shorter than `streams.connect-timeout`.
    let keys = format!("{TCP_ABOVE}\nattempt-timeout = \"1s\"");
    let (router, _) = router(&format!("sip:{}", deaf.address), &keys)?;
    let mut caller = Phone::calling(router.sip())?;
    let invite = padded(&caller.invite(CALLER, CALLEE), 1_600);
    caller.say(&invite)?;

    let got = callee.hear("INVITE")?;

    assert!(got.header("Via").starts_with("SIP/2.0/UDP "), "{}", got.0);
    let (mut near, _) = answered(&mut caller, &mut callee, &got)?;
    hang_up(&mut caller, &mut near, &mut callee)?;
    let record = router.record_of(invite.header("Call-ID"))?;
    assert_eq!((record.code, record.attempts.len()), (200, 1), "one attempt");
    Ok(())
}

#[test]
fn messages_of_64_kilobytes_are_passed_on_byte_by_byte_and_those_that_grow_beyond_are_answered_513() -> Result<()> {
    let mut callee = Phone::waiting_on_tcp(V4)?;
    let (router, tcp) = router(&format!("sip:{};transport=tcp", callee.address()), "")?;
    for (mut caller, length) in [(Phone::calling(router.sip())?, 65_200), (Phone::over_tcp(tcp)?, 65_250)] {
        let invite = padded(&caller.invite(CALLER, CALLEE), length);
        caller.say(&invite)?;
        let got = callee.hear("INVITE")?;
        assert_eq!(got.body(), invite.body());
        let (mut near, _) = answered(&mut caller, &mut callee, &got)?;
        hang_up(&mut caller, &mut near, &mut callee)?;
        assert_eq!(router.record_of(invite.header("Call-ID"))?.code, 200);
    }
    for length in [65_450, 65_535] {
        let mut caller = Phone::over_tcp(tcp)?;
        caller.say(&padded(&caller.invite(CALLER, CALLEE), length))?;
        caller.hear("513")?;
    }
    let mut caller = Phone::calling(router.sip())?;
    caller.say(&padded(&caller.invite(CALLER, CALLEE), 65_500))?;
    caller.hear("513")?;
    callee.hear_nothing(Duration::from_millis(100))
}

#[test]
fn a_call_by_tcp_that_no_datagram_can_hold_is_answered_513() -> Result<()> {
    let mut callee = Phone::waiting()?;
    let (router, tcp) = router(&format!("sip:{};transport=udp", callee.address()), "")?;
    let mut caller = Phone::over_tcp(tcp)?;
    let invite = padded(&caller.invite(CALLER, CALLEE), 65_400);
    caller.say(&invite)?;
    caller.hear("513")?;
    let record = router.record_of(invite.header("Call-ID"))?;
    assert_eq!((record.code, record.end, record.attempts[0].code), (513, End::Failed, 513));
    callee.hear_nothing(Duration::from_millis(100))
}

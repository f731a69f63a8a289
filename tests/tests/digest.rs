//! Digest end to end (RFC 7616, RFC 8760): trunks that log in, and gateways that want us to. The hashes of the far side are
//! openssl's.

use std::time::Duration;

use anyhow::{Context, Result};
use trunkline::cdr::record::End;
use trunkline_tests::{Challenge, Message, Phone, Pki, Setup, answered, free_tcp};

const CALLER: &str = "12125550100";
const CALLEE: &str = "19195550101";
const USER: &str = "trunk7";
const PASSWORD: &str = "s3cret";
/// A trunk that calls from anywhere, MD5 too; the address of the phones belongs to nobody.
const TRUNK: &str = "digest = { realm = \"pbx.example\", users = { trunk7 = \"s3cret\" }, md5 = true, \
                     from-anywhere = true }\n";

fn setup(callee: &Phone) -> Result<Setup> {
    let setup = Setup::new()?.without_sqlite().only_customer("trunk", TRUNK);
    Ok(setup.pipeline("default", &["rate"]).carrier(callee.address()))
}

/// An INVITE without credentials; the challenges that it gets, acknowledged.
fn challenged(caller: &mut Phone, invite: &Message) -> Result<Vec<Challenge>> {
    caller.say(invite)?;
    let asked = caller.hear("407")?;
    caller.say(&caller.follow("ACK", invite, asked.header("To")))?;
    asked.headers("Proxy-Authenticate").into_iter().map(Challenge::read).collect()
}

/// The same call once more with another branch and the next number, as a client that was challenged sends it.
fn again(invite: &Message, cseq: u32, credentials: &str) -> Message {
    let branch = format!("branch=z9hG4bK{:016x}", fastrand::u64(..));
    let old = invite.header("Via").split(";branch=").nth(1).expect("a branch");
    let text =
        invite.0.replacen(&format!("branch={old}"), &branch, 1).replacen("CSeq: 1 ", &format!("CSeq: {cseq} "), 1);
    Message(text).with(&format!("Proxy-Authorization: {credentials}"))
}

fn uri(invite: &Message) -> &str {
    invite.first_line().split(' ').nth(1).expect("a Request-URI")
}

#[test]
fn a_trunk_logs_in_by_each_transport_and_algorithm_and_each_count_of_a_nonce_is_good_once() -> Result<()> {
    let (mut callee, pki) = (Phone::waiting()?, Pki::new()?);
    let (tcp, tls, own) = (free_tcp()?, free_tcp()?, pki.sign("router", "router", "DNS:router.test")?);
    let router = setup(&callee)?.listen_tcp(&[tcp]).listen_tls(tls, &own, None).start()?;
    let callers =
        [Phone::calling(router.sip())?, Phone::over_tcp(tcp)?, Phone::over_tls(tls, "router.test", &pki, None)?];
    let algorithms = ["SHA-512-256", "SHA-256", "MD5"].into_iter().enumerate();
    for ((place, algorithm), mut caller) in algorithms.zip(callers) {
        let invite = caller.invite(CALLER, CALLEE);
        let challenges = challenged(&mut caller, &invite)?;
        assert_eq!(challenges[place].algorithm, algorithm, "the strongest first");
        let credentials = challenges[place].answer(USER, PASSWORD, "INVITE", uri(&invite), 1)?;
        caller.say(&again(&invite, 2, &credentials))?;
        let got = callee.hear("INVITE")?;
        assert!(got.headers("Proxy-Authorization").is_empty(), "credentials for us are nobody else's: {}", got.0);
        let (mut near, _) = answered(&mut caller, &mut callee, &got)?;
        let shown = challenges[place].answer(USER, PASSWORD, "BYE", uri(&invite), 3)?;
        caller.say(&near.request(&caller, "BYE", &format!("Proxy-Authorization: {shown}\r\n")))?;
        let bye = callee.hear("BYE")?;
        assert!(bye.headers("Proxy-Authorization").is_empty(), "nor within the call: {}", bye.0);
        callee.say(&callee.answer(&bye, "200 OK", ""))?;
        caller.hear("200")?;
        let record = router.record_of(invite.header("Call-ID"))?;
        assert_eq!((&*record.customer, record.code, record.end), ("trunk", 200, End::CallerHungUp), "{algorithm}");

        // What was heard on the wire is of no use: the same count again is asked anew, with a nonce that is good.
        let replay = caller.invite(CALLER, CALLEE);
        let stolen = challenges[place].answer(USER, PASSWORD, "INVITE", uri(&replay), 1)?;
        caller.say(&again(&replay, 1, &stolen))?;
        let asked = caller.hear("407")?;
        assert!(asked.header("Proxy-Authenticate").contains("stale=true"), "{}", asked.0);
        // The next count of the old nonce is.
        let next = caller.invite(CALLER, CALLEE);
        let next = again(&next, 1, &challenges[place].answer(USER, PASSWORD, "INVITE", uri(&next), 2)?);
        caller.say(&next)?;
        let got = callee.hear("INVITE")?;
        callee.say(&callee.answer(&got, "486 Busy Here", ""))?;
        callee.hear("ACK")?;
        let busy = caller.hear("486")?;
        caller.say(&caller.follow("ACK", &next, busy.header("To")))?;
    }
    Ok(())
}

#[test]
fn who_has_a_wrong_password_or_a_user_that_there_is_not_hears_the_same_and_no_gateway_hears_of_it() -> Result<()> {
    let mut callee = Phone::waiting()?;
    let router = setup(&callee)?.start()?;
    let mut heard = Vec::new();
    for (user, password) in [(USER, "guess"), ("nobody", PASSWORD)] {
        let mut caller = Phone::calling(router.sip())?;
        let invite = caller.invite(CALLER, CALLEE);
        let challenges = challenged(&mut caller, &invite)?;
        caller.say(&again(&invite, 2, &challenges[1].answer(user, password, "INVITE", uri(&invite), 1)?))?;
        heard.push(caller.hear("403")?.first_line().to_owned());
    }
    assert_eq!(heard[0], heard[1]);
    callee.hear_nothing(Duration::from_millis(100))
}

#[test]
fn a_gateway_that_wants_a_login_gets_it_by_each_algorithm_and_for_the_bye_too() -> Result<()> {
    let mut gateway = Phone::waiting()?;
    let keys = format!("digest = {{ user = \"{USER}\", password = \"{PASSWORD}\" }}\n");
    let setup = Setup::new()?.without_sqlite().gateway_with("carrier", gateway.address(), &keys);
    let router = setup.route("1", "carrier", "0.0050").start()?;
    for algorithm in ["SHA-512-256", "SHA-256", "MD5"] {
        let mut caller = Phone::calling(router.sip())?;
        let invite = caller.invite(CALLER, CALLEE);
        caller.say(&invite)?;
        let got = gateway.hear("INVITE")?;
        let shown = logged_in(&mut gateway, &got, algorithm, "nonce-1")?;
        assert_eq!(shown.header("CSeq"), "2 INVITE", "a request of its own");
        let (mut near, _) = answered(&mut caller, &mut gateway, &shown)?;
        caller.say(&near.request(&caller, "BYE", ""))?;
        let bye = gateway.hear("BYE")?;
        let bye = logged_in(&mut gateway, &bye, algorithm, "nonce-2")?;
        gateway.say(&gateway.answer(&bye, "200 OK", ""))?;
        assert_eq!(caller.hear("200")?.header("CSeq"), "2 BYE", "the caller knows nothing of it");
        assert_eq!(router.record_of(invite.header("Call-ID"))?.end, End::CallerHungUp);
    }
    Ok(())
}

#[test]
fn a_gateway_whose_nonce_has_become_too_old_is_answered_once_more_and_one_that_refuses_is_left() -> Result<()> {
    let mut gateway = Phone::waiting()?;
    let keys = format!("digest = {{ user = \"{USER}\", password = \"{PASSWORD}\" }}\n");
    let setup = Setup::new()?.without_sqlite().gateway_with("carrier", gateway.address(), &keys);
    let router = setup.route("1", "carrier", "0.0050").start()?;
    let mut caller = Phone::calling(router.sip())?;
    let invite = caller.invite(CALLER, CALLEE);
    caller.say(&invite)?;
    let got = gateway.hear("INVITE")?;
    let first = logged_in(&mut gateway, &got, "SHA-256", "old")?;
    let stale =
        "Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"new\", algorithm=SHA-256, qop=\"auth\", stale=true\r\n";
    gateway.say(&gateway.answer(&first, "407 Proxy Authentication Required", stale))?;
    gateway.hear("ACK")?;
    let second = gateway.hear("INVITE")?;
    assert!(Challenge::of("carrier", "SHA-256", "new").is_answered(&second, USER, PASSWORD)?, "{}", second.0);
    // It wants yet another: that is a refusal, and the caller cannot do anything about it.
    let refused = stale.replace("new", "third").replace(", stale=true", "");
    gateway.say(&gateway.answer(&second, "407 Proxy Authentication Required", &refused))?;
    gateway.hear("ACK")?;
    caller.hear("500")?;
    assert_eq!(router.record_of(invite.header("Call-ID"))?.code, 500);
    Ok(())
}

/// The gateway asks for credentials by this algorithm; the request that comes with them, which are right.
fn logged_in(gateway: &mut Phone, got: &Message, algorithm: &str, nonce: &str) -> Result<Message> {
    let challenge = Challenge::of("carrier", algorithm, nonce);
    gateway.say(&gateway.answer(got, "407 Proxy Authentication Required", &format!("{challenge}\r\n")))?;
    if got.kind() == "INVITE" {
        gateway.hear("ACK")?;
    }
    let shown = gateway.hear(got.kind())?;
    let right = challenge.is_answered(&shown, USER, PASSWORD)?;
    right.then_some(shown.clone()).with_context(|| format!("wrong credentials in\n{}", shown.0))
}

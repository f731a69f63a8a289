//! Calls over a network that loses, over a router that is killed, and sessions that nobody refreshes.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use trunkline::cdr::record::End;
use trunkline_tests::{Dialog, Load, Phone, Setup, Sipp, answered, free_tcp, hang_up};

const CALLER: &str = "12125550100";
const CALLEE: &str = "19195550101";
/// As carriers' networks do on a bad day.
const LOST: u8 = 10;
const LOAD: Load = Load { calls: 40, rate: 40 };
const WORDS: [(&str, &str); 3] = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "300")];
/// Enough for every retransmission of an INVITE, so that bad luck is no failover.
const PATIENT: &str = "[call]\nattempt-timeout = \"30s\"\n";

#[test]
fn with_a_tenth_of_all_messages_lost_on_either_side_every_call_is_answered_and_hung_up() -> Result<()> {
    let callee = Sipp::lossy_callee(LOST, "patient_callee", &[])?;
    let router = Setup::new()?.without_sqlite().carrier(callee.address()).section(PATIENT).start()?;

    let caller = Sipp::lossy_caller(LOST, "caller", &WORDS, router.sip(), LOAD)?.wait()?;

    assert_eq!((caller.successful, caller.failed), (40, 0));
    assert!(caller.retransmissions > 0, "nothing was lost");
    let records = router.wait_for_records(40)?;
    assert_eq!(records.len(), 40, "one record for each call, however often its INVITE came");
    for record in &records {
        assert_eq!((record.code, record.end, record.attempts.len()), (200, End::CallerHungUp, 1));
    }
    Ok(())
}

#[test]
fn with_a_tenth_of_all_messages_lost_every_cancel_ends_its_call_with_487() -> Result<()> {
    let callee = Sipp::lossy_callee(LOST, "cancelled", &[])?;
    let router = Setup::new()?.without_sqlite().carrier(callee.address()).section(PATIENT).start()?;

    let caller = Sipp::lossy_caller(LOST, "cancelling", &WORDS, router.sip(), LOAD)?.wait()?;

    assert_eq!((caller.successful, caller.failed), (40, 0));
    let records = router.wait_for_records(40)?;
    assert!(records.iter().all(|record| (record.code, record.end) == (487, End::Cancelled)));
    assert_eq!(records.len(), 40);
    Ok(())
}

#[test]
fn a_call_over_tcp_goes_on_when_the_router_is_killed_and_started_again() -> Result<()> {
    let mut callee = Phone::waiting_on_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    let tcp = free_tcp()?;
    let uri = format!("sip:{};transport=tcp", callee.address());
    let setup = Setup::new()?.without_sqlite().listen_tcp(&[tcp]).gateway_uri("carrier", &uri, "");
    let mut router = setup.route("1", "carrier", "0.0050").start()?;
    let mut caller = Phone::over_tcp(tcp)?;
    let sent = caller.invite(CALLER, CALLEE);
    caller.say(&sent)?;
    let got = callee.hear("INVITE")?;
    let (mut near, _) = answered(&mut caller, &mut callee, &got)?;

    router.crash_and_restart()?;

    // Connections died with the process: the caller comes by a new one, and the router opens its own to the callee.
    let mut again = Phone::over_tcp(tcp)?;
    again.say(&near.request(&again, "INFO", ""))?;
    let info = callee.hear("INFO")?;
    callee.say(&callee.answer(&info, "200 OK", ""))?;
    again.hear("200")?;
    hang_up(&mut again, &mut near, &mut callee)?;
    let record = router.record_of(sent.header("Call-ID"))?;
    assert_eq!((record.code, record.end), (200, End::CallerHungUp));
    Ok(())
}

#[test]
fn a_session_that_nobody_refreshes_is_hung_up_on_both_sides_where_the_operator_says_so() -> Result<()> {
    let mut callee = Phone::waiting()?;
    let keys = "[call]\nsession-expired = \"hang-up\"\n";
    let router = Setup::new()?.without_sqlite().carrier(callee.address()).section(keys).start()?;
    let mut caller = Phone::calling(router.sip())?;
    let sent = caller.invite(CALLER, CALLEE).with("Supported: timer\r\nSession-Expires: 90");
    caller.say(&sent)?;
    let got = callee.hear("INVITE")?;
    assert_eq!(got.header("Session-Expires"), "90", "what the two sides agree on is theirs");
    callee.say(&callee.answer(&got, "200 OK", "Require: timer\r\nSession-Expires: 2;refresher=uac\r\n"))?;
    let mut near = Dialog::of_caller(&caller.hear("200")?);
    caller.say(&near.ack(&caller, 1))?;
    callee.hear("ACK")?;
    // A refresh: from here on the time counts anew, and is shorter.
    caller.say(&near.request(&caller, "UPDATE", "Session-Expires: 1;refresher=uac\r\n"))?;
    let update = callee.hear("UPDATE")?;
    callee.say(&callee.answer(&update, "200 OK", "Session-Expires: 1;refresher=uac\r\n"))?;
    caller.hear("200")?;

    for phone in [&mut caller, &mut callee] {
        let bye = phone.hear("BYE")?;
        phone.say(&phone.answer(&bye, "200 OK", ""))?;
    }

    let record = router.record_of(sent.header("Call-ID"))?;
    assert_eq!((record.code, record.end), (200, End::SessionExpired));
    assert!(record.duration_micros() >= 1_000_000, "{} µs", record.duration_micros());
    Ok(())
}

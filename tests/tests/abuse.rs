//! Strangers that flood, scan and send nonsense: they are kept off, and the customers' calls do not notice.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use trunkline_tests::{Counts, Load, Message, Phone, Setup, Sipp, free_tcp, until};

const CALLER: &str = "12125550100";
const CALLEE: &str = "19195550101";
const WORDS: [(&str, &str); 3] = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "50")];
const QUIET: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(10);
/// Nobody's address.
const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 9));

fn options(phone: &Phone) -> Message {
    phone.request("OPTIONS", CALLER, CALLEE, "", "")
}

#[test]
fn a_stranger_that_floods_is_banned_and_told_and_pardoned_while_calls_go_on() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?
        .without_sqlite()
        .carrier(callee.address())
        .section("[abuse]\nrate = 10\nburst = 20\nban = \"1h\"\n")
        .start()?;
    let mut stranger = Phone::on(STRANGER, router.sip())?;
    stranger.say(&options(&stranger))?;
    stranger.hear("200")?;

    let caller = Sipp::caller("caller", &WORDS, router.sip(), Load { calls: 100, rate: 50 })?;
    for _ in 0..2_000 {
        stranger.say(&options(&stranger))?;
    }
    assert_eq!(caller.wait()?, Counts { successful: 100, failed: 0, retransmissions: 0 });

    let bans: serde_json::Value = serde_json::from_str(&router.admin("GET", "/v1/bans")?.1)?;
    assert_eq!((bans[0]["source"].as_str(), bans[0]["reason"].as_str()), (Some("127.0.0.9"), Some("rate")), "{bans}");
    assert!(router.metric("trunkline_abuse_drops_total{reason=\"banned\"}")? > 1_000.0);
    assert!((router.metric("trunkline_abuse_bans ")? - 1.0).abs() < 0.1);

    let mut other_port = Phone::on(STRANGER, router.sip())?;
    other_port.say(&options(&other_port))?;
    other_port.hear_nothing(QUIET)?;
    assert_eq!(router.admin("DELETE", "/v1/bans/127.0.0.9")?.0, 204);
    assert_eq!(router.admin("DELETE", "/v1/bans/127.0.0.9")?.0, 404);
    other_port.say(&options(&other_port))?;
    other_port.hear("200")?;
    Ok(())
}

#[test]
fn garbage_of_a_stranger_leads_to_a_ban_and_a_customers_does_not() -> Result<()> {
    let address = free_tcp()?;
    let router = Setup::new()?
        .without_sqlite()
        .listen_tcp(&[address])
        .section("[abuse]\nmalformed = 5\nban = \"1h\"\n")
        .start()?;
    let mut stranger = Phone::on(STRANGER, router.sip())?;
    let mut customer = Phone::calling(router.sip())?;
    for phone in [&stranger, &customer] {
        for _ in 0..10 {
            phone.say(&Message("GET / HTTP/1.1\r\n\r\n".to_owned()))?;
        }
    }
    until("the ban", PATIENCE, || {
        Ok((router.metric("trunkline_abuse_bans_begun_total{reason=\"malformed\"}")? > 0.0).then_some(()))
    })?;
    stranger.say(&options(&stranger))?;
    stranger.hear_nothing(QUIET)?;
    customer.say(&options(&customer))?;
    customer.hear("200")?;
    Ok(())
}

#[test]
fn scanners_hear_nothing_and_where_strangers_are_dropped_nobodys_invite_does_either() -> Result<()> {
    let callee = Phone::waiting()?;
    let router = Setup::new()?.without_sqlite().carrier(callee.address()).start()?;
    let mut stranger = Phone::on(STRANGER, router.sip())?;
    stranger.say(&options(&stranger).with("User-Agent: friendly-scanner"))?;
    stranger.hear_nothing(QUIET)?;
    let invite = stranger.invite(CALLER, CALLEE);
    stranger.say(&invite)?;
    stranger.hear("403")?;
    stranger.hear_nothing(Duration::from_millis(1_200))?;

    router.edit_config("[admin]", "[abuse]\nunknown-sources = \"drop\"\n[admin]")?;
    assert_eq!(router.reload()?.0, 200);
    stranger.say(&stranger.invite(CALLER, CALLEE))?;
    stranger.hear_nothing(QUIET)?;
    let mut customer = Phone::calling(router.sip())?;
    customer.say(&customer.invite(CALLER, CALLEE))?;
    assert_eq!(customer.hear_any()?.kind(), "100");
    assert!(router.metric("trunkline_abuse_drops_total{reason=\"scanner\"}")? > 0.0);
    assert!(router.metric("trunkline_abuse_drops_total{reason=\"stranger\"}")? > 0.0);
    Ok(())
}

#[test]
fn a_customer_whose_switch_runs_wild_is_held_to_its_own_rate_and_the_others_calls_go_on() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let setup = Setup::new()?.without_sqlite().carrier(callee.address());
    let router = setup.customer("wild", "127.0.0.2/32", "limits = { messages-per-second = 20 }\n").start()?;
    let address = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));
    let wild = Phone::on(address, router.sip())?;

    let caller = Sipp::caller("caller", &WORDS, router.sip(), Load { calls: 100, rate: 50 })?;
    for _ in 0..2_000 {
        wild.say(&options(&wild))?;
    }
    assert_eq!(caller.wait()?, Counts { successful: 100, failed: 0, retransmissions: 0 });

    // Two seconds' worth at once, and what the seconds of the test bring.
    assert!(router.metric("trunkline_abuse_drops_total{reason=\"customer\"}")? > 1_700.0);
    assert_eq!(router.admin("GET", "/v1/bans")?.1.trim(), "[]", "it is a customer all the same");
    let mut other_port = Phone::on(address, router.sip())?;
    other_port.say(&options(&other_port))?;
    other_port.hear("200")?;
    Ok(())
}

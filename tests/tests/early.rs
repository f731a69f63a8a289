//! What the two sides settle before and after the answer: early dialogs, PRACK, UPDATE, re-INVITE.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use trunkline::cdr::record::End;
use trunkline_tests::{Dialog, Message, Phone, Setup, answered, free_tcp, hang_up};

const CALLER: &str = "12125550100";
const CALLEE: &str = "19195550101";

/// An answer with another To tag: of one more telephone behind the gateway.
fn tagged(phone: &Phone, answer: &Message, tag: &str) -> Message {
    Message(answer.0.replace(&format!(";tag=t{:x}", phone.address().port()), &format!(";tag={tag}")))
}

/// Two telephones behind one gateway send early media, reliably, and both answer: each way is tried to its end.
fn forked_behind_the_gateway(mut caller: Phone, mut callee: Phone, router: &trunkline_tests::Router) -> Result<()> {
    let sent = caller.invite(CALLER, CALLEE).with("Supported: 100rel");
    caller.say(&sent)?;
    let got = callee.hear("INVITE")?;
    let mut early = Vec::new();
    for (tag, number) in [("desk", 11), ("cell", 77)] {
        let more = format!("Require: 100rel\r\nRSeq: {number}\r\n");
        callee.say(&tagged(&callee, &callee.answer(&got, "183 Session Progress", &more), tag))?;
        let progress = caller.hear("183")?;
        assert_eq!(progress.header("RSeq"), number.to_string());
        assert!(progress.header("To").ends_with(&format!(";tag={tag}")), "{}", progress.0);
        let mut dialog = Dialog::of_caller(&progress);
        caller.say(&dialog.request(&caller, "PRACK", &format!("RAck: {number} 1 INVITE\r\n")))?;
        let prack = callee.hear("PRACK")?;
        assert_eq!(prack.header("RAck"), format!("{number} 1 INVITE"));
        assert!(prack.header("To").ends_with(&format!(";tag={tag}")));
        callee.say(&callee.answer(&prack, "200 OK", ""))?;
        assert!(caller.hear("200")?.header("CSeq").ends_with("PRACK"));
        early.push(dialog);
    }
    // The offer changes before the answer (RFC 3311), from either side.
    caller.say(&early[0].request(&caller, "UPDATE", ""))?;
    let update = callee.hear("UPDATE")?;
    assert!(update.header("To").ends_with(";tag=desk"));
    callee.say(&callee.answer(&update, "200 OK", ""))?;
    caller.hear("200")?;
    let mut far = Dialog::of_callee(&got, &tagged(&callee, &callee.answer(&got, "183 Session Progress", ""), "cell"));
    callee.say(&far.request(&callee, "UPDATE", ""))?;
    let update = caller.hear("UPDATE")?;
    caller.say(&caller.answer(&update, "504 Server Time-out", ""))?;
    callee.hear("504")?;

    // Both are answered, which a caller must be able to hear of: a 2xx is never held back (RFC 3261 section 16.7).
    let mut answered = Vec::new();
    for tag in ["cell", "desk"] {
        callee.say(&tagged(&callee, &callee.answer(&got, "200 OK", ""), tag))?;
        let answer = caller.hear("200")?;
        let dialog = Dialog::of_caller(&answer);
        caller.say(&dialog.ack(&caller, 1))?;
        assert!(callee.hear("ACK")?.header("To").ends_with(&format!(";tag={tag}")));
        answered.push(dialog);
    }
    for dialog in &mut answered {
        hang_up(&mut caller, dialog, &mut callee)?;
    }
    let record = router.record_of(sent.header("Call-ID"))?;
    assert_eq!((record.code, record.end), (200, End::CallerHungUp));
    Ok(())
}

#[test]
fn early_media_forked_behind_the_gateway_reaches_the_caller_with_each_dialog_whole() -> Result<()> {
    let callee = Phone::waiting()?;
    let router = Setup::new()?.without_sqlite().carrier(callee.address()).start()?;
    forked_behind_the_gateway(Phone::calling(router.sip())?, callee, &router)
}

#[test]
fn early_media_forked_behind_the_gateway_reaches_the_caller_over_tcp_too() -> Result<()> {
    let callee = Phone::waiting_on_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    let tcp = free_tcp()?;
    let uri = format!("sip:{};transport=tcp", callee.address());
    let setup = Setup::new()?.without_sqlite().listen_tcp(&[tcp]).gateway_uri("carrier", &uri, "");
    let router = setup.route("1", "carrier", "0.0050").start()?;
    forked_behind_the_gateway(Phone::over_tcp(tcp)?, callee, &router)
}

#[test]
fn re_invites_that_cross_are_each_refused_491_and_the_next_one_goes_through() -> Result<()> {
    let mut callee = Phone::waiting()?;
    let router = Setup::new()?.without_sqlite().carrier(callee.address()).start()?;
    let mut caller = Phone::calling(router.sip())?;
    let sent = caller.invite(CALLER, CALLEE);
    caller.say(&sent)?;
    let got = callee.hear("INVITE")?;
    let (mut near, mut far) = answered(&mut caller, &mut callee, &got)?;

    let (ours, theirs) = (near.request(&caller, "INVITE", ""), far.request(&callee, "INVITE", ""));
    caller.say(&ours)?;
    callee.say(&theirs)?;
    let (at_callee, at_caller) = (callee.hear("INVITE")?, caller.hear("INVITE")?);
    callee.say(&callee.answer(&at_callee, "491 Request Pending", ""))?;
    caller.say(&caller.answer(&at_caller, "491 Request Pending", ""))?;
    // Each hears its own refusal, and the ACK of the one that it gave: from the router, hop by hop.
    for phone in [&mut caller, &mut callee] {
        let mut heard = [phone.hear_any()?, phone.hear_any()?];
        while let Some(trying) = heard.iter_mut().find(|message| message.kind() == "100") {
            *trying = phone.hear_any()?;
        }
        heard.sort_by(|a, b| a.kind().cmp(b.kind()));
        assert_eq!(heard.each_ref().map(Message::kind), ["491", "ACK"]);
    }

    let third = near.request(&caller, "INVITE", "");
    caller.say(&third)?;
    let offered = loop {
        // The 491 of the caller's first one may come again until it is acknowledged, which this phone leaves out.
        let heard = callee.hear_any()?;
        if heard.kind() == "INVITE" {
            break heard;
        }
    };
    assert_eq!(offered.header("CSeq"), third.header("CSeq"));
    callee.say(&callee.answer(&offered, "200 OK", ""))?;
    while caller.hear_final()?.kind() == "491" {}
    let number = third.header("CSeq").split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default();
    caller.say(&near.ack(&caller, number))?;
    loop {
        match callee.hear_any()?.kind() {
            "ACK" => break,
            kind => assert_eq!(kind, "491"),
        }
    }
    Ok(())
}

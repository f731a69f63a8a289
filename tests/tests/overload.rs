//! A node that is asked for more than it can do.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use trunkline_tests::{Counts, Load, Phone, Setup, Sipp, place, until};

const PATIENCE: Duration = Duration::from_secs(15);
/// Its calls burn processor time.
const HUNGRY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

fn words(talk: &str) -> [(&'static str, &str); 3] {
    [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", talk)]
}

#[test]
fn a_node_with_too_much_to_do_refuses_new_calls_and_probes_while_calls_in_progress_end_well() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let burns = "fuel = 400_000_000\ndeadline = \"2s\"\non-failure = \"skip\"\n\
                 breaker = { failures = 1_000_000, window = \"10s\", open = \"5s\" }";
    let router = Setup::new()?
        .without_sqlite()
        .carrier(callee.address())
        .fault("loops", burns)?
        .pipeline("hungry", &["loops", "auth", "rate"])
        .customer("other", "127.0.0.2/32", "pipeline = \"hungry\"")
        .section("[overload]\nbusy = 80\nretry-after = \"3s\"\n")
        .start()?;
    let talking = Sipp::caller("caller", &words("6000"), router.sip(), Load { calls: 20, rate: 20 })?;
    until("twenty calls", PATIENCE, || Ok((router.metric("trunkline_dialogs ")? > 19.5).then_some(())))?;

    let flood = Sipp::caller_on(HUNGRY, "caller", &words("10"), router.sip(), Load { calls: 600, rate: 200 })?;
    let mut prober = Phone::calling(router.sip())?;
    let refusal = until("a probe to be refused", PATIENCE, || {
        prober.say(&prober.request("OPTIONS", "12125550100", "19195550101", "", ""))?;
        let answer = prober.hear_final()?;
        Ok((answer.kind() == "503").then_some(answer))
    })?;
    let wait: u64 = refusal.header("Retry-After").parse()?;
    assert!((3..=6).contains(&wait), "{}", refusal.0);
    assert!(router.metric("trunkline_overloads_total{cause=\"busy\"}")? > 0.5);

    let hungry = flood.wait()?;
    assert!(hungry.failed > 0, "{hungry:?}");
    assert_eq!(talking.wait()?, Counts { successful: 20, failed: 0, retransmissions: 0 }, "those in progress");
    assert!(router.metric("trunkline_drops_total{reason=\"overloaded\"}")? > 0.5);
    until("the end of it", PATIENCE, || Ok((router.metric("trunkline_overloaded ")? < 0.5).then_some(())))?;
    place("caller", &words("10"), router.sip(), Load::ONE)?;
    Ok(())
}

//! A night without calls: who calls in the morning waits for nothing, and be the source down.

use std::time::Duration;

use anyhow::{Result, ensure};
use trunkline::lookup::Probe;
use trunkline_tests::{Fault, LrnServer, until};

use super::Node;

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn keys_that_were_used_in_the_evening_are_loaded_through_the_night_and_answered_from_memory_in_the_morning()
-> Result<()> {
    let lrn = LrnServer::start()?;
    let node = Node::start(&format!(
        "[services.api]\nurl = \"http://{}\"\ndeadline = \"10s\"\n\
         [tables.lrn]\nsource.http = {{ service = \"api\", path = \"/lrn/{{key}}\", field = \"lrn\" }}\n\
         ttl = \"6s\"\nrefresh-ahead = \"3s\"\nstale = \"0s\"\nstale-if-error = \"0s\"\n",
        lrn.address
    ))?;
    // A key counts as used when memory has answered for it.
    for key in ["12125550100", "12125550101"] {
        assert_eq!(node.row("lrn", key)?, "lrn=9195550000");
        assert_eq!(node.row("lrn", key)?, "lrn=9195550000");
    }
    assert_eq!(node.row("lrn", "12125550199")?, "lrn=9195550000", "asked for once, and never again");
    assert_eq!(lrn.requests(), 3);
    // Two ttls pass, and nobody calls.
    until("both keys to be loaded three times more", PATIENCE, || Ok((lrn.requests() >= 9).then_some(())))?;
    let loads = node.table("lrn")?.stats().loads;
    lrn.fail(Fault::Hang);
    for key in ["12125550100", "12125550101"] {
        let morning = node.table("lrn")?.probe(key);
        ensure!(matches!(&morning, Probe::Ready(Ok(Some(_)))), "{key}: {morning:?}");
    }
    assert_eq!(lrn.requests() as u64, loads, "the morning's first calls asked nobody");
    assert!(loads % 2 == 1, "{loads} loads: of the two that were used, and once of the one that was not");
    Ok(())
}

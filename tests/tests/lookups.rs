//! What calls ask for, and how often the source is asked.

use anyhow::Result;
use trunkline_tests::{Load, LrnServer, Setup, Sipp};

#[test]
fn an_answer_is_asked_for_once_and_then_comes_from_memory() -> Result<()> {
    let (lrn, callee) = (LrnServer::start()?, Sipp::callee("callee", &[])?);
    let router = Setup::new()?.lrn(&lrn, 40).carrier(callee.address()).start()?;
    let same = [("caller", "12125550100"), ("callee", "19195550101"), ("talk", "50")];

    let caller = Sipp::caller("caller", &same, router.sip(), Load { calls: 50, rate: 25 })?.wait()?;

    assert_eq!((caller.successful, caller.failed), (50, 0));
    assert_eq!(lrn.requests(), 1);
    Ok(())
}

//! Calls that SIPp places through a router and that are waited for: each goes as its scenario says, or the test ends.

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use crate::router::Router;
use crate::sipp::{Counts, Load, Sipp};

/// Who calls in [`place_blocked`]: [`crate::Setup::block`] has the router refuse this number.
pub const BLOCKED: &str = "12125550666";

/// So many a second: no load for any machine.
const RATE: u32 = 50;

/// Places these calls from 127.0.0.1, as [`Sipp::caller`], and waits for their end.
///
/// # Errors
/// When one of them goes otherwise than the scenario says, or they have not ended in time.
pub fn place(scenario: &str, words: &[(&str, &str)], router: SocketAddr, load: Load) -> Result<Counts> {
    let counts = Sipp::caller(scenario, words, router, load)?.wait()?;
    ensure!((counts.successful, counts.failed) == (load.calls, 0), "of {} calls: {counts:?}", load.calls);
    Ok(counts)
}

/// Short calls, each between two other numbers, that the carrier answers.
///
/// # Errors
/// As [`place`].
pub fn place_answered(router: &Router, calls: u32) -> Result<()> {
    let words = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "50")];
    place("caller", &words, router.sip(), Load { calls, rate: RATE }).map(drop)
}

/// Calls of [`BLOCKED`], which nobody answers: the router refuses them with 603.
///
/// # Errors
/// As [`place`].
pub fn place_blocked(router: &Router, calls: u32) -> Result<()> {
    let words = [("caller", BLOCKED), ("callee", "19195550101"), ("code", "603")];
    place("refused", &words, router.sip(), Load { calls, rate: RATE }).map(drop)
}

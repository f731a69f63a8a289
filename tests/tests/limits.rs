//! Limits on calls, with real callers.

use anyhow::Result;
use trunkline_tests::{Load, Setup, Sipp};

const NUMBERS: [(&str, &str); 3] = [("caller", "12125550100"), ("callee", "1919555[field0]"), ("talk", "50")];

#[test]
fn calls_beyond_a_customer_s_limit_get_503_and_places_come_back_when_calls_end() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?
        .plugin("limit", r#"config = { limits = [{ key = "customer:{customer}", calls = 1 }], retry-after = 7 }"#)
        .pipeline("default", &["auth", "limit", "blocklist", "lrn", "cnam", "rate"])
        .carrier(callee.address())
        .start()?;
    for _ in 0..3 {
        // One after the other: each finds the place that the one before has given back.
        let counts = Sipp::caller("caller", &NUMBERS, router.sip(), Load::ONE)?.wait()?;
        assert_eq!((counts.successful, counts.failed), (1, 0));
    }
    let counts = Sipp::caller("caller", &NUMBERS, router.sip(), Load { calls: 20, rate: 1_000 })?.wait()?;
    assert!(counts.failed > 0 && counts.successful >= 1, "{counts:?}");
    let records = router.wait_for_records(23)?;
    let refused = records.iter().filter(|record| record.code == 503).count();
    assert_eq!(refused, usize::try_from(counts.failed)?);
    Ok(())
}

//! The rule, by made-up calls.

use super::*;
use crate::plugin::testing::{Bed, Guest, proceed, settings};

async fn trial(kind: Kind, share: Share, rule: &str) -> Trial {
    let stage = Bed::new().load(&Guest::answering(&proceed()).build(), settings()).await.unwrap();
    Trial::new(Arc::new(stage), kind, share, 1_000, toml::from_str(rule).unwrap())
}

fn ran(failed: bool, micros: u64, fuel: u64) -> Ran {
    Ran { failed, micros, fuel }
}

#[tokio::test]
async fn a_share_of_the_calls_is_taken_and_always_the_same_ones() {
    let trial = trial(Kind::Canary, Share::from_percent(5), "").await;
    let taken = |trial: &Trial| (0..100_000).filter(|n| trial.takes(&format!("{n}@host"))).collect::<Vec<_>>();
    let first = taken(&trial);
    assert!((4_500..5_500).contains(&first.len()), "{}", first.len());
    assert_eq!(taken(&trial), first);
}

#[tokio::test]
async fn a_version_that_keeps_to_the_rule_is_promoted_and_takes_all_calls() {
    let trial = trial(Kind::Canary, Share::from_percent(5), "failures = '1%'").await;
    for n in 0..1_000 {
        assert_eq!(trial.standing(), Standing::Running, "{n}");
        trial.count_own(ran(n % 200 == 0, 10, 1_000));
    }
    assert_eq!(trial.standing(), Standing::Promoted);
    assert!((0..100).all(|n| trial.takes(&format!("{n}@host"))));
}

#[tokio::test]
async fn a_version_that_fails_from_its_first_call_is_taken_back_at_the_fifth() {
    let trial = trial(Kind::Probation, Share::ALL, "").await;
    for _ in 0..4 {
        trial.count_own(ran(true, 10, 1_000));
        assert_eq!(trial.standing(), Standing::Running);
    }
    trial.count_own(ran(true, 10, 1_000));
    assert_eq!(trial.standing(), Standing::RolledBack);
    assert_eq!(trial.status().why.as_deref(), Some("5 of 5 calls failed"));
    assert!((0..100).all(|n| !trial.takes(&format!("{n}@host"))));
}

#[tokio::test]
async fn a_version_that_costs_too_much_more_is_taken_back() {
    for (rule, expected) in [
        ("fuel-ratio = 1.5", "2000 fuel per call, 1000 before"),
        ("latency-ratio = 1.5", "400 µs per call, 100 before"),
    ] {
        let trial = trial(Kind::Canary, Share::from_percent(50), rule).await;
        for _ in 0..100 {
            trial.count_other(ran(false, 100, 1_000));
            trial.count_own(ran(false, 400, 2_000));
        }
        assert_eq!(trial.status().why.as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn microseconds_make_no_version_slow() {
    let trial = trial(Kind::Canary, Share::from_percent(50), "latency-ratio = 1.5").await;
    for _ in 0..200 {
        trial.count_other(ran(false, 4, 1_000));
        trial.count_own(ran(false, 20, 1_000));
    }
    assert_eq!(trial.standing(), Standing::Running);
}

#[tokio::test]
async fn a_version_that_answers_otherwise_too_often_is_taken_back_with_samples() {
    let trial = trial(Kind::Canary, Share::ALL, "difference = '5%'").await;
    let error = |text: &str| Answered::Error { error: text.to_owned() };
    for n in 0..200 {
        let other = if n % 10 == 0 { "b" } else { "a" };
        trial.compare(&format!("{n}@host"), "acme", error("a"), error(other));
        trial.count_own(ran(false, 10, 1_000));
    }
    assert_eq!(trial.standing(), Standing::RolledBack);
    assert!(trial.status().why.unwrap().contains("outcomes differ"));
    assert_eq!(trial.differences().last().unwrap().call_id, "190@host");
    assert!(trial.differences().len() <= SAMPLES);
}

#[tokio::test]
async fn a_shadow_takes_no_call_and_a_verdict_by_hand_stays() {
    let shadow = trial(Kind::Shadow, Share::ALL, "").await;
    assert!(!shadow.takes("a@b") && shadow.compares("a@b"));
    let canary = trial(Kind::Canary, Share::ALL, "").await;
    canary.end(Standing::RolledBack, "by hand".to_owned());
    canary.end(Standing::Promoted, "too late".to_owned());
    assert_eq!((canary.standing(), canary.status().why.as_deref()), (Standing::RolledBack, Some("by hand")));
}

//! What becomes of calls and records when nodes of a fleet die; the figures of `docs/operations/capacity.md`.

use std::time::Duration;

use anyhow::Result;
use trunkline_tests::fleet::{Loss, Outcome, Scene, run};

/// 50 calls a second for 80 seconds over ten nodes, talking for half a minute.
fn scene(losses: &[Loss]) -> Scene {
    Scene { nodes: 10, calls: 4_000, rate: 50, talk: Duration::from_secs(30), losses: losses.to_vec(), seed: 7 }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn told(name: &str, losses: &[Loss]) -> Result<Outcome> {
    let outcome = run(&scene(losses))?;
    println!("{name}: {outcome:#?}");
    assert_eq!(outcome.answered, outcome.hung_up + outcome.stranded, "who was answered hung up or was stranded");
    assert_eq!(outcome.calls, outcome.answered + outcome.lost_in_set_up, "every call was answered or lost");
    Ok(outcome)
}

#[test]
fn a_fleet_in_health_loses_neither_call_nor_record() -> Result<()> {
    let outcome = told("in health", &[])?;
    let all = 4_000;
    let expected = Outcome { calls: all, answered: all, hung_up: all, records: all, ..Outcome::default() };
    assert_eq!(outcome, expected);
    Ok(())
}

#[test]
fn a_node_that_is_killed_and_comes_back_loses_calls_in_set_up_alone_and_no_record() -> Result<()> {
    let loss = |back| [Loss { node: 3, at: seconds(40), back }];
    let outcome = told("killed, back after 5 s", &loss(Some(seconds(5))))?;
    assert!(outcome.lost_in_set_up > 0 && outcome.moved > 0, "the death was noticed");
    // Until the death both went alike; some calls' answers were still on their way.
    let stranded = told("the same, lost for ever", &loss(None))?.stranded;
    let (survived, few) = (outcome.survived, 5);
    assert!(survived > 0 && survived.abs_diff(stranded) <= few, "{survived} came through, and {stranded} would not");
    assert_eq!(outcome.stranded, 0, "who hung up while it was away sent BYE again until it was back");
    assert_eq!((outcome.records_lost, outcome.answered_lost), (0, 0), "its journal had all that it had begun");
    assert!(
        outcome.interrupted >= outcome.lost_in_set_up.saturating_sub(1),
        "those in set-up were closed as interrupted"
    );
    Ok(())
}

#[test]
fn a_machine_that_never_comes_back_takes_its_calls_along_and_the_others_carry_on() -> Result<()> {
    let loss = [Loss { node: 3, at: seconds(40), back: None }];
    let outcome = told("lost for ever", &loss)?;
    let share = 4_000 / 10;
    assert!(outcome.moved > 0 && outcome.stranded > 0 && outcome.stranded < share, "its own calls alone");
    assert!(outcome.answered_lost >= outcome.stranded, "what was in progress there has no record");
    assert!(outcome.records_lost < share && outcome.answered_lost <= outcome.records_lost);
    Ok(())
}

#[test]
fn three_nodes_that_are_killed_one_after_the_other_lose_no_record() -> Result<()> {
    let killed = |node, at| Loss { node, at: seconds(at), back: Some(seconds(10)) };
    let outcome = told("three killed, back after 10 s", &[killed(1, 30), killed(2, 45), killed(3, 60)])?;
    assert_eq!((outcome.stranded, outcome.records_lost), (0, 0));
    assert!(outcome.lost_in_set_up < 4_000 / 20, "{outcome:?}");
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_figures() -> Result<()> {
    let scene = Scene { calls: 1_000, ..scene(&[Loss { node: 0, at: seconds(10), back: Some(seconds(3)) }]) };
    assert_eq!(run(&scene)?, run(&scene)?);
    Ok(())
}

//! Versions beside the one in use: what they decide, what they only say, and what their failures cost a call.

use std::time::Duration;

use super::*;
use crate::plugin::shadow::Shadows;
use crate::plugin::trial::{Kind, Standing};
use crate::plugin::versions::SeatName;

pub(super) const ONE: &str = r#"
    call.setup-budget = "10s"
    pipelines.default = ["a"]
    plugins.a.component = "a.wasm"
    [customers.acme]
    sources = ["192.0.2.0/24"]
"#;

pub(super) async fn build(bed: &Bed, config: &str, parts: &Parts, before: Option<&Snapshot>) -> Snapshot {
    let config: Config = toml::from_str(config).unwrap();
    Snapshot::build(&config, bed.folder(), parts, before).await.map_err(|problems| format!("{problems:?}")).unwrap()
}

pub(super) async fn call(router: &Router) -> Routed {
    router.route(call_from("192.0.2.1:5060"), Cancel::default()).await
}

fn answering(code: u16) -> Vec<u8> {
    Guest::answering(&reject(code)).build()
}

#[tokio::test]
async fn a_call_whose_version_on_trial_fails_is_decided_by_the_one_before_and_the_record_has_both() {
    let bed = Bed::new();
    bed.put("a.wasm", &answering(486));
    bed.put("new.wasm", &Guest::new("unreachable").build());
    let config = format!("{ONE}\n[plugins.a.canary]\ncomponent = 'new.wasm'\nshare = '100%'");
    let router = Router::new(Arc::new(build(&bed, &config, &parts(&bed), None).await));
    for _ in 0..5 {
        let routed = call(&router).await;
        assert_eq!(code(&routed), 486);
        assert_eq!(outcomes(&routed), [StageOutcome::Trap, StageOutcome::Reject]);
        assert_ne!(routed.facts.stages[0].digest, routed.facts.stages[1].digest);
    }
    let routed = call(&router).await;
    assert_eq!(outcomes(&routed), [StageOutcome::Reject], "it was taken back at its fifth failure");
    let seat = router.snapshot().seat(&SeatName::new("a", None)).unwrap();
    assert_eq!(seat.trial.as_ref().unwrap().standing(), Standing::RolledBack);
}

#[tokio::test]
async fn a_file_that_changed_comes_on_probation_and_takes_over_when_it_has_stood_it() {
    let bed = Bed::new();
    let (parts, config) = (parts(&bed), format!("{ONE}\n[plugins.a.probation]\ncalls = 10"));
    bed.put("a.wasm", &answering(486));
    let first = build(&bed, &config, &parts, None).await;
    let name = SeatName::new("a", None);
    let seat = first.seat(&name).unwrap();
    parts.versions.run(&name, &seat.configured, &seat.stage.as_ref().unwrap().version);

    bed.put("a.wasm", &answering(487));
    let second = build(&bed, &config, &parts, Some(&first)).await;
    let trial = second.seat(&name).unwrap().trial.clone().unwrap();
    assert_eq!(trial.kind, Kind::Probation);
    let router = Router::new(Arc::new(first)).after(Arc::new(second));
    for _ in 0..10 {
        assert_eq!(trial.standing(), Standing::Running);
        assert_eq!(code(&call(&router).await), 487);
    }
    assert_eq!(trial.standing(), Standing::Promoted);
}

#[tokio::test]
async fn what_was_swapped_in_runs_after_a_restart_until_the_file_changes() {
    let bed = Bed::new();
    let (parts, name) = (parts(&bed), SeatName::new("a", None));
    bed.put("a.wasm", &answering(486));
    let first = build(&bed, ONE, &parts, None).await;
    let configured = Arc::clone(&first.seat(&name).unwrap().configured);
    let swapped = answering(487);
    let digest = crate::plugin::versions::digest(&swapped);
    parts.versions.run(&name, &configured, &configured);
    parts.versions.run(&name, &configured, &digest);
    parts.versions.keep(&digest, &swapped).unwrap();
    let decided = async |snapshot: Snapshot| code(&call(&Router::new(Arc::new(snapshot))).await);
    assert_eq!(decided(build(&bed, ONE, &parts, None).await).await, 487);
    bed.put("a.wasm", &answering(488));
    assert_eq!(decided(build(&bed, ONE, &parts, None).await).await, 488);
}

#[tokio::test]
async fn a_shadow_is_compared_and_changes_nothing() {
    let bed = Bed::new();
    bed.put("a.wasm", &answering(486));
    bed.put("same.wasm", &Guest::answering(&reject(486)).after("nop").build());
    bed.put("other.wasm", &answering(603));
    let parts = Parts { shadows: Some(Shadows::start().unwrap()), ..parts(&bed) };
    for (shadow, same) in [("same.wasm", true), ("other.wasm", false)] {
        let config = format!("{ONE}\n[plugins.a.shadow]\ncomponent = '{shadow}'");
        let router = Router::new(Arc::new(build(&bed, &config, &parts, None).await));
        for _ in 0..5 {
            let routed = call(&router).await;
            assert_eq!((code(&routed), outcomes(&routed).len()), (486, 1));
        }
        let trial = router.snapshot().seat(&SeatName::new("a", None)).unwrap().shadow.clone().unwrap();
        let compared = || {
            let status = trial.status();
            status.same + status.different
        };
        // The shadow's thread has a runtime of its own.
        while compared() < 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let status = trial.status();
        assert_eq!((status.same, status.different), if same { (5, 0) } else { (0, 5) });
        assert_eq!(trial.differences().len(), if same { 0 } else { 5 });
        assert_eq!(status.own.calls, 5);
    }
}

#[tokio::test]
async fn a_customer_has_its_own_configuration_and_limits_beside_the_shared_component() {
    let bed = Bed::new();
    bed.put("a.wasm", &Guest::new("(loop $again (br $again)) unreachable").build());
    let config = format!("{ONE}\n[customers.acme.plugins.a]\nfuel = 5000\non-failure = {{ reject = 580 }}");
    let router = Router::new(Arc::new(build(&bed, &config, &parts(&bed), None).await));
    router.warm_up().await;
    let routed = call(&router).await;
    assert_eq!((code(&routed), outcomes(&routed)), (580, vec![StageOutcome::Fuel]));
    assert!(routed.facts.stages[0].fuel <= 5_000);
}

#[tokio::test]
async fn a_changed_file_that_fails_its_recorded_calls_is_refused() {
    let bed = Bed::new();
    let parts = parts(&bed);
    let config =
        format!("{ONE}\n[plugins.a]\nrecorded-calls = 'calls.jsonl'").replace("    plugins.a.component", "    #");
    let config = config.replace("[plugins.a]", "[plugins.a]\ncomponent = 'a.wasm'");
    bed.put("calls.jsonl", br#"{"name": "busy", "expect": {"verdict": {"reject": {"code": 486}}}}"#);
    bed.put("a.wasm", &answering(486));
    let first = build(&bed, &config, &parts, None).await;
    let name = SeatName::new("a", None);
    let seat = first.seat(&name).unwrap();
    parts.versions.run(&name, &seat.configured, &seat.configured);
    bed.put("a.wasm", &answering(487));
    let config: Config = toml::from_str(&config).unwrap();
    let problems = Snapshot::build(&config, bed.folder(), &parts, Some(&first)).await.unwrap_err();
    let told = format!("{problems:?}");
    assert!(told.contains("fails 1 of 1 recorded calls") && told.contains("busy"), "{told}");
}

#[tokio::test]
async fn what_a_plugin_counts_goes_on_over_a_reload_and_its_shadow_adds_nothing() {
    const METRIC: &str = r#"(import "trunkline:routing/telemetry@0.1.0" "metric" (func $add (param i32 i32 i64)))"#;
    let counting = |code| {
        let add = "(call $add (i32.const 512) (i32.const 4) (i64.const 1))";
        Guest::answering(&reject(code)).importing(METRIC).holding(512, b"dips").after(add).build()
    };
    let bed = Bed::new();
    bed.put("a.wasm", &counting(486));
    bed.put("new.wasm", &counting(603));
    let parts = Parts { shadows: Some(Shadows::start().unwrap()), ..parts(&bed) };
    let config = format!("{ONE}\n[plugins.a.shadow]\ncomponent = 'new.wasm'");
    let first = Arc::new(build(&bed, &config, &parts, None).await);
    let second = Arc::new(build(&bed, &config, &parts, Some(&first)).await);
    let seat = |snapshot: &Snapshot| Arc::clone(snapshot.seat(&SeatName::new("a", None)).unwrap());
    for snapshot in [&first, &second] {
        call(&Router::new(Arc::clone(snapshot))).await;
    }
    while seat(&first).shadow.as_ref().unwrap().status().different < 1
        || seat(&second).shadow.as_ref().unwrap().status().different < 1
    {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(seat(&second).stage.as_ref().unwrap().counters.values(), [("dips".into(), 2)]);
}

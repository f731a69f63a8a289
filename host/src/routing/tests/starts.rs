//! Which components a start waits for, and what calls meet in the place of one that it did not wait for.

use super::trials::{ONE, build, call};
use super::*;
use crate::plugin::Trace;
use crate::plugin::shadow::Shadows;
use crate::plugin::versions::SeatName;
use crate::routing::{Maker, plugin_of};

/// Refuses every call with 486. In a custom section it has 2 MiB more: as large as one with an interpreter in it.
fn large() -> Vec<u8> {
    let mut bytes = small();
    // Custom section: id 0, its length of 2 MiB as LEB128, the length of the name, the name, the content.
    bytes.extend([0, 0x80, 0x80, 0x80, 0x01, 1, b'x']);
    bytes.resize(bytes.len() + (2 << 20) - 2, 0);
    bytes
}

fn small() -> Vec<u8> {
    Guest::answering(&reject(486)).build()
}

/// What the first call after a start meets, of the stage that has these keys.
async fn first(component: &[u8], keys: &str, dry_run: bool) -> StageOutcome {
    let bed = Bed::new();
    bed.put("a.wasm", component);
    let config =
        ONE.replace("plugins.a.component = \"a.wasm\"", &format!("plugins.a = {{ component = 'a.wasm', {keys} }}"));
    let shadows = (!dry_run).then(|| Shadows::start().unwrap());
    let snapshot = build(&bed, &config, &Parts { shadows, ..parts(&bed) }, None).await;
    outcomes(&call(&Router::new(Arc::new(snapshot))).await)[0]
}

#[tokio::test]
async fn a_start_waits_for_all_but_large_components_that_calls_go_on_without() {
    let (runs, later) = (StageOutcome::Reject, StageOutcome::Loading);
    for (component, keys, outcome) in [
        (large(), "on-failure = 'skip'", later),
        (large(), "on-failure = 'skip', compile = 'wait'", runs),
        (large(), "on-failure = { reject = 503 }", runs),
        (large(), "", runs),
        (small(), "on-failure = 'skip'", runs),
        (small(), "compile = 'background'", later),
    ] {
        assert_eq!(first(&component, keys, false).await, outcome, "{} bytes, {keys}", component.len());
        assert_eq!(first(&component, keys, true).await, runs, "a dry run waits: {} bytes, {keys}", component.len());
    }
}

#[tokio::test]
async fn what_a_start_did_not_wait_for_comes_with_its_shadow_and_without_one_that_cannot_run() {
    let bed = Bed::new();
    bed.put("a.wasm", &large());
    bed.put("new.wasm", &small());
    for (shadow, runs) in [("new.wasm", true), ("nowhere.wasm", false)] {
        let config: Config = toml::from_str(&format!("{ONE}\n[plugins.a.shadow]\ncomponent = '{shadow}'")).unwrap();
        let name = SeatName::new("a", None);
        let plugin = plugin_of(&config, &name).unwrap();
        let seat = Maker::new(parts(&bed), bed.folder().to_owned()).configured(&name, &plugin).await.unwrap();
        assert!(seat.stage.is_some());
        assert_eq!(seat.shadow.is_some(), runs, "{shadow}");
    }
}

#[tokio::test]
async fn a_call_that_comes_before_a_component_is_compiled_finds_its_stage_loading() {
    let bed = Bed::new();
    bed.put("a.wasm", &small());
    let config = ONE.replace("plugins.a.component", "plugins.a.compile = 'background'\n plugins.a.component");
    let parts = Parts { shadows: Some(Shadows::start().unwrap()), ..parts(&bed) };
    let snapshot = build(&bed, &config, &parts, None).await;
    let trace = Arc::new(Trace::default());
    let call = NewCall { trace: Some(Arc::clone(&trace)), ..call_from("192.0.2.1:5060") };
    let routed = Router::new(Arc::new(snapshot)).route(call, Cancel::default()).await;
    assert_eq!((code(&routed), outcomes(&routed)), (503, vec![StageOutcome::Loading]));
    assert_eq!(trace.stories().len(), 1, "the stories of the stages behind it stand in their places");
}

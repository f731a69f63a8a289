//! What can never serve a call is refused at load, in words that help.

use super::*;

async fn refusal(bytes: &[u8]) -> LoadError {
    Bed::new().load(bytes, settings()).await.expect_err("refused")
}

#[tokio::test]
async fn a_configuration_that_the_plugin_refuses_is_refused_in_its_words() {
    let error = refusal(&Guest::answering(&proceed()).refusing("`table` is missing").build()).await;
    assert!(matches!(&error, LoadError::Refused(text) if text == "`table` is missing"), "{error}");
}

#[tokio::test]
async fn a_configure_that_traps_loops_or_grows_without_end_is_refused() {
    let cases = [
        ("unreachable", "trap"),
        ("(loop $again (br $again)) unreachable", "fuel"),
        ("(loop $again (drop (memory.grow (i32.const 4))) (br $again)) unreachable", "memory"),
    ];
    for (configure, expected) in cases {
        let error = refusal(&Guest::answering(&proceed()).configured_by(configure).build()).await;
        assert!(matches!(&error, LoadError::Failed { reason, .. } if *reason == expected), "{configure}: {error}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_component_is_told_what_it_is() {
    let whole = Guest::answering(&proceed()).build();
    let cases: [(&[u8], &str); 5] = [
        (b"", "is not WebAssembly"),
        (b"#!/bin/sh\necho hello\n", "is not WebAssembly"),
        (b"\0asm\x01\0\0\0", "is a core WebAssembly module"),
        (&whole[..whole.len() / 2], "is no valid component"),
        (&[&whole[..8], &[0xff; 64]].concat(), "is no valid component"),
    ];
    for (bytes, expected) in cases {
        let error = refusal(bytes).await.to_string();
        assert!(error.contains(expected) && error.contains("guest.wasm"), "{expected}: {error}");
    }
}

#[tokio::test]
async fn every_bit_that_is_flipped_gives_a_stage_or_a_refusal() {
    let whole = Guest::answering(&proceed()).build();
    let bed = Bed::new();
    for at in (0..whole.len()).step_by(whole.len() / 97) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        // Whatever it became, the host is whole: a sound guest loads afterwards.
        drop(bed.load(&flipped, settings()).await);
    }
    bed.load(&whole, settings()).await.unwrap();
}

#[tokio::test]
async fn a_component_that_wants_wasi_is_told_how_to_do_without() {
    let wasi = wat::parse_str(
        r#"(component (import "wasi:cli/environment@0.2.3" (instance
            (export "get-arguments" (func (result (list string)))))))"#,
    );
    let error = refusal(&wasi.unwrap()).await.to_string();
    assert!(error.contains("wasi:cli/environment@0.2.3") && error.contains("--stub-wasi"), "{error}");
}

#[tokio::test]
async fn a_component_that_exports_something_else_is_no_stage() {
    let error = refusal(&wat::parse_str("(component)").unwrap()).await;
    assert!(matches!(&error, LoadError::Contract { why, .. } if why.contains("configure")), "{error}");
}

#[tokio::test]
async fn a_newer_interface_of_ours_is_refused_by_name() {
    let newer =
        wat::parse_str(r#"(component (import "trunkline:routing/lookups@0.9.0" (instance (export "future" (func)))))"#);
    let error = refusal(&newer.unwrap()).await.to_string();
    assert!(error.contains("trunkline:routing@0.9.0") && error.contains("serves trunkline:routing@0.1.0"), "{error}");
}

#[tokio::test]
async fn memory_that_the_guest_needs_at_its_start_is_within_its_limit_or_it_is_refused() {
    let guest = Guest::answering(&proceed()).build();
    let error = Bed::new().load(&guest, StageSettings { memory: 64 << 10, ..settings() }).await.unwrap_err();
    assert!(matches!(&error, LoadError::Failed { reason: "memory", .. }), "{error}");
}

#[tokio::test]
async fn a_built_in_name_that_is_nowhere_says_where_it_was_looked_for() {
    let bed = Bed::new();
    let finder = crate::plugin::ComponentFinder::new(vec![bed.folder().join("a"), bed.folder().join("b")]);
    let error = finder.find("lrn", bed.folder()).unwrap_err().to_string();
    assert!(error.contains("a/lrn.wasm") && error.contains("b/lrn.wasm"), "{error}");
}

#[tokio::test]
async fn a_component_is_compiled_once_and_found_again_by_another_start() {
    let bed = Bed::new();
    bed.put("guest.wasm", &Guest::answering(&reject(486)).build());
    let cache = bed.folder().join("cache");
    let finder = crate::plugin::ComponentFinder::new(Vec::new());
    let engine = bed.components.engine();
    for _ in 0..2 {
        let components = crate::plugin::Components::new(engine.clone(), finder.clone(), Some(cache.clone()));
        let component = components.load("guest.wasm", bed.folder()).unwrap();
        let stage = crate::plugin::Stage::load(engine, "guest", &component, settings(), bed.lent.clone(), None);
        let runner = crate::plugin::Runner::new(std::sync::Arc::new(stage.await.unwrap()));
        run(&runner).await.result.expect("the cached code is the component's");
        assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 1);
    }
}

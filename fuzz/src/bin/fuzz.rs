//! libFuzzer over the target that `TRUNKLINE_FUZZ_TARGET` names. `cargo xtask fuzz` builds and runs it.
#![no_main]

use std::sync::OnceLock;

use trunkline_fuzz::{Target, target};

static CHOSEN: OnceLock<Target> = OnceLock::new();

fn choose() {
    let name = std::env::var("TRUNKLINE_FUZZ_TARGET").unwrap_or_default();
    let chosen = target(&name).unwrap_or_else(|| panic!("TRUNKLINE_FUZZ_TARGET: no target `{name}`"));
    CHOSEN.get_or_init(|| chosen);
}

libfuzzer_sys::fuzz_target!(init: choose(), |data: &[u8]| {
    if let Some(run) = CHOSEN.get() {
        run(data);
    }
});

//! Fuzz targets: what must hold for any bytes that come from the network.
//!
//! A target takes bytes and panics where something does not hold. `cargo xtask fuzz` runs them under libFuzzer, guided by
//! coverage; `tests/replay.rs` runs them over what was kept in `corpus/`, as a normal test.

mod calls;
mod framing;
mod message;
mod uri;

/// What a fuzzer calls.
pub type Target = fn(&[u8]);

/// Every target by its name, which is its folder's under `corpus/` too.
pub const TARGETS: [(&str, Target); 4] =
    [("message", message::run), ("uri", uri::run), ("framing", framing::run), ("core", calls::run)];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|(known, _)| *known == name).map(|(_, target)| target)
}

//! The Rust side of world `rater` in `wit/`, generated.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated code")]

wasmtime::component::bindgen!({
    world: "rater",
    path: "../wit",
    exports: { default: async },
});

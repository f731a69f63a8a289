//! The Rust side of `wit/`, generated: what a guest exports and imports, with the types that cross the border.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated code")]

wasmtime::component::bindgen!({
    world: "stage",
    path: "../wit",
    imports: {
        // Only what can wait for the outside is async: the others never leave the thread. Of `lookups` the types alone
        // serve: `imports/lookups.rs` links its functions by hand.
        "trunkline:routing/services.call": async | exact,
    },
    exports: { default: async },
});

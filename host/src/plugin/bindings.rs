//! The Rust side of `wit/`, generated: what a guest exports and imports, with the types that cross the border.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated code")]

wasmtime::component::bindgen!({
    world: "stage",
    path: "../wit",
    imports: {
        // Only what can wait for the outside is async: the others never leave the thread.
        "trunkline:routing/lookups.lookup": async | exact,
        "trunkline:routing/lookups.lookup-all": async | exact,
        "trunkline:routing/services.call": async | exact,
    },
    exports: { default: async },
});

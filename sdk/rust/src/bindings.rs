//! What `wit-bindgen` makes of the contract. [`crate::Outcome`] and its parts are these types; the functions are
//! reached through [`crate::Host`].

// The generated code crosses the border of linear memory by pointers, and is documented in `wit/`.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::pedantic)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "stage",
    // What a plugin asks with is borrowed: no text is copied to be shown to the host.
    ownership: Borrowing { duplicate_if_necessary: false },
    export_macro_name: "export_stage",
    pub_export_macro: true,
    additional_derives: [PartialEq, Eq],
    with: { "trunkline:routing/types@0.1.0/decimal": crate::Decimal },
});

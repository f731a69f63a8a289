//! From a core module to a component that reaches nothing but the router.

use anyhow::{Context as _, Result, bail};
use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::WorldItem;

/// What world `stage` exports.
const STAGE: [&str; 2] = ["configure", "handle"];

/// The contract's package.
const PACKAGE: &str = "trunkline:routing/";

/// A component that can be a stage.
#[derive(Debug)]
pub struct Checked {
    /// The `.wasm`.
    pub bytes: Vec<u8>,
    /// The interfaces of `trunkline:routing` that it imports, without the package's name.
    pub imports: Vec<String>,
}

/// The names at a component's border, as its types have them.
#[derive(Debug, PartialEq, Eq)]
pub struct Border {
    /// Interfaces and functions that it must be lent. Types alone are left out: they reach nothing.
    pub imports: Vec<String>,
    /// What can be called.
    pub exports: Vec<String>,
}

impl Border {
    /// Of a component.
    ///
    /// # Errors
    /// It is none.
    pub fn of(bytes: &[u8]) -> Result<Self> {
        let decoded = wit_component::decode(bytes).context("its types cannot be read")?;
        let DecodedWasm::Component(resolve, world) = decoded else { bail!("it is a WIT package") };
        let world = &resolve.worlds[world];
        let reaching = world.imports.iter().filter(|(_, item)| match item {
            WorldItem::Type { .. } => false,
            WorldItem::Interface { id, .. } => !resolve.interfaces[*id].functions.is_empty(),
            WorldItem::Function(_) => true,
        });
        let imports = reaching.map(|(key, _)| resolve.name_world_key(key)).collect();
        Ok(Self { imports, exports: world.exports.keys().map(|key| resolve.name_world_key(key)).collect() })
    }

    /// What it exports too little to be a stage.
    pub fn missing(&self) -> Vec<&'static str> {
        STAGE.into_iter().filter(|name| !self.exports.iter().any(|export| export == name)).collect()
    }

    /// The router's interfaces among the imports, each with its version.
    pub fn own(&self) -> impl Iterator<Item = (&str, &str)> {
        self.imports.iter().filter_map(|import| import.strip_prefix(PACKAGE)?.split_once('@'))
    }

    /// The imports that are none of the router's.
    pub fn foreign(&self) -> Vec<&str> {
        self.imports.iter().filter(|import| !import.starts_with(PACKAGE)).map(String::as_str).collect()
    }
}

/// Wraps a core module after the types that `wit-bindgen` left in it.
///
/// # Errors
/// It has no such types, or does not do what they say.
pub fn encode(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .context("it is no core module with the types of a world in it")?
        .encode()
        .context("it cannot be made a component")
}

/// Refuses a component where it is no stage, or would reach out.
///
/// # Errors
/// An export is missing, or it imports anything but `trunkline:routing`, WASI before all.
pub fn check(bytes: Vec<u8>) -> Result<Checked> {
    let border = Border::of(&bytes)?;
    let missing = border.missing();
    if !missing.is_empty() {
        bail!("it does not export {}", missing.join(", "));
    }
    let foreign = border.foreign();
    if !foreign.is_empty() {
        bail!("it imports {}; a plugin may import trunkline:routing alone", foreign.join(", "));
    }
    let imports = border.own().map(|(interface, _)| interface.to_owned()).collect();
    Ok(Checked { bytes, imports })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_component_reaches_beyond_the_router_is_told_by_name() {
        let imports = vec!["trunkline:routing/lookups@0.1.0".to_owned(), "wasi:cli/stdout@0.2.6".to_owned()];
        let border = Border { imports, exports: vec!["handle".to_owned()] };
        assert_eq!(border.foreign(), ["wasi:cli/stdout@0.2.6"]);
        assert_eq!(border.own().collect::<Vec<_>>(), [("lookups", "0.1.0")]);
        assert_eq!(border.missing(), ["configure"]);
    }

    #[test]
    fn a_module_that_exports_no_stage_is_refused() {
        let component = encode(b"\0asm\x01\0\0\0").expect("an empty module makes an empty component");
        let error = check(component).expect_err("it is no stage").to_string();
        assert_eq!(error, "it does not export configure, handle");
    }

    #[test]
    fn garbage_is_refused() {
        assert!(encode(b"not wasm").is_err());
        assert!(check(b"not wasm".to_vec()).is_err());
    }
}

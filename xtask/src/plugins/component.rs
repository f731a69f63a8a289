//! From a core module to a component that reaches nothing but the router.

use anyhow::{Context as _, Result, bail};
use wit_component::ComponentEncoder;
use wit_parser::WorldItem;

/// A component, checked.
pub(super) struct Component {
    /// The `.wasm`.
    pub(super) bytes: Vec<u8>,
    /// The interfaces of `trunkline:routing` that it imports, without the package's name.
    pub(super) imports: Vec<String>,
}

/// Wrap a core module after the types that `wit-bindgen` left in it, and refuse it where it would reach out.
pub(super) fn encode(module: &[u8]) -> Result<Component> {
    let bytes = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .context("it is no core module with the types of a world in it")?
        .encode()
        .context("it cannot be made a component")?;
    let imports = imports(&bytes)?;
    Ok(Component { imports: reach(&imports)?, bytes })
}

/// The names of a component's imports.
fn imports(bytes: &[u8]) -> Result<Vec<String>> {
    let decoded = wit_component::decode(bytes).context("its types cannot be read")?;
    let wit_component::DecodedWasm::Component(resolve, world) = decoded else { bail!("it is a WIT package") };
    // A type by name alone reaches nothing.
    let reaching = resolve.worlds[world].imports.iter().filter(|(_, item)| !matches!(item, WorldItem::Type { .. }));
    Ok(reaching.map(|(key, _)| resolve.name_world_key(key)).collect())
}

/// The router's interfaces among the imports; anything else, WASI before all, is an error.
fn reach(imports: &[String]) -> Result<Vec<String>> {
    let own = |import: &String| {
        let (name, _version) = import.strip_prefix("trunkline:routing/")?.split_once('@')?;
        Some(name.to_owned())
    };
    let foreign: Vec<_> = imports.iter().filter(|import| own(import).is_none()).map(String::as_str).collect();
    if !foreign.is_empty() {
        bail!("it imports {}; a plugin may import trunkline:routing alone", foreign.join(", "));
    }
    Ok(imports.iter().filter_map(own).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_that_asks_for_wasi_is_refused_by_name() {
        let imports = ["trunkline:routing/lookups@0.1.0".to_owned(), "wasi:cli/stdout@0.2.6".to_owned()];
        let error = reach(&imports).unwrap_err().to_string();
        assert!(error.starts_with("it imports wasi:cli/stdout@0.2.6;"), "{error}");
        assert_eq!(reach(&imports[..1]).unwrap(), ["lookups"]);
    }

    #[test]
    fn garbage_is_refused() {
        assert!(encode(b"not wasm").is_err());
        assert!(encode(b"\0asm\x01\0\0\0").is_err());
    }
}

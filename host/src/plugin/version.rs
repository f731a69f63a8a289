//! Which versions of the contract this host serves, and what it says to a component of another.

use wasmtime::component::Component;

use super::engine::Engine;
use super::error::LoadError;

/// The version of `wit/` that this host is built with. It serves every `0.1.x` up to this one; the first minor version
/// after it will serve this one beside its own.
pub const CONTRACT_VERSION: &str = "0.1.0";

/// The package that all of a guest's imports come from.
pub(super) const PACKAGE: &str = "trunkline:routing/";

/// Refuses a component that was built against a version that this host does not serve, and says both versions: what the
/// linker would say of it names neither.
pub(super) fn check(engine: &Engine, component: &Component) -> Result<(), LoadError> {
    let kind = component.component_type();
    for (name, _) in kind.imports(engine.wasm()) {
        let Some(built) = name.strip_prefix(PACKAGE).and_then(|rest| rest.split_once('@')).map(|(_, version)| version)
        else {
            continue;
        };
        if !serves(built) {
            return Err(LoadError::Version { built: built.to_owned(), import: name.to_owned() });
        }
    }
    Ok(())
}

/// Versions `0.1.x` up to ours: what came later may ask for what this host does not have.
fn serves(built: &str) -> bool {
    let (Some(built), Some(ours)) = (numbers(built), numbers(CONTRACT_VERSION)) else { return false };
    built[..2] == ours[..2] && built[2] <= ours[2]
}

fn numbers(version: &str) -> Option<[u64; 3]> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::serves;

    #[test]
    fn only_versions_that_the_host_knows_are_served() {
        assert!(serves("0.1.0"));
        for other in ["0.0.9", "0.1.1", "0.2.0", "1.1.0", "0.1", "0.1.0.0", "0.1.0-draft", "", "x.y.z"] {
            assert!(!serves(other), "{other}");
        }
    }
}

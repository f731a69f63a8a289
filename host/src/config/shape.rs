//! From the TOML tree to the model, with every fault of shape told in one go.
//!
//! serde stops at the first fault. So the faulty key is told, taken out of the tree, and the rest read again: a
//! configuration is small and read seldom.

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

use super::model::Config;
use super::places::Span;
use super::problem::Report;
use super::wording;

/// More faults than this are not told: the file is of another kind.
const MAX_FAULTS: usize = 100;

/// The configuration without its faulty keys, each of which `report` has been told about.
pub(super) fn read(tree: &Spanned<DeTable<'_>>, report: &mut Report<'_>) -> Config {
    let mut tree = tree.clone();
    for _ in 0..MAX_FAULTS {
        let fault = match Config::deserialize(Deserializer::from(tree.clone())) {
            Ok(config) => return config,
            Err(fault) => fault,
        };
        let places = report.places();
        let found = fault.span().and_then(|span| places.path_at(&span).map(|path| (span, path)));
        let Some((span, path)) = found else {
            report.error("", wording::of(&fault, "", places));
            break;
        };
        tell(report, &fault, path);
        if !remove(tree.get_mut(), &span) {
            break;
        }
    }
    Config::default()
}

fn tell(report: &mut Report<'_>, fault: &toml::de::Error, path: &str) {
    let places = report.places();
    let message = wording::of(fault, path, places);
    if wording::is_about_name(fault) { report.error_at_key(path, message) } else { report.error(path, message) }
}

/// Takes out the entry at `span`, the innermost where several share it.
fn remove(table: &mut DeTable<'_>, span: &Span) -> bool {
    let mut within = false;
    for (_, value) in table.iter_mut() {
        within = within
            || match value.get_mut() {
                DeValue::Table(inner) => remove(inner, span),
                DeValue::Array(inner) => remove_element(inner, span),
                _ => false,
            };
    }
    if within {
        return true;
    }
    let before = table.len();
    let kept = std::mem::take(table).into_iter().filter(|(key, value)| key.span() != *span && value.span() != *span);
    *table = kept.collect();
    table.len() < before
}

fn remove_element(array: &mut DeArray<'_>, span: &Span) -> bool {
    for element in array.iter_mut() {
        if let DeValue::Table(inner) = element.get_mut()
            && remove(inner, span)
        {
            return true;
        }
    }
    let before = array.len();
    let kept = std::mem::replace(array, DeArray::new()).into_iter().filter(|element| element.span() != *span);
    *array = kept.collect();
    array.len() < before
}

//! Keys that the architecture promises and this version does not have yet: told in those words, so that nobody looks
//! for a typing mistake, and nobody believes that a limit holds which nothing enforces.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::places::join;
use super::problem::Report;

/// The path (`*` stands for any name) and what it would do.
const UNBUILT: &[(&str, &str)] =
    &[("customers.*.tech-prefix", "customers told apart by tech prefix: use the `auth` stage")];

/// Reports every such key and takes it out of the tree.
pub(super) fn refuse(tree: &mut Spanned<DeTable<'_>>, report: &mut Report<'_>) {
    refuse_in("", tree.get_mut(), report);
}

fn refuse_in(path: &str, table: &mut DeTable<'_>, report: &mut Report<'_>) {
    let entries = std::mem::take(table).into_iter().filter_map(|(key, mut value)| {
        let path = join(path, key.get_ref());
        if let Some((_, what)) = UNBUILT.iter().find(|(pattern, _)| matches(pattern, &path)) {
            report.error_at_key(&path, format!("this version does not have this yet: {what}"));
            return None;
        }
        if let DeValue::Table(inner) = value.get_mut() {
            refuse_in(&path, inner, report);
        }
        Some((key, value))
    });
    *table = entries.collect();
}

fn matches(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('.'), path.split('.'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(wanted), Some(name)) if wanted == "*" || wanted == name => {}
            _ => return false,
        }
    }
}

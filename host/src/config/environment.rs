//! `${NAME}` in strings: secrets come from the environment, not from the file.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::places::join;
use super::problem::Report;

/// Replaces `${NAME}` in every string of `tree`; `$${` stands for `${`.
pub(super) fn fill_in(
    tree: &mut Spanned<DeTable<'_>>,
    environment: &dyn Fn(&str) -> Option<String>,
    report: &mut Report<'_>,
) {
    fill_table("", tree.get_mut(), environment, report);
}

fn fill_table(
    path: &str,
    table: &mut DeTable<'_>,
    environment: &dyn Fn(&str) -> Option<String>,
    report: &mut Report<'_>,
) {
    for (key, value) in table.iter_mut() {
        fill_value(&join(path, key.get_ref()), value.get_mut(), environment, report);
    }
}

fn fill_value(
    path: &str,
    value: &mut DeValue<'_>,
    environment: &dyn Fn(&str) -> Option<String>,
    report: &mut Report<'_>,
) {
    match value {
        DeValue::Table(table) => fill_table(path, table, environment, report),
        DeValue::Array(array) => {
            for (index, element) in array.iter_mut().enumerate() {
                fill_value(&format!("{path}[{index}]"), element.get_mut(), environment, report);
            }
        }
        DeValue::String(text) if text.contains("${") => match substitute(text, environment, report) {
            Ok(filled) => *text = filled.into(),
            Err(message) => report.error(path, message),
        },
        _ => {}
    }
}

fn substitute(
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    report: &mut Report<'_>,
) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            filled.push_str(&rest[..at - 1]);
            filled.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        filled.push_str(&rest[..at]);
        let (name, after) = rest[at + 2..]
            .split_once('}')
            .ok_or("`${` without its `}`: write `${NAME}`, or `$${` for the two characters themselves")?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(format!("`${{{name}}}` is not a variable's name: letters, digits and `_` only"));
        }
        let value = environment(name).ok_or_else(|| {
            format!("the environment variable `{name}` is not set: set it before the router starts, or write the value")
        })?;
        report.hide(&value, &format!("${{{name}}}"));
        filled.push_str(&value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

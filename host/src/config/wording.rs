//! serde's messages in an operator's words.

use super::places::Places;

/// Keys whose values are not shown.
const SECRET: [&str; 5] = ["token", "password", "url", "headers", "users"];

/// What is wrong at `path`, and what would be right.
pub(super) fn of(fault: &toml::de::Error, path: &str, places: &Places<'_>) -> String {
    let message = fault.message();
    if let Some((name, known)) = unknown(message, "unknown field") {
        return format!("unknown key{}", suggestion(name, &known, "the keys here are"));
    }
    if let Some((name, known)) = unknown(message, "unknown variant") {
        return format!("`{name}` is not known here{}", suggestion(name, &known, "write"));
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return format!("the key {name} is missing");
    }
    let wanted = message.split_once("expected ").map(|(_, wanted)| plain(wanted));
    match (wanted, shown(path, places)) {
        (Some(wanted), Some(written)) => format!("`{written}` is not right here: expected {wanted}"),
        (Some(wanted), None) if message.starts_with("invalid") => format!("expected {wanted}"),
        _ if message.contains("wanted exactly 1 element") => "expected exactly one of its kinds".to_owned(),
        (_, Some(written)) if !message.contains(written.trim_matches('"')) => format!("`{written}`: {message}"),
        _ => message.to_owned(),
    }
}

/// Whether the fault is the key's name rather than its value.
pub(super) fn is_about_name(fault: &toml::de::Error) -> bool {
    fault.message().starts_with("unknown field")
}

/// The value as written, unless it may be a secret.
fn shown<'a>(path: &str, places: &Places<'a>) -> Option<&'a str> {
    let secret = path.split(['.', '[']).any(|key| SECRET.contains(&key));
    places.written(path).filter(|written| !secret && written.len() <= 80)
}

/// `("feul", ["component", "fuel"])` of ``unknown field `feul`, expected `component` or `fuel` ``.
fn unknown<'m>(message: &'m str, what: &str) -> Option<(&'m str, Vec<&'m str>)> {
    let mut quoted = message.strip_prefix(what)?.split('`').skip(1).step_by(2);
    Some((quoted.next()?, quoted.collect()))
}

fn suggestion(name: &str, known: &[&str], list: &str) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if known.is_empty() => String::new(),
        None => format!("; {list} {}", quoted(known)),
    }
}

/// The name that `name` most probably was meant to be: at most a third of it typed wrongly.
pub(super) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let name = name.to_lowercase();
    let distance = |candidate: &&str| strsim::osa_distance(&name, &candidate.to_lowercase());
    let near = known.into_iter().filter(|candidate| distance(candidate) <= name.len().div_ceil(3).min(4));
    near.min_by_key(distance)
}

/// `` `a`, `b` or `c` ``
pub(super) fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// serde's names of types, for people.
fn plain(wanted: &str) -> &str {
    match wanted {
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" | "i64" => "a whole number, 0 or more",
        "a boolean" => "true or false",
        "a sequence" => "a list in `[ ]`",
        "a string" => "a text in quotes",
        "a map" => "a table",
        "socket address" => "an address and a port, such as `0.0.0.0:5060` or `[::]:5060`",
        _ if wanted.starts_with("struct ") => "a table",
        _ if wanted.starts_with("enum ") || wanted == "string or table" => "one of its kinds",
        _ => wanted,
    }
}

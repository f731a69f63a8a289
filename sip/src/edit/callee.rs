//! Edits of the called number and its parameters: the user part of the Request-URI.

use memchr::memchr;
use smallvec::{SmallVec, smallvec};

use super::plan::Plan;
use super::{EditFault, Splices, Text};
use crate::message::Message;
use crate::span::Span;
use crate::uri::{Scheme, Uri, unescaped};

/// Whether this can be called: 1 to 32 digits, `*` or `#`, with or without a `+` before them.
pub fn is_callee_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (1..=32).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'#'))
}

pub(super) fn check_number(number: &str) -> Result<(), EditFault> {
    if is_callee_number(number) { Ok(()) } else { Err(EditFault::CalleeNumber) }
}

/// RFC 3966 section 3: `pname` is letters, digits and hyphens.
pub(super) fn check_param(name: &str, value: &str) -> Result<(), EditFault> {
    let fit_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if fit_name && !value.chars().any(char::is_control) { Ok(()) } else { Err(EditFault::UserParameter) }
}

/// The Request-URI, where it can take what the plan has for it.
pub(super) fn place<'m>(plan: &Plan<'_>, message: &'m Message) -> Result<Uri<'m>, EditFault> {
    let uri = Uri::parse(message.uri()).map_err(|_| EditFault::RequestUri)?;
    let has_user = uri.user.is_some() || plan.callee_number.is_some();
    if uri.scheme == Scheme::Other || !has_user { Err(EditFault::RequestUri) } else { Ok(uri) }
}

pub(super) fn splice(plan: &Plan<'_>, message: &Message, splices: &mut Splices) -> Result<(), EditFault> {
    if plan.callee_number.is_none() && plan.user_params.is_empty() {
        return Ok(());
    }
    let uri = place(plan, message)?;
    let base = message.uri_span().start;
    let at = |span: Span| Span { start: base + span.start, end: base + span.end };
    let escape_hash = uri.scheme != Scheme::Tel;
    let push_number = |text: &mut Text| {
        for byte in plan.callee_number.unwrap_or_default().bytes() {
            text.push(if escape_hash && byte == b'#' { b"%23" } else { std::slice::from_ref(&byte) });
        }
    };
    let Some(name) = uri.user_name() else {
        splices.insert_with((base + uri.host.start) as usize, |text| {
            push_number(text);
            push_params(text, &[], plan);
            text.push(b"@");
        });
        return Ok(());
    };
    if plan.callee_number.is_some() {
        splices.replace_with(at(name), push_number);
    }
    if !plan.user_params.is_empty() {
        // In a tel URI the parameters are the URI's own; elsewhere they end with the user part.
        let end = if uri.scheme == Scheme::Tel { uri.params.end } else { uri.user.map_or(name.end, |user| user.end) };
        let span = Span { start: name.end, end };
        splices.replace_with(at(span), |text| push_params(text, span.of(message.uri()), plan));
    }
    Ok(())
}

/// The parameters as they are, with those of the plan in the place of their namesakes or behind them.
fn push_params(out: &mut Text, present: &[u8], plan: &Plan<'_>) {
    let latest = |name: &str| plan.user_params.iter().rposition(|(other, _)| other.eq_ignore_ascii_case(name));
    let mut written: SmallVec<[bool; 8]> = smallvec![false; plan.user_params.len()];
    for param in present.split(|&b| b == b';').skip(1) {
        let word = unescaped(&param[..memchr(b'=', param).unwrap_or(param.len())]);
        match std::str::from_utf8(&word).ok().and_then(latest) {
            None => {
                out.push(b";");
                out.push(param);
            }
            Some(index) if !written[index] => {
                written[index] = true;
                push_param(out, plan.user_params[index]);
            }
            Some(_) => {}
        }
    }
    for (index, &(name, value)) in plan.user_params.iter().enumerate() {
        if latest(name) == Some(index) && !written[index] {
            push_param(out, (name, value));
        }
    }
}

fn push_param(out: &mut Text, (name, value): (&str, &str)) {
    out.push(b";");
    out.push(name.as_bytes());
    if value.is_empty() {
        return;
    }
    out.push(b"=");
    for byte in value.bytes() {
        // What both a user part (RFC 3261 section 25.1) and a tel parameter (RFC 3966 section 3) may hold unescaped.
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()+&$/".contains(&byte) {
            out.push(&[byte]);
        } else {
            out.put(format_args!("%{byte:02X}"));
        }
    }
}

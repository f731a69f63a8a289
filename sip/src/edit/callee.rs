//! Edits of the called number and its parameters: the user part of the Request-URI.

use std::io::Write as _;

use memchr::memchr;

use super::plan::Plan;
use super::{EditFault, Splices};
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
    let number = plan.callee_number.map(|n| if escape_hash { n.replace('#', "%23") } else { n.to_owned() });

    let Some(name) = uri.user_name() else {
        let user = [number.unwrap_or_default().as_bytes(), &params_of(&[], plan), b"@"].concat();
        splices.insert((base + uri.host.start) as usize, &user);
        return Ok(());
    };
    if let Some(number) = number {
        splices.replace(at(name), number.as_bytes());
    }
    if !plan.user_params.is_empty() {
        // In a tel URI the parameters are the URI's own; elsewhere they end with the user part.
        let end = if uri.scheme == Scheme::Tel { uri.params.end } else { uri.user.map_or(name.end, |user| user.end) };
        let span = Span { start: name.end, end };
        splices.replace(at(span), &params_of(span.of(message.uri()), plan));
    }
    Ok(())
}

/// The parameters as they are, with those of the plan in the place of their namesakes or behind them.
fn params_of(present: &[u8], plan: &Plan<'_>) -> Vec<u8> {
    let latest = |name: &str| plan.user_params.iter().rposition(|(other, _)| other.eq_ignore_ascii_case(name));
    let mut written = vec![false; plan.user_params.len()];
    let mut out = Vec::with_capacity(present.len() + 32);
    for param in present.split(|&b| b == b';').skip(1) {
        let word = unescaped(&param[..memchr(b'=', param).unwrap_or(param.len())]);
        match std::str::from_utf8(&word).ok().and_then(latest) {
            None => {
                out.push(b';');
                out.extend_from_slice(param);
            }
            Some(index) if !written[index] => {
                written[index] = true;
                push_param(&mut out, plan.user_params[index]);
            }
            Some(_) => {}
        }
    }
    for (index, &(name, value)) in plan.user_params.iter().enumerate() {
        if latest(name) == Some(index) && !written[index] {
            push_param(&mut out, (name, value));
        }
    }
    out
}

fn push_param(out: &mut Vec<u8>, (name, value): (&str, &str)) {
    out.push(b';');
    out.extend_from_slice(name.as_bytes());
    if value.is_empty() {
        return;
    }
    out.push(b'=');
    for byte in value.bytes() {
        // What both a user part (RFC 3261 section 25.1) and a tel parameter (RFC 3966 section 3) may hold unescaped.
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()+&$/".contains(&byte) {
            out.push(byte);
        } else {
            // Writing to a Vec cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

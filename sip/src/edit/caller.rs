//! Edits of the caller: From, and P-Asserted-Identity where the request has one (RFC 3325).

use super::plan::Plan;
use super::{EditFault, Splices, Text};
use crate::header::NameAddr;
use crate::message::{Message, Name};
use crate::span::Span;
use crate::uri::{Scheme, Uri};

pub(super) fn check_name(name: &str) -> Result<(), EditFault> {
    if name.chars().any(char::is_control) { Err(EditFault::DisplayName) } else { Ok(()) }
}

pub(super) fn check_number(number: &str) -> Result<(), EditFault> {
    let digits = number.strip_prefix('+').unwrap_or(number);
    let fit = (1..=32).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if fit { Ok(()) } else { Err(EditFault::CallerNumber) }
}

/// The From and its URI.
pub(super) fn place(message: &Message) -> Result<(NameAddr<'_>, Uri<'_>), EditFault> {
    let from = message.from().ok_or(EditFault::From)?;
    let uri = numbered(&from).ok_or(EditFault::From)?;
    Ok((from, uri))
}

/// The URI of an address, where it can hold a number.
fn numbered<'a>(address: &NameAddr<'a>) -> Option<Uri<'a>> {
    Uri::parse(address.uri).ok().filter(|uri| uri.scheme != Scheme::Other)
}

pub(super) fn splice(plan: &Plan<'_>, message: &Message, splices: &mut Splices) -> Result<(), EditFault> {
    if plan.caller_name.is_none() && plan.caller_number.is_none() {
        return Ok(());
    }
    let (from, uri) = place(message)?;
    splice_address(plan, &from, &uri, splices);
    // A later edit took these fields out, or put others in their place.
    if plan.identity().is_some_and(|field| field.replaced) {
        return Ok(());
    }
    for identity in message.name_addrs(Name::PAssertedIdentity) {
        if let Some(uri) = numbered(&identity) {
            splice_address(plan, &identity, &uri, splices);
        }
    }
    Ok(())
}

fn splice_address(plan: &Plan<'_>, address: &NameAddr<'_>, uri: &Uri<'_>, splices: &mut Splices) {
    if let Some(name) = plan.caller_name {
        splice_name(name, address, splices);
    }
    let Some(number) = plan.caller_number else { return };
    let at = address.uri_span.start;
    match uri.user_name() {
        Some(user) => splices.replace(Span { start: at + user.start, end: at + user.end }, number.as_bytes()),
        None => splices.insert_with(at as usize + uri.host.from(), |text| {
            text.push(number.as_bytes());
            text.push(b"@");
        }),
    }
}

fn splice_name(name: &str, address: &NameAddr<'_>, splices: &mut Splices) {
    let uri = address.uri_span;
    let (display, bracket) = (address.display_span, uri.from().saturating_sub(1));
    match (name.is_empty(), address.bracketed) {
        (true, true) => splices.remove(Span::new(display.from(), bracket)),
        (true, false) => {}
        (false, true) if display.is_empty() => splices.insert_with(bracket, |text| {
            push_quoted(text, name);
            text.push(b" ");
        }),
        (false, true) => splices.replace_with(display, |text| push_quoted(text, name)),
        (false, false) => {
            splices.insert_with(uri.from(), |text| {
                push_quoted(text, name);
                text.push(b" <");
            });
            splices.insert(uri.to(), b">");
        }
    }
}

/// As a quoted string (RFC 3261 section 25.1).
fn push_quoted(text: &mut Text, name: &str) {
    text.push(b"\"");
    for byte in name.as_bytes() {
        if matches!(byte, b'"' | b'\\') {
            text.push(b"\\");
        }
        text.push(&[*byte]);
    }
    text.push(b"\"");
}

//! One message: it is read or refused, never half; what leaves is what came outside of what was touched.

use std::net::SocketAddr;

use bytes::Bytes;
use trunkline_sip::edit::{Edit, Splices, edited};
use trunkline_sip::header::{Items, via_fixup};
use trunkline_sip::message::{Head, Message, Name, call_id_of};
use trunkline_sip::reply::reply;

pub(crate) fn run(data: &[u8]) {
    let raw = Bytes::copy_from_slice(data);
    let Ok(message) = Message::parse(raw.clone()) else { return };
    let line_ends = raw.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    assert!(raw[line_ends..].starts_with(message.raw()), "a message is a piece of what came");
    assert_eq!(Splices::new().apply(message.raw()), *message.raw());
    assert_eq!(call_id_of(&raw).unwrap_or_default(), message.call_id(), "the quick scan agrees");
    head(&Head::of(&raw), &message);
    fields(&message);
    let sound = message.check().is_ok();
    if message.is_request() {
        answered(&message, sound);
        forwarded(&message, sound);
    }
}

/// What is read of a stranger's message before it is indexed is what the index says.
fn head(head: &Head<'_>, message: &Message) {
    assert!(!head.is_keep_alive());
    assert_eq!(head.is_response(), !message.is_request());
    assert!(!message.is_request() || head.method() == message.method());
    assert_eq!(head.has_to_tag(), message.to_tag().is_some());
    for name in [Name::UserAgent, Name::To, Name::Via] {
        assert!(head.values(name).eq(message.all(name).map(|field| message.value(field))));
    }
}

/// Every reader on every field.
fn fields(message: &Message) {
    let lines: usize = message.headers().iter().map(|header| header.line.len()).sum();
    assert!(lines <= message.headers_end() - message.headers_start(), "no line is two fields'");
    for header in message.headers() {
        let _ = (message.value(header), Items::of(message.raw(), header).count());
    }
    let _ = (message.cseq(), message.max_forwards(), message.from_tag(), message.to_tag(), message.contact());
    for via in message.vias() {
        let _ = (via.ip_addr(), via.received_addr(), via.param("rport"));
    }
    let lists = [Name::Route, Name::RecordRoute, Name::Contact, Name::From, Name::To];
    for name in lists.into_iter().flat_map(|name| message.name_addrs(name)) {
        let _ = (name.param("tag"), name.param("lr"), trunkline_sip::uri::Uri::parse(name.uri));
    }
}

fn answered(request: &Message, sound: bool) {
    let answer = reply(request, 404, "", Some("us"), &[("Retry-After", "1")]);
    let answer = Message::parse(answer.into()).expect("an answer is a message");
    assert_eq!(answer.code(), 404);

    if sound {
        assert_eq!(answer.check(), Ok(()));
        assert_eq!(answer.call_id(), request.call_id());
        assert!(answer.vias().map(|via| via.branch).eq(request.vias().map(|via| via.branch)));
        assert_eq!(answer.from_tag(), request.from_tag());
    }
}

fn forwarded(request: &Message, sound: bool) {
    let source = SocketAddr::from(([203, 0, 113, 9], 5062));
    if let Some(fix) = via_fixup(request, &source) {
        let fixed = Message::parse(fix.apply(request.raw()).into());
        let fixed = fixed.expect("a message with its source written down is a message");
        assert_eq!(fixed.body(), request.body());
        assert_eq!(fixed.headers().len(), request.headers().len());
        assert!(!sound || fixed.check().is_ok());
    }
    let edits = [
        Edit::CallerName("Bob \"the\" B\\uilder".into()),
        Edit::CalleeNumber("12125550000".into()),
        Edit::UserParameter { name: "rn".into(), value: "+12125551111".into() },
        Edit::SetHeader { name: "X-Trunk".into(), value: "a".into() },
        Edit::RemoveHeader("Subject".into()),
    ];
    // Only a sound request is routed, and so edited.
    for edits in edits.chunks(1).chain([&edits[..]]).filter(|_| sound) {
        if let Ok(changed) = edited(request, edits) {
            assert_eq!(changed.body(), request.body(), "no edit touches the body");
            assert_eq!(changed.call_id(), request.call_id());
            assert_eq!(changed.check(), Ok(()), "edits of a sound request leave one");
        }
    }
}

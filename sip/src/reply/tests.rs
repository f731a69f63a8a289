use bytes::Bytes;

use super::{reply, standard_reason};
use crate::message::Message;

const OPTIONS: &str = "OPTIONS sip:a@b SIP/2.0\r\n\
    v: SIP/2.0/UDP one;branch=1 ,\r\n SIP/2.0/UDP two\r\n\
    Max-Forwards: 0\r\n\
    Via: SIP/2.0/UDP three\r\n\
    f: <sip:c@d>;tag=x\r\n\
    t: <sip:a@b>\r\n\
    i: id\r\n\
    Timestamp: 54\r\n\
    CSeq: 3 OPTIONS\r\n\r\n";

fn request(text: &str) -> Message {
    Message::parse(Bytes::copy_from_slice(text.as_bytes())).expect("a message")
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

#[test]
fn a_response_carries_back_what_its_request_needs() {
    let answer = reply(&request(OPTIONS), 483, "", Some("me"), &[("Retry-After", "3")]);
    assert_eq!(
        text(answer),
        "SIP/2.0 483 Too Many Hops\r\n\
         Via: SIP/2.0/UDP one;branch=1 ,   SIP/2.0/UDP two\r\n\
         Via: SIP/2.0/UDP three\r\n\
         From: <sip:c@d>;tag=x\r\n\
         Call-ID: id\r\n\
         CSeq: 3 OPTIONS\r\n\
         To: <sip:a@b>;tag=me\r\n\
         Retry-After: 3\r\n\
         Content-Length: 0\r\n\r\n"
    );
}

#[test]
fn trying_echoes_the_timestamp_and_a_tag_is_never_doubled() {
    let in_dialog = request(&OPTIONS.replace("<sip:a@b>", "<sip:a@b>;tag=theirs"));
    let trying = text(reply(&in_dialog, 100, "", Some("mine"), &[]));
    assert!(trying.contains("\r\nTimestamp: 54\r\n"));
    assert!(trying.contains("\r\nTo: <sip:a@b>;tag=theirs\r\n"));
}

#[test]
fn no_text_adds_a_line_of_its_own() {
    let hostile = "x\r\nContact: <sip:evil>\r\n\r\nbody\0";
    let headers = [("X-A", hostile), ("Bad Name", "x"), ("Content-Length", "9"), ("v", "SIP/2.0/UDP evil")];
    let answer = reply(&request(OPTIONS), 404, hostile, Some(hostile), &headers);
    let answer = Message::parse(answer.into()).expect("a response");
    assert!(answer.contact().is_none());
    assert_eq!((answer.body(), answer.vias().count()), (&b""[..], 3));
    assert_eq!(answer.values_of("X-A"), ["x  Contact: <sip:evil>    body"]);
}

#[test]
fn a_code_that_is_none_becomes_an_error_of_ours() {
    assert!(reply(&request(OPTIONS), 42, "", None, &[]).starts_with(b"SIP/2.0 500 Server Internal Error\r\n"));
    assert_eq!((standard_reason(487), standard_reason(499)), ("Request Terminated", "Bad Request"));
}

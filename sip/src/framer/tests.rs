use proptest::prelude::*;

use super::{Fault, Frame, Framer, MAX_HEAD, MAX_MESSAGE, Unframed};

const HEAD: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c;branch=z9hG4bK1\r\n";

fn message(body: &str) -> String {
    format!("{HEAD}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Every frame of these pieces, and the fault that ended them.
fn frames(pieces: &[&[u8]]) -> (Vec<Frame>, Option<Fault>) {
    let (mut framer, mut frames) = (Framer::default(), Vec::new());
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(fault) => return (frames, Some(fault)),
            }
        }
    }
    (frames, None)
}

fn fault(text: &str) -> Option<Unframed> {
    frames(&[text.as_bytes()]).1.map(|fault| fault.why)
}

#[test]
fn several_messages_of_one_piece_are_cut_where_each_body_ends() {
    let (one, two) = (message("v=0\r\n"), message(""));
    let (frames, fault) = frames(&[format!("{one}{two}{one}").as_bytes()]);
    let expected = [&one, &two, &one].map(|text| Frame::Message(text.clone().into()));
    assert_eq!(frames, expected);
    assert!(fault.is_none());
}

#[test]
fn a_message_may_come_byte_by_byte() {
    let text = message("a\r\n\r\nb");
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(frames(&pieces).0, [Frame::Message(text.clone().into())]);
}

#[test]
fn two_line_ends_are_a_ping_and_one_is_nothing() {
    let text = message("");
    let stream = format!("\r\n\r\n{text}\r\n{text}\r\n\r\n\r\n\r\n");
    let whole = Frame::Message(text.into());
    assert_eq!(frames(&[stream.as_bytes()]).0, [Frame::Ping, whole.clone(), whole, Frame::Ping, Frame::Ping]);
}

#[test]
fn compact_length_and_bare_line_feeds_are_read() {
    let text = "OPTIONS sip:a@b SIP/2.0\nl: 2\n\nhi";
    assert_eq!(frames(&[text.as_bytes()]).0, [Frame::Message(text.into())]);
}

#[test]
fn what_cannot_be_framed_is_told_by_its_kind() {
    assert_eq!(fault(&format!("{HEAD}\r\n")), Some(Unframed::Length), "none");
    assert_eq!(fault(&format!("{HEAD}Content-Length: two\r\n\r\nhi")), Some(Unframed::Length));
    assert_eq!(fault(&format!("{HEAD}Content-Length: -1\r\n\r\n")), Some(Unframed::Length));
    assert_eq!(fault(&format!("{HEAD}Content-Length: 1\r\nl: 2\r\n\r\nhi")), Some(Unframed::Length));
    assert_eq!(fault(&format!("{HEAD}Content-Length: 65535\r\n\r\n")), Some(Unframed::TooLong));
    assert_eq!(fault(&format!("{HEAD}Content-Length: 99999999999999999999999\r\n\r\n")), Some(Unframed::Length));
    assert_eq!(fault("GET / HTTP/1.1\r\n"), Some(Unframed::NotSip), "before the head is whole");
    assert_eq!(fault("\x16\x03\x01\x02"), Some(Unframed::NotSip), "a TLS client on the port for TCP");
    assert_eq!(fault(&format!("{HEAD}X: {}", "x".repeat(MAX_HEAD))), Some(Unframed::HeadTooLong));
}

#[test]
fn the_largest_message_passes() {
    let head = format!("{HEAD}Content-Length: 00000\r\n\r\n").len();
    let text = format!("{HEAD}Content-Length: {}\r\n\r\n{}", MAX_MESSAGE - head, "x".repeat(MAX_MESSAGE - head));
    assert_eq!(text.len(), MAX_MESSAGE);
    assert_eq!(frames(&[text.as_bytes()]).0.len(), 1);
}

/// Frames and fault of a stream that comes at once, and the same of one that comes in pieces of each size.
fn in_any_pieces(stream: &[u8], sizes: &[usize]) -> (Vec<Frame>, Option<Unframed>) {
    let of = |pieces: &[&[u8]]| {
        let (frames, fault) = frames(pieces);
        (frames, fault.map(|fault| fault.why))
    };
    let whole = of(&[stream]);
    for &size in sizes {
        assert_eq!(of(&stream.chunks(size).collect::<Vec<_>>()), whole, "in pieces of {size}");
    }
    whole
}

#[test]
fn a_first_line_with_a_control_character_is_no_message_in_whatever_pieces_it_comes() {
    let text = message("").replace("SIP/2.0\r", "SIP/2.0\0\r");
    assert_eq!(in_any_pieces(text.as_bytes(), &[1, 2, 7]), (Vec::new(), Some(Unframed::NotSip)));
}

#[test]
fn line_ends_that_are_half_a_ping_are_the_same_in_whatever_pieces_they_come() {
    let text = message("");
    for (before, pings) in [
        ("\n\r\n\r\n", 1),
        ("\r\n\n\r\n\r\n", 1),
        ("\r\r\n\r\n", 1),
        ("\r\n\r\r\n", 0),
        ("\n\n\r", 0),
        ("\r\n\r\n\r\n", 1),
    ] {
        let (frames, fault) = in_any_pieces(format!("{before}{text}").as_bytes(), &[1, 2, 3, 4]);
        assert_eq!((frames.len(), fault), (pings + 1, None), "{before:?}");
    }
}

#[test]
fn what_is_wrong_with_a_long_stream_does_not_depend_on_the_pieces_it_comes_in() {
    let long = "x".repeat(MAX_HEAD);
    for (stream, why) in [
        (format!("GET / HTTP/1.1\r\nX: {long}"), Unframed::NotSip),
        (format!("GET / HTTP/1.1\r\nX: {long}\r\n\r\n"), Unframed::NotSip),
        (format!("OPTIONS sip:{long}\0 SIP/2.0\r\n\r\n"), Unframed::HeadTooLong),
        (format!("OPTIONS \0 sip:{long} SIP/2.0\r\n\r\n"), Unframed::NotSip),
        (format!("{HEAD}X: {long}\r\n\r\n"), Unframed::HeadTooLong),
    ] {
        let sizes = [1, 100, MAX_HEAD - 1, MAX_HEAD, MAX_HEAD + 1];
        assert_eq!(in_any_pieces(stream.as_bytes(), &sizes), (Vec::new(), Some(why)), "{}", &stream[..20]);
    }
}

proptest! {
    #[test]
    fn the_frames_do_not_depend_on_the_pieces(
        parts in prop::collection::vec(prop_oneof![
            "[ -~\r\n]{0,40}".prop_map(|body| message(&body)),
            Just("\r\n\r\n".to_owned()),
        ], 1..8),
        cuts in prop::collection::vec(1_usize..60, 1..40),
    ) {
        let stream = parts.concat();
        let (mut pieces, mut rest) = (Vec::new(), stream.as_bytes());
        for cut in cuts.iter().cycle() {
            let (piece, more) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
        let expected: Vec<Frame> = parts
            .iter()
            .map(|part| if part.len() == 4 { Frame::Ping } else { Frame::Message(part.clone().into()) })
            .collect();
        let (frames, fault) = frames(&pieces);
        prop_assert!(fault.is_none());
        prop_assert_eq!(frames, expected);
    }

    #[test]
    fn any_bytes_end_in_frames_a_wait_or_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        let mut framer = Framer::default();
        framer.push(&bytes);
        let mut taken = 0;
        while let Ok(Some(frame)) = framer.next() {
            taken += match frame {
                Frame::Message(message) => message.len(),
                Frame::Ping => 4,
            };
        }
        prop_assert!(taken <= bytes.len());
    }

    #[test]
    fn ugly_streams_hold_the_same_in_any_pieces(
        parts in prop::collection::vec(prop_oneof![
            Just(message("ab")), Just(HEAD.to_owned()), "[\r\n]{1,6}", "[\r\n: S/IPl0-9\0\t]{0,12}",
        ], 0..8),
        size in 1_usize..30,
    ) {
        in_any_pieces(parts.concat().as_bytes(), &[1, size]);
    }
}

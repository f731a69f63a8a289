//! A byte stream: the same frames and the same fault in whatever pieces the bytes come, and no more held than the bounds
//! say.

use trunkline_sip::framer::{Frame, Framer, MAX_HEAD, Unframed};
use trunkline_sip::message::{MAX_MESSAGE, Message};

/// From here on, the second byte says that a long run stands in the stream: else no input comes near the bounds.
const LONG: u8 = 240;

/// The first byte says how large the pieces are, the second whether the stream is long; the rest is the stream.
pub(crate) fn run(data: &[u8]) {
    let [size, long, stream @ ..] = data else { return };
    let stream = with_a_run(stream, *long);
    let whole = frames(&stream, stream.len().max(1));
    assert_eq!(whole, frames(&stream, usize::from(*size) + 1), "in pieces of {}", usize::from(*size) + 1);
    for frame in whole.0 {
        let Frame::Message(bytes) = frame else { continue };
        assert!(bytes.len() <= MAX_MESSAGE);
        let message = Message::parse(bytes.clone()).expect("a frame is a message");
        assert_eq!(message.raw().len(), bytes.len(), "its length is what Content-Length says");
    }
}

/// The byte in the middle so often that the stream is about as long as a head may be.
fn with_a_run(stream: &[u8], long: u8) -> Vec<u8> {
    let (before, behind) = stream.split_at(stream.len() / 2);
    let Some(length) = usize::from(long).checked_sub(LONG.into()) else { return stream.to_vec() };
    let run = vec![behind.first().copied().unwrap_or(b'x'); (MAX_HEAD + length).saturating_sub(stream.len())];
    [before, &run, behind].concat()
}

fn frames(stream: &[u8], size: usize) -> (Vec<Frame>, Option<Unframed>) {
    let (mut framer, mut frames) = (Framer::default(), Vec::new());
    for piece in stream.chunks(size) {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(fault) => return (frames, Some(fault.why)),
            }
        }
    }
    (frames, None)
}

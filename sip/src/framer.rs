//! Cuts a byte stream into messages by Content-Length (RFC 3261 section 18.3). It reads no socket: bytes go in by
//! [`Framer::push`] and frames come out by [`Framer::next`], whatever pieces the bytes came in.
//!
//! What it holds is bounded: [`MAX_HEAD`] and [`MAX_MESSAGE`] and what one [`Framer::push`] brought.

#[cfg(test)]
mod tests;

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memchr;

use crate::message::{MAX_MESSAGE, Message, Name, ParseError};
use crate::scan;

/// The longest head: first line, header fields and the empty line.
pub const MAX_HEAD: usize = 32 << 10;

/// What a stream holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// One whole message.
    Message(Bytes),
    /// A keep-alive that wants its answer, one CRLF (RFC 5626 section 3.5.1).
    Ping,
}

/// Why a stream cannot be read on: nobody knows where its next message begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unframed {
    /// The head is no SIP message's.
    #[error("not SIP")]
    NotSip,
    /// The head is longer than [`MAX_HEAD`].
    #[error("head beyond {MAX_HEAD} bytes")]
    HeadTooLong,
    /// Head and body are longer than [`MAX_MESSAGE`].
    #[error("message beyond {MAX_MESSAGE} bytes")]
    TooLong,
    /// No Content-Length, none that is a number, or several that differ.
    #[error("no Content-Length that can be read")]
    Length,
}

impl Unframed {
    /// The status code that the sender is told, where it sent a request whose head could be read.
    pub const fn code(self) -> u16 {
        match self {
            Self::TooLong => 513,
            _ => 400,
        }
    }
}

/// A fault of framing, and the head that has it as far as there is one: to answer it.
#[derive(Debug)]
pub struct Fault {
    /// Which.
    pub why: Unframed,
    /// The message without its body, where it could be read.
    pub head: Option<Box<Message>>,
}

/// The bytes of one stream that are no whole message yet.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// How far the buffer was searched for the end of the head, so that no byte is searched twice.
    searched: usize,
    /// Whether the first line is whole and one of SIP.
    named: bool,
    /// Length of the message that the buffer begins with, where its head is whole.
    expected: Option<usize>,
}

impl Framer {
    /// Bytes in the order in which they came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether a message has begun and is not whole.
    pub fn is_within(&self) -> bool {
        self.buffer.iter().any(|byte| !matches!(byte, b'\r' | b'\n'))
    }

    /// The next frame; `None` when more bytes are needed.
    ///
    /// # Errors
    ///
    /// The stream is unreadable from here on: close it.
    #[allow(clippy::should_implement_trait, reason = "no iterator: after None there may come more")]
    pub fn next(&mut self) -> Result<Option<Frame>, Fault> {
        if let Some(length) = self.expected {
            return Ok(self.take(length));
        }
        // Line ends before a message (section 7.5); two of them are a ping. The half of one waits for the other, and what
        // is none goes byte by byte: what a stream holds must not depend on the pieces it comes in.
        loop {
            match self.buffer.as_ref() {
                [b'\r', b'\n', b'\r', b'\n', ..] => {
                    self.buffer.advance(4);
                    return Ok(Some(Frame::Ping));
                }
                [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return Ok(None),
                [b'\r' | b'\n', ..] => self.buffer.advance(1),
                _ => break,
            }
        }
        if !self.may_be_sip() {
            return Err(Fault { why: Unframed::NotSip, head: None });
        }
        let head = match self.head_end() {
            Some(head) if head <= MAX_HEAD => head,
            None if self.buffer.len() <= MAX_HEAD => return Ok(None),
            _ => return Err(Fault { why: Unframed::HeadTooLong, head: None }),
        };
        let length = head + self.body_length(head)?;
        self.expected = Some(length);
        Ok(self.take(length))
    }

    fn take(&mut self, length: usize) -> Option<Frame> {
        if self.buffer.len() < length {
            return None;
        }
        (self.expected, self.searched, self.named) = (None, 0, false);
        // A copy: a call that keeps its INVITE must not keep what else came in the same piece.
        let message = Bytes::copy_from_slice(&self.buffer[..length]);
        self.buffer.advance(length);
        Some(Frame::Message(message))
    }

    /// Whether what has come of the first line can be that of a message: a client that speaks another protocol is not
    /// listened to for the length of a head. It looks at what [`Framer::head_end`] has not searched yet.
    fn may_be_sip(&mut self) -> bool {
        if self.named {
            return true;
        }
        let come = &self.buffer[..self.buffer.len().min(MAX_HEAD)];
        let fresh = &come[self.searched.min(come.len())..];
        let end = memchr(b'\n', fresh);
        if fresh[..end.unwrap_or(fresh.len())].iter().any(|&byte| byte.is_ascii_control() && !scan::is_lws(byte)) {
            return false;
        }
        let Some(end) = end else { return true };
        let line = &come[..self.searched + end];
        self.named = line.windows(4).any(|word| word.eq_ignore_ascii_case(b"SIP/"));
        self.named
    }

    /// Offset just after the empty line. A bare LF ends a line too, as everywhere in this router.
    fn head_end(&mut self) -> Option<usize> {
        while let Some(found) = memchr(b'\n', &self.buffer[self.searched..]) {
            let end = self.searched + found;
            let next = match self.buffer[end + 1..] {
                [b'\n', ..] => Some(end + 2),
                [b'\r', b'\n', ..] => Some(end + 3),
                // What follows decides, and is not here yet.
                [] | [b'\r'] => return None,
                _ => None,
            };
            if next.is_some() {
                return next;
            }
            self.searched = end + 1;
        }
        self.searched = self.buffer.len();
        None
    }

    fn body_length(&self, head: usize) -> Result<usize, Fault> {
        let bytes = Bytes::copy_from_slice(&self.buffer[..head]);
        let message = Message::parse(bytes).map_err(|error| Fault {
            why: if error == ParseError::TooLong { Unframed::TooLong } else { Unframed::NotSip },
            head: None,
        })?;
        match content_length(&message) {
            Some(length) if length <= MAX_MESSAGE - head => Ok(length),
            Some(_) => Err(Fault { why: Unframed::TooLong, head: Some(Box::new(message)) }),
            None => Err(Fault { why: Unframed::Length, head: Some(Box::new(message)) }),
        }
    }
}

/// What every Content-Length says; `None` where there is none, or they differ.
fn content_length(message: &Message) -> Option<usize> {
    let mut lengths = message.all(Name::ContentLength).map(|field| number(message.value(field)));
    let first = lengths.next()?;
    first.filter(|_| lengths.all(|other| other == first))
}

fn number(digits: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}

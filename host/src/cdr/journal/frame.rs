//! One frame of a segment file: how bytes on disk say that they are whole.
//!
//! | bytes | meaning |
//! |---|---|
//! | 4 | magic, see [`MAGIC`] |
//! | 4 | CRC32C of all that follows, little-endian |
//! | 4 | length of the payload, little-endian |
//! | 1 | kind, see [`Kind`] |
//! | 8 | sequence number of a record, name of a call, little-endian |
//! | 4 | mask |
//! | … | payload, every byte XORed with one of the mask |
//!
//! A reader passes over kinds that it does not know, so that later versions can journal more.
//!
//! The mask is random, another one for each frame: a payload holds what callers wrote, and a reader that looks for the
//! next good frame behind damaged bytes must not find one that somebody planted in a Call-ID.

/// Marks a possible start of a frame, for readers that look for the next good one behind damaged bytes.
pub(super) const MAGIC: [u8; 4] = [0x1e, 0x01, 0x1f, 0x02];

/// Bytes before the payload.
pub(super) const HEADER: usize = 25;

/// The longest payload: far above any real record, low enough to bound what a damaged length can make a reader load.
pub(super) const MAX_PAYLOAD: usize = 16 << 20;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// First in every segment: whose records follow. The sequence number is that of the first record.
    Segment,
    /// The end of a call: its record, see [`super::payload`].
    Record,
    /// Records that were lost before they reached the journal: how many, as 8 bytes little-endian. The sequence number
    /// is that of the last one.
    Lost,
    /// A call has routes and is being set up: what [`super::JournalHandle::started`] was given. The number is the call's name.
    Start,
    /// It was answered: the same.
    Answer,
    /// Written by a later version.
    Other,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Segment => 0,
            Self::Record => 1,
            Self::Lost => 2,
            Self::Start => 3,
            Self::Answer => 4,
            Self::Other => u8::MAX,
        }
    }

    const fn of(byte: u8) -> Self {
        match byte {
            0 => Self::Segment,
            1 => Self::Record,
            2 => Self::Lost,
            3 => Self::Start,
            4 => Self::Answer,
            _ => Self::Other,
        }
    }
}

/// A whole frame at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: Kind,
    pub(super) sequence: u64,
    mask: [u8; 4],
    masked: &'a [u8],
}

impl Frame<'_> {
    /// Bytes on disk.
    pub(super) fn len(&self) -> usize {
        HEADER + self.masked.len()
    }

    /// Eight bytes of the payload, little-endian.
    pub(super) fn word(&self, at: usize) -> Option<u64> {
        let mut word: [u8; 8] = self.masked.get(at..at + 8)?.try_into().ok()?;
        let mut key = self.mask;
        key.rotate_left(at % 4);
        mask(&mut word, key);
        Some(u64::from_le_bytes(word))
    }

    pub(super) fn payload(&self) -> Vec<u8> {
        let mut payload = self.masked.to_vec();
        mask(&mut payload, self.mask);
        payload
    }
}

/// What stands at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded<'a> {
    /// A frame whose checksum is right.
    Whole(Frame<'a>),
    /// The beginning of a frame that needs this many bytes in all (or more, where even its length is not there yet).
    Incomplete(usize),
    /// Not a frame, or one that was altered.
    Damaged,
}

/// Why a frame could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeError {
    #[error("the record is {0} bytes long, the limit is {MAX_PAYLOAD}")]
    TooLong(usize),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Compact(#[from] postcard::Error),
}

/// Appends a frame whose payload `write` appends. `out` is as before when it fails.
pub(super) fn append(
    out: &mut Vec<u8>,
    kind: Kind,
    sequence: u64,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[0; 8]);
    out.push(kind.byte());
    out.extend_from_slice(&sequence.to_le_bytes());
    let key = fastrand::u32(..).to_le_bytes();
    out.extend_from_slice(&key);
    let written = write(out).and_then(|()| {
        let length = out.len() - start - HEADER;
        if length > MAX_PAYLOAD { Err(EncodeError::TooLong(length)) } else { Ok(length) }
    });
    match written {
        Ok(length) => {
            mask(&mut out[start + HEADER..], key);
            out[start + 8..start + 12].copy_from_slice(&(length as u32).to_le_bytes());
            let crc = crc32c::crc32c(&out[start + 8..]);
            out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

/// Reads what stands at the start of `bytes`.
pub(super) fn decode(bytes: &[u8]) -> Decoded<'_> {
    let known = bytes.len().min(MAGIC.len());
    if bytes[..known] != MAGIC[..known] {
        return Decoded::Damaged;
    }
    let (Some(crc), Some(length), Some(sequence)) = (u32_at(bytes, 4), u32_at(bytes, 8), u64_at(bytes, 13)) else {
        return Decoded::Incomplete(HEADER);
    };
    if bytes.len() < HEADER {
        return Decoded::Incomplete(HEADER);
    }
    let length = length as usize;
    if length > MAX_PAYLOAD {
        return Decoded::Damaged;
    }
    let Some(checked) = bytes.get(8..HEADER + length) else {
        return Decoded::Incomplete(HEADER + length);
    };
    if crc32c::crc32c(checked) != crc {
        return Decoded::Damaged;
    }
    let key = [bytes[21], bytes[22], bytes[23], bytes[24]];
    let masked = &bytes[HEADER..HEADER + length];
    Decoded::Whole(Frame { kind: Kind::of(bytes[12]), sequence, mask: key, masked })
}

fn mask(bytes: &mut [u8], key: [u8; 4]) {
    let mut words = bytes.chunks_exact_mut(4);
    for word in &mut words {
        for (byte, key) in word.iter_mut().zip(key) {
            *byte ^= key;
        }
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(key) {
        *byte ^= key;
    }
}

/// The next place behind the start of `bytes` where a frame stands, or could once more bytes are there.
pub(super) fn find_next(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(MAGIC[0], bytes)
        .filter(|&at| at > 0)
        .find(|&at| !matches!(decode(&bytes[at..]), Decoded::Damaged))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(sequence: u64, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        append(&mut out, Kind::Record, sequence, |out| {
            out.extend_from_slice(payload);
            Ok(())
        })
        .unwrap();
        out
    }

    proptest! {
        #[test]
        fn what_was_appended_is_read_back(sequence: u64, payload: Vec<u8>) {
            let bytes = framed(sequence, &payload);
            let Decoded::Whole(frame) = decode(&bytes) else { return Err(TestCaseError::fail("not whole")) };
            prop_assert_eq!((frame.kind, frame.sequence, frame.payload()), (Kind::Record, sequence, payload));
        }

        #[test]
        fn a_cut_frame_is_incomplete_wherever_it_is_cut(payload: Vec<u8>, cut: prop::sample::Index) {
            let bytes = framed(7, &payload);
            prop_assert!(matches!(decode(&bytes[..cut.index(bytes.len())]), Decoded::Incomplete(_)));
        }

        #[test]
        fn a_flipped_bit_never_passes_for_a_frame(payload: Vec<u8>, at: prop::sample::Index, bit in 0..8_u8) {
            let mut bytes = framed(7, &payload);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(!matches!(decode(&bytes), Decoded::Whole(_)));
        }

        #[test]
        fn the_next_frame_is_found_behind_any_text(text in "[ -~]{1,300}") {
            let mut bytes = text.clone().into_bytes();
            bytes.extend(framed(8, b"{}"));
            prop_assert_eq!(find_next(&bytes), Some(text.len()));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
            let _ = find_next(&bytes);
        }
    }

    #[test]
    fn a_part_of_a_payload_is_read_alone() {
        let bytes = framed(1, &(0..=255).collect::<Vec<u8>>());
        let Decoded::Whole(frame) = decode(&bytes) else { panic!("not whole") };
        for at in 0..8 {
            let expected = u64::from_le_bytes(std::array::from_fn(|n| (at + n) as u8));
            assert_eq!(frame.word(at), Some(expected));
        }
        assert_eq!(frame.word(249), None);
    }

    #[test]
    fn a_frame_inside_a_payload_is_never_found() {
        let planted = framed(9, b"planted");
        let bytes = framed(8, &planted);
        // One time in 256 its last byte, behind the mask, may begin another frame.
        let found = find_next(&bytes).map(|at| decode(&bytes[at..]));
        assert!(matches!(found, None | Some(Decoded::Incomplete(_))), "{found:?}");
    }

    #[test]
    fn a_payload_over_the_limit_leaves_nothing_behind() {
        let mut out = b"before".to_vec();
        let refused = append(&mut out, Kind::Record, 1, |out| {
            out.resize(out.len() + MAX_PAYLOAD + 1, b' ');
            Ok(())
        });
        assert!(matches!(refused, Err(EncodeError::TooLong(_))));
        assert_eq!(out, b"before");
    }
}

//! Records in a broker's messages: one as JSON, or several as lines of JSON.
//!
//! The content type tells which. A record is known by its key, wherever it stands: which records share a message follows
//! from what waited when it was sent, and what is sent again may be cut otherwise.

use std::sync::Arc;

use memchr::memchr_iter;

use super::record::{CallRecord, RecordKey};

/// The content type of a message that is one record.
pub const ONE: &str = "application/json";
/// The content type of a message of records by the line, each ended by a newline.
pub const LINES: &str = "application/x-ndjson";
/// A message takes no further record once it has so many bytes.
const FULL: usize = 1 << 20;

/// A message as it is sent.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) records: u32,
    /// Of the first record; the others are of the same node and epoch.
    pub(super) first: RecordKey,
    /// The last record's sequence.
    pub(super) last: u64,
}

impl Message {
    /// For who looks at the queue: `node/epoch/sequence` of one record, `node/epoch/first-last` of lines.
    pub(super) fn id(&self) -> String {
        let RecordKey { node, epoch, sequence } = &self.first;
        let id = format!("{node}/{epoch}/{sequence}");
        if self.content_type == ONE { id } else { format!("{id}-{}", self.last) }
    }
}

/// Puts records into messages, in their order, each message made when it is asked for.
#[derive(Debug)]
pub(super) struct Packer<'a> {
    records: std::iter::Peekable<std::vec::IntoIter<&'a CallRecord>>,
    most: usize,
}

impl<'a> Packer<'a> {
    /// At most `most` records in a message. With 1 each message is a record as it is.
    pub(super) fn new(records: Vec<&'a CallRecord>, most: usize) -> Self {
        Self { records: records.into_iter().peekable(), most }
    }

    fn lines(&mut self, first: RecordKey, line: Vec<u8>) -> serde_json::Result<Message> {
        let (node, epoch) = (Arc::clone(&first.node), first.epoch);
        let beside = |record: &CallRecord| record.key.node == node && record.key.epoch == epoch;
        let mut message = Message { content_type: LINES, body: line, records: 1, last: first.sequence, first };
        message.body.push(b'\n');
        while (message.records as usize) < self.most && message.body.len() < FULL {
            let Some(record) = self.records.next_if(|record| beside(record)) else { break };
            serde_json::to_writer(&mut message.body, record)?;
            message.body.push(b'\n');
            message.records += 1;
            message.last = record.key.sequence;
        }
        Ok(message)
    }
}

impl Iterator for Packer<'_> {
    type Item = serde_json::Result<Message>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.records.next()?;
        let first = record.key.clone();
        Some(serde_json::to_vec(record).and_then(|body| match self.most {
            0 | 1 => Ok(Message { content_type: ONE, body, records: 1, last: first.sequence, first }),
            _ => self.lines(first, body),
        }))
    }
}

/// The records of a message, each as it was written. What is of no content type that is known here is taken for one.
pub fn records<'a>(content_type: Option<&str>, body: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let lines = content_type == Some(LINES);
    let mut rest = Some(body);
    std::iter::from_fn(move || {
        let body = rest.take()?;
        let end = if lines { memchr::memchr(b'\n', body) } else { None };
        let Some(end) = end else { return Some(body) };
        rest = body.get(end + 1..);
        body.get(..end)
    })
    .filter(move |record| !lines || !record.is_empty())
}

/// How many records a message has, without reading them.
pub fn count(content_type: Option<&str>, body: &[u8]) -> usize {
    if content_type == Some(LINES) { memchr_iter(b'\n', body).count().max(1) } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::testing::call;

    fn calls(epochs: &[u64]) -> Vec<CallRecord> {
        let numbered = epochs.iter().zip(1..).map(|(epoch, sequence)| {
            let mut record = (*call(sequence)).clone();
            (record.key.epoch, record.key.sequence) = (*epoch, sequence);
            record
        });
        numbered.collect()
    }

    fn packed(records: &[CallRecord], most: usize) -> Vec<Message> {
        Packer::new(records.iter().collect(), most).map(Result::unwrap).collect()
    }

    fn read(message: &Message) -> Vec<CallRecord> {
        records(Some(message.content_type), &message.body).map(|json| serde_json::from_slice(json).unwrap()).collect()
    }

    #[test]
    fn records_come_out_of_messages_as_they_went_in_and_in_their_order() {
        let calls = calls(&[7; 25]);
        for (most, lengths) in [(1, vec![1; 25]), (10, vec![10, 10, 5]), (100, vec![25])] {
            let messages = packed(&calls, most);
            assert_eq!(messages.iter().map(|message| message.records as usize).collect::<Vec<_>>(), lengths);
            for message in &messages {
                assert_eq!(count(Some(message.content_type), &message.body), message.records as usize);
                let read = read(message);
                assert_eq!(read.first().map(|record| &record.key), Some(&message.first));
                assert_eq!(read.last().map(|record| record.key.sequence), Some(message.last));
            }
            assert_eq!(messages.iter().flat_map(read).collect::<Vec<_>>(), calls);
        }
    }

    #[test]
    fn a_message_is_of_one_node_and_epoch_and_named_by_its_first_and_last_number() {
        let calls = calls(&[7, 7, 7, 8, 8]);
        let ids = |most| packed(&calls, most).iter().map(Message::id).collect::<Vec<_>>();
        let node = &calls[0].key.node;
        assert_eq!(ids(100), [format!("{node}/7/1-3"), format!("{node}/8/4-5")]);
        assert_eq!(ids(2), [format!("{node}/7/1-2"), format!("{node}/7/3-3"), format!("{node}/8/4-5")]);
        assert_eq!(ids(1)[4], format!("{node}/8/5"));
    }

    #[test]
    fn a_message_is_full_by_its_bytes_too() {
        let mut calls = calls(&[7; 6]);
        for call in &mut calls {
            call.call_id = "x".repeat(FULL / 2);
        }
        assert_eq!(packed(&calls, 1_000).iter().map(|message| message.records).collect::<Vec<_>>(), [2, 2, 2]);
    }

    #[test]
    fn what_does_not_say_that_it_is_lines_is_one_record() {
        let body = b"{\n}\n";
        assert_eq!(records(None, body).collect::<Vec<_>>(), [body]);
        assert_eq!(records(Some(ONE), b"").count(), 1, "an empty message is one that is no record");
        assert_eq!(records(Some(LINES), b"a\n\nb").collect::<Vec<_>>(), [b"a", b"b"]);
    }
}

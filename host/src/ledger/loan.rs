//! How many messages the broker lends a consumer before the first of them is acknowledged.
//!
//! What matters is records, of which one is being written and the next gathered: two batches. The broker counts messages,
//! of which each may be one record or a thousand, so it is asked for a few, and for more or fewer by what came.

/// Until it is known how many records a message has: few enough where each has very many.
const FIRST: u16 = 100;
/// As many as are asked for may become this many times too many before fewer are.
const SLACK: u16 = 2;

/// What the broker was asked to lend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loan {
    /// Messages.
    pub(super) messages: u16,
}

impl Default for Loan {
    fn default() -> Self {
        Self { messages: FIRST }
    }
}

impl Loan {
    /// A better one, after so many messages of so many records came where a batch of `batch` records was wanted.
    pub(super) fn after(self, messages: usize, records: usize, batch: usize) -> Option<Self> {
        let two_batches = batch.saturating_mul(2).saturating_mul(messages).div_ceil(records.max(1));
        let wanted = u16::try_from(two_batches).unwrap_or(u16::MAX).max(2);
        // All that it may lend, and not enough.
        let too_few = messages >= self.messages.into() && records < batch && wanted > self.messages;
        // However little came: what comes next may come while the database does not answer, and all of it is kept.
        let too_many = self.messages > wanted.saturating_mul(SLACK);
        (too_few || too_many).then_some(Self { messages: wanted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The loans that follow when a queue is full of messages of so many records.
    fn settled(mut loan: Loan, records: usize, batch: usize) -> (u16, u32) {
        let mut changes = 0;
        loop {
            let messages = usize::from(loan.messages).min(batch.div_ceil(records));
            match loan.after(messages, messages * records, batch) {
                Some(other) => (loan, changes) = (other, changes + 1),
                None => return (loan.messages, changes),
            }
            assert!(changes < 5, "{loan:?}");
        }
    }

    #[test]
    fn two_batches_are_lent_however_many_records_share_a_message() {
        assert_eq!(settled(Loan::default(), 1, 5_000), (10_000, 1));
        assert_eq!(settled(Loan::default(), 100, 5_000), (100, 0));
        assert_eq!(settled(Loan::default(), 1_000, 5_000), (10, 1));
        assert_eq!(settled(Loan::default(), 1_000, 200), (2, 1), "one being written, one gathered");
        assert_eq!(settled(Loan { messages: 10_000 }, 100, 5_000), (100, 1), "a node began to send many at once");
        assert_eq!(settled(Loan::default(), 1, 60_000), (u16::MAX, 1));
    }

    #[test]
    fn a_queue_with_little_in_it_has_no_more_lent() {
        assert_eq!(Loan::default().after(3, 3, 5_000), None);
        assert_eq!(Loan { messages: 10_000 }.after(40, 40, 5_000), None);
    }

    #[test]
    fn a_loan_of_a_night_with_a_record_in_each_message_is_taken_back_before_a_batch_is_full() {
        let night = Loan::default().after(100, 100, 5_000).unwrap();
        assert_eq!(night, Loan { messages: 10_000 });
        assert_eq!(night.after(40, 90, 5_000), Some(Loan { messages: 4_445 }));
        assert_eq!(night.after(2, 200, 5_000), Some(Loan { messages: 100 }));
    }

    #[test]
    fn a_loan_is_never_of_more_than_four_batches_as_messages_came_last() {
        for messages in [1_usize, 2, 30, 700, 10_000] {
            for records in [1, 2, 20, 100, 1_000] {
                for loan in [2, 100, 10_000, u16::MAX].map(|messages| Loan { messages }) {
                    let loan = loan.after(messages, messages * records, 5_000).unwrap_or(loan);
                    assert!(usize::from(loan.messages) * records <= 4 * 5_000, "{loan:?} of {records} records");
                }
            }
        }
    }
}

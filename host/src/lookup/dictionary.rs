//! The values of a table's fields, each kept once.
//!
//! A deck of ten million rows has few gateways, currencies and rates. A packed row holds for each field the number of its
//! value, mostly one or two bytes, so that a row shares a line of memory with the rows beside it. A field that has more
//! values than are kept holds the further ones in the rows themselves.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::packed::{pack, pack_number, unpack_number, unpack_value};
use super::row::{Field, Row, Value};

/// The names of a table's fields, in the projection's order.
pub(super) type Names = Box<[Arc<str>]>;

/// Values of one field that are kept.
const MOST_VALUES: usize = 1 << 16;
/// In place of a number: the value itself follows.
const ITSELF: u64 = 0;

/// What the packed rows of one table need to be rows again.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    columns: Box<[Column]>,
}

#[derive(Debug)]
struct Column {
    name: Arc<str>,
    /// The value of number 1 is the first. `None`: the field is left out.
    values: Box<[Option<Value>]>,
}

impl Dictionary {
    /// Takes the next row off the front of `bytes`. Never panics, whatever the bytes are.
    pub(super) fn unpack(&self, bytes: &mut &[u8]) -> Row {
        let mut fields = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let value = match unpack_number(bytes) {
                ITSELF => unpack_value(bytes),
                number => column.values.get(number as usize - 1).cloned().flatten(),
            };
            if let Some(value) = value {
                fields.push(Field { name: Arc::clone(&column.name), value });
            }
        }
        Row { fields: fields.into() }
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let text = |value: &Option<Value>| if let Some(Value::Text(text)) = value { text.len() } else { 0 };
        let column = |column: &Column| size_of_val(&*column.values) + column.values.iter().map(text).sum::<usize>();
        self.columns.iter().map(column).sum()
    }
}

/// A dictionary in the making.
#[derive(Debug, Default)]
pub(super) struct DictionaryBuilder {
    columns: Vec<Seen>,
    hasher: DefaultHashBuilder,
}

/// The values of one field so far, and the number of each.
#[derive(Debug, Default)]
struct Seen {
    values: Vec<Option<Value>>,
    numbers: HashTable<u32>,
}

impl DictionaryBuilder {
    /// Appends a row's value of the field that is the `at`th of the names.
    pub(super) fn pack(&mut self, at: usize, value: Option<Value>, into: &mut Vec<u8>) {
        if self.columns.len() <= at {
            self.columns.resize_with(at + 1, Seen::default);
        }
        let Seen { values, numbers } = &mut self.columns[at];
        let hasher = &self.hasher;
        let of = |&number: &u32| &values[number as usize - 1];
        let number = match numbers.entry(hasher.hash_one(&value), |it| *of(it) == value, |it| hasher.hash_one(of(it))) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(_) if values.len() == MOST_VALUES => {
                pack_number(ITSELF, into);
                return pack(value.as_ref(), into);
            }
            Entry::Vacant(free) => {
                let number = values.len() as u32 + 1;
                free.insert(number);
                values.push(value);
                number
            }
        };
        pack_number(number.into(), into);
    }

    /// The names are those of all fields.
    pub(super) fn finish(self, names: Names) -> Dictionary {
        let mut seen = self.columns.into_iter();
        let column = |name| Column { name, values: seen.next().unwrap_or_default().values.into() };
        Dictionary { columns: names.into_iter().map(column).collect() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lookup::packed::tests::any_value;

    fn names() -> Names {
        ["a", "b", "c"].map(Arc::from).into()
    }

    #[test]
    fn a_field_with_more_values_than_are_kept_holds_the_others_itself() {
        let (mut builder, mut bytes) = (DictionaryBuilder::default(), Vec::new());
        let rows = MOST_VALUES as i64 + 1_000;
        for row in 0..rows {
            builder.pack(0, Some(Value::Integer(row)), &mut bytes);
        }
        let dictionary = builder.finish(["n".into()].into());
        assert_eq!(dictionary.columns[0].values.len(), MOST_VALUES);
        let mut rest = &bytes[..];
        for row in 0..rows {
            assert_eq!(dictionary.unpack(&mut rest).get("n"), Some(&Value::Integer(row)));
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn a_value_that_comes_again_takes_one_byte() {
        let (mut builder, mut bytes) = (DictionaryBuilder::default(), Vec::new());
        for _ in 0..100 {
            builder.pack(0, Some(Value::Text("a gateway with a long name".into())), &mut bytes);
        }
        assert_eq!(bytes.len(), 100);
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_back(rows in prop::collection::vec(prop::collection::vec(any_value(), 3), 1..20)) {
            let (mut builder, mut bytes) = (DictionaryBuilder::default(), Vec::new());
            for row in &rows {
                for (at, value) in row.iter().enumerate() {
                    builder.pack(at, value.clone(), &mut bytes);
                }
            }
            let dictionary = builder.finish(names());
            let mut rest = &bytes[..];
            for row in &rows {
                let unpacked = dictionary.unpack(&mut rest);
                for (name, value) in names().iter().zip(row) {
                    prop_assert_eq!(unpacked.get(name), value.as_ref());
                }
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            DictionaryBuilder::default().finish(names()).unpack(&mut &bytes[..]);
        }
    }
}

use std::io::Write;

use super::*;
use crate::config::model::Named;
use crate::config::units::TimeSpan;
use crate::lookup::row::{Decimal, Value};

fn source(key: &str, matching: Match, fields: &[(&str, FieldType)]) -> CsvSource {
    let fields: Named<FieldType> = fields.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    CsvSource { path: "deck.csv".into(), key: key.to_owned(), matching, fields, watch: TimeSpan::default() }
}

fn load(text: impl AsRef<[u8]>, source: &CsvSource) -> Result<RowSet, Vec<String>> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_ref()).unwrap();
    let path = file.path().display().to_string();
    super::load(file.path(), source, "tables.deck.source.csv")
        .map_err(|problems| problems.iter().map(|problem| problem.to_string().replace(&path, "deck.csv")).collect())
}

fn problems(text: impl AsRef<[u8]>, source: &CsvSource) -> Vec<String> {
    load(text, source).expect_err("the file has problems")
}

#[test]
fn a_row_has_the_projected_fields_with_their_types() {
    let fields = [("rate", FieldType::Decimal), ("min", FieldType::Integer), ("carrier", FieldType::Text)];
    let text = "\u{feff}prefix, carrier ,rate,min,note\n1212,\"A, Inc\",0.00345,30,x\n1213,B,,,\n";
    let table = load(text, &source("prefix", Match::Exact, &fields)).unwrap();
    let row = table.get("1212").unwrap();
    assert_eq!(row.get("carrier"), Some(&Value::Text("A, Inc".into())));
    assert_eq!(row.get("rate"), Some(&Value::Decimal(Decimal { digits: 345, scale: 5 })));
    assert_eq!(row.get("min"), Some(&Value::Integer(30)));
    assert_eq!(row.fields.len(), 3);
    let bare = table.get("1213").unwrap();
    assert_eq!(bare.fields.len(), 1, "an empty number is no field: {bare:?}");
    assert_eq!(table.get("12"), None);
    assert_eq!(table.entries, 2);
}

#[test]
fn without_a_projection_every_column_is_text_in_the_files_order() {
    let table = load("number,reason\n5551234,fraud\n", &source("number", Match::Exact, &[])).unwrap();
    let row = table.get("5551234").unwrap();
    let fields: Vec<_> = row.fields.iter().map(|field| (&*field.name, &field.value)).collect();
    assert_eq!(fields, [("number", &Value::Text("5551234".into())), ("reason", &Value::Text("fraud".into()))]);
}

#[test]
fn an_error_names_file_line_column_value_and_what_would_be_right() {
    let source = source("prefix", Match::Prefix, &[("rate", FieldType::Decimal)]);
    let found = problems("prefix,rate\n1212,0.01\n1213,cheap\n12x,0.02\n\"12\n13\",0\n7,0,1\n,5\n8,1e3\n", &source);
    assert_eq!(
        found,
        [
            "tables.deck.source.csv: deck.csv, line 3, column `rate`: `cheap` is not a decimal, such as `0.00345`, \
             with at most 18 digits, no exponent and no separators",
            "tables.deck.source.csv: deck.csv, line 4, column `prefix`: `12x` is not a prefix: it needs 1 to 16 digits \
             (`*` and `#` count as such)",
            "tables.deck.source.csv: deck.csv, line 5, column `prefix`: `12\n13` is not a prefix: it needs 1 to 16 \
             digits (`*` and `#` count as such)",
            "tables.deck.source.csv: deck.csv, line 7: 3 cells where the first line names 2 columns; a cell with a \
             comma needs quotes",
            "tables.deck.source.csv: deck.csv, line 8, column `prefix`: `` is not a prefix: it needs 1 to 16 digits \
             (`*` and `#` count as such)",
            "tables.deck.source.csv: deck.csv, line 9, column `rate`: `1e3` is not a decimal, such as `0.00345`, with \
             at most 18 digits, no exponent and no separators",
        ]
    );
}

#[test]
fn a_key_that_stands_twice_is_named_with_both_lines() {
    let found = problems("number\n1\n2\n3\n2\n", &source("number", Match::Exact, &[]));
    let expected =
        "tables.deck.source.csv: deck.csv, line 5: the key `2` stands already on line 3; keep one of the two";
    assert_eq!(found, [expected]);
}

#[test]
fn a_prefix_may_stand_twice() {
    let table = load("prefix,carrier\n1,A\n1,B\n", &source("prefix", Match::Prefix, &[])).unwrap();
    assert_eq!(table.matches("1212").unwrap().len(), 2);
}

#[test]
fn a_missing_column_is_named_with_those_that_are_there() {
    let found = problems("number,why\n1,x\n", &source("nummer", Match::Exact, &[("rate", FieldType::Decimal)]));
    assert_eq!(
        found,
        [
            "tables.deck.source.csv.key: deck.csv, line 1: no column is named `nummer`; the columns are `number`, `why`",
            "tables.deck.source.csv.fields: deck.csv, line 1: no column is named `rate`; the columns are `number`, `why`",
        ]
    );
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let found = problems(b"number,name\n1,caf\xe9\n", &source("number", Match::Exact, &[]));
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("line 2, column `name`: `caf\u{fffd}` is not UTF-8"), "{found:?}");
}

#[test]
fn an_empty_file_has_no_header_but_a_header_alone_is_an_empty_table() {
    assert!(problems("", &source("number", Match::Exact, &[]))[0].contains("first line must name the columns"));
    assert_eq!(load("number\n", &source("number", Match::Exact, &[])).unwrap().entries, 0);
}

#[test]
fn a_file_full_of_errors_is_not_read_to_the_end() {
    let text = format!("number,rate\n{}", "1,x\n".repeat(1000));
    let found = problems(text, &source("number", Match::Exact, &[("rate", FieldType::Decimal)]));
    assert_eq!(found.len(), MOST_PROBLEMS + 1);
}

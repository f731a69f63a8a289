//! JSON files: an array of objects, or one object whose members are the rows; read whole, checked whole, then served
//! from memory.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde_json::Value as Json;

use super::error::Problem;
use super::projection::{JsonColumn, value};
use super::rows::{RowSet, RowSetBuilder};
use crate::config::model::JsonSource;

/// One file's problems that are worth telling at once.
const MOST_PROBLEMS: usize = 20;

/// Reads the file. `place` is the source's key in the configuration.
pub(super) fn load(path: &Path, source: &JsonSource, place: &str) -> Result<RowSet, Vec<Problem>> {
    let whole = |key: &str, message: String| vec![Problem::new(format!("{place}{key}"), message)];
    let unreadable = |error: &dyn std::fmt::Display| {
        let path = path.display();
        whole(".path", format!("cannot read {path}: {error}; a relative path counts from the configuration's folder"))
    };
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let written = file.metadata().and_then(|about| about.modified()).ok();
    let json: Json = serde_json::from_reader(BufReader::new(file))
        .map_err(|error| whole("", format!("{}: not JSON: {error}", path.display())))?;
    let columns = JsonColumn::all(&source.fields, place)?;
    let mut problems = Vec::new();
    let mut rows = RowSetBuilder::new(source.matching);
    for (at, (key, row)) in entries(&json, source.key.as_deref(), path, place)?.enumerate() {
        let entry = at as u64 + 1;
        let told = |message: String| Problem::new(place, format!("{}, entry {entry}{message}", path.display()));
        let taken = key.and_then(|key| {
            let fields = columns.iter().map(|column| {
                let Some(json) = row.pointer(&column.pointer) else { return Ok(None) };
                value(json, column.kind).map_err(|right| format!(": field `{}` is not {right}", column.name))
            });
            rows.append(&key, entry, |refusal| refusal.told(&key).replace("on line", "in entry"), fields)
        });
        if let Err(message) = taken {
            problems.push(told(message));
            if problems.len() >= MOST_PROBLEMS {
                break;
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(rows.finish(columns.iter().map(|column| column.name.clone()).collect(), written))
}

/// A row's key, or what is wrong with it, and the row.
type Entry<'a> = (Result<String, String>, &'a Json);

fn entries<'a>(
    json: &'a Json,
    key: Option<&'a str>,
    path: &Path,
    place: &str,
) -> Result<Box<dyn Iterator<Item = Entry<'a>> + 'a>, Vec<Problem>> {
    match (json, key) {
        (Json::Array(rows), Some(key)) => Ok(Box::new(rows.iter().map(move |row| (key_of(row, key), row)))),
        (Json::Object(rows), None) => Ok(Box::new(rows.iter().map(|(key, row)| (Ok(key.clone()), row)))),
        (Json::Array(_), None) => {
            let message = "is missing: the file is an array, so `key` names the member of each row that is its key";
            Err(vec![Problem::new(format!("{place}.key"), message)])
        }
        (Json::Object(_), Some(_)) => {
            let message = "does not fit: the file is an object, whose members' names are the keys; leave `key` out";
            Err(vec![Problem::new(format!("{place}.key"), message)])
        }
        _ => {
            let message = format!("{}: neither an array of objects nor an object of them", path.display());
            Err(vec![Problem::new(place, message)])
        }
    }
}

fn key_of(row: &Json, key: &str) -> Result<String, String> {
    match row.get(key) {
        Some(Json::String(text)) => Ok(text.clone()),
        Some(Json::Number(number)) => Ok(number.to_string()),
        Some(_) => Err(format!(": `{key}` is neither a text nor a number")),
        None => Err(format!(": there is no `{key}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::row::Value;

    fn read(text: &str, source: &str) -> Result<RowSet, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.json");
        std::fs::write(&path, text).unwrap();
        let source: JsonSource = toml::from_str(&format!("path = \"rows.json\"\n{source}")).unwrap();
        let shown = path.display().to_string();
        load(&path, &source, "tables.t.source.json")
            .map_err(|problems| problems.iter().map(|it| it.to_string().replace(&shown, "rows.json")).collect())
    }

    const FIELDS: &str =
        "fields = { name = { pointer = \"/caller/name\" }, rate = { pointer = \"/rate\", type = \"decimal\" } }";

    #[test]
    fn an_array_of_objects_is_a_table() {
        let text = r#"[{"n": "1", "caller": {"name": "ACME"}, "rate": "0.0050"}, {"n": 2}]"#;
        let rows = read(text, &format!("key = \"n\"\n{FIELDS}")).unwrap();
        assert_eq!(rows.get("1").unwrap().get("name"), Some(&Value::Text("ACME".into())));
        assert_eq!(rows.get("1").unwrap().get("rate").unwrap().to_string(), "0.0050");
        assert_eq!(rows.get("2").unwrap().fields.len(), 0);
        assert_eq!(rows.entries, 2);
    }

    #[test]
    fn an_object_s_members_are_the_rows_and_can_be_prefixes() {
        let rows =
            read(r#"{"12": {"rate": 1}, "1212": {"rate": 2}}"#, &format!("match = \"prefix\"\n{FIELDS}")).unwrap();
        let found: Vec<_> =
            rows.matches("12125551234").unwrap().iter().map(|row| row.get("rate").unwrap().to_string()).collect();
        assert_eq!(found, ["2", "1"]);
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_entry() {
        let text = r#"[{"n": "1"}, {"m": "1"}, {"n": "1"}, {"n": "3", "rate": "x"}]"#;
        let problems = read(text, &format!("key = \"n\"\n{FIELDS}")).unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:#?}");
        assert_eq!(problems[0], "tables.t.source.json: rows.json, entry 2: there is no `n`");
        assert!(problems[1].contains("entry 3: the key `1` stands already in entry 1"), "{}", problems[1]);
        assert!(problems[2].contains("entry 4: field `rate` is not a decimal"), "{}", problems[2]);
        assert!(read("[", &format!("key = \"n\"\n{FIELDS}")).unwrap_err()[0].contains("not JSON"));
        assert!(read("[]", FIELDS).unwrap_err()[0].starts_with("tables.t.source.json.key: is missing"));
    }
}

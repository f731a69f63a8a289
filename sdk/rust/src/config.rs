//! The `config` of a stage, and what to say about a bad one.

use crate::Plugin;

/// Read and check a plugin's configuration.
///
/// # Errors
/// What is wrong and what would be right, with the near ones named where a key is unknown.
pub fn parse<P: Plugin>(json: &str) -> Result<P, String> {
    let json = if json.trim().is_empty() { "{}" } else { json };
    let plugin: P = serde_json::from_str(json).map_err(|error| explain(&error.to_string()))?;
    plugin.check()?;
    Ok(plugin)
}

/// Put the nearest known key into serde's words, which list them all.
fn explain(error: &str) -> String {
    let names: Vec<&str> = error.split('`').skip(1).step_by(2).collect();
    let Some((unknown, known)) = names.split_first().filter(|_| error.starts_with("unknown ")) else {
        return error.to_owned();
    };
    // Two slips in a short word, as two letters swapped are; more make it another word.
    let near = known.iter().map(|key| (distance(unknown, key), key)).min();
    match near.filter(|(distance, key)| *distance <= 1 + key.len() / 5) {
        Some((_, key)) => format!("{error}; did you mean `{key}`?"),
        None => error.to_owned(),
    }
}

/// Insertions, removals and replacements between two words.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Call, Error, Host, Outcome};

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Stage {
        table: Option<String>,
        max_length: Option<u8>,
    }

    impl Plugin for Stage {
        fn handle(&self, _: &Call, _: &dyn Host) -> Result<Outcome, Error> {
            Ok(Outcome::proceed())
        }

        fn check(&self) -> Result<(), String> {
            if self.max_length == Some(0) { Err("max-length: 0 leaves nothing".to_owned()) } else { Ok(()) }
        }
    }

    #[test]
    fn an_unknown_key_is_refused_and_the_near_one_named() {
        let error = parse::<Stage>(r#"{ "tabel": "lrn" }"#).unwrap_err();
        assert!(error.starts_with("unknown field `tabel`, expected"), "{error}");
        assert!(error.ends_with("did you mean `table`?"), "{error}");
    }

    #[test]
    fn a_key_that_is_near_to_none_is_refused_with_all_of_them() {
        let error = parse::<Stage>(r#"{ "url": "x" }"#).unwrap_err();
        assert!(
            error.contains("`table`") && error.contains("`max-length`") && !error.contains("did you mean"),
            "{error}"
        );
    }

    #[test]
    fn no_configuration_is_an_empty_one() {
        let stage = parse::<Stage>("").unwrap();
        assert_eq!((stage.table, stage.max_length), (None, None));
    }

    #[test]
    fn what_reads_well_but_makes_no_sense_is_refused() {
        assert_eq!(parse::<Stage>(r#"{ "max-length": 0 }"#).unwrap_err(), "max-length: 0 leaves nothing");
    }
}

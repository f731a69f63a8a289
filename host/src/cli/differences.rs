//! Two answers of a stage, and where they differ.

use serde::Serialize;

use crate::plugin::recorded::{Answered, Verdict};

/// An answer in pieces that can be compared one by one.
pub(super) fn parts(answered: &Answered) -> Vec<String> {
    match answered {
        Answered::Error { error } => vec![format!("error {error}")],
        Answered::Outcome(outcome) => {
            let mut parts = match &outcome.verdict {
                // Of a hunt, only the attempts that differ are of interest.
                Verdict::Route(routes) if !routes.is_empty() => {
                    routes.iter().map(|route| format!("route {}", json(route))).collect()
                }
                verdict => vec![format!("verdict {}", json(verdict))],
            };
            parts.extend(outcome.edits.iter().map(|edit| format!("edit {}", json(edit))));
            parts.extend(outcome.attributes.iter().map(|(name, value)| format!("attribute {name} = {value}")));
            parts
        }
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| error.to_string())
}

/// What only the one or only the other has: `-` was expected, `+` was answered. What both have is left out, unless it
/// is only the order that differs.
pub(super) fn differences(expected: &[String], answered: &[String]) -> Vec<(char, String)> {
    let only = |these: &[String], those: &[String], sign| {
        these.iter().filter(|part| !those.contains(part)).map(|part| (sign, part.clone())).collect::<Vec<_>>()
    };
    let mut found = only(expected, answered, '-');
    found.extend(only(answered, expected, '+'));
    if found.is_empty() {
        found.extend(expected.iter().map(|part| ('-', part.clone())));
        found.extend(answered.iter().map(|part| ('+', part.clone())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(json: &str) -> Vec<String> {
        parts(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn only_what_differs_is_shown() {
        let expected = answered(r#"{"verdict": "proceed", "attributes": [["vip", "gold"], ["a", "b"]]}"#);
        let other = answered(r#"{"verdict": "proceed", "attributes": [["vip", "silver"], ["a", "b"]]}"#);
        let lines = [('-', "attribute vip = gold".to_owned()), ('+', "attribute vip = silver".to_owned())];
        assert_eq!(differences(&expected, &other), lines);
    }

    #[test]
    fn of_a_hunt_the_attempts_that_differ_are_shown() {
        let expected = answered(r#"{"verdict": {"route": [{"gateway": "a"}, {"gateway": "b"}]}}"#);
        let other = answered(r#"{"verdict": {"route": [{"gateway": "a"}, {"gateway": "c"}]}}"#);
        let lines = [('-', r#"route {"gateway":"b"}"#), ('+', r#"route {"gateway":"c"}"#)];
        assert_eq!(differences(&expected, &other), lines.map(|(sign, text)| (sign, text.to_owned())));
    }

    #[test]
    fn a_failure_stands_beside_the_outcome_that_was_expected() {
        let expected = answered(r#"{"verdict": {"reject": {"code": 603}}}"#);
        let failed = answered(r#"{"error": "trap: unreachable"}"#);
        let lines = [('-', r#"verdict {"reject":{"code":603,"reason":""}}"#), ('+', "error trap: unreachable")];
        assert_eq!(differences(&expected, &failed), lines.map(|(sign, text)| (sign, text.to_owned())));
    }

    #[test]
    fn another_order_is_a_difference_that_is_shown_whole() {
        let one = answered(r#"{"verdict": "proceed", "attributes": [["a", "1"], ["b", "2"]]}"#);
        let other = answered(r#"{"verdict": "proceed", "attributes": [["b", "2"], ["a", "1"]]}"#);
        assert_eq!(differences(&one, &other).len(), 6);
    }
}

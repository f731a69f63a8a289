//! One stage of a dry run.

use std::fmt::{self, Formatter, Write as _};
use std::time::Duration;

use serde::Serialize;

use super::beside::{Beside, Shadow};
use crate::cdr::record::StageRecord;
use crate::cli::differences::{differences, parts};
use crate::cli::render::{printable, word};
use crate::lookup::age_in_words;
use crate::plugin::trace::story::{Answer, Asked, Edit, Input, Lookup, Question, StageStory};

/// What a stage found, asked, gave and cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// As the call record has it: `stage`, `digest`, `outcome`, `micros`, `fuel`, `detail`.
    #[serde(flatten)]
    pub record: StageRecord,
    /// `input`, `asked`, `returned`.
    #[serde(flatten)]
    pub story: Option<StageStory>,
    /// `trial`, `shadow`.
    #[serde(flatten)]
    pub beside: Beside,
}

/// The column in which a stage's lines begin.
const LABEL: usize = 12;

impl Stage {
    /// Its lines under the heading with `place`. Of its input, only what is not as in `before` is told.
    pub(super) fn write(&self, f: &mut Formatter<'_>, place: usize, before: Option<&Input>) -> fmt::Result {
        let Self { record, story, beside } = self;
        let outcome = word(&record.outcome);
        write!(f, "\n{place}. {}: {outcome}", record.stage)?;
        if let Some(trial) = &beside.trial {
            write!(f, "   as {}", word(trial))?;
        }
        writeln!(f, "   {} µs, {} fuel, component {}", record.micros, record.fuel, record.digest)?;
        if let Some(detail) = &record.detail {
            line(f, "why", detail)?;
        }
        let Some(story) = story else { return Ok(()) };
        input(f, &story.input, before)?;
        story.asked.iter().try_for_each(|asked| ask(f, asked))?;
        if story.untold > 0 {
            line(f, "asked", &format!("{} more times", story.untold))?;
        }
        if let Some(returned) = &story.returned {
            // An outcome that the host refused was not applied: the record says so, and why.
            returned.edits.iter().try_for_each(|edit| line(f, "edit", &told(edit)))?;
            attributes(f, "attribute", &returned.attributes)?;
            line(f, "verdict", &returned.verdict)?;
        }
        beside.shadow.as_ref().map_or(Ok(()), |shadow| compared(f, shadow))
    }
}

/// A shadow, and where it differs: `-` only the stage, `+` only the shadow.
fn compared(f: &mut Formatter<'_>, shadow: &Shadow) -> fmt::Result {
    let Shadow { digest, micros, fuel, .. } = shadow;
    let comparison = match &shadow.answered {
        None => "not compared: it asks what the stage did not",
        Some(answered) if *answered == shadow.live => "answers the same",
        Some(_) => "answers otherwise",
    };
    line(f, "shadow", &format!("{comparison}   {micros} µs, {fuel} fuel, component {digest}"))?;
    let Some(answered) = shadow.answered.as_ref().filter(|answered| **answered != shadow.live) else { return Ok(()) };
    let lines = differences(&parts(&shadow.live), &parts(answered));
    lines.into_iter().try_for_each(|(sign, text)| line(f, "", &format!("{sign} {text}")))
}

fn line(f: &mut Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    writeln!(f, "   {label:<LABEL$}{}", printable(text))
}

fn attributes(f: &mut Formatter<'_>, label: &str, pairs: &[(String, String)]) -> fmt::Result {
    pairs.iter().try_for_each(|(name, value)| line(f, label, &format!("{name} = {value}")))
}

fn input(f: &mut Formatter<'_>, input: &Input, before: Option<&Input>) -> fmt::Result {
    let numbers = format!("{} → {}", or_dash(&input.caller), or_dash(&input.callee));
    line(f, "input", &numbers)?;
    let told = before.map(texts);
    for (place, (name, text)) in texts(input).into_iter().enumerate() {
        if told.is_none_or(|told| told[place].1 != text) {
            line(f, "", &format!("{name} {text}"))?;
        }
    }
    let known = before.map_or(&[][..], |before| &before.attributes);
    let new: Vec<_> = input.attributes.iter().filter(|held| !known.contains(held)).cloned().collect();
    attributes(f, "", &new)
}

fn texts(input: &Input) -> [(&'static str, &str); 4] {
    [("Request-URI", &input.request_uri), ("From", &input.from_uri), ("To", &input.to_uri), ("digest", &input.digest)]
}

fn ask(f: &mut Formatter<'_>, asked: &Asked) -> fmt::Result {
    let (label, question, origin) = match &asked.question {
        Question::Lookup(lookup) => ("lookup", format!("{}[{}]", lookup.table, lookup.key), origin(lookup)),
        Question::LookupPrefix(lookup) => ("prefixes", format!("{}[{}…]", lookup.table, lookup.key), origin(lookup)),
        Question::Call { service, method, path } => ("service", format!("{service}: {method} {path}"), String::new()),
        Question::Header { name } => ("header", name.clone(), String::new()),
        Question::TakeRate { key, per_second } => ("rate", format!("{key}, {per_second} a second"), String::new()),
        Question::TakePermit { key, max } => ("permit", format!("{key}, {max} at once"), String::new()),
    };
    let mut text = format!("{question} → {}", answer(asked.answer.as_ref()));
    if !origin.is_empty() {
        let _ = write!(text, " · {origin}");
    }
    if let Some(micros) = asked.micros {
        let _ = write!(text, " · {micros} µs");
    }
    line(f, label, &text)
}

fn answer(answer: Option<&Answer>) -> String {
    match answer {
        None => "no answer before the stage was cut".to_owned(),
        Some(Answer::Rows(rows)) if rows.is_empty() => "none".to_owned(),
        Some(Answer::Rows(rows)) => rows.iter().map(|row| fields(row)).collect::<Vec<_>>().join(" | "),
        Some(Answer::Values(values)) if values.is_empty() => "none".to_owned(),
        Some(Answer::Values(values)) => values.join(" | "),
        Some(Answer::Response { status, bytes }) => format!("{status}, {bytes} bytes"),
        Some(Answer::Granted(granted)) => if *granted { "granted" } else { "refused" }.to_owned(),
        Some(Answer::Error(failure)) => format!("error: {}", failure.why),
    }
}

fn fields(row: &[(String, String)]) -> String {
    row.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}

/// Where a lookup's answer came from, and how old it was.
fn origin(lookup: &Lookup) -> String {
    let age = lookup.age_ms.map(|millis| age_in_words(Duration::from_millis(millis)));
    let by_tier = if lookup.shared { ", by the second tier" } else { "" };
    match (lookup.origin, age) {
        (None, _) => String::new(),
        (Some("file"), None) => "from the file".to_owned(),
        (Some("file"), Some(age)) => format!("from the file, written {age} ago"),
        (Some("database"), Some(age)) => format!("from the database's rows, read {age} ago"),
        (Some("database"), None) => "from the database's rows".to_owned(),
        (Some("source"), _) => "not in memory: the source was asked now".to_owned(),
        (Some("shared"), Some(age)) => format!("not in memory: from the second tier, {age} old"),
        (Some("stale"), Some(age)) => format!("from the cache, {age} old and past its ttl{by_tier}"),
        (Some(_), Some(age)) => format!("from the cache, {age} old{by_tier}"),
        (Some(origin), None) => origin.to_owned(),
    }
}

fn told(edit: &Edit) -> String {
    let parts = [edit.name.as_deref(), edit.value.as_deref()];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    format!("{} {}", edit.edit, parts.join(": "))
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "no number" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::record::StageOutcome;
    use crate::plugin::trace::story::Returned;

    struct Shown<'a>(&'a Stage, Option<&'a Input>);

    impl fmt::Display for Shown<'_> {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            self.0.write(f, 2, self.1)
        }
    }

    fn lrn() -> Stage {
        let looked = Lookup {
            table: "lrn".into(),
            key: "3105550199".into(),
            origin: Some("stale"),
            shared: false,
            age_ms: Some(7_500_000),
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Stage {
            record: StageRecord {
                stage: "lrn".into(),
                digest: "0123456789abcdef".into(),
                outcome: StageOutcome::Proceed,
                micros: 40,
                fuel: 2_500,
                detail: None,
            },
            story: Some(StageStory {
                input: Input {
                    caller: "12125550100".into(),
                    callee: "13105550199".into(),
                    request_uri: "sip:13105550199@example.net".into(),
                    from_uri: "sip:12125550100@192.0.2.1".into(),
                    to_uri: "sip:13105550199@example.net".into(),
                    digest: "absent".into(),
                    attributes: vec![pair("plan", "wholesale"), pair("account", "acme-7")],
                },
                asked: vec![Asked {
                    question: Question::Lookup(looked),
                    answer: Some(Answer::Rows(vec![vec![pair("lrn", "3105550000")]])),
                    micros: Some(3),
                    began: 0,
                }],
                untold: 0,
                began: 0,
                returned: Some(Returned {
                    verdict: "proceed".into(),
                    edits: vec![Edit {
                        edit: "user-parameter",
                        name: Some("rn".into()),
                        value: Some("\x1b[2J".into()),
                    }],
                    attributes: vec![pair("lrn", "3105550000")],
                }),
            }),
            beside: Beside::default(),
        }
    }

    /// Beside it runs a shadow, which answers this.
    fn beside(answered: Option<&str>) -> Stage {
        let live = serde_json::from_str(r#"{"verdict": "proceed", "attributes": [["lrn", "3105550000"]]}"#).unwrap();
        let answered = answered.map(|text| serde_json::from_str(text).unwrap());
        let shadow = Shadow { digest: "fedcba9876543210".into(), micros: 50, fuel: 2_400, answered, live };
        Stage { beside: Beside { trial: None, shadow: Some(shadow) }, ..lrn() }
    }

    #[test]
    fn a_shadow_is_told_apart_with_what_it_would_answer_otherwise() {
        let told = |stage: Stage| {
            let text = Shown(&stage, None).to_string();
            text.split_once("verdict     proceed\n").unwrap().1.to_owned()
        };
        assert_eq!(
            told(beside(Some(r#"{"verdict": "proceed", "attributes": [["lrn", "3105559999"]]}"#))),
            "\x20  shadow      answers otherwise   50 µs, 2400 fuel, component fedcba9876543210\n\
             \x20              - attribute lrn = 3105550000\n\
             \x20              + attribute lrn = 3105559999\n"
        );
        let same = told(beside(Some(r#"{"verdict": "proceed", "attributes": [["lrn", "3105550000"]]}"#)));
        assert!(same.starts_with("   shadow      answers the same   50 µs") && same.lines().count() == 1, "{same}");
        let silent = told(beside(None));
        assert!(silent.starts_with("   shadow      not compared: it asks what the stage did not"), "{silent}");
    }

    #[test]
    fn the_json_of_a_shadow_has_the_shape_that_the_operator_guide_shows() {
        let json = serde_json::to_value(beside(Some(r#"{"error": "no table"}"#))).unwrap();
        let expected = serde_json::json!({
            "digest": "fedcba9876543210", "micros": 50, "fuel": 2400, "answered": { "error": "no table" },
        });
        assert_eq!(json["shadow"], expected);
    }

    #[test]
    fn a_stage_is_told_line_by_line_with_what_is_new_in_its_input() {
        let stage = lrn();
        let mut before = stage.story.clone().unwrap().input;
        before.attributes.pop();
        before.to_uri.clear();
        assert_eq!(
            Shown(&stage, Some(&before)).to_string(),
            "\n2. lrn: proceed   40 µs, 2500 fuel, component 0123456789abcdef\n\
             \x20  input       12125550100 → 13105550199\n\
             \x20              To sip:13105550199@example.net\n\
             \x20              account = acme-7\n\
             \x20  lookup      lrn[3105550199] → lrn 3105550000 · from the cache, 2 h 5 min old and past its ttl · 3 µs\n\
             \x20  edit        user-parameter rn: \u{fffd}[2J\n\
             \x20  attribute   lrn = 3105550000\n\
             \x20  verdict     proceed\n"
        );
    }

    #[test]
    fn the_json_of_a_stage_has_the_shape_that_the_operator_guide_shows() {
        let json = serde_json::to_value(lrn()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "stage": "lrn", "digest": "0123456789abcdef", "outcome": "proceed", "micros": 40, "fuel": 2500,
                "detail": null,
                "input": {
                    "caller": "12125550100", "callee": "13105550199",
                    "request-uri": "sip:13105550199@example.net", "from-uri": "sip:12125550100@192.0.2.1",
                    "to-uri": "sip:13105550199@example.net", "digest": "absent",
                    "attributes": [["plan", "wholesale"], ["account", "acme-7"]],
                },
                "asked": [{
                    "lookup": { "table": "lrn", "key": "3105550199", "origin": "stale", "age-ms": 7_500_000 },
                    "answer": { "rows": [[["lrn", "3105550000"]]] },
                    "micros": 3,
                }],
                "returned": {
                    "verdict": "proceed",
                    "edits": [{ "edit": "user-parameter", "name": "rn", "value": "\u{1b}[2J" }],
                    "attributes": [["lrn", "3105550000"]],
                },
            })
        );
    }
}

//! Which fields of a body become the row: only these enter the cache.

use std::sync::Arc;

use serde_json::Value as Json;

use super::cell;
use super::error::Problem;
use super::row::{Field, Row, Value};
use crate::config::model::{BodyFormat, FieldType, JsonField, Named};

/// Bytes of a text body: longer ones are pages, not values.
const LONGEST_TEXT: usize = 1024;
/// Digits of a JSON number that survive the float which JSON parsers make of it.
const EXACT_DIGITS: usize = 15;

/// How a body becomes a row.
#[derive(Debug)]
pub(super) enum Projection {
    /// The body is the value of this field.
    Text(Arc<str>),
    /// These fields, by JSON pointer; none: the members of the top object, as text.
    Json(Box<[JsonColumn]>),
}

/// One field of a JSON body.
#[derive(Debug)]
pub(super) struct JsonColumn {
    pub(super) name: Arc<str>,
    pub(super) pointer: Box<str>,
    pub(super) kind: FieldType,
}

impl JsonColumn {
    /// `place` is the source's key in the configuration.
    pub(super) fn all(fields: &Named<JsonField>, place: &str) -> Result<Vec<Self>, Vec<Problem>> {
        let (mut columns, mut problems) = (Vec::new(), Vec::new());
        for (name, field) in fields {
            if !field.pointer.is_empty() && !field.pointer.starts_with('/') {
                let message = format!(
                    "`{}` is not a JSON pointer (RFC 6901); it begins with `/`, such as `/caller/name`",
                    field.pointer
                );
                problems.push(Problem::new(format!("{place}.fields.{name}.pointer"), message));
            }
            columns.push(Self { name: name.as_str().into(), pointer: field.pointer.as_str().into(), kind: field.kind });
        }
        if problems.is_empty() { Ok(columns) } else { Err(problems) }
    }
}

impl Projection {
    /// `place` is the source's key in the configuration.
    pub(super) fn new(
        format: BodyFormat,
        field: &str,
        fields: &Named<JsonField>,
        place: &str,
    ) -> Result<Self, Vec<Problem>> {
        if format == BodyFormat::Json {
            return JsonColumn::all(fields, place).map(|columns| Self::Json(columns.into()));
        }
        if fields.is_empty() {
            return Ok(Self::Text(field.into()));
        }
        let message = "only a JSON body has fields; set `format = \"json\"`, or name the one value with `field`";
        Err(vec![Problem::new(format!("{place}.fields"), message)])
    }

    /// The row in a JSON value that is there.
    pub(super) fn json(&self, json: &Json) -> Result<Row, String> {
        match self {
            Self::Text(_) => Err("the answer is not a text".to_owned()),
            Self::Json(columns) => json_row(columns, json),
        }
    }

    /// The row in the body; `None` where it says that there is none. The error says what is wrong with the body.
    pub(super) fn row(&self, body: &[u8]) -> Result<Option<Row>, String> {
        if body.trim_ascii().is_empty() {
            return Ok(None);
        }
        match self {
            Self::Text(name) => text_row(name, body).map(Some),
            Self::Json(columns) => {
                let json: Json =
                    serde_json::from_slice(body).map_err(|error| format!("the answer is not JSON: {error}"))?;
                if json.is_null() { Ok(None) } else { json_row(columns, &json).map(Some) }
            }
        }
    }
}

fn text_row(name: &Arc<str>, body: &[u8]) -> Result<Row, String> {
    let text = std::str::from_utf8(body.trim_ascii()).map_err(|_| "the answer is not UTF-8".to_owned())?;
    if text.len() > LONGEST_TEXT || text.contains(char::is_control) {
        // A portal's or a proxy's error page, most likely: it must not become a routing number.
        return Err("the answer is not one line of text of at most 1024 bytes".to_owned());
    }
    // Such a page may well be one line. `<sip:1@example.net>` is none.
    if text.starts_with("<!") || text.starts_with("<?") || text.starts_with('<') && text.contains("</") {
        return Err("the answer is a page and no value".to_owned());
    }
    Ok(Row { fields: Arc::new([Field { name: Arc::clone(name), value: Value::Text(text.into()) }]) })
}

fn json_row(columns: &[JsonColumn], json: &Json) -> Result<Row, String> {
    let mut fields = Vec::with_capacity(columns.len());
    let mut add = |name: &Arc<str>, json: &Json, kind| -> Result<(), String> {
        if let Some(value) = value(json, kind).map_err(|right| format!("field `{name}` is not {right}"))? {
            fields.push(Field { name: Arc::clone(name), value });
        }
        Ok(())
    };
    if columns.is_empty() {
        let members = json.as_object().ok_or("the answer is not a JSON object")?;
        for (name, member) in members {
            add(&name.as_str().into(), member, FieldType::Text)?;
        }
    }
    for column in columns {
        if let Some(member) = json.pointer(&column.pointer) {
            add(&column.name, member, column.kind)?;
        }
    }
    Ok(Row { fields: fields.into() })
}

/// `None` for null and for an empty number: the field is left out.
pub(super) fn value(json: &Json, kind: FieldType) -> Result<Option<Value>, &'static str> {
    match json {
        Json::Null => Ok(None),
        Json::String(text) => cell::parse(text, kind),
        Json::Number(number) => {
            let text = number.to_string();
            let exact = !number.is_f64() || text.bytes().filter(u8::is_ascii_digit).count() <= EXACT_DIGITS;
            if kind == FieldType::Decimal && !exact {
                return Err("exact as a JSON number; the service must write it as a JSON string");
            }
            cell::parse(&text, kind)
        }
        Json::Bool(_) if matches!(kind, FieldType::Boolean | FieldType::Text) => cell::parse(&json.to_string(), kind),
        _ if kind == FieldType::Text => cell::parse(&json.to_string(), kind),
        _ => Err("of its type"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::row::Decimal;

    fn json(fields: &[(&str, &str, FieldType)]) -> Projection {
        let field = |&(name, pointer, kind): &(&str, &str, FieldType)| {
            (name.to_owned(), JsonField { pointer: pointer.to_owned(), kind })
        };
        let fields: Named<JsonField> = fields.iter().map(field).collect();
        Projection::new(BodyFormat::Json, "lrn", &fields, "place").unwrap()
    }

    #[test]
    fn a_text_body_is_one_value_and_an_empty_one_is_no_row() {
        let text = Projection::new(BodyFormat::Text, "lrn", &Named::new(), "place").unwrap();
        let row = text.row(b" 12125550000\r\n").unwrap().unwrap();
        assert_eq!(row.get("lrn"), Some(&Value::Text("12125550000".into())));
        assert_eq!(text.row(b" \n"), Ok(None));
        assert!(text.row(b"<html>\n<body>502</body>").is_err());
        assert!(text.row(&[b'1'; 1025]).is_err());
        assert!(text.row(b"\xff").is_err());
    }

    #[test]
    fn only_the_fields_pointed_at_enter_the_row_with_their_types() {
        let projection = json(&[
            ("name", "/caller/name", FieldType::Text),
            ("rate", "/rate", FieldType::Decimal),
            ("ok", "/ok", FieldType::Boolean),
            ("missing", "/nothing", FieldType::Integer),
            ("null", "/null", FieldType::Integer),
        ]);
        let body = br#"{"caller":{"name":"ACME"},"rate":0.00345,"ok":true,"null":null,"secret":"x"}"#;
        let row = projection.row(body).unwrap().unwrap();
        assert_eq!(row.get("name"), Some(&Value::Text("ACME".into())));
        assert_eq!(row.get("rate"), Some(&Value::Decimal(Decimal { digits: 345, scale: 5 })));
        assert_eq!(row.get("ok"), Some(&Value::Boolean(true)));
        assert_eq!(row.fields.len(), 3);
        assert_eq!(projection.row(b"null"), Ok(None));
    }

    #[test]
    fn without_fields_the_top_members_are_texts() {
        let row = json(&[]).row(br#"{"a":"x","b":7,"c":[1,2]}"#).unwrap().unwrap();
        assert_eq!(row.get("b"), Some(&Value::Text("7".into())));
        assert_eq!(row.get("c"), Some(&Value::Text("[1,2]".into())));
        assert!(json(&[]).row(b"[1]").is_err());
        assert!(json(&[]).row(b"<html>").is_err());
    }

    #[test]
    fn money_that_a_float_cannot_carry_is_refused() {
        let rate = json(&[("rate", "/rate", FieldType::Decimal)]);
        assert!(rate.row(br#"{"rate":0.12345678901234567}"#).is_err());
        assert!(rate.row(br#"{"rate":"0.123456789012345678"}"#).is_ok());
        assert!(rate.row(br#"{"rate":{}}"#).is_err());
    }

    #[test]
    fn a_pointer_without_slash_is_refused_with_the_remedy() {
        let fields = [("name".to_owned(), JsonField { pointer: "name".into(), kind: FieldType::Text })].into();
        let problems = Projection::new(BodyFormat::Json, "lrn", &fields, "tables.cnam.source.http").unwrap_err();
        assert_eq!(
            problems[0].to_string(),
            "tables.cnam.source.http.fields.name.pointer: `name` is not a JSON pointer (RFC 6901); it begins with `/`, \
             such as `/caller/name`"
        );
    }
}

//! Rows from DNS: ENUM (RFC 6116), or plain records of a name with the key in it.

use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::rr::{RData, Record, RecordType};

use super::enumservice::{self, Rule};
use super::template::Template;
use super::{Asked, Given, service_of};
use crate::config::model::{DnsRecord, DnsSource, EnumSource};
use crate::lookup::client::DnsClient;
use crate::lookup::error::{LookupError, Problem, ServiceError, Trouble};
use crate::lookup::row::{Field, Row, Value};
use crate::lookup::service::{Client, Service};
use crate::lookup::services::Services;

/// A table's way to its DNS server.
#[derive(Debug)]
pub(in crate::lookup) struct DnsRows {
    service: Arc<Service>,
    ask: Ask,
}

#[derive(Debug)]
enum Ask {
    Enum { suffix: String, enumservice: String },
    Plain { name: Template, kind: RecordType, field: Arc<str> },
}

impl DnsRows {
    /// `place` is the source's key in the configuration.
    pub(in crate::lookup) fn of_enum(
        source: &EnumSource,
        services: &Services,
        place: &str,
    ) -> Result<Self, Vec<Problem>> {
        let service = dns_service(&source.service, services, place)?;
        let suffix = source.suffix.trim_matches('.').to_owned();
        Ok(Self { service, ask: Ask::Enum { suffix, enumservice: source.enumservice.to_ascii_lowercase() } })
    }

    /// `place` is the source's key in the configuration.
    pub(in crate::lookup) fn of_dns(
        source: &DnsSource,
        services: &Services,
        place: &str,
    ) -> Result<Self, Vec<Problem>> {
        let service = dns_service(&source.service, services, place)?;
        let name = Template::new(&source.name, &format!("{place}.name")).map_err(|problem| vec![problem])?;
        let kind = match source.record {
            DnsRecord::Txt => RecordType::TXT,
            DnsRecord::A => RecordType::A,
            DnsRecord::Aaaa => RecordType::AAAA,
        };
        Ok(Self { service, ask: Ask::Plain { name, kind, field: source.field.as_str().into() } })
    }

    pub(in crate::lookup) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// ENUM takes digits, with or without `+`; a label of a name holds no blank and no control character.
    pub(in crate::lookup) fn check(&self, key: &str) -> Result<(), LookupError> {
        let fine = match &self.ask {
            Ask::Enum { .. } => enumservice::is_number(key),
            Ask::Plain { .. } => key.len() <= 63 && key.bytes().all(|byte| byte > b' ' && byte < 0x7f),
        };
        if fine { Ok(()) } else { Err(LookupError::BadKey) }
    }

    pub(in crate::lookup) async fn load(&self, key: &str) -> Asked {
        let (name, kind) = match &self.ask {
            Ask::Enum { suffix, .. } => (enumservice::domain(key, suffix), RecordType::NAPTR),
            Ask::Plain { name, kind, .. } => (format!("{}.", name.fill(key).trim_end_matches('.')), *kind),
        };
        let records = self.client()?.records(&name, kind).await.map_err(|why| self.service.failed(&why))?;
        let ttl = records.iter().map(|record| Duration::from_secs(record.ttl.into())).min();
        let row = match &self.ask {
            Ask::Enum { enumservice, .. } => enum_row(key, &records, enumservice),
            Ask::Plain { field, .. } => Ok(plain_row(&records, field)),
        };
        let given = row.map(|row| Given { row, ttl });
        Ok((given.is_ok(), given.map_err(|why| (Trouble::Nonsense, why))))
    }

    fn client(&self) -> Result<&DnsClient, ServiceError> {
        match self.service.client() {
            Client::Dns(dns) => Ok(dns),
            _ => Err(self.service.failed("is no DNS")),
        }
    }
}

fn dns_service(name: &str, services: &Services, place: &str) -> Result<Arc<Service>, Vec<Problem>> {
    let service = service_of(name, services, place).map_err(|problem| vec![problem])?;
    match service.client() {
        Client::Dns(_) => Ok(service),
        other => Err(vec![other.is_not("DNS", name, place)]),
    }
}

fn text(name: &str, value: &str) -> Field {
    Field { name: name.into(), value: Value::Text(value.into()) }
}

/// RFC 6116 section 3: of the rules for this service the one with the lowest order and preference.
fn enum_row(key: &str, records: &[Record], enumservice: &str) -> Result<Option<Row>, String> {
    let mut rules: Vec<Rule> = records
        .iter()
        .filter_map(|record| match &record.data {
            RData::NAPTR(naptr) => Some(Rule {
                order: naptr.order,
                preference: naptr.preference,
                flags: String::from_utf8_lossy(&naptr.flags).into_owned(),
                services: String::from_utf8_lossy(&naptr.services).into_owned(),
                regexp: String::from_utf8_lossy(&naptr.regexp).into_owned(),
            }),
            _ => None,
        })
        .filter(|rule| rule.serves(enumservice))
        .collect();
    rules.sort_by_key(|rule| (rule.order, rule.preference));
    let mut wrong = None;
    for rule in &rules {
        match rule.apply(key) {
            Ok(Some(uri)) => {
                let fields = [text("uri", &uri), text("service", &rule.services)];
                return Ok(Some(Row { fields: fields.into() }));
            }
            Ok(None) => {}
            Err(why) => wrong = wrong.or(Some(why)),
        }
    }
    wrong.map_or(Ok(None), Err)
}

fn plain_row(records: &[Record], field: &Arc<str>) -> Option<Row> {
    let value = records.iter().find_map(|record| match &record.data {
        RData::TXT(txt) => Some(txt.txt_data.iter().map(|part| String::from_utf8_lossy(part)).collect::<String>()),
        RData::A(address) => Some(address.to_string()),
        RData::AAAA(address) => Some(address.to_string()),
        _ => None,
    })?;
    Some(Row { fields: [Field { name: Arc::clone(field), value: Value::Text(value.into()) }].into() })
}

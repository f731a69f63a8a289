//! Rows from a database: a query for each key, or one for the whole table.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Asked, Given, service_of};
use crate::config::model::{FieldType, Match, SqlSource};
use crate::lookup::cell;
use crate::lookup::client::{SqlClient, Texts};
use crate::lookup::dictionary::Names;
use crate::lookup::error::{LookupError, Problem, Trouble};
use crate::lookup::row::{Field, Row};
use crate::lookup::rows::RowSetBuilder;
use crate::lookup::service::{Client, Service};
use crate::lookup::services::Services;

/// The columns that enter a row.
#[derive(Debug)]
struct Columns {
    names: Names,
    kinds: Vec<FieldType>,
}

impl Columns {
    fn new(source: &SqlSource, place: &str) -> Result<Self, Problem> {
        if source.fields.is_empty() {
            let message = "names no column: write those that enter a row, such as `{ lrn = \"text\" }`";
            return Err(Problem::new(format!("{place}.fields"), message));
        }
        let names = source.fields.keys().map(|name| Arc::from(name.as_str())).collect();
        Ok(Self { names, kinds: source.fields.values().copied().collect() })
    }

    /// The operator's query within one that casts its columns to text: databases write numbers exactly.
    fn wrap(&self, query: &str, key: Option<&str>) -> Arc<str> {
        let names = self.names.iter().map(|name| &**name).chain(key);
        let columns: Vec<String> = names.map(|name| format!("cast({} as text)", quoted(name))).collect();
        let query = query.trim().trim_end_matches(';');
        format!("select {} from ({query}) as asked", columns.join(", ")).into()
    }

    fn row(&self, texts: &Texts) -> Result<Row, String> {
        let mut fields = Vec::with_capacity(self.names.len());
        for (name, value) in self.names.iter().zip(self.values(texts)) {
            if let Some(value) = value? {
                fields.push(Field { name: Arc::clone(name), value });
            }
        }
        Ok(Row { fields: fields.into() })
    }

    fn values<'a>(
        &'a self,
        texts: &'a Texts,
    ) -> impl Iterator<Item = Result<Option<crate::lookup::row::Value>, String>> + 'a {
        self.kinds.iter().zip(texts).zip(&self.names).map(|((kind, text), name)| match text {
            // PostgreSQL writes true and false as a text cast does; NULL is no field.
            Some(text) => cell::parse(text, *kind).map_err(|right| format!("column `{name}` is not {right}")),
            None => Ok(None),
        })
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A table's way to its database, key by key.
#[derive(Debug)]
pub(in crate::lookup) struct SqlRows {
    service: Arc<Service>,
    columns: Columns,
    query: Arc<str>,
}

impl SqlRows {
    /// `place` is the source's key in the configuration.
    pub(in crate::lookup) fn new(source: &SqlSource, services: &Services, place: &str) -> Result<Self, Vec<Problem>> {
        let service = sql_service(source, services, place).map_err(|problem| vec![problem])?;
        let columns = Columns::new(source, place).map_err(|problem| vec![problem])?;
        let query = columns.wrap(&source.query, None);
        Ok(Self { service, columns, query })
    }

    pub(in crate::lookup) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The first row that the query gives for the key.
    pub(in crate::lookup) async fn load(&self, key: &str) -> Asked {
        let found = client(&self.service)?.first(&self.query, key).await;
        let texts = found.map_err(|why| self.service.failed(&why))?;
        let row = texts.map(|texts| self.columns.row(&texts)).transpose();
        Ok((row.is_ok(), row.map(Given::from).map_err(|why| (Trouble::Nonsense, why))))
    }
}

/// A table's way to its database, whole.
#[derive(Debug)]
pub(in crate::lookup) struct WholeQuery {
    service: Arc<Service>,
    source: SqlSource,
    columns: Columns,
    query: Arc<str>,
    matching: Match,
}

impl WholeQuery {
    /// `place` is the source's key in the configuration; the source has a `key`.
    pub(in crate::lookup) fn new(source: &SqlSource, services: &Services, place: &str) -> Result<Self, Vec<Problem>> {
        let service = sql_service(source, services, place).map_err(|problem| vec![problem])?;
        let columns = Columns::new(source, place).map_err(|problem| vec![problem])?;
        let query = columns.wrap(&source.query, source.key.as_deref());
        Ok(Self { service, source: source.clone(), columns, query, matching: source.matching })
    }

    pub(in crate::lookup) fn is_same(&self, other: &Self) -> bool {
        self.source == other.source && Arc::ptr_eq(&self.service, &other.service)
    }

    /// Between two loads, where nothing tells of a change.
    pub(in crate::lookup) fn refresh(&self) -> Option<Duration> {
        self.source.refresh.map(crate::config::units::TimeSpan::get)
    }

    /// How long reading all rows may take.
    pub(in crate::lookup) fn load_deadline(&self) -> Duration {
        self.source.load_deadline.get()
    }

    /// Every row, within the load deadline.
    pub(in crate::lookup) async fn load(&self) -> Result<crate::lookup::rows::RowSet, LookupError> {
        let refused = |trouble, why: &str| LookupError::from(self.service.unavailable(trouble, why));
        let mut rows = RowSetBuilder::new(self.matching);
        let mut number = 0;
        let reading = client(&self.service)?.every(&self.query, |mut texts| {
            number += 1;
            let told = |why: String| format!("row {number}{why}");
            let key = texts.pop().flatten().ok_or_else(|| told(": its key is NULL".to_owned()))?;
            let values = self.columns.values(&texts).map(|value| value.map_err(|why| told(format!(": {why}"))));
            rows.append(&key, number, |refusal| told(refusal.told(&key).replace("on line", "in row")), values)
        });
        match tokio::time::timeout(self.load_deadline(), reading).await {
            Ok(Ok(())) => Ok(rows.finish(self.columns.names.clone(), Some(SystemTime::now()))),
            Ok(Err(why)) => Err(refused(Trouble::Failed, &why)),
            Err(_) => Err(LookupError::Deadline),
        }
    }

    /// Who hears the database notify, where the table is to.
    pub(in crate::lookup) fn listener(&self) -> Option<Listener> {
        let channel = self.source.listen.clone()?;
        Some(Listener { service: Arc::clone(&self.service), channel })
    }
}

/// Hears notifications of a database.
#[derive(Debug)]
pub(in crate::lookup) struct Listener {
    service: Arc<Service>,
    channel: String,
}

impl Listener {
    /// Calls `on_note` with each, and once at the beginning, until the connection breaks; returns why.
    pub(in crate::lookup) async fn listen(&self, on_note: impl FnMut()) -> String {
        match client(&self.service) {
            Ok(client) => client.listen(&self.channel, on_note).await.err().unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }
}

fn sql_service(source: &SqlSource, services: &Services, place: &str) -> Result<Arc<Service>, Problem> {
    let service = service_of(&source.service, services, place)?;
    match service.client() {
        Client::Sql(_) => Ok(service),
        other => Err(other.is_not("a database", &source.service, place)),
    }
}

fn client(service: &Service) -> Result<&SqlClient, crate::lookup::error::ServiceError> {
    match service.client() {
        Client::Sql(sql) => Ok(sql),
        _ => Err(service.failed("is no database")),
    }
}

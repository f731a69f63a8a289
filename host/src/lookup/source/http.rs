//! Rows from an HTTP service: the request for a key, and the row in the answer.

use std::sync::Arc;

use super::{Asked, Given, service_of};
use crate::config::model::HttpSource;
use crate::lookup::client::{HttpClient, Method, Request, Response, is_healthy};
use crate::lookup::error::{LookupError, Problem, ServiceError, Trouble};
use crate::lookup::key;
use crate::lookup::projection::Projection;
use crate::lookup::row::Row;
use crate::lookup::service::{Client, Service};
use crate::lookup::services::Services;

/// Where the key goes in the path.
const KEY: &str = "{key}";

/// A table's way to its service.
#[derive(Debug)]
pub(in crate::lookup) struct HttpRows {
    service: Arc<Service>,
    before_key: Box<str>,
    after_key: Box<str>,
    projection: Projection,
}

impl HttpRows {
    /// `place` is the source's key in the configuration.
    pub(in crate::lookup) fn new(source: &HttpSource, services: &Services, place: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let service = service_of(&source.service, services, place).map_err(|problem| problems.push(problem));
        let parts = source.path.split_once(KEY).filter(|(_, after)| !after.contains(KEY));
        if parts.is_none() {
            let message = format!("`{}` must hold `{KEY}` once, such as `/lrn/{KEY}`", source.path);
            problems.push(Problem::new(format!("{place}.path"), message));
        }
        let projection = Projection::new(source.format, &source.field, &source.fields, place)
            .map_err(|found| problems.extend(found));
        let (Ok(service), Some((before_key, after_key)), Ok(projection)) = (service, parts, projection) else {
            return Err(problems);
        };
        if !matches!(service.client(), Client::Http(_)) {
            return Err(vec![service.client().is_not("HTTP", &source.service, place)]);
        }
        let rows = Self { service, before_key: before_key.into(), after_key: after_key.into(), projection };
        // A path that cannot be sent shows itself now, not at the first call.
        rows.prepare("0").map_err(|error| vec![Problem::new(format!("{place}.path"), error.to_string())])?;
        Ok(rows)
    }

    pub(in crate::lookup) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Refuses what cannot stay one segment of a path.
    pub(in crate::lookup) fn check(key: &str) -> Result<(), LookupError> {
        if matches!(key, "." | "..") { Err(LookupError::BadKey) } else { Ok(()) }
    }

    fn client(&self) -> Result<&HttpClient, ServiceError> {
        match self.service.client() {
            Client::Http(http) => Ok(http),
            _ => Err(self.service.failed("is no HTTP service")),
        }
    }

    fn prepare(&self, key: &str) -> Result<reqwest::Request, ServiceError> {
        let mut path = String::with_capacity(self.before_key.len() + 3 * key.len() + self.after_key.len());
        path.push_str(&self.before_key);
        key::percent_encode(key, &mut path).map_err(|error| ServiceError::BadRequest(error.to_string().into()))?;
        path.push_str(&self.after_key);
        self.client()?.prepare(Request { method: Method::Get, path, headers: Vec::new(), body: Vec::new() })
    }

    /// The row under a key, and whether the answer speaks for the service.
    pub(in crate::lookup) async fn load(&self, key: &str) -> Asked {
        let request = self.prepare(key)?;
        let response = self.client()?.exchange_hedged(request).await.map_err(|why| self.service.failed(&why))?;
        let row = self.row(&response);
        // A service that answers nonsense is as good as none.
        let well = is_healthy(response.status) && (row.is_ok() || !is_success(response.status));
        Ok((well, row.map(Given::from)))
    }

    fn row(&self, response: &Response) -> Result<Option<Row>, (Trouble, String)> {
        match response.status {
            204 | 404 => Ok(None),
            status if is_success(status) => self.projection.row(&response.body).map_err(|why| (Trouble::Nonsense, why)),
            status => Err((Trouble::Failed, format!("status {status}"))),
        }
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

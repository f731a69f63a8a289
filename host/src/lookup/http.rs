//! Rows from an HTTP service: the request for a key, and the row in the answer.

use std::sync::Arc;

use super::error::{LookupError, Problem, ServiceError};
use super::key;
use super::projection::Projection;
use super::row::Row;
use super::service::{Admission, Method, Request, Response, Service, is_healthy};
use super::services::Services;
use crate::config::model::HttpSource;

/// Where the key goes in the path.
const KEY: &str = "{key}";

/// A table's way to its service.
#[derive(Debug)]
pub(super) struct HttpRows {
    service: Arc<Service>,
    before_key: Box<str>,
    after_key: Box<str>,
    projection: Projection,
}

impl HttpRows {
    /// `place` is the source's key in the configuration.
    pub(super) fn new(source: &HttpSource, services: &Services, place: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let service = services.get(&source.service);
        if service.is_none() {
            let mut names: Vec<_> = services.names().map(|name| format!("`{name}`")).collect();
            names.sort();
            let known = if names.is_empty() { "there is none".to_owned() } else { names.join(", ") };
            let message = format!("`{}` is not a usable service of `[services]`; usable: {known}", source.service);
            problems.push(Problem::new(format!("{place}.service"), message));
        }
        let parts = source.path.split_once(KEY).filter(|(_, after)| !after.contains(KEY));
        if parts.is_none() {
            let message = format!("`{}` must hold `{KEY}` once, such as `/lrn/{KEY}`", source.path);
            problems.push(Problem::new(format!("{place}.path"), message));
        }
        let projection = Projection::new(source, place).map_err(|found| problems.extend(found));
        let (Some(service), Some((before_key, after_key)), Ok(projection)) = (service, parts, projection) else {
            return Err(problems);
        };
        let rows = Self {
            service: Arc::clone(service),
            before_key: before_key.into(),
            after_key: after_key.into(),
            projection,
        };
        // A path that cannot be sent shows itself now, not at the first call.
        rows.prepare("0").map_err(|error| vec![Problem::new(format!("{place}.path"), error.to_string())])?;
        Ok(rows)
    }

    pub(super) fn service(&self) -> &Service {
        &self.service
    }

    /// The request for a key.
    pub(super) fn request(&self, key: &str) -> Result<reqwest::Request, LookupError> {
        self.prepare(key).map_err(|_| LookupError::BadKey)
    }

    fn prepare(&self, key: &str) -> Result<reqwest::Request, ServiceError> {
        let mut path = String::with_capacity(self.before_key.len() + 3 * key.len() + self.after_key.len());
        path.push_str(&self.before_key);
        key::percent_encode(key, &mut path).map_err(|error| ServiceError::BadRequest(error.to_string().into()))?;
        path.push_str(&self.after_key);
        self.service.prepare(Request { method: Method::Get, path, headers: Vec::new(), body: Vec::new() })
    }

    /// The row of the key that `request` asks for; `None` where the service has none.
    pub(super) async fn load(
        &self,
        admission: Admission,
        request: reqwest::Request,
    ) -> Result<Option<Row>, LookupError> {
        let read = |response: Response| {
            let row = self.row(&response);
            // A service that answers nonsense is as good as none.
            (is_healthy(response.status) && (row.is_ok() || !is_success(response.status)), row)
        };
        match self.service.send(admission, request, read).await {
            Ok(Ok(row)) => Ok(row),
            Ok(Err(why)) => Err(unavailable(self.service.unavailable(&why))),
            Err(error) => Err(unavailable(error)),
        }
    }

    fn row(&self, response: &Response) -> Result<Option<Row>, String> {
        match response.status {
            204 | 404 => Ok(None),
            status if is_success(status) => self.projection.row(&response.body),
            status => Err(format!("status {status}")),
        }
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

pub(super) fn unavailable(error: ServiceError) -> LookupError {
    match error {
        ServiceError::Deadline => LookupError::Deadline,
        ServiceError::Unavailable(why) | ServiceError::BadRequest(why) => LookupError::Unavailable(why),
        ServiceError::UnknownService => LookupError::Unavailable("no such service".into()),
    }
}

//! Rows from Memcached: a text or a JSON object under a key.

use std::sync::Arc;

use super::template::Template;
use super::{Asked, Given, service_of};
use crate::config::model::MemcachedSource;
use crate::lookup::client::LONGEST_KEY;
use crate::lookup::error::{LookupError, Problem, Trouble};
use crate::lookup::projection::Projection;
use crate::lookup::service::{Client, Service};
use crate::lookup::services::Services;

/// A table's way to its Memcached.
#[derive(Debug)]
pub(in crate::lookup) struct MemcachedRows {
    service: Arc<Service>,
    key: Template,
    projection: Projection,
}

impl MemcachedRows {
    /// `place` is the source's key in the configuration.
    pub(in crate::lookup) fn new(
        source: &MemcachedSource,
        services: &Services,
        place: &str,
    ) -> Result<Self, Vec<Problem>> {
        let service = service_of(&source.service, services, place).map_err(|problem| vec![problem])?;
        if !matches!(service.client(), Client::Memcached(_)) {
            return Err(vec![service.client().is_not("Memcached", &source.service, place)]);
        }
        Ok(Self {
            service,
            key: Template::new(&source.key, &format!("{place}.key")).map_err(|problem| vec![problem])?,
            projection: Projection::new(source.format, &source.field, &source.fields, place)?,
        })
    }

    pub(in crate::lookup) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Blanks and line ends would be another command.
    pub(in crate::lookup) fn check(&self, key: &str) -> Result<(), LookupError> {
        let fine = self.key.length() + key.len() <= LONGEST_KEY && key.bytes().all(|byte| byte > b' ' && byte != 0x7f);
        if fine { Ok(()) } else { Err(LookupError::BadKey) }
    }

    pub(in crate::lookup) async fn load(&self, key: &str) -> Asked {
        let Client::Memcached(client) = self.service.client() else {
            return Err(self.service.failed("is no Memcached"));
        };
        let value = client.get(&self.key.fill(key)).await.map_err(|why| self.service.failed(&why))?;
        let row = value.map_or(Ok(None), |value| self.projection.row(&value));
        Ok((row.is_ok(), row.map(Given::from).map_err(|why| (Trouble::Nonsense, why))))
    }
}

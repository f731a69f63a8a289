//! Rows from Redis: a text or a JSON object under a key, or a hash.

use std::collections::HashMap;
use std::sync::Arc;

use redis::Cmd;

use super::template::Template;
use super::{Asked, Given, service_of};
use crate::config::model::{BodyFormat, RedisFormat, RedisSource};
use crate::lookup::client::RedisClient;
use crate::lookup::error::{Problem, ServiceError, Trouble};
use crate::lookup::projection::Projection;
use crate::lookup::service::{Client, Service};
use crate::lookup::services::Services;

/// A table's way to its Redis.
#[derive(Debug)]
pub(in crate::lookup) struct RedisRows {
    service: Arc<Service>,
    key: Template,
    hash: bool,
    projection: Projection,
}

impl RedisRows {
    /// `place` is the source's key in the configuration.
    pub(in crate::lookup) fn new(source: &RedisSource, services: &Services, place: &str) -> Result<Self, Vec<Problem>> {
        let service = service_of(&source.service, services, place).map_err(|problem| vec![problem])?;
        if !matches!(service.client(), Client::Redis(_)) {
            return Err(vec![service.client().is_not("Redis", &source.service, place)]);
        }
        let format = if source.format == RedisFormat::Text { BodyFormat::Text } else { BodyFormat::Json };
        Ok(Self {
            service,
            key: Template::new(&source.key, &format!("{place}.key")).map_err(|problem| vec![problem])?,
            hash: source.format == RedisFormat::Hash,
            projection: Projection::new(format, &source.field, &source.fields, place)?,
        })
    }

    pub(in crate::lookup) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    pub(in crate::lookup) async fn load(&self, key: &str) -> Asked {
        let key = self.key.fill(key);
        let failed = |why: String| self.service.failed(&why);
        let row = if self.hash {
            let fields: HashMap<String, String> = self.client()?.ask(&Cmd::hgetall(key)).await.map_err(failed)?;
            if fields.is_empty() {
                Ok(None)
            } else {
                let members = fields.into_iter().map(|(name, text)| (name, text.into())).collect();
                self.projection.json(&serde_json::Value::Object(members)).map(Some)
            }
        } else {
            let value: Option<Vec<u8>> = self.client()?.ask(&Cmd::get(key)).await.map_err(failed)?;
            value.map_or(Ok(None), |value| self.projection.row(&value))
        };
        Ok((row.is_ok(), row.map(Given::from).map_err(|why| (Trouble::Nonsense, why))))
    }

    fn client(&self) -> Result<&RedisClient, ServiceError> {
        match self.service.client() {
            Client::Redis(redis) => Ok(redis),
            _ => Err(self.service.failed("is no Redis")),
        }
    }
}

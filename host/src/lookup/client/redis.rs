//! Redis: one connection for all, made anew when it breaks. Requests on it do not wait for one another's answers, and
//! one that is given up loses nobody else's.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Cmd, FromRedisValue, Pipeline};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::runtime::Handle;

use crate::config::model;
use crate::lookup::error::Problem;

/// The client of one service. A clone shares the connection.
#[derive(Clone)]
pub(in crate::lookup) struct RedisClient {
    client: redis::Client,
    connection: ConnectionManager,
}

impl RedisClient {
    /// Connects with the first request. `name` is the service's.
    /// Relative paths count from `folder`.
    pub(in crate::lookup) fn new(
        name: &str,
        config: &model::Service,
        folder: &Path,
        office: &Handle,
    ) -> Result<Self, Vec<Problem>> {
        let problem = |error: redis::RedisError| {
            // Not the value: it may hold a password.
            let message = format!("no Redis URL ({error}), such as `redis://127.0.0.1:6379/0`");
            vec![Problem::new(format!("services.{name}.url"), message)]
        };
        let client = if config.url.starts_with("rediss:") {
            // An error means that another part installed a provider first: as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let certificates = certificates(config.tls.as_ref(), folder)
                .map_err(|(key, why)| vec![Problem::new(format!("services.{name}.tls.{key}"), why)])?;
            redis::Client::build_with_tls(config.url.as_str(), certificates).map_err(|error| {
                // Each is right by itself: they do not go together, unless it is the URL.
                if redis::Client::open(config.url.as_str()).is_err() {
                    return problem(error);
                }
                vec![Problem::new(format!("services.{name}.tls"), format!("cannot be used: {error}"))]
            })?
        } else {
            redis::Client::open(config.url.as_str()).map_err(problem)?
        };
        let deadline = config.deadline.get();
        let settings = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(deadline))
            // The gate before us cuts earlier; this one ends what nobody waits for any more.
            .set_response_timeout(Some(config.patience() * 2))
            .set_number_of_retries(0)
            .set_min_delay(Duration::from_millis(10));
        let _runtime = office.enter();
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), settings).map_err(problem)?;
        Ok(Self { client, connection })
    }

    /// The error is the rest of a sentence that names the service.
    pub(in crate::lookup) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, String> {
        command.query_async(&mut self.connection.clone()).await.map_err(|error| error.to_string())
    }

    /// As [`RedisClient::ask`], for many commands in one round trip.
    pub(in crate::lookup) async fn ask_all<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, String> {
        commands.query_async(&mut self.connection.clone()).await.map_err(|error| error.to_string())
    }

    /// A connection of its own, for commands that wait: nobody else's may wait behind them.
    pub(in crate::lookup) async fn apart(
        &self,
        timeout: Duration,
    ) -> Result<redis::aio::MultiplexedConnection, String> {
        let settings = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout));
        self.client.get_multiplexed_async_connection_with_config(&settings).await.map_err(|error| error.to_string())
    }
}

/// Those of the configuration; without, the authorities of the system. The error is a key of `tls` and what is wrong with
/// its file.
fn certificates(tls: Option<&model::PeerTls>, folder: &Path) -> Result<redis::TlsCertificates, (&'static str, String)> {
    let read = |key: &'static str, path: &Option<PathBuf>| {
        let bytes = path.as_ref().map(|path| std::fs::read(folder.join(path))).transpose();
        bytes.map_err(|error| {
            (key, format!("cannot be read: {error}; a relative path counts from the configuration's folder"))
        })
    };
    let Some(tls) = tls else { return Ok(redis::TlsCertificates { client_tls: None, root_cert: None }) };
    let (ca, certificate, key) = (read("ca", &tls.ca)?, read("certificate", &tls.certificate)?, read("key", &tls.key)?);
    for (name, pem) in [("ca", &ca), ("certificate", &certificate)] {
        if pem.as_deref().is_some_and(|pem| !holds_certificates(pem)) {
            return Err((
                name,
                "is no PEM file with certificates: each begins with `-----BEGIN CERTIFICATE-----`".into(),
            ));
        }
    }
    if key.as_deref().is_some_and(|pem| PrivateKeyDer::from_pem_slice(pem).is_err()) {
        return Err(("key", "is no PEM file with a private key: it begins with `-----BEGIN PRIVATE KEY-----`".into()));
    }
    let own = certificate.zip(key);
    Ok(redis::TlsCertificates {
        client_tls: own.map(|(client_cert, client_key)| redis::ClientTlsConfig { client_cert, client_key }),
        root_cert: ca,
    })
}

fn holds_certificates(pem: &[u8]) -> bool {
    let mut certificates = CertificateDer::pem_slice_iter(pem).peekable();
    certificates.peek().is_some() && certificates.all(|certificate| certificate.is_ok())
}

impl fmt::Debug for RedisClient {
    /// Without the URL: it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisClient")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key that a faulty service is told under.
    fn told(url: &str, tls: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("text.pem"), "no certificate").expect("a file");
        let config = toml::from_str(&format!("url = \"{url}\"\ntls = {{ {tls} }}")).expect("a service");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let made = RedisClient::new("r", &config, folder.path(), runtime.handle());
        made.expect_err("a fault").iter().map(|problem| problem.place.clone()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_certificate_that_is_none_is_told_under_its_own_key_and_a_faulty_url_under_its_own() {
        let url = "rediss://127.0.0.1:6379/0";
        assert_eq!(told(url, "ca = \"missing.pem\""), "services.r.tls.ca");
        assert_eq!(told(url, "ca = \"text.pem\""), "services.r.tls.ca");
        let own = "certificate = \"text.pem\", key = \"text.pem\"";
        assert_eq!(told(url, own), "services.r.tls.certificate");
        assert_eq!(told("rediss://127.0.0.1:port/0", ""), "services.r.url");
    }
}

//! Certificates and keys from files.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::config::model::{Config, TlsListener};

/// What the files of one configuration held when they were read.
#[derive(Debug, Default)]
pub struct Certificates {
    /// For each of `listen.tls`.
    pub(super) servers: Vec<Arc<ServerConfig>>,
    /// For connections of ours; none where the node has no TLS listener, whose address they would carry in Via.
    pub(super) client: Option<Arc<ClientConfig>>,
}

impl Certificates {
    /// Reads the files; relative paths count from `folder`. May take milliseconds: not for a thread that carries calls.
    ///
    /// # Errors
    ///
    /// Every key of the configuration whose file is not what it should be, a line each.
    pub fn load(config: &Config, folder: &Path) -> Result<Self, Vec<String>> {
        let listeners = &config.listen.tls;
        if listeners.is_empty() {
            return Ok(Self::default());
        }
        let mut problems = Vec::new();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut servers = Vec::with_capacity(listeners.len());
        for (index, listener) in listeners.iter().enumerate() {
            match server(listener, folder, &provider) {
                Ok(server) => servers.push(Arc::new(server)),
                Err((key, why)) => problems.push(format!("listen.tls[{index}].{key}: {why}")),
            }
        }
        let client = client(config, folder, provider).map_err(|(key, why)| problems.push(format!("tls.{key}: {why}")));
        if problems.is_empty() { Ok(Self { servers, client: client.ok().map(Arc::new) }) } else { Err(problems) }
    }
}

/// The key that is wrong, and why.
type Fault = (&'static str, String);

fn server(listener: &TlsListener, folder: &Path, provider: &Arc<CryptoProvider>) -> Result<ServerConfig, Fault> {
    let chain = chain("certificate", &folder.join(&listener.certificate))?;
    let key = key("key", &folder.join(&listener.key))?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| ("certificate", error.to_string()))?;
    let builder = match &listener.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = roots("client-ca", &folder.join(path))?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| ("client-ca", error.to_string()))?)
        }
    };
    builder.with_single_cert(chain, key).map_err(|error| ("key", format!("does not fit the certificate: {error}")))
}

fn client(config: &Config, folder: &Path, provider: Arc<CryptoProvider>) -> Result<ClientConfig, Fault> {
    let roots = match &config.tls.ca {
        Some(path) => roots("ca", &folder.join(path))?,
        None => system_roots(),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ("ca", error.to_string()))?
        .with_root_certificates(roots);
    match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(path)) => {
            let chain = chain("certificate", &folder.join(certificate))?;
            builder
                .with_client_auth_cert(chain, key("key", &folder.join(path))?)
                .map_err(|error| ("key", format!("does not fit the certificate: {error}")))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// What the system trusts. Files that cannot be read are left out: without them, a gateway's certificate is refused.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn chain(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let chain: Vec<_> = read.map_err(|error| unreadable(key, path, error))?;
    if chain.is_empty() { Err(unreadable(key, path, "it holds no PEM certificate")) } else { Ok(chain) }
}

fn key(key: &'static str, path: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable(key, path, error))
}

fn roots(key: &'static str, path: &Path) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(key, path)? {
        roots.add(certificate).map_err(|error| unreadable(key, path, error))?;
    }
    Ok(roots)
}

fn unreadable(key: &'static str, path: &Path, why: impl Display) -> Fault {
    (key, format!("`{}` cannot be used: {why}; a PEM file is wanted", path.display()))
}

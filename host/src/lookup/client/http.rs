//! HTTP: one request, its answer whole and bounded, to no other address than the operator's.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use reqwest::{Client, ClientBuilder, Url};

use super::resolve::Resolver;
use crate::config::model;
use crate::locate::Names;
use crate::lookup::error::{Problem, ServiceError};

/// Bytes of a request's body.
const LONGEST_REQUEST: usize = 64 << 10;
/// Bytes of a response's body.
const LONGEST_RESPONSE: usize = 256 << 10;

/// What to do with the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
}

/// A request to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query, appended to the service's URL. Begins with `/`.
    pub path: String,
    /// Names and values. What the service's own `headers` name, they cannot change.
    pub headers: Vec<(String, String)>,
    /// At most 64 KiB.
    pub body: Vec<u8>,
}

/// A service's answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// At most 256 KiB.
    pub body: Vec<u8>,
}

/// The client of one service.
#[derive(Debug)]
pub(in crate::lookup) struct HttpClient {
    client: Client,
    base: Url,
    headers: HeaderMap,
    hedge: Option<Duration>,
    names: Arc<Names>,
}

impl HttpClient {
    /// `name` is the service's; `names` know where hosts are.
    pub(in crate::lookup) fn new(
        name: &str,
        config: &model::Service,
        names: &Arc<Names>,
    ) -> Result<Self, Vec<Problem>> {
        let place = |key: &str| format!("services.{name}.{key}");
        let mut problems = Vec::new();
        let base = base_url(&config.url).map_err(|message| problems.push(Problem::new(place("url"), message)));
        let headers = headers(config.headers.iter()).map_err(|name| {
            // Not the value: it may be a credential.
            let message = "not a header that HTTP allows; a value is visible ASCII on one line";
            problems.push(Problem::new(place(&format!("headers.{name}")), message));
        });
        let (Ok(base), Ok(headers)) = (base, headers) else { return Err(problems) };
        let client = client(&base, config, names)
            .map_err(|error| vec![Problem::new(place("url"), format!("no HTTP client: {}", cause(&error)))])?;
        Ok(Self {
            client,
            base,
            headers,
            hedge: config.hedge.map(crate::config::units::TimeSpan::get),
            names: Arc::clone(names),
        })
    }

    /// Whether it finds its host by these: one at an address needs none.
    pub(in crate::lookup) fn goes_by(&self, names: &Arc<Names>) -> bool {
        self.base.domain().is_none() || Arc::ptr_eq(&self.names, names)
    }

    /// The request that [`HttpClient::exchange`] sends.
    pub(in crate::lookup) fn prepare(&self, request: Request) -> Result<reqwest::Request, ServiceError> {
        let bad = |why: String| ServiceError::BadRequest(why.into());
        if request.body.len() > LONGEST_REQUEST {
            return Err(bad(format!("the body has {} bytes; at most {LONGEST_REQUEST}", request.body.len())));
        }
        let url = self.url(&request.path)?;
        let mut headers = headers(request.headers.iter().map(|(name, value)| (name, value)))
            .map_err(|name| bad(format!("`{name}` is not a header that HTTP allows")))?;
        // The operator's credentials stand above what a plugin sets.
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let mut prepared = reqwest::Request::new(method, url);
        *prepared.headers_mut() = headers;
        if !request.body.is_empty() || request.method == Method::Post {
            *prepared.body_mut() = Some(request.body.into());
        }
        Ok(prepared)
    }

    /// As [`HttpClient::exchange`], and once more where no answer has come after the hedge: the first good one counts.
    pub(in crate::lookup) async fn exchange_hedged(&self, request: reqwest::Request) -> Result<Response, String> {
        let second = self.hedge.zip(request.try_clone());
        let first = self.exchange(request);
        let Some((hedge, second)) = second else { return first.await };
        let second = async {
            tokio::time::sleep(hedge).await;
            self.exchange(second).await
        };
        tokio::pin!(first, second);
        tokio::select! {
            answer = &mut first => if answer.is_ok() { answer } else { second.await },
            answer = &mut second => if answer.is_ok() { answer } else { first.await },
        }
    }

    /// Sends it and reads the answer whole. The error is the rest of a sentence that names the service.
    pub(in crate::lookup) async fn exchange(&self, request: reqwest::Request) -> Result<Response, String> {
        let failed = |error: reqwest::Error| cause(&error);
        let mut response = self.client.execute(request).await.map_err(failed)?;
        let too_long = || "the answer is longer than 256 KiB".to_owned();
        let announced = response.content_length().unwrap_or(0);
        if announced > LONGEST_RESPONSE as u64 {
            return Err(too_long());
        }
        let mut body = Vec::with_capacity(announced as usize);
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > LONGEST_RESPONSE {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status: response.status().as_u16(), body })
    }

    /// The path cannot lead out of the service's own: whoever gives a plugin `http://host/v1` gives it no `/admin`.
    fn url(&self, path: &str) -> Result<Url, ServiceError> {
        let bad = |why: &str| ServiceError::BadRequest(format!("path `{path}`: {why}").into());
        if !path.starts_with('/') {
            return Err(bad("must begin with `/`"));
        }
        if path.bytes().any(|byte| byte <= b' ' || byte >= 0x7f || byte == b'\\' || byte == b'#') {
            return Err(bad("holds a character that must be percent-encoded"));
        }
        let base = self.base.as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{base}{path}")).map_err(|_| bad("no URL can hold it"))?;
        let own = self.base.path().trim_end_matches('/');
        let inside = url.path().strip_prefix(own).is_some_and(|rest| rest.starts_with('/'));
        if inside { Ok(url) } else { Err(bad("leads out of the service's URL")) }
    }
}

/// Whether this status speaks for the service. A 4xx is about the request, but for "too many requests".
pub(crate) fn is_healthy(status: u16) -> bool {
    status < 500 && status != 429
}

fn base_url(text: &str) -> Result<Url, String> {
    let example = "write the base of the service, such as `http://127.0.0.1:8099/v1`";
    let url = Url::parse(text).map_err(|error| format!("`{text}` is not a URL ({error}); {example}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("`{text}` is neither http nor https; {example}"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("`{text}` has a query or a fragment; those belong to the path of a table; {example}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials belong in `headers`, as `authorization`".to_owned());
    }
    Ok(url)
}

/// The error is the name that is wrong, or whose value is. What HTTP itself owns is refused too.
fn headers<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        let parsed = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
        let owned = [CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE];
        match parsed {
            Some((name, value)) if !owned.contains(&name) => map.append(name, value),
            _ => return Err(name.clone()),
        };
    }
    Ok(map)
}

fn client(base: &Url, config: &model::Service, names: &Arc<Names>) -> reqwest::Result<Client> {
    http_client(base.scheme(), |builder| {
        let resolver = Arc::new(Resolver(Arc::clone(names)));
        let builder = builder.dns_resolver(resolver).pool_max_idle_per_host(config.max_concurrent);
        // With TLS the two sides agree on it by themselves.
        if config.http2 && base.scheme() == "http" { builder.http2_prior_knowledge() } else { builder }
    })
}

/// A client for URLs of this scheme: no proxy from the environment, no redirect to another address, no retry that hides
/// a failure from whoever counts it.
///
/// # Errors
/// The system's certificates cannot be read.
pub(crate) fn http_client(scheme: &str, more: impl FnOnce(ClientBuilder) -> ClientBuilder) -> reqwest::Result<Client> {
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tcp_nodelay(true)
        .user_agent(concat!("trunkline/", env!("CARGO_PKG_VERSION")));
    // An error means that another part installed a provider first: as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if scheme == "http" {
        // The default would read the system's certificates, and fail on a machine that has none.
        let no_roots = rustls::ClientConfig::builder()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        builder = builder.tls_backend_preconfigured(no_roots);
    }
    more(builder).build()
}

/// The innermost error: the outer ones tell the URL, which holds a number, and nothing of the cause.
fn cause(error: &reqwest::Error) -> String {
    let mut inner = error.source();
    while let Some(deeper) = inner.and_then(Error::source) {
        inner = Some(deeper);
    }
    inner.map_or_else(|| "the request failed".to_owned(), ToString::to_string)
}

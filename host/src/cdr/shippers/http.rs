//! A webhook as a store: batches of records by POST, signed.
//!
//! The body is a JSON array of records in their order. Of the same node the same numbers are always the same records, so
//! the numbers are the idempotency key. The signature is over the time and the body, so that a receiver can refuse what
//! somebody made up and what somebody caught and sends again later.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode, Url};
use sha2::Sha256;

use super::Sink;
use crate::cdr::cursor::hex;
use crate::cdr::record::CallRecord;
use crate::config::model;
use crate::lookup::http_client;

/// Names of header fields, in the order of HTTP/2: lower case.
const TIMESTAMP: &str = "trunkline-timestamp";
const SIGNATURE: &str = "trunkline-signature";
const IDEMPOTENCY: &str = "idempotency-key";

/// Bytes of a refusal that are shown to people.
const SHOWN: usize = 200;

/// Posts to one URL.
pub(in crate::cdr) struct HttpSink {
    client: Client,
    url: Url,
    headers: HeaderMap,
    secret: Vec<u8>,
    /// Records in a request, at most: halved when the receiver finds one too large.
    most: usize,
}

impl HttpSink {
    pub(super) fn new(config: &model::HttpStore) -> anyhow::Result<Self> {
        let url = Url::parse(&config.url).context("is no URL")?;
        let client = http_client(url.scheme(), |builder| builder.timeout(config.deadline.get()))
            .map_err(reqwest::Error::without_url)
            .context("no HTTP client")?;
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let pair = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
            // Not the value: it may be a credential.
            let (name, mut value) = pair.with_context(|| format!("`{name}` is not a header that HTTP allows"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Self { client, url, headers, secret: config.secret.clone().into_bytes(), most: config.batch.max(1) })
    }

    async fn post(&self, batch: &[CallRecord]) -> anyhow::Result<StatusCode> {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(StatusCode::OK) };
        let body = serde_json::to_vec(batch)?;
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).to_string();
        let (from, to) = (&first.key, &last.key);
        // A string of a structured field (RFC 8941 section 3.3.3).
        let key = format!("\"{}/{}/{}-{}/{}\"", from.node, from.epoch, from.sequence, to.epoch, to.sequence);
        let request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(IDEMPOTENCY, key)
            .header(SIGNATURE, signature(&self.secret, &timestamp, &body))
            .header(TIMESTAMP, timestamp)
            .body(body);
        let mut answer = request.send().await.map_err(reqwest::Error::without_url)?;
        let status = answer.status();
        if status.is_success() || (status == StatusCode::PAYLOAD_TOO_LARGE && batch.len() > 1) {
            return Ok(status);
        }
        let said = answer.chunk().await.ok().flatten().unwrap_or_default();
        let said = String::from_utf8_lossy(&said[..said.len().min(SHOWN)]).into_owned();
        bail!("answered {status}: {}", said.escape_debug());
    }
}

impl Sink for HttpSink {
    const BATCH: usize = 1_000;
    const LINGER: Duration = Duration::from_millis(250);

    async fn deliver(&mut self, batch: &[CallRecord]) -> anyhow::Result<()> {
        let mut rest = batch;
        while !rest.is_empty() {
            let (some, more) = rest.split_at(self.most.min(rest.len()));
            let status =
                self.post(some).await.with_context(|| format!("{} at {}", self.url.scheme(), place(&self.url)))?;
            if status == StatusCode::PAYLOAD_TOO_LARGE {
                self.most = some.len().div_ceil(2);
                tracing::warn!(receiver = place(&self.url), batch = self.most, "a batch was too large: halved");
                continue;
            }
            rest = more;
        }
        Ok(())
    }
}

/// `v1=` and the HMAC-SHA256 of the timestamp, a dot, and the body, in hexadecimal digits.
fn signature(secret: &[u8], timestamp: &str, body: &[u8]) -> String {
    // A key may have any length.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    let digest = mac.chain_update(timestamp).chain_update(".").chain_update(body).finalize().into_bytes();
    let mut text = String::with_capacity(3 + 2 * digest.len());
    text.push_str("v1=");
    for byte in digest {
        text.extend([hex(byte >> 4), hex(byte & 15)]);
    }
    text
}

/// The URL without what may be secret in it.
fn place(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_another_program_makes_of_the_same() {
        // printf '1790000000.[]' | openssl dgst -sha256 -hmac secret
        let expected = "v1=16784b8c6606eef6fe17ece5002d8ffd209349f51af00f325541f7010c348617";
        assert_eq!(signature(b"secret", "1790000000", b"[]"), expected);
    }

    #[test]
    fn the_place_tells_no_path_and_no_password() {
        let url = Url::parse("https://user:pass@billing.example/hook?token=1").unwrap();
        assert_eq!(place(&url), "billing.example:443");
    }
}

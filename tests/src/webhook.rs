//! A receiver of records or traces over HTTP that answers as real ones do: takes them, refuses, hangs, finds them too large.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use trunkline::cdr::record::CallRecord;

use crate::acceptor::Acceptor;

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// 200, and keeps what came.
    Takes,
    /// 503.
    Refuses,
    /// Not at all.
    Hangs,
    /// 200, and keeps what came, though as a collector it tells that it rejected a span (OTLP, "partial success"); its
    /// answer comes in two chunks.
    TakesInPart,
    /// 413 to more than so many records, else 200.
    TakesAtMost(usize),
}

/// A request that was answered 200.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Such as `POST /records HTTP/1.1`.
    pub request: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    /// As it came.
    pub body: Vec<u8>,
}

/// Listens on a loopback port. It ends when dropped.
#[derive(Debug)]
pub struct Webhook {
    acceptor: Acceptor,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    manner: Mutex<Manner>,
    requests: AtomicUsize,
    deliveries: Mutex<Vec<Delivery>>,
}

impl Webhook {
    /// Starts it; it takes what comes.
    pub fn start() -> Result<Self> {
        let state = Arc::new(State {
            manner: Mutex::new(Manner::Takes),
            requests: AtomicUsize::new(0),
            deliveries: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let acceptor = Acceptor::start(move |stream| {
            let _ended = shared.converse(stream);
        })?;
        Ok(Self { acceptor, state })
    }

    /// For the configuration.
    pub fn url(&self) -> String {
        format!("http://{}/records?source=trunkline", self.acceptor.address)
    }

    /// The same as an OpenTelemetry collector is configured: without a path.
    pub fn collector_url(&self) -> String {
        format!("http://{}", self.acceptor.address)
    }

    /// From now on it answers like this.
    pub fn answers(&self, manner: Manner) {
        *self.state.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// Requests so far, whatever became of them.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::Relaxed)
    }

    /// What was taken so far.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.state.deliveries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl State {
    fn converse(&self, mut stream: TcpStream) -> Option<()> {
        let delivery = read(&mut stream)?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let manner = *self.manner.lock().unwrap_or_else(PoisonError::into_inner);
        let status = match manner {
            Manner::Hangs => {
                // Until the other side gives up.
                let _ended = stream.read(&mut [0]);
                return None;
            }
            Manner::Refuses => "503 Service Unavailable",
            Manner::TakesAtMost(most) if delivery.records().ok()?.len() > most => "413 Content Too Large",
            Manner::Takes | Manner::TakesInPart | Manner::TakesAtMost(_) => {
                // Kept before it is confirmed, as a receiver should.
                self.deliveries.lock().unwrap_or_else(PoisonError::into_inner).push(delivery);
                "200 OK"
            }
        };
        if manner == Manner::TakesInPart {
            let (first, second) = (r#"{"partialSuccess":{"rejec"#, r#"tedSpans":"1","errorMessage":"too old"}}"#);
            return write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\
                 Connection: close\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
                first.len(),
                second.len(),
            )
            .ok();
        }
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()
    }
}

impl Delivery {
    /// What it brought.
    pub fn records(&self) -> Result<Vec<CallRecord>> {
        serde_json::from_slice(&self.body).context("the body is no array of records")
    }

    /// One of its header fields.
    pub fn header(&self, name: &str) -> Result<&str> {
        self.headers.get(name).map(String::as_str).with_context(|| format!("there is no `{name}`"))
    }

    /// What openssl makes of the same timestamp, body and secret.
    pub fn expected_signature(&self, secret: &str) -> Result<String> {
        let mut openssl = Command::new("openssl")
            .args(["dgst", "-sha256", "-hmac", secret])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("openssl")?;
        let mut input = openssl.stdin.take().context("openssl reads nothing")?;
        input.write_all(self.header("trunkline-timestamp")?.as_bytes())?;
        input.write_all(b".")?;
        input.write_all(&self.body)?;
        drop(input);
        let output = openssl.wait_with_output()?;
        ensure!(output.status.success(), "openssl failed");
        let text = String::from_utf8(output.stdout)?;
        Ok(format!("v1={}", text.split_ascii_whitespace().next_back().context("openssl said nothing")?))
    }
}

/// One request, whole.
fn read(stream: &mut TcpStream) -> Option<Delivery> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 16 << 10]);
    loop {
        let count = stream.read(&mut chunk).ok().filter(|&count| count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let headers: HashMap<String, String> = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length: usize = headers.get("content-length")?.parse().ok()?;
        if bytes.len() >= end + 4 + length {
            let request = head.lines().next().unwrap_or_default().to_owned();
            return Some(Delivery { request, headers, body: bytes[end + 4..end + 4 + length].to_vec() });
        }
    }
}

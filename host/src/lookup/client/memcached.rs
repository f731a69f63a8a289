//! Memcached, by its text protocol: `get` alone.
//!
//! Written by hand: the clients that there are share one connection whose answers go astray for good when a request is
//! cut at its deadline. Here a request has a connection to itself, and one that was cut is closed with it.

use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;

use crate::config::model;
use crate::lookup::error::Problem;

/// Bytes of a value.
const LONGEST_VALUE: usize = 256 << 10;
/// Bytes of a line of an answer: `VALUE`, a key of 250 bytes, two numbers.
const LONGEST_LINE: u64 = 512;
/// Bytes of a key, by the protocol.
pub(in crate::lookup) const LONGEST_KEY: usize = 250;

/// The client of one service.
#[derive(Debug)]
pub(in crate::lookup) struct MemcachedClient {
    /// Host and port.
    address: String,
    /// Connections that wait for a request; at most as many as there were requests at once.
    idle: Mutex<Vec<BufStream<TcpStream>>>,
    most_idle: usize,
}

impl MemcachedClient {
    /// `name` is the service's.
    pub(in crate::lookup) fn new(name: &str, config: &model::Service) -> Result<Self, Vec<Problem>> {
        let parsed = reqwest::Url::parse(&config.url).ok();
        let host =
            parsed.as_ref().and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port().unwrap_or(11_211))));
        let address = host.ok_or_else(|| {
            let message = "no address of Memcached, such as `memcached://127.0.0.1:11211`";
            vec![Problem::new(format!("services.{name}.url"), message)]
        })?;
        Ok(Self { address, idle: Mutex::default(), most_idle: config.max_concurrent })
    }

    /// The value under a key. The error is the rest of a sentence that names the service.
    pub(in crate::lookup) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        let waiting = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(stream) = waiting {
            // One that the server has closed meanwhile says nothing about the server.
            if let Ok(value) = self.exchange(stream, key).await {
                return Ok(value);
            }
        }
        let stream = TcpStream::connect(&self.address).await.map_err(|error| error.to_string())?;
        let _ = stream.set_nodelay(true);
        self.exchange(BufStream::new(stream), key).await
    }

    async fn exchange(&self, mut stream: BufStream<TcpStream>, key: &str) -> Result<Option<Vec<u8>>, String> {
        let value = get(&mut stream, key).await?;
        // The answer was read whole: the connection is as good as new.
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.most_idle {
            idle.push(stream);
        }
        Ok(value)
    }
}

async fn get(stream: &mut BufStream<TcpStream>, key: &str) -> Result<Option<Vec<u8>>, String> {
    let told = |error: std::io::Error| error.to_string();
    stream.write_all(format!("get {key}\r\n").as_bytes()).await.map_err(told)?;
    stream.flush().await.map_err(told)?;
    let head = line(stream).await?;
    if head == "END" {
        return Ok(None);
    }
    let length = head.strip_prefix("VALUE ").and_then(|rest| rest.split(' ').nth(2)?.parse::<usize>().ok());
    let length = length.ok_or_else(|| "the answer is not Memcached's".to_owned())?;
    if length > LONGEST_VALUE {
        return Err("the answer is longer than 256 KiB".to_owned());
    }
    let mut value = vec![0; length + 2];
    stream.read_exact(&mut value).await.map_err(told)?;
    value.truncate(length);
    if line(stream).await? != "END" {
        return Err("the answer is not Memcached's".to_owned());
    }
    Ok(Some(value))
}

async fn line(stream: &mut BufStream<TcpStream>) -> Result<String, String> {
    let mut line = Vec::new();
    stream.take(LONGEST_LINE).read_until(b'\n', &mut line).await.map_err(|error| error.to_string())?;
    let line =
        line.strip_suffix(b"\r\n").ok_or_else(|| "the connection broke, or speaks another protocol".to_owned())?;
    Ok(String::from_utf8_lossy(line).into_owned())
}

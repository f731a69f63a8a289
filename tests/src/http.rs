//! One HTTP request at a time, for the admin API.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// Sends one request without a body; returns the status code and the body.
pub fn request(address: SocketAddr, method: &str, path: &str) -> Result<(u16, String)> {
    request_with(address, method, path, &[])
}

/// Sends one request with this body; returns the status code and the answer's body.
pub fn request_with(address: SocketAddr, method: &str, path: &str, body: &[u8]) -> Result<(u16, String)> {
    let patience = Duration::from_secs(20);
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(body)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the admin API sent no whole answer")?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("the admin API sent no status")?;
    Ok((code, body.to_owned()))
}

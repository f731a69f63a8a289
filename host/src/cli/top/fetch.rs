//! One page of the admin API.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};

/// For connecting, and for each piece of the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A page with all its series is a few MB.
const MAX_PAGE: u64 = 64 << 20;

/// A node's admin API.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) address: SocketAddr,
    pub(super) token: Option<String>,
}

impl Source {
    /// The body of the answer, where it is 200. By HTTP/1.0, whose answers end with the connection.
    pub(super) fn get(&self, path: &str) -> anyhow::Result<String> {
        let address = self.address;
        let asked = || -> std::io::Result<Vec<u8>> {
            let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            let token = self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n"));
            write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n{}\r\n", token.unwrap_or_default())?;
            let mut answer = Vec::new();
            stream.take(MAX_PAGE).read_to_end(&mut answer)?;
            Ok(answer)
        };
        let answer = asked().with_context(|| format!("the admin API at {address} does not answer"))?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("{address} speaks no HTTP"))?;
        match head.split(' ').nth(1) {
            Some("200") => Ok(body.to_owned()),
            Some("401") => bail!("{address} wants a token: say -c FILE, or --token-file"),
            code => bail!("{address} answered {} to GET {path}", code.unwrap_or("nothing")),
        }
    }
}

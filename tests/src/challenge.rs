//! The far side of digest authentication (RFC 7616), by hashes that are none of the router's.

use std::fmt;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::phone::Message;

/// One challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    realm: String,
    nonce: String,
    /// `SHA-512-256`, `SHA-256` or `MD5`.
    pub algorithm: String,
}

impl Challenge {
    /// One of our own.
    pub fn of(realm: &str, algorithm: &str, nonce: &str) -> Self {
        Self { realm: realm.to_owned(), nonce: nonce.to_owned(), algorithm: algorithm.to_owned() }
    }

    /// From the value of a Proxy-Authenticate.
    ///
    /// # Errors
    /// When a part of it is missing.
    pub fn read(value: &str) -> Result<Self> {
        let part = |name| parameter(value, name).with_context(|| format!("no {name} in {value}"));
        Ok(Self { realm: part("realm")?, nonce: part("nonce")?, algorithm: part("algorithm")? })
    }

    /// The value of a Proxy-Authorization: with `qop=auth` and this nonce count.
    ///
    /// # Errors
    /// When openssl fails.
    pub fn answer(&self, user: &str, password: &str, method: &str, uri: &str, count: u32) -> Result<String> {
        let Self { realm, nonce, algorithm } = self;
        let (count, cnonce) = (format!("{count:08x}"), "0a4f113b");
        let response = self.response((user, password), method, uri, &count, cnonce)?;
        Ok(format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm={algorithm}, \
             qop=auth, nc={count}, cnonce=\"{cnonce}\", response=\"{response}\""
        ))
    }

    /// Whether a request has right credentials for it.
    ///
    /// # Errors
    /// When it has none, or openssl fails.
    pub fn is_answered(&self, request: &Message, user: &str, password: &str) -> Result<bool> {
        let value = request.header("Proxy-Authorization");
        let part = |name| parameter(value, name).with_context(|| format!("no {name} in {value}"));
        let (count, cnonce) = (part("nc")?, part("cnonce")?);
        let named = part("username")? == user && part("nonce")? == self.nonce && part("realm")? == self.realm;
        let expected = self.response((user, password), request.kind(), &part("uri")?, &count, &cnonce)?;
        Ok(named && part("response")? == expected)
    }

    /// RFC 7616 section 3.4.1.
    fn response(
        &self,
        (user, password): (&str, &str),
        method: &str,
        uri: &str,
        count: &str,
        cnonce: &str,
    ) -> Result<String> {
        let hash = |text: String| hash(&self.algorithm, &text);
        let secret = hash(format!("{user}:{}:{password}", self.realm))?;
        let request = hash(format!("{method}:{uri}"))?;
        hash(format!("{secret}:{}:{count}:{cnonce}:auth:{request}", self.nonce))
    }
}

impl fmt::Display for Challenge {
    /// As a header line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { realm, nonce, algorithm } = self;
        write!(
            f,
            "Proxy-Authenticate: Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\""
        )
    }
}

/// The value of `name=value` or `name="value"` in a list of such.
fn parameter(value: &str, name: &str) -> Option<String> {
    let list = value.strip_prefix("Digest ")?;
    let value = list.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_owned())
}

fn hash(algorithm: &str, text: &str) -> Result<String> {
    let name = match algorithm {
        "MD5" => "-md5",
        "SHA-256" => "-sha256",
        _ => "-sha512-256",
    };
    let mut openssl = Command::new("openssl")
        .args(["dgst", name, "-r"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("openssl")?;
    openssl.stdin.take().context("a pipe")?.write_all(text.as_bytes())?;
    let output = openssl.wait_with_output()?;
    ensure!(output.status.success(), "openssl dgst {name}: {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split_ascii_whitespace().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7616_comes_to_the_response_that_it_says() {
        for (algorithm, response) in [
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ] {
            let challenge =
                Challenge::of("http-auth@example.org", algorithm, "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v");
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let user = ("Mufasa", "Circle of Life");
            let got = challenge.response(user, "GET", "/dir/index.html", "00000001", cnonce).expect("openssl");
            assert_eq!(got, response, "{algorithm}");
        }
    }
}

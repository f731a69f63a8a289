//! A Redis of our own, from Debian's package, in a temporary folder and on a free port.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::pki::Certificate;
use crate::ports::free_tcp;
use crate::process::Process;

const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(10);

/// A private server that keeps nothing on disk. It ends when dropped.
#[derive(Debug)]
pub struct Redis {
    server: Option<Process>,
    folder: TempDir,
    address: SocketAddr,
    /// What it is started with beside what all are.
    more: Vec<String>,
}

impl Redis {
    /// Starts it and waits until it answers.
    pub fn start() -> Result<Self> {
        let folder = TempDir::with_prefix("trunkline-redis-").context("no temporary folder")?;
        let mut redis = Self { server: None, folder, address: free_tcp()?, more: Vec::new() };
        redis.resume()?;
        Ok(redis)
    }

    /// Starts one that speaks TLS too, with this certificate, to those whom this authority has signed. Where it does so,
    /// for the configuration.
    pub fn start_with_tls(own: &Certificate, authority: &Path) -> Result<(Self, String)> {
        let folder = TempDir::with_prefix("trunkline-redis-").context("no temporary folder")?;
        let (address, tls) = (free_tcp()?, free_tcp()?);
        let port = tls.port().to_string();
        let files =
            [("--tls-cert-file", &*own.certificate), ("--tls-key-file", &*own.key), ("--tls-ca-cert-file", authority)];
        let mut more = vec!["--tls-port".to_owned(), port.clone()];
        more.extend(files.iter().flat_map(|(key, file)| [(*key).to_owned(), file.display().to_string()]));
        let mut redis = Self { server: None, folder, address, more };
        redis.resume()?;
        Ok((redis, format!("rediss://localhost:{port}/")))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For the configuration.
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// One command by Redis's own client, as an operator would give it; the answer without its last line end.
    pub fn command(&self, words: &[&str]) -> Result<String> {
        let (host, port) = (self.address.ip().to_string(), self.address.port().to_string());
        let output = Command::new("timeout")
            .args(["10", "redis-cli", "-e", "-h", &host, "-p", &port])
            .args(words)
            .output()
            .context("redis-cli")?;
        let text = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        ensure!(output.status.success(), "redis-cli {words:?}: {text} {}", String::from_utf8_lossy(&output.stderr));
        Ok(text)
    }

    /// Stops its process where it stands: connections stay open and nothing answers.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on after [`Redis::freeze`].
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Kills it, as a crash would; connections are reset and its data is gone.
    pub fn kill(&mut self) -> Result<()> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        server.signal(Signal::SIGKILL)?;
        server.wait(STOP)?;
        Ok(())
    }

    /// Starts it again at the same address, empty.
    pub fn resume(&mut self) -> Result<()> {
        let (host, port) = (self.address.ip().to_string(), self.address.port().to_string());
        let mut server = Process::start(Path::new("redis-server"), self.folder.path().join("redis.log"), |command| {
            command
                .args(["--bind", &host, "--port", &port, "--save", "", "--appendonly", "no", "--daemonize", "no"])
                .arg("--dir")
                .arg(self.folder.path())
                .args(&self.more);
        })?;
        server.wait_until(START, |_| self.answers().unwrap_or(false))?;
        self.server = Some(server);
        Ok(())
    }

    fn answers(&self) -> Result<bool> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"+PONG\r\n")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        self.server.as_ref().context("Redis does not run")?.signal(signal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_until_it_is_killed_and_comes_back_empty() -> Result<()> {
        let mut redis = Redis::start()?;
        assert_eq!(redis.command(&["SET", "number", "12125550100"])?, "OK");
        assert_eq!(redis.command(&["GET", "number"])?, "12125550100");
        redis.kill()?;
        assert!(redis.command(&["GET", "number"]).is_err());
        redis.resume()?;
        assert_eq!(redis.command(&["GET", "number"])?, "");
        Ok(())
    }
}

//! `trunkline ledger` in a folder of its own: any number of processes of one configuration.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::http::request;
use crate::ports::free_tcp;
use crate::process::Process;
use crate::router::Router;

/// The configuration of a ledger: rate decks in CSV, one queue, one database.
#[derive(Debug)]
pub struct Ledger {
    folder: TempDir,
    admin: SocketAddr,
}

impl Ledger {
    /// Takes records from the queue `a` of this broker to this database. Every call is charged 0.0120 a minute in 30/6,
    /// and costs what the router recorded.
    pub fn new(broker: &str, database: &str) -> Result<Self> {
        Self::of_queue("a", broker, database)
    }

    /// As [`Ledger::new`], from another queue.
    pub fn of_queue(queue: &str, broker: &str, database: &str) -> Result<Self> {
        let folder = TempDir::with_prefix("trunkline-ledger-").context("no temporary folder")?;
        fs::write(folder.path().join("retail.csv"), "prefix,rate,increment\n1,0.0120,30/6\n")?;
        let admin = free_tcp()?;
        let config = format!(
            "[ledger]\namqp = {{ url = \"{broker}\", queue = \"{queue}\" }}\nsql = {{ url = \"{database}\" }}\nlease = \"1s\"\n\
             admin = \"{admin}\"\nbatch = 200\n[ledger.prices]\n\"*\" = \"retail\"\n[ledger.decks.retail]\n\
             versions = [{{ from = \"2026-01-01T00:00:00Z\", csv = \"retail.csv\" }}]\n"
        );
        // The machine's clock may stand anywhere.
        fs::write(folder.path().join("ledger.toml"), config.replace("2026-01-01", "2000-01-01"))?;
        Ok(Self { folder, admin })
    }

    /// Starts a process with its log in a file of this name.
    pub fn start(&self, name: &str) -> Result<Process> {
        let config = self.config();
        Process::start(&Router::program()?, self.folder.path().join(name), |command| {
            command.args(["ledger", "-c"]).arg(config);
        })
    }

    /// Starts a process and waits until it is the one that writes.
    pub fn start_primary(&self, name: &str) -> Result<Process> {
        let mut process = self.start(name)?;
        process.wait_until(Duration::from_secs(20), |process| process.output().contains("primary: this process"))?;
        Ok(process)
    }

    /// A sample of its metrics page; of whichever process of this configuration had the address first.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let (code, page) = request(self.admin, "GET", "/metrics")?;
        let line = page.lines().find(|line| line.starts_with(&format!("{name} ")));
        let sample = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
        sample.with_context(|| format!("no `{name}` ({code}) in:\n{page}"))
    }

    /// The configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("ledger.toml")
    }

    /// What `trunkline ledger status` says.
    pub fn status(&self) -> Result<String> {
        let config = self.config().display().to_string();
        run(&["ledger", "status", "-c", &config]).map(|(_, text)| text)
    }
}

/// Runs a command of the router to its end: its exit code and what it wrote to standard output.
///
/// # Errors
/// When it was killed.
pub fn run<S: AsRef<OsStr>>(words: &[S]) -> Result<(i32, String)> {
    let output = Command::new(Router::program()?).args(words).output().context("trunkline")?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    eprint!("{err}");
    Ok((output.status.code().context("trunkline was killed")?, out.into_owned()))
}

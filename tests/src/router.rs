//! A running router.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;
use trunkline::cdr::journal::slates;
use trunkline::cdr::record::CallRecord;

use crate::compiled;
use crate::http::request;
use crate::process::Process;
use crate::wait::until;

/// A first start compiles the plugins, on a machine where many tests run at once; one made from Python or JavaScript takes
/// ten seconds alone.
const START: Duration = Duration::from_mins(3);
/// From the end of a call to its record in a store.
const SHIPPING: Duration = Duration::from_secs(10);

/// `trunkline run` in a folder of its own. It is killed when dropped.
#[derive(Debug)]
pub struct Router {
    folder: TempDir,
    config: PathBuf,
    listen: Vec<SocketAddr>,
    admin: SocketAddr,
    /// Of the process, beside that of the tests.
    environment: Vec<(String, String)>,
    process: Process,
}

impl Router {
    pub(crate) fn start(
        folder: TempDir,
        config: PathBuf,
        listen: Vec<SocketAddr>,
        admin: SocketAddr,
        environment: Vec<(String, String)>,
    ) -> Result<Self> {
        let process = launch(folder.path(), &config, admin, &environment)?;
        Ok(Self { folder, config, listen, admin, environment, process })
    }

    /// The `trunkline` program that was built together with this one.
    ///
    /// # Errors
    /// When it is not there.
    pub fn program() -> Result<PathBuf> {
        let this = std::env::current_exe()?;
        this.ancestors()
            .skip(1)
            .take(2)
            .map(|folder| folder.join("trunkline"))
            .find(|program| program.is_file())
            .context("the router is not built: run the tests by `cargo xtask test`, or `cargo build` first")
    }

    /// Its first SIP address.
    pub fn sip(&self) -> SocketAddr {
        self.listen[0]
    }

    /// Where its admin API is.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its configuration's folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// One request to the admin API: the status code and the body.
    pub fn admin(&self, method: &str, path: &str) -> Result<(u16, String)> {
        request(self.admin, method, path)
    }

    /// One request with a body to the admin API; the answer is JSON.
    pub fn post(&self, path: &str, body: &[u8]) -> Result<(u16, serde_json::Value)> {
        let (code, answer) = crate::http::request_with(self.admin, "POST", path, body)?;
        Ok((code, serde_json::from_str(&answer).with_context(|| format!("no JSON: {answer}"))?))
    }

    /// The sum of all samples of a metric whose line begins with `name`.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let (code, text) = self.admin("GET", "/metrics")?;
        ensure!(code == 200, "GET /metrics was answered {code}");
        let lines = text.lines().filter(|line| line.starts_with(name));
        Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// Asks it to read its configuration again: the answer of `POST /v1/reload`.
    pub fn reload(&self) -> Result<(u16, String)> {
        self.admin("POST", "/v1/reload")
    }

    /// Puts another text in the place of a piece of its configuration.
    pub fn edit_config(&self, from: &str, to: &str) -> Result<()> {
        let text = fs::read_to_string(&self.config)?;
        ensure!(text.contains(from), "the configuration holds no `{from}`");
        Ok(fs::write(&self.config, text.replacen(from, to, 1))?)
    }

    /// The records in the file store so far, in the order of their sequence numbers.
    pub fn records(&self) -> Result<Vec<CallRecord>> {
        let mut records = Vec::new();
        let Ok(files) = fs::read_dir(self.folder().join("var/cdr")) else { return Ok(records) };
        for file in files {
            let path = file?.path();
            if path.extension().is_none_or(|extension| extension != "jsonl") {
                continue;
            }
            let text = fs::read_to_string(&path)?;
            // The last line may be half written.
            for line in text[..text.rfind('\n').unwrap_or(0)].lines() {
                records.push(serde_json::from_str(line).with_context(|| format!("not a record: {line}"))?);
            }
        }
        records.sort_by(|a: &CallRecord, b| a.key.cmp(&b.key));
        Ok(records)
    }

    /// Waits until the file store holds so many records; returns all.
    pub fn wait_for_records(&self, count: usize) -> Result<Vec<CallRecord>> {
        until(&format!("{count} records in the file store"), SHIPPING, || {
            let records = self.records()?;
            Ok((records.len() >= count).then_some(records))
        })
    }

    /// The record of one call, waited for.
    pub fn record_of(&self, call_id: &str) -> Result<CallRecord> {
        until(&format!("the record of {call_id}"), SHIPPING, || {
            Ok(self.records()?.into_iter().find(|record| record.call_id == call_id))
        })
        .with_context(|| format!("the router's log:\n{}", self.process.last_lines()))
    }

    /// Asks the SQLite store by its own program, as an operator would.
    pub fn sqlite(&self, query: &str) -> Result<String> {
        let file = self.folder().join("var/cdr.db");
        let output = Command::new("sqlite3").arg("-readonly").arg(file).arg(query).output().context("sqlite3")?;
        ensure!(output.status.success(), "sqlite3: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Waits until the SQLite store holds so many records, and checks that it holds no more.
    pub fn wait_for_rows(&self, count: usize) -> Result<()> {
        let seen = until(&format!("{count} records in SQLite"), SHIPPING, || {
            // Before the first record there is no table.
            let seen = self.sqlite("select count(*) from calls").map_or(0, |seen| seen.parse().unwrap_or(0));
            Ok((seen >= count).then_some(seen))
        })?;
        ensure!(seen == count, "SQLite holds {seen} records of {count} calls");
        Ok(())
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.process.output()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Kills it, as a power cut would, and starts it again with the same folder.
    pub fn crash_and_restart(&mut self) -> Result<()> {
        self.process.signal(Signal::SIGKILL)?;
        self.process.wait(Duration::from_secs(5))?;
        self.start_again()
    }

    /// Starts it again with the same folder after it has ended.
    pub fn start_again(&mut self) -> Result<()> {
        self.process = launch(self.folder.path(), &self.config, self.admin, &self.environment)?;
        Ok(())
    }

    /// SIGTERM, and waits for its end: calls and records drained.
    pub fn stop(&mut self) -> Result<()> {
        self.process.signal(Signal::SIGTERM)?;
        self.wait_for_end()
    }

    /// SIGTERM, and waits until it has begun to drain.
    pub fn drain(&self) -> Result<()> {
        self.process.signal(Signal::SIGTERM)?;
        until("the router to drain", SHIPPING, || {
            Ok(self.admin("GET", "/readyz").is_ok_and(|(code, _)| code == 503).then_some(()))
        })
    }

    /// SIGTERM twice, and waits for its end: calls in progress are not waited for.
    pub fn stop_at_once(&mut self) -> Result<()> {
        // Two signals at the same time are one.
        self.drain()?;
        self.process.signal(Signal::SIGTERM)?;
        self.wait_for_end()
    }

    /// Waits for its end after a signal.
    pub fn wait_for_end(&mut self) -> Result<()> {
        let status = self.process.wait(Duration::from_secs(20))?;
        if !status.success() {
            bail!("the router ended with {status} on SIGTERM:\n{}", self.process.last_lines());
        }
        Ok(())
    }
}

impl Drop for Router {
    /// A router that is killed leaves what it had not written in shared memory, for the next start, which never comes.
    fn drop(&mut self) {
        let _killed = self.process.signal(Signal::SIGKILL).and_then(|()| self.process.wait(Duration::from_secs(5)));
        let _removed = slates(&self.folder().join("var/journal")).map(fs::remove_dir_all);
    }
}

fn launch(folder: &Path, config: &Path, admin: SocketAddr, environment: &[(String, String)]) -> Result<Process> {
    let mut process = Process::start(&Router::program()?, folder.join("trunkline.log"), |command| {
        command.args(["run", "-c"]).arg(config).env("TRUNKLINE_PLUGINS", crate::plugins_folder().unwrap_or_default());
        command.envs(environment.iter().map(|(name, value)| (name, value)));
    })?;
    process.wait_until(START, |_| request(admin, "GET", "/readyz").is_ok_and(|(code, _)| code == 200))?;
    compiled::keep(folder)?;
    Ok(process)
}

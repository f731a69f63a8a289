//! A PostgreSQL cluster of our own, from Debian's packages, in a temporary folder and on a free port.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Gid, Pid, Uid, User};
use tempfile::TempDir;

use crate::ports::free_tcp;
use crate::process::{Process, tree};

const START: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(30);

/// The superuser of the cluster, and the database that is there.
const NAME: &str = "trunkline";

/// A private cluster that trusts whoever comes from this machine and does not wait for the disk. It ends when dropped.
#[derive(Debug)]
pub struct Postgres {
    server: Option<Process>,
    folder: TempDir,
    programs: PathBuf,
    address: SocketAddr,
    /// Further settings, as `name=value`.
    settings: Vec<String>,
}

impl Postgres {
    /// Makes the cluster, starts it and waits until it takes connections: some two seconds.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// As [`Postgres::start`], with further settings, as `name=value`.
    pub fn start_with(settings: &[&str]) -> Result<Self> {
        let folder = TempDir::with_prefix("trunkline-postgres-").context("no temporary folder")?;
        if let Some((user, group)) = servant()? {
            chown(folder.path(), Some(user.as_raw()), Some(group.as_raw())).context("the cluster's folder")?;
        }
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut postgres = Self { server: None, folder, programs: programs()?, address: free_tcp()?, settings };
        postgres.make()?;
        postgres.resume()?;
        postgres.query_in("postgres", &format!("create database {NAME}"))?;
        Ok(postgres)
    }

    /// For the configuration.
    pub fn url(&self) -> String {
        format!("postgres://{NAME}@{}/{NAME}", self.address)
    }

    /// Makes another database in the cluster; its URL.
    pub fn database(&self, name: &str) -> Result<String> {
        self.query_in("postgres", &format!("create database {name}"))?;
        Ok(format!("postgres://{NAME}@{}/{name}", self.address))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs SQL by PostgreSQL's own client, as an operator would. Rows are lines, their cells parted by `|`.
    pub fn query(&self, sql: &str) -> Result<String> {
        self.query_in(NAME, sql)
    }

    /// Stops it as an administrator would, cutting its connections; what was committed stays.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        server.signal(Signal::SIGINT)?;
        server.wait(STOP)?;
        Ok(())
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) -> Result<()> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        // SIGQUIT has it end its children and then itself, without a checkpoint.
        server.signal(Signal::SIGQUIT)?;
        server.wait(STOP)?;
        Ok(())
    }

    /// Stops its processes where they stand: connections stay open and nothing answers.
    pub fn freeze(&self) -> Result<()> {
        self.signal_all(Signal::SIGSTOP)
    }

    /// Lets them go on after [`Postgres::freeze`].
    pub fn thaw(&self) -> Result<()> {
        self.signal_all(Signal::SIGCONT)
    }

    /// Starts it again on the same cluster and at the same address.
    pub fn resume(&mut self) -> Result<()> {
        let port = self.address.port().to_string();
        let (program, mut words) = as_servant(&self.programs.join("postgres"))?;
        words.extend(["-D".into(), self.data().display().to_string(), "-p".into(), port]);
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "shared_buffers=16MB",
            "max_connections=50",
        ];
        let settings = settings.map(str::to_owned);
        words.extend(settings.iter().chain(&self.settings).flat_map(|setting| ["-c".to_owned(), setting.clone()]));
        let mut server = Process::start(&program, self.folder.path().join("postgres.log"), |command| {
            command.args(&words);
        })?;
        server.wait_until(START, |_| self.query_in("postgres", "select 1").is_ok())?;
        self.server = Some(server);
        Ok(())
    }

    fn make(&self) -> Result<()> {
        let (program, words) = as_servant(&self.programs.join("initdb"))?;
        let output = Command::new(program)
            .args(words)
            .args(["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "--username", NAME, "-D"])
            .arg(self.data())
            .output()
            .context("initdb")?;
        ensure!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// As [`Postgres::query`], in another database.
    pub fn query_in(&self, database: &str, sql: &str) -> Result<String> {
        let (host, port) = (self.address.ip().to_string(), self.address.port().to_string());
        let output = Command::new(self.programs.join("psql"))
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-U", NAME, "-h", &host, "-p", &port])
            .args(["-d", database, "-c", sql])
            .env("PGCONNECT_TIMEOUT", "10")
            .output()
            .context("psql")?;
        ensure!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }

    fn signal_all(&self, signal: Signal) -> Result<()> {
        let server = self.server.as_ref().context("PostgreSQL does not run")?;
        for id in tree(server.id()) {
            kill(Pid::from_raw(id.cast_signed()), signal).with_context(|| format!("cannot send {signal} to {id}"))?;
        }
        Ok(())
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

/// Debian keeps them out of the path, in a folder for each version: the newest.
fn programs() -> Result<PathBuf> {
    let all = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let version = |path: &PathBuf| path.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    all.filter(|path| path.join("postgres").is_file())
        .max_by_key(version)
        .context("PostgreSQL is not installed: `cargo xtask test` installs what is missing")
}

/// PostgreSQL refuses to run as root: who runs it then.
fn servant() -> Result<Option<(Uid, Gid)>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let user = ["postgres", "nobody"].iter().find_map(|name| User::from_name(name).ok().flatten());
    let user = user.context("there is neither a user `postgres` nor `nobody` to run PostgreSQL")?;
    Ok(Some((user.uid, user.gid)))
}

/// The command that runs `program` as [`servant`]. A change of user forgets the signal of [`Process`]: told again.
fn as_servant(program: &Path) -> Result<(PathBuf, Vec<String>)> {
    let Some((user, group)) = servant()? else { return Ok((program.to_owned(), Vec::new())) };
    let words = vec![
        format!("--reuid={user}"),
        format!("--regid={group}"),
        "--clear-groups".to_owned(),
        "--pdeathsig=QUIT".to_owned(),
        program.display().to_string(),
    ];
    Ok((PathBuf::from("setpriv"), words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_committed_is_there_after_a_restart() -> Result<()> {
        let mut postgres = Postgres::start()?;
        postgres.query("create table n (number text, name text); insert into n values ('1', 'ACME')")?;
        postgres.stop()?;
        assert!(postgres.query("select 1").is_err());
        postgres.resume()?;
        assert_eq!(postgres.query("select * from n")?, "1|ACME");
        Ok(())
    }
}

//! The router as a child process: what an operator would run, `trunkline run -c FILE`.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use super::scene::{CONFIG, Scene};

/// A first start compiles the plugins.
const START: Duration = Duration::from_mins(1);
/// From SIGTERM to the end of the process, calls and stores drained.
const STOP: Duration = Duration::from_secs(10);
/// Between two looks at whether it is ready.
const LOOK: Duration = Duration::from_millis(20);

/// A running router. It is killed when dropped.
pub(super) struct Router {
    child: Child,
    log: PathBuf,
}

impl Router {
    /// Starts it and waits until it says that it is ready.
    pub(super) async fn start(scene: &Scene) -> Result<Self> {
        let log = scene.file("trunkline.log");
        let output = File::create(&log).context("cannot write the router's log")?;
        let child = Command::new(std::env::current_exe()?)
            .args(["run", "-c"])
            .arg(scene.file(CONFIG))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the router")?;
        let mut router = Self { child, log };
        router.wait_until_ready(scene.admin).await?;
        Ok(router)
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Waits for it to end by itself.
    pub(super) async fn ended(&mut self) -> Result<std::process::ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// Whether it is still running; a router that is gone has crashed.
    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGTERM, then wait.
    pub(super) async fn stop(mut self) -> Result<()> {
        let id = self.child.id().context("the router had ended before it was told to")?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(id.cast_signed()), nix::sys::signal::Signal::SIGTERM)?;
        match timeout(STOP, self.child.wait()).await {
            Ok(status) if status.as_ref().is_ok_and(std::process::ExitStatus::success) => Ok(()),
            Ok(status) => {
                bail!("the router ended with {:?} on SIGTERM; its log ends:\n{}", status?.code(), self.last_lines())
            }
            Err(_) => bail!("the router did not end within {STOP:?} of SIGTERM; its log ends:\n{}", self.last_lines()),
        }
    }

    async fn wait_until_ready(&mut self, admin: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + START;
        while !is_ready(admin).await {
            if let Some(status) = self.child.try_wait()? {
                bail!("the router ended at once ({status}); its log:\n{}", self.last_lines());
            }
            if Instant::now() > deadline {
                bail!("the router was not ready after {START:?}; its log ends:\n{}", self.last_lines());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// The end of its log.
    pub(super) fn last_lines(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

async fn is_ready(admin: SocketAddr) -> bool {
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    let asked = timeout(Duration::from_secs(1), async {
        let mut stream = TcpStream::connect(admin).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    });
    matches!(asked.await, Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200 "))
}

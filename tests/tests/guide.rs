//! The plugin author's guide does what it says: every command in it is run, in order, in one shell, against a real
//! router.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use trunkline_tests::{Router, free_tcp, free_udp, plugins_folder, until};

/// The first build fetches a compiler and builds a standard library.
const ALL: Duration = Duration::from_mins(10);

/// A fenced block of the guide: what follows the fence, and what is in it.
struct Block<'a> {
    info: &'a str,
    text: String,
}

fn blocks(markdown: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in markdown.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some(Block { info, text: String::new() }),
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

#[test]
fn every_command_of_the_guide_works() -> Result<()> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let guide = repository.join("docs/plugin-guide.md");
    let guide = fs::read_to_string(&guide).with_context(|| format!("cannot read {}", guide.display()))?;
    let mut guide = guide.replace("~/trunkline/", &format!("{}/", repository.display()));
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    for (port, free) in [
        ("5060", free_udp(local)?.port()),
        ("5070", free_udp(local)?.port()),
        ("5062", free_udp(local)?.port()),
        ("9060", free_tcp()?.port()),
    ] {
        guide = guide
            .replace(&format!(":{port}"), &format!(":{free}"))
            .replace(&format!("-p {port}"), &format!("-p {free}"));
    }
    let folder = tempfile::TempDir::with_prefix("trunkline-guide-")?;
    let mut script = String::from("set -euxo pipefail\n");
    let mut commands = 0;
    for block in blocks(&guide) {
        if let Some((_, file)) = block.info.split_once(" file=") {
            fs::write(folder.path().join(file), &block.text)?;
        } else if block.info == "sh" {
            commands += block.text.lines().count();
            script.push_str(&block.text);
        }
    }
    ensure!(commands >= 20, "the guide has lost its commands: {commands} are left");
    fs::write(folder.path().join("guide.sh"), script)?;

    let program = Router::program()?;
    let beside = program.parent().context("the program lies in a folder")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([beside.to_owned()].into_iter().chain(std::env::split_paths(&path)))?;
    let log = folder.path().join("guide.log");
    let output = fs::File::create(&log)?;
    let mut shell = Command::new("bash")
        .arg("guide.sh")
        .current_dir(folder.path())
        .env("PATH", path)
        .env("TRUNKLINE_PLUGINS", plugins_folder()?)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        // A group of its own: what it left in the background ends with it.
        .process_group(0)
        .spawn()
        .context("cannot start bash")?;
    let group = Pid::from_raw(shell.id() as i32);
    let ended = until("the guide's end", ALL, || Ok(shell.try_wait()?));
    let _ = killpg(group, Signal::SIGKILL);
    let told = fs::read_to_string(&log).unwrap_or_default();
    let code = ended.with_context(|| told.clone())?;
    ensure!(
        code.success(),
        "{code}:\n{told}\n{}",
        fs::read_to_string(folder.path().join("router.log")).unwrap_or_default()
    );
    Ok(())
}

//! What the commands share: where things are, running a program, installing what is missing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, thread};

use anyhow::{Context as _, Result, bail};

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository")
}

/// Cargo's target folder: the one that this program was built into, however that was chosen.
pub(crate) fn target_dir() -> PathBuf {
    // Cargo marks it, and nothing below it.
    let marked = |folder: &&Path| folder.join("CACHEDIR.TAG").is_file();
    let built = env::current_exe().ok().and_then(|exe| exe.ancestors().find(marked).map(Path::to_owned));
    built.or_else(|| env::var_os("CARGO_TARGET_DIR").map(PathBuf::from)).unwrap_or_else(|| root().join("target"))
}

/// Tell the person what happens now.
pub(crate) fn say(message: impl AsRef<str>) {
    eprintln!("==> {}", message.as_ref());
}

/// Run a program to its end with its output in sight; its failure is an error that names it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", line(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// Run a program for at most so long; true when it ended well. Its output is not shown.
pub(crate) fn try_for(limit: Duration, command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    let (ended, end) = mpsc::channel::<()>();
    thread::scope(|scope| {
        // `wait` has no time limit of its own: the limit's thread kills what is too slow, and `wait` sees it end.
        let id = child.id().to_string();
        scope.spawn(move || {
            if end.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = Command::new("kill").args(["-KILL", &id]).status();
            }
        });
        let well = child.wait().is_ok_and(|status| status.success());
        drop(ended);
        well
    })
}

/// What a program writes to its standard output; `None` where it cannot be run or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a program is in PATH.
pub(crate) fn has(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// Install Debian packages, as root or through sudo; what for is said before.
pub(crate) fn apt_install(packages: &[&str], purpose: &str) -> Result<()> {
    let by_hand = format!("install them by hand: apt-get install {}", packages.join(" "));
    if !has("apt-get") {
        bail!("{purpose} needs {}, and this machine has no apt-get; {by_hand}", packages.join(", "));
    }
    say(format!("{purpose} needs {}: installing from Debian", packages.join(", ")));
    let root = output(Command::new("id").arg("-u")).is_some_and(|id| id == "0");
    if !root && !has("sudo") {
        bail!("installing needs root or sudo; {by_hand}");
    }
    let apt = |arguments: &[&str]| {
        let mut command = if root { Command::new("apt-get") } else { Command::new("sudo") };
        if !root {
            command.arg("apt-get");
        }
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut command)
    };
    let install = [&["install", "-y", "--no-install-recommends"], packages].concat();
    // Package lists are often absent or old in containers: fetch them when the first try fails.
    apt(&install).or_else(|_| apt(&["update"]).and_then(|()| apt(&install))).context(by_hand)
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_program_that_hangs_is_ended_at_its_limit() {
        let started = Instant::now();
        assert!(!try_for(Duration::from_millis(50), Command::new("sleep").arg("30")));
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_program_that_ends_in_time_tells_how() {
        assert!(try_for(Duration::from_secs(30), &mut Command::new("true")));
        assert!(!try_for(Duration::from_secs(30), &mut Command::new("false")));
        assert!(!try_for(Duration::from_secs(30), &mut Command::new("no-such-program-at-all")));
    }

    #[test]
    fn a_failing_program_is_named_in_the_error() {
        let error = run(Command::new("false").arg("--why")).unwrap_err().to_string();
        assert!(error.starts_with("false --why ended with"), "{error}");
    }
}

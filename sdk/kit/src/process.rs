//! Running programs, and what of it a person sees.

use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, thread};

use anyhow::{Context as _, Result, bail};

/// Run a program to its end with its output in sight.
///
/// # Errors
/// It cannot be started, or it failed: the error names it.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", line(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// Run a program to its end; what it writes is shown only where it fails, and then in the error.
///
/// # Errors
/// It cannot be started, or it failed.
pub fn quietly(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {}", line(command)))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{} ended with {}:\n{}", line(command), output.status, String::from_utf8_lossy(&said).trim());
    }
    Ok(())
}

/// Run a program for at most so long; true when it ended well. Its output is not shown.
pub fn try_for(limit: Duration, command: &mut Command) -> bool {
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
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a program is in PATH.
pub fn has(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
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

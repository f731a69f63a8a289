//! `trunkline plugin`: what someone who writes a plugin needs, from an empty folder to figures.

mod bed;
mod bench;
mod build;
mod check;
mod new;
mod test;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Start, build, check, test and measure a plugin.
#[derive(Debug, Args)]
#[command(after_help = "\
Example, from nothing to a component:
  trunkline plugin new --lang python vip
  trunkline plugin build vip
  trunkline plugin test vip/vip.wasm vip/calls.jsonl")]
pub struct Plugin {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(new::New),
    Build(build::Build),
    Check(check::Check),
    Test(test::Test),
    Bench(bench::Bench),
}

impl Plugin {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// Of the command.
    pub fn execute(&self) -> anyhow::Result<ExitCode> {
        match &self.command {
            Command::New(command) => command.execute().map(|()| ExitCode::SUCCESS),
            Command::Build(command) => command.execute().map(|()| ExitCode::SUCCESS),
            Command::Check(command) => command.execute(),
            Command::Test(command) => command.execute(),
            Command::Bench(command) => command.execute().map(|()| ExitCode::SUCCESS),
        }
    }
}

/// A count with its thousands apart: `12,179,384`.
fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn thousands_stand_apart() {
        for (count, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_179_384, "12,179,384")] {
            assert_eq!(thousands(count), text);
        }
    }
}

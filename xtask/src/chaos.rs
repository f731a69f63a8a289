//! `cargo xtask chaos`: calls while everything around them dies, for as long as wanted.

use anyhow::Result;

use crate::{plugins, setup, test, tools};

/// `cargo xtask chaos`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long calls are placed
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// The order of the faults; another one each time by default, which is printed
    #[arg(long)]
    seed: Option<u64>,
    /// Calls a second
    #[arg(long, default_value_t = 500)]
    rate: u32,
}

/// Run it; an error when a record is missing.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    tools::need(&test::PROGRAMS, "the chaos run (SIP clients, a broker, databases)")?;
    plugins::run(&plugins::Arguments::everything())?;
    setup::run(tools::cargo().args(["build", "--release", "--workspace"]))?;
    let mut command = tools::cargo();
    command
        .args(["test", "--release", "--workspace", "--test", "chaos", "--", "--nocapture"])
        .env("TRUNKLINE_CHAOS_SECONDS", (arguments.minutes * 60).to_string())
        .env("TRUNKLINE_CHAOS_RATE", arguments.rate.to_string());
    if let Some(seed) = arguments.seed {
        command.env("TRUNKLINE_CHAOS_SEED", seed.to_string());
    }
    setup::run(&mut command)
}

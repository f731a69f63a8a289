//! `cargo xtask demo`: builds all that the demo needs and runs it.

use std::process::Command;

use anyhow::Result;

use crate::{plugins, setup, tools};

/// `cargo xtask demo`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Leave the router and its stand-ins running until Ctrl-C, and print how to call it with SIPp
    #[arg(long)]
    keep: bool,
}

/// Build the plugins and the router, then run `trunkline demo`.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    plugins::run(&plugins::Arguments::default())?;
    setup::say("building the router (the first time takes minutes: it contains a WebAssembly compiler)");
    setup::run(tools::cargo().args(["build", "--release", "--workspace"]))?;
    let mut demo = Command::new(setup::target_dir().join("release/trunkline"));
    demo.arg("demo");
    if arguments.keep {
        demo.arg("--keep");
    }
    setup::run(&mut demo)
}

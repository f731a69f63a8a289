//! The project's own commands: `cargo xtask plugins`, and those that build on it.

mod plugins;
mod setup;

use clap::{Parser, Subcommand};

/// Build and try out Trunkline.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the Rust plugins to WebAssembly components
    Plugins(plugins::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Plugins(arguments) => plugins::run(&arguments),
    }
}

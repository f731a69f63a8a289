//! `trunkline explain`: a dry run of one call through its customer's pipeline.

mod beside;
mod invite;
pub mod report;
pub mod stage;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::ConfigFile;
use crate::config::Loaded;
use crate::node::{self, Plant};
use crate::plugin::recorded::RecordedCall;
use crate::routing::{Cancel, NewCall, Router, Trace};
use crate::sip::flow::{Flow, Transport};
use crate::sip::message::Message;
use invite::Invite;
use report::Explained;

/// How long tables that are read from a database are waited for.
const DATABASE: Duration = Duration::from_secs(10);

/// Run the stages on a call that is not placed, and show what each of them did.
///
/// Builds an INVITE, finds its customer by the source address, runs the customer's pipeline on the real components
/// and tables, and shows for each stage its input, every question to the host with its answer (of a lookup: where it
/// came from and how old it was), its outcome, time and fuel, what its configured shadow would have answered, and then
/// the routes that would be tried. Nothing is sent to any gateway; tables and services are asked as for a real call, with
/// empty caches.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  trunkline explain -c trunkline.toml --source 192.0.2.10 --from 12125550100 --to 13105550199
  trunkline explain -c trunkline.toml --source 192.0.2.10 --from 12125550100 --to '13105550199;npdi;rn=13105550000' \\
      --header 'Privacy: id' --json")]
pub struct Explain {
    #[command(flatten)]
    config: ConfigFile,
    /// The address that the call comes from, with or without a port.
    #[arg(long, value_name = "ADDR", value_parser = invite::source)]
    source: SocketAddr,
    /// The calling number.
    #[arg(long, value_name = "NUMBER", value_parser = invite::user)]
    from: String,
    /// The called number; parameters of the user part (RFC 4694) may follow it.
    #[arg(long, value_name = "NUMBER", value_parser = invite::user)]
    to: String,
    /// A header field to add to the INVITE; may be given several times.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = invite::header)]
    headers: Vec<(String, String)>,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Append what the stage of `--stage` was given, asked and answered to this file, for `trunkline plugin test`: of its
    /// version that decided, never of a shadow's.
    #[arg(long, value_name = "FILE", requires = "stage")]
    record: Option<PathBuf>,
    /// The stage to record.
    #[arg(long, value_name = "NAME", requires = "record")]
    stage: Option<String>,
}

impl Explain {
    /// Prints what the stages did.
    ///
    /// # Errors
    ///
    /// The configuration is wrong, or its components and tables could not be loaded.
    pub fn execute(&self) -> anyhow::Result<()> {
        let loaded = self.config.load()?;
        let invite = Invite { source: self.source, from: &self.from, to: &self.to, headers: &self.headers };
        let trace = Arc::new(Trace::default());
        let explained = route(&loaded, &invite, &trace)?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&explained)?);
        } else {
            print!("{explained}");
        }
        if let (Some(file), Some(stage)) = (&self.record, &self.stage) {
            self.append(file, stage, &explained, &trace)?;
        }
        Ok(())
    }

    /// Adds the stage's visit to a file of recorded calls.
    fn append(&self, file: &Path, stage: &str, explained: &Explained, trace: &Trace) -> anyhow::Result<()> {
        // Where a canary failed, the version before it ran too, and decided.
        let place = explained.stages.iter().rposition(|ran| &*ran.record.stage == stage).with_context(|| {
            let ran: Vec<&str> = explained.stages.iter().map(|ran| &*ran.record.stage).collect();
            format!("no stage `{stage}` ran: {}", if ran.is_empty() { "none did".to_owned() } else { ran.join(", ") })
        })?;
        let recorded = trace.recorded(place).with_context(|| {
            let why = explained.stages[place].record.detail.as_deref().unwrap_or_default();
            format!("`{stage}` was skipped: {why}")
        })?;
        let name = format!("{} to {}", self.from, self.to);
        let line = serde_json::to_string(&RecordedCall { name, ..recorded })?;
        let mut opened = OpenOptions::new().create(true).append(true).open(file).with_context(|| cannot_write(file))?;
        writeln!(opened, "{line}").with_context(|| cannot_write(file))
    }
}

fn cannot_write(file: &Path) -> String {
    format!("cannot write {}", file.display())
}

/// Routes the INVITE with the stages of this configuration, as a worker would.
fn route(loaded: &Loaded, invite: &Invite<'_>, trace: &Arc<Trace>) -> anyhow::Result<Explained> {
    let office = node::back_office()?;
    let plant = Plant::new(loaded, office.handle().clone())?;
    let layout = office.block_on(plant.build(loaded, None)).map_err(|problems| anyhow::anyhow!(problems.join("\n")))?;
    office.block_on(layout.tables.read_whole(DATABASE));
    let message = Message::parse(invite.bytes().into()).context("the INVITE made from --from, --to and --header")?;
    if let Err(fault) = message.check() {
        anyhow::bail!(
            "the INVITE made from --from, --to and --header would be answered {} {}",
            fault.code,
            fault.reason
        );
    }
    let flow = Flow::to(0, Transport::Udp, invite.source);
    let worker = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let call = NewCall { trace: Some(Arc::clone(trace)), ..NewCall::received_now(Arc::new(message), flow) };
    let (routed, beside) = worker.block_on(async {
        let router = Router::new(layout.snapshot);
        router.warm_up().await;
        let routed = router.route(call, Cancel::default()).await;
        let beside = beside::of(router.snapshot(), &routed.facts, trace).await;
        (routed, beside)
    });
    office.shutdown_background();
    Ok(Explained::of(invite.source, routed, trace.stories(), beside))
}

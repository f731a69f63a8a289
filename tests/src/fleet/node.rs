//! A node of the fleet: a real core, and a real journal on disk.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use trunkline::cdr::JournalHandle;
use trunkline::cdr::chain::ChainHash;
use trunkline::cdr::journal::{Entry, Journal, Options, Position, Reader};
use trunkline::cdr::record::{CallRecord, End, RecordKey, Sides, Times};
use trunkline::sip::core::{Action, CallReport, Core, OpenCall, Terms};
use trunkline::sip::decision::Decision;
use trunkline::sip::flow::{Flow, Transport};
use trunkline::sip::time::Time;

use super::SHIPPED;
use crate::plain;

const PATIENCE: Duration = Duration::from_secs(30);
/// More than a node gets.
const CALLS: usize = 1_000_000;

/// One node.
pub(super) struct Node {
    index: usize,
    folder: PathBuf,
    /// Which of its lives this is: each has random numbers of its own, and a folder with what the one before left.
    life: u64,
    running: Option<Running>,
    /// The machine is gone, with its disk.
    is_gone: bool,
    died: Option<Time>,
    sent: Vec<(SocketAddr, Bytes)>,
    /// Calls that were begun here and had routes, and whether they were answered.
    begun: HashMap<String, bool>,
    /// When the record of each was handed to the journal.
    recorded: HashMap<String, Time>,
}

struct Running {
    core: Core<()>,
    journal: Journal,
    handle: JournalHandle,
}

/// What a node's journals hold in the end.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) records: u32,
    pub(super) interrupted: u32,
    pub(super) twice: u32,
    /// Calls without a record in any store.
    pub(super) lost: u32,
    pub(super) answered_lost: u32,
}

impl Node {
    pub(super) fn start(index: usize, root: &Path) -> Result<Self> {
        let mut node = Self {
            index,
            folder: root.join(format!("node-{index}")),
            life: 0,
            running: None,
            is_gone: false,
            died: None,
            sent: Vec::new(),
            begun: HashMap::new(),
            recorded: HashMap::new(),
        };
        fs::create_dir_all(&node.folder)?;
        node.running = Some(node.run()?.0);
        Ok(node)
    }

    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from(([10, 0, 1, self.index as u8], 5060))
    }

    fn journal(&self) -> PathBuf {
        self.folder.join(format!("journal-{}", self.life))
    }

    /// The shared memory of its worker.
    fn slates(&self) -> PathBuf {
        self.folder.join(format!("slates-{}", self.life))
    }

    /// Opens the journal; what it left open comes back with it.
    fn run(&self) -> Result<(Running, Vec<OpenCall>)> {
        let options = Options { slates: Some(self.slates()), ..Options::default() };
        let (mut journal, handle) = Journal::open(&self.journal(), &format!("node-{}", self.index), options)?;
        let open =
            journal.take_open().iter().map(|noted| postcard::from_bytes(&noted.payload)).collect::<Result<_, _>>()?;
        let seed = self.index as u64 * 1_000 + self.life;
        let core = Core::new(plain::settings(self.address(), CALLS), seed);
        Ok((Running { core, journal, handle: handle.for_worker() }, open))
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.running.as_ref()?.core.next_deadline()
    }

    pub(super) fn tick(&mut self, now: Time) {
        if let Some(running) = &mut self.running {
            running.core.tick(now);
            self.act(now);
        }
    }

    /// A dead one hears nothing.
    pub(super) fn receive(&mut self, now: Time, from: SocketAddr, bytes: Bytes) {
        if let Some(running) = &mut self.running {
            running.core.receive(now, Flow::to(0, Transport::Udp, from), bytes);
            self.act(now);
        }
    }

    pub(super) fn take_sent(&mut self) -> Vec<(SocketAddr, Bytes)> {
        std::mem::take(&mut self.sent)
    }

    /// As a worker does it: the journal is told before any message leaves.
    fn act(&mut self, now: Time) {
        let Some(running) = &mut self.running else { return };
        while let Some(action) = running.core.poll_action() {
            match action {
                Action::Send { flow, bytes, .. } => self.sent.push((flow.remote, bytes)),
                Action::Route(request) => {
                    let call_id = String::from_utf8_lossy(request.message.call_id()).into_owned();
                    self.begun.insert(call_id, false);
                    let targets = vec![plain::target(super::carrier())];
                    let decision = Decision::Hunt {
                        message: request.message,
                        targets,
                        customer: "".into(),
                        believed: true,
                        realm: None,
                    };
                    running.core.decide(now, request.call, decision, ());
                }
                Action::Started(call) | Action::Answered(call) => {
                    let Some((open, ())) = running.core.open_call(call) else { continue };
                    let payload = postcard::to_stdvec(&open).unwrap_or_default();
                    if open.answered.is_some() {
                        self.begun.insert(String::from_utf8_lossy(&open.call_id).into_owned(), true);
                        running.handle.answered(open.cookie, payload);
                    } else {
                        running.handle.started(open.cookie, payload);
                    }
                }
                Action::Record(report) => {
                    let record = record(&report, self.index);
                    self.recorded.insert(record.call_id.clone(), now);
                    running.handle.append(report.cookie, &record);
                }
                Action::StopRouting(_)
                | Action::Settled(_)
                | Action::Heard { .. }
                | Action::Attempted { .. }
                | Action::Locate { .. } => {}
            }
        }
        running.handle.keep();
    }

    /// `kill -9`: the core is gone, and nobody told its calls; its files stay as they are at this moment. Or the machine is
    /// gone with all of it.
    pub(super) fn die(&mut self, now: Time, comes_back: bool) -> Result<()> {
        let Some(Running { journal, .. }) = self.running.take() else { return Ok(()) };
        self.died = Some(now);
        self.is_gone = !comes_back;
        let (journal_was, slates_was) = (self.journal(), self.slates());
        self.life += 1;
        if comes_back {
            // First what is not written yet: what the journal writes meanwhile is then in both, and not in neither.
            copy(&slates_was, &self.slates())?;
            copy(&journal_was, &self.journal())?;
        }
        journal.close(PATIENCE).map(drop).context("the journal of the one that died")
    }

    pub(super) fn come_back(&mut self, now: Time) -> Result<()> {
        let (mut running, open) = self.run()?;
        let died = self.died.unwrap_or(now);
        running.core.tick(now);
        for call in open {
            running.core.restore(now, call, (), Terms::default(), died);
        }
        self.running = Some(running);
        self.act(now);
        Ok(())
    }

    pub(super) fn has_died_between(&self, answered: Time, hung_up: Time) -> bool {
        self.died.is_some_and(|died| answered < died && died < hung_up)
    }

    /// Ends it, and reads what it has written down.
    pub(super) fn close(&mut self) -> Result<Books> {
        let mut books = Books::default();
        let mut known = HashSet::new();
        if let Some(running) = self.running.take() {
            running.journal.close(PATIENCE).context("the journal")?;
            for record in records(&self.journal())? {
                books.records += 1;
                books.interrupted += u32::from(record.end == End::Interrupted);
                books.twice += u32::from(!known.insert(record.call_id));
            }
        } else if self.is_gone {
            // The stores have what was shipped before.
            let died = self.died.unwrap_or_default();
            let shipped = self.recorded.iter().filter(|(_, at)| **at + SHIPPED <= died);
            known.extend(shipped.map(|(call_id, _)| call_id.clone()));
            books.records = known.len() as u32;
        }
        let lost = self.begun.iter().filter(|(call_id, _)| !known.contains(*call_id));
        for (_, answered) in lost {
            books.lost += 1;
            books.answered_lost += u32::from(*answered);
        }
        Ok(books)
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    // As the router makes it: it believes no slate in a folder that others can write to.
    fs::DirBuilder::new().mode(0o700).create(to)?;
    for file in fs::read_dir(from)? {
        let path = file?.path();
        let name = path.file_name().context("a file has a name")?;
        if name != "lock" {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

fn records(folder: &Path) -> Result<Vec<CallRecord>> {
    let mut reader = Reader::new(folder, Position::default(), None);
    let mut records = Vec::new();
    loop {
        let batch = reader.read(None, 1_000)?;
        if batch.entries.is_empty() {
            return Ok(records);
        }
        for entry in &batch.entries {
            records.push(Entry::record(entry)?);
        }
    }
}

/// As much of a record as is counted.
fn record(report: &CallReport<()>, node: usize) -> CallRecord {
    CallRecord {
        key: RecordKey::default(),
        hash: ChainHash::NONE,
        call_id: String::from_utf8_lossy(&report.call_id).into_owned(),
        customer: format!("of node {node}"),
        source: report.flow.remote,
        transport: Arc::from("udp"),
        caller: Sides::default(),
        callee: Sides::default(),
        times: Times {
            received: report.received.micros(),
            routed: Some(report.routed.micros()),
            ringing: report.ringing.map(Time::micros),
            answered: report.answered.map(Time::micros),
            ended: report.ended.micros(),
        },
        code: report.code,
        end: report.end,
        attempts: Vec::new(),
        stages: Vec::new(),
        attributes: Vec::new(),
    }
}

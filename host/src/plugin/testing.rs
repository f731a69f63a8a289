//! Guests written by hand, for tests: a few lines of WebAssembly text become a component of world `stage`.

mod layout;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::contract::{self, Call, Outcome, Verdict};
use super::{
    Cancel, Component, ComponentFinder, Components, Engine, EngineOptions, Headers, Lent, Limits, LoadError, Run,
    Runner, Stage, StageSettings, Visit,
};
use crate::cdr::record::StageOutcome;
use crate::config::model::{Breaker, Config, Isolation};
use crate::config::units::TimeSpan;

/// Where the text of a refusing `configure` lies; below everything that [`layout`] puts down.
const REFUSAL: usize = 256;

/// A guest in the making.
pub(crate) struct Guest {
    imports: String,
    functions: String,
    configure: String,
    handle: String,
    image: Vec<u8>,
}

impl Guest {
    /// `handle` is the body of a function that gets a pointer to the call and leaves a pointer to the result.
    pub(crate) fn new(handle: &str) -> Self {
        Self {
            imports: String::new(),
            functions: String::new(),
            configure: "i32.const 16".to_owned(),
            handle: handle.to_owned(),
            image: vec![0; 1024],
        }
    }

    /// Gives this outcome to every call.
    pub(crate) fn answering(outcome: &Outcome) -> Self {
        let (image, pointer) = layout::ok(outcome);
        Self { image, ..Self::new(&format!("i32.const {pointer}")) }
    }

    /// Fails every call with this text.
    pub(crate) fn failing(text: &str) -> Self {
        let (image, pointer) = layout::err(text);
        Self { image, ..Self::new(&format!("i32.const {pointer}")) }
    }

    /// With `before` run ahead of its answer.
    pub(crate) fn after(mut self, before: &str) -> Self {
        self.handle = format!("{before}\n{}", self.handle);
        self
    }

    /// With core imports, such as `(import "trunkline:routing/clock@0.1.0" "now" (func $now (result i64)))`.
    pub(crate) fn importing(mut self, imports: &str) -> Self {
        self.imports.push_str(imports);
        self
    }

    /// With more core functions.
    pub(crate) fn with(mut self, functions: &str) -> Self {
        self.functions.push_str(functions);
        self
    }

    /// With another body of `configure`.
    pub(crate) fn configured_by(mut self, configure: &str) -> Self {
        configure.clone_into(&mut self.configure);
        self
    }

    /// Refuses every configuration with this text.
    pub(crate) fn refusing(mut self, text: &str) -> Self {
        let pointer = (REFUSAL + 64) as u32;
        self.image[REFUSAL] = 1;
        self.image[REFUSAL + 4..REFUSAL + 8].copy_from_slice(&pointer.to_le_bytes());
        self.image[REFUSAL + 8..REFUSAL + 12].copy_from_slice(&(text.len() as u32).to_le_bytes());
        self.image[REFUSAL + 64..REFUSAL + 64 + text.len()].copy_from_slice(text.as_bytes());
        self.configured_by(&format!("i32.const {REFUSAL}"))
    }

    /// Puts bytes at an address below 1,024, for the guest's own use.
    pub(crate) fn holding(mut self, address: usize, bytes: &[u8]) -> Self {
        self.image[address..address + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// The component's bytes.
    pub(crate) fn build(&self) -> Vec<u8> {
        let heap = self.image.len().next_multiple_of(65_536);
        let pages = heap / 65_536 + 2;
        let data: String = self.image.iter().fold(String::new(), |text, byte| text + &format!("\\{byte:02x}"));
        let Self { imports, functions, configure, handle, .. } = self;
        encode(
            &format!(
                r#"(module
                {imports}
                (memory (export "memory") {pages})
                (global $heap (mut i32) (i32.const {heap}))
                {functions}
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    (local $at i32)
                    (local.set $at (i32.and
                        (i32.add (global.get $heap) (i32.sub (local.get 2) (i32.const 1)))
                        (i32.sub (i32.const 0) (local.get 2))))
                    (global.set $heap (i32.add (local.get $at) (local.get 3)))
                    (local.get $at))
                (func (export "configure") (param i32 i32) (result i32) {configure})
                (func (export "cabi_post_configure") (param i32) (global.set $heap (i32.const {heap})))
                (func (export "handle") (param $call i32) (result i32) {handle})
                (func (export "cabi_post_handle") (param i32) (global.set $heap (i32.const {heap})))
                (data (i32.const 0) "{data}"))"#
            ),
            "stage",
        )
    }
}

/// A component of this world from the text of a core module.
pub(crate) fn encode(core: &str, world: &str) -> Vec<u8> {
    let mut module = wat::parse_str(core).expect("the guest's text");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(contract_folder()).expect("wit/");
    let world = resolve.select_world(&[package], Some(world)).expect("the world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata");
    let encoder = ComponentEncoder::default().validate(true).module(&module).expect("a module of this world");
    let mut encoder = encoder;
    encoder.encode().expect("a component")
}

fn contract_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

/// An outcome that goes on and changes nothing.
pub(crate) fn proceed() -> Outcome {
    Outcome { verdict: Verdict::Proceed, edits: Vec::new(), attributes: Vec::new() }
}

/// A rejection with this code.
pub(crate) fn reject(code: u16) -> Outcome {
    let rejection = contract::Rejection { code, reason: String::new(), headers: Vec::new() };
    Outcome { verdict: Verdict::Reject(rejection), ..proceed() }
}

/// Limits that a sound guest does not meet.
pub(crate) fn settings() -> StageSettings {
    StageSettings {
        fuel: 2_000_000,
        deadline: Duration::from_secs(5),
        memory: 16 << 20,
        isolation: Isolation::Warm,
        max_concurrent: 256,
        breaker: Breaker { failures: 1_000, window: TimeSpan::from_secs(10), open: TimeSpan::from_secs(5) },
        config: "{}".to_owned(),
    }
}

/// An engine and what it lends, in a folder of its own.
pub(crate) struct Bed {
    pub(crate) components: Arc<Components>,
    pub(crate) lent: Lent,
    folder: tempfile::TempDir,
}

impl Bed {
    /// With no tables.
    pub(crate) fn new() -> Self {
        Self::with_tables("")
    }

    /// With the tables and services of this configuration. Within a tokio runtime.
    pub(crate) fn with_tables(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config: Config = toml::from_str(config).expect("the configuration");
        let (tables, services) =
            crate::lookup::build(&config, folder.path(), &tokio::runtime::Handle::current(), Arc::default())
                .expect("tables");
        let engine = Engine::new(EngineOptions { instances: 64 }).expect("an engine");
        let components = Arc::new(Components::new(engine, ComponentFinder::new(Vec::new()), None));
        Self { components, lent: Lent { tables, services, limits: Arc::new(Limits::default()) }, folder }
    }

    /// Where [`Bed::put`] puts components.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Writes a component into the folder.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.folder.path().join(name), bytes).expect("the component's file");
    }

    pub(crate) fn component(&self, bytes: &[u8]) -> Result<Component, LoadError> {
        self.put("guest.wasm", bytes);
        self.components.load("guest.wasm", self.folder.path())
    }

    pub(crate) async fn load(&self, bytes: &[u8], settings: StageSettings) -> Result<Stage, LoadError> {
        let component = self.component(bytes)?;
        Stage::load(self.components.engine(), "guest", &component, settings, self.lent.clone(), None).await
    }

    pub(crate) async fn runner(&self, guest: &Guest, settings: StageSettings) -> Runner {
        let stage = self.load(&guest.build(), settings).await.expect("a sound guest");
        Runner::new(Arc::new(stage))
    }
}

/// Runs one call now, whatever its outcome is worth.
pub(crate) async fn run(runner: &Runner) -> Run<Outcome> {
    run_at(runner, Instant::now(), &Cancel::default()).await
}

/// Runs one call that began then.
pub(crate) async fn run_at(runner: &Runner, started: Instant, cancel: &Cancel) -> Run<Outcome> {
    let visit = visit(runner, started, cancel);
    runner.run(&call(), visit, |outcome| Ok((outcome, StageOutcome::Proceed))).await
}

/// What a stage is told of a call that began then.
pub(crate) fn visit<'a>(runner: &Runner, started: Instant, cancel: &'a Cancel) -> Visit<'a> {
    let deadline = started + runner.stage().settings.deadline;
    Visit {
        headers: Arc::new(NoHeaders),
        customer: "acme".into(),
        call_id: "call-1".into(),
        now: 1_700_000_000_000_000,
        started,
        deadline,
        cut: StageOutcome::Deadline,
        wait_until: started + runner.stage().settings.deadline * 9 / 10,
        cancel,
        asking: None,
        trace: None,
    }
}

struct NoHeaders;

impl Headers for NoHeaders {
    fn values(&self, name: &str) -> Vec<String> {
        vec![format!("the value of {name}")]
    }
}

/// A call of customer acme.
pub(crate) fn call() -> Call {
    Call {
        id: "call-1".to_owned(),
        customer: "acme".to_owned(),
        source: "192.0.2.1".to_owned(),
        source_port: 5060,
        transport: contract::Transport::Udp,
        caller: "12125550100".to_owned(),
        callee: "13105550123".to_owned(),
        request_uri: "sip:+13105550123@192.0.2.2".to_owned(),
        from_uri: "sip:+12125550100@192.0.2.1".to_owned(),
        to_uri: "sip:+13105550123@192.0.2.2".to_owned(),
        attributes: Vec::new(),
        digest: contract::Digest::Absent,
    }
}

//! A configuration in the making: five stages, tables in CSV, one customer on loopback; each test adds what it is about.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::compiled;
use crate::lrn::{LrnServer, ROUTING_NUMBER};
use crate::pki::Certificate;
use crate::ports::{free_tcp, free_udp};
use crate::router::Router;
use crate::wall_clock::WallClock;

/// The configuration of a router, not yet running.
#[derive(Debug)]
pub struct Setup {
    folder: TempDir,
    listen: Vec<SocketAddr>,
    /// Further keys of `[listen]`.
    listen_keys: String,
    admin: SocketAddr,
    tables: BTreeMap<String, String>,
    plugins: BTreeMap<String, String>,
    pipelines: BTreeMap<String, Vec<String>>,
    gateways: BTreeMap<String, String>,
    customers: BTreeMap<String, String>,
    deck: String,
    blocked: String,
    more: String,
    sqlite: bool,
    /// Further keys of `[cdr]`.
    cdr_keys: String,
    /// Of the router's process.
    environment: Vec<(String, String)>,
}

impl Setup {
    /// The default: a router on 127.0.0.1, customer `acme` calling from 127.0.0.1 and ::1 through all five stages.
    /// No gateway and an empty deck.
    pub fn new() -> Result<Self> {
        let owned = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, body)| ((*name).to_owned(), (*body).to_owned())).collect()
        };
        Ok(Self {
            folder: TempDir::with_prefix("trunkline-test-").context("no temporary folder")?,
            listen: vec![free_udp(IpAddr::V4(Ipv4Addr::LOCALHOST))?],
            listen_keys: String::new(),
            admin: free_tcp()?,
            tables: owned(&[
                ("accounts", r#"source = { csv = { path = "accounts.csv", key = "source" } }"#),
                ("blocked", r#"source = { csv = { path = "blocked.csv", key = "number" } }"#),
                ("npanxx", r#"source = { csv = { path = "npanxx.csv", key = "npanxx" } }"#),
                ("lrn", r#"source = { csv = { path = "lrn.csv", key = "number" } }"#),
                ("cnam", r#"source = { csv = { path = "cnam.csv", key = "number" } }"#),
                ("deck", DECK_TABLE),
            ]),
            plugins: owned(&[
                ("auth", r#"config = { table = "accounts" }"#),
                ("blocklist", r#"config = { table = "blocked" }"#),
                ("lrn", r#"config = { table = "lrn" }"#),
                ("cnam", r#"config = { table = "cnam" }"#),
                ("rate", r#"config = { table = "deck", npa-nxx = "npanxx" }"#),
            ]),
            pipelines: BTreeMap::from([("default".to_owned(), FIVE.map(str::to_owned).to_vec())]),
            gateways: BTreeMap::new(),
            customers: owned(&[("acme", r#"sources = ["127.0.0.1/32", "::1/128"]"#)]),
            deck: "prefix,gateway,cost,price,currency\n".to_owned(),
            blocked: "number\n".to_owned(),
            more: String::new(),
            sqlite: true,
            cdr_keys: String::new(),
            environment: Vec::new(),
        })
    }

    /// The first address that it listens on, by UDP.
    pub fn sip(&self) -> SocketAddr {
        self.listen[0]
    }

    /// Listens here too.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen.push(address);
        self
    }

    /// Listens on these TCP addresses too.
    pub fn listen_tcp(mut self, addresses: &[SocketAddr]) -> Self {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let _infallible = writeln!(self.listen_keys, "tcp = {addresses:?}");
        self
    }

    /// Listens by TLS on this address, with this certificate; peers must show one of this authority, where there is one.
    pub fn listen_tls(mut self, address: SocketAddr, own: &Certificate, client_ca: Option<&Path>) -> Self {
        let client_ca = client_ca.map_or_else(String::new, |path| format!(", client-ca = \"{}\"", path.display()));
        let Certificate { certificate, key } = own;
        let _infallible = writeln!(
            self.listen_keys,
            "tls = [{{ bind = \"{address}\", certificate = \"{}\", key = \"{}\"{client_ca} }}]",
            certificate.display(),
            key.display()
        );
        self
    }

    /// A gateway with this URI.
    pub fn gateway_uri(mut self, name: &str, uri: &str, keys: &str) -> Self {
        self.gateways.insert(name.to_owned(), format!("uri = \"{uri}\"\n{keys}"));
        self
    }

    /// A gateway at this address.
    pub fn gateway(self, name: &str, address: SocketAddr) -> Self {
        self.gateway_with(name, address, "")
    }

    /// A gateway with more keys.
    pub fn gateway_with(mut self, name: &str, address: SocketAddr, keys: &str) -> Self {
        self.gateways.insert(name.to_owned(), format!("uri = \"sip:{address};transport=udp\"\n{keys}"));
        self
    }

    /// A line of the rate deck: cost per minute in USD.
    pub fn route(mut self, prefix: &str, gateway: &str, cost: &str) -> Self {
        let _infallible = writeln!(self.deck, "{prefix},{gateway},{cost},0.0500,USD");
        self
    }

    /// All numbers that begin with 1 go to this gateway alone.
    pub fn carrier(self, address: SocketAddr) -> Self {
        self.gateway("carrier", address).route("1", "carrier", "0.0050")
    }

    /// A blocked calling number.
    pub fn block(mut self, number: &str) -> Self {
        let _infallible = writeln!(self.blocked, "{number}");
        self
    }

    /// A customer that calls from these networks, with more keys.
    pub fn customer(mut self, name: &str, sources: &str, keys: &str) -> Self {
        self.customers.insert(name.to_owned(), format!("sources = [\"{sources}\"]\n{keys}"));
        self
    }

    /// Nobody but this customer, in the words of the configuration.
    pub fn only_customer(mut self, name: &str, body: &str) -> Self {
        self.customers = BTreeMap::from([(name.to_owned(), body.to_owned())]);
        self
    }

    /// The body of `[plugins.NAME]`, in place of the default one.
    pub fn plugin(mut self, name: &str, body: &str) -> Self {
        self.plugins.insert(name.to_owned(), body.to_owned());
        self
    }

    /// One of the plugins under `plugins/faults`, as a plugin of that name.
    pub fn fault(self, name: &str, keys: &str) -> Result<Self> {
        let file = plugins_folder()?.join("faults").join(format!("{name}.wasm"));
        // One that is large and skipped would not be waited for, and the first calls are to meet it.
        Ok(self.plugin(name, &format!("component = \"{}\"\ncompile = \"wait\"\n{keys}", file.display())))
    }

    /// A pipeline of these stages.
    pub fn pipeline(mut self, name: &str, stages: &[&str]) -> Self {
        self.pipelines.insert(name.to_owned(), stages.iter().map(|stage| (*stage).to_owned()).collect());
        self
    }

    /// The table `lrn` asks this server instead of its CSV file.
    pub fn lrn(self, server: &LrnServer, deadline_ms: u32) -> Self {
        self.lrn_at(&format!("http://{}", server.address), deadline_ms)
    }

    /// The table `lrn` asks the service at this URL instead of its CSV file.
    pub fn lrn_at(mut self, url: &str, deadline_ms: u32) -> Self {
        let source =
            r#"source = { http = { service = "lrn-api", path = "/lrn/{key}", format = "text", field = "lrn" } }"#;
        self.tables.insert("lrn".to_owned(), source.to_owned());
        self.section(&format!("[services.lrn-api]\nurl = \"{url}\"\ndeadline = \"{deadline_ms}ms\"\n"))
    }

    /// The body of `[tables.NAME]`, in place of the default one.
    pub fn table(mut self, name: &str, body: &str) -> Self {
        self.tables.insert(name.to_owned(), body.to_owned());
        self
    }

    /// A node that refuses no call and leaves out no stage for being behind: on a machine that has other work too, where
    /// that is not what is looked at.
    pub fn unhurried(self) -> Self {
        self.section("[overload]\nbusy = 100\nbehind = \"20s\"\n[call]\nsetup-budget = \"20s\"\n")
    }

    /// Records go to the file store alone.
    pub fn without_sqlite(mut self) -> Self {
        self.sqlite = false;
        self
    }

    /// More keys of `[cdr]` itself.
    pub fn cdr(mut self, keys: &str) -> Self {
        self.cdr_keys = format!("{keys}\n");
        self
    }

    /// The router goes by this clock.
    pub fn clock(mut self, clock: &WallClock) -> Self {
        self.environment = clock.environment();
        self
    }

    /// Records go to this broker too: a fanout exchange with two queues, `a` and `b`.
    pub fn fanout(self, url: &str) -> Self {
        self.fanout_of(url, 1)
    }

    /// As [`Setup::fanout`]; so many records may share a message.
    pub fn fanout_of(self, url: &str, records: u32) -> Self {
        self.section(&format!(
            "[cdr.fanout.amqp]\nurl = \"{url}\"\nexchange = \"trunkline.cdr\"\nqueues = [\"a\", \"b\"]\n\
             records-per-message = {records}\n"
        ))
    }

    /// Any further sections, as text.
    pub fn section(mut self, text: &str) -> Self {
        self.more.push_str(text);
        self.more.push('\n');
        self
    }

    /// The folder that holds the configuration.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the files; returns the configuration's path.
    pub fn write(&self) -> Result<PathBuf> {
        let folder = self.folder();
        let accounts = "source,account,status\n127.0.0.1,acme,active\n127.0.0.2,other,active\n127.0.0.3,third,active\n\
                        ::1,acme,active\n";
        for (name, text) in [
            ("accounts.csv", accounts),
            ("blocked.csv", &self.blocked),
            ("npanxx.csv", "npanxx,state\n212555,NY\n919555,NC\n310555,CA\n"),
            ("lrn.csv", &every_number("number,lrn", "919555", ROUTING_NUMBER)),
            ("cnam.csv", &every_number("number,name", "212555", "ACME WIDGETS")),
            ("deck.csv", &self.deck),
        ] {
            fs::write(folder.join(name), text).with_context(|| format!("cannot write {name}"))?;
        }
        compiled::lend(folder)?;
        let path = folder.join("trunkline.toml");
        fs::write(&path, self.text()).context("cannot write the configuration")?;
        Ok(path)
    }

    /// Starts a router with it and waits until it is ready.
    pub fn start(self) -> Result<Router> {
        let config = self.write()?;
        Router::start(self.folder, config, self.listen, self.admin, self.environment)
    }

    fn text(&self) -> String {
        let listen: Vec<String> = self.listen.iter().map(|address| format!("{:?}", address.to_string())).collect();
        let mut text = format!(
            "[node]\nname = \"test\"\n[listen]\nudp = [{}]\n{}[admin]\nbind = \"{}\"\n[pipelines]\n",
            listen.join(", "),
            self.listen_keys,
            self.admin
        );
        for (name, stages) in &self.pipelines {
            let _infallible = writeln!(text, "{name} = {stages:?}");
        }
        let sections = [
            ("tables", &self.tables),
            ("plugins", &self.plugins),
            ("gateways", &self.gateways),
            ("customers", &self.customers),
        ];
        for (kind, entries) in sections {
            for (name, body) in entries {
                let _infallible = writeln!(text, "[{kind}.{name}]\n{body}");
            }
        }
        text.push_str("[cdr]\njournal = \"var/journal\"\n");
        text.push_str(&self.cdr_keys);
        text.push_str("[cdr.stores.archive]\nfiles = { folder = \"var/cdr\" }\n");
        if self.sqlite {
            text.push_str("[cdr.stores.main]\nsql = { url = \"sqlite:var/cdr.db\" }\n");
        }
        text + &self.more
    }
}

const FIVE: [&str; 5] = ["auth", "blocklist", "lrn", "cnam", "rate"];

/// A row for each of the ten thousand numbers that begin with these six digits.
fn every_number(header: &str, digits: &str, value: &str) -> String {
    (0..10_000).fold(format!("{header}\n"), |text, number| text + &format!("{digits}{number:04},{value}\n"))
}

const DECK_TABLE: &str = r#"source = { csv = { path = "deck.csv", key = "prefix", match = "prefix", fields = { prefix = "text", gateway = "text", cost = "decimal", price = "decimal", currency = "text" } } }"#;

/// Where `cargo xtask plugins` put the components: `plugins` in the target folder that this program was built in.
///
/// # Errors
/// When they are not there.
pub fn plugins_folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    program
        .ancestors()
        .map(|folder| folder.join("plugins"))
        .find(|plugins| plugins.join("auth.wasm").is_file())
        .context("the plugins are not built: run `cargo xtask plugins`")
}

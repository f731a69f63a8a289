//! A Prometheus of our own, from Debian's package, in a temporary folder and on a free port.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::ports::free_tcp;
use crate::process::Process;

const START: Duration = Duration::from_secs(30);

/// A private server that scrapes one router four times a second. It ends when dropped.
#[derive(Debug)]
pub struct Prometheus {
    server: Process,
    address: SocketAddr,
    _folder: TempDir,
}

/// One series at the moment of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Without `__name__`.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

impl Prometheus {
    /// Starts it with these rules, scraping the admin API at `target` as job `trunkline`, and waits until it answers.
    pub fn start(target: SocketAddr, rules: &Path) -> Result<Self> {
        let folder = TempDir::with_prefix("trunkline-prometheus-").context("no temporary folder")?;
        let address = free_tcp()?;
        let config = format!(
            "global: {{ scrape_interval: 250ms, evaluation_interval: 500ms }}\nrule_files: ['{}']\nscrape_configs:\n  \
             - job_name: trunkline\n    static_configs: [{{ targets: ['{target}'] }}]\n",
            rules.display()
        );
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, config)?;
        let mut server = Process::start(Path::new("prometheus"), folder.path().join("prometheus.log"), |command| {
            command.arg("--config.file").arg(&file).arg("--storage.tsdb.path").arg(folder.path().join("data")).args([
                "--web.listen-address",
                &address.to_string(),
                "--log.level",
                "warn",
            ]);
        })?;
        server.wait_until(START, |_| get(address, "/-/ready").is_ok_and(|(code, _)| code == 200))?;
        Ok(Self { server, address, _folder: folder })
    }

    /// Every series that the expression gives now.
    ///
    /// # Errors
    /// When it is no expression, or gives no vector.
    pub fn query(&self, expression: &str) -> Result<Vec<Sample>> {
        let data = self.api(&format!("query?query={}", encoded(expression)))?;
        ensure!(data["resultType"] == "vector", "`{expression}` gives no vector: {data}");
        let samples = data["result"].as_array().context("no result")?.iter();
        samples
            .map(|sample| {
                let mut labels: BTreeMap<String, String> = serde_json::from_value(sample["metric"].clone())?;
                labels.remove("__name__");
                Ok(Sample { labels, value: sample["value"][1].as_str().context("no value")?.parse()? })
            })
            .collect()
    }

    /// Every alert of the rules: its name, its expression, and its summary.
    pub fn rules(&self) -> Result<Vec<(String, String, String)>> {
        let data = self.api("rules")?;
        let groups = data["groups"].as_array().context("no groups")?.iter();
        let rules = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten());
        rules
            .map(|rule| {
                let text = |value: &Value| value.as_str().map(str::to_owned).context("a rule without a text");
                Ok((text(&rule["name"])?, text(&rule["query"])?, text(&rule["annotations"]["summary"])?))
            })
            .collect()
    }

    /// The alerts that fire, or will when what they see lasts, with their labels.
    pub fn alerts(&self) -> Result<Vec<BTreeMap<String, String>>> {
        let data = self.api("alerts")?;
        let alerts = data["alerts"].as_array().context("no alerts")?.iter();
        alerts.map(|alert| Ok(serde_json::from_value(alert["labels"].clone())?)).collect()
    }

    fn api(&self, request: &str) -> Result<Value> {
        let (code, body) = get(self.address, &format!("/api/v1/{request}"))?;
        let mut answer: Value = serde_json::from_str(&body).with_context(|| format!("no JSON: {body}"))?;
        ensure!(code == 200, "{code} {}; its log:\n{}", answer["error"], self.server.last_lines());
        Ok(answer["data"].take())
    }
}

/// By HTTP/1.0: its answers have no chunks.
fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no whole answer")?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status")?;
    Ok((code, body.to_owned()))
}

/// RFC 3986 section 2.1.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

//! SIPp, the load generator that carriers know, with the scenarios of `scenarios/`.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use regex_lite::{Captures, Regex};
use tempfile::TempDir;

use crate::pki::Pki;
use crate::ports::{free_tcp_on, free_udp, is_bound, is_listening};
use crate::process::Process;
use crate::trace::{self, Trace};
use crate::tunnel::Tunnel;

/// The file that SIPp writes its counts to, every second.
const STATISTICS: &str = "stat.csv";

/// How many calls, and how fast.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Calls in all.
    pub calls: u32,
    /// Calls begun each second.
    pub rate: u32,
}

impl Load {
    /// One call.
    pub const ONE: Self = Self { calls: 1, rate: 1 };
}

/// How SIPp and the router talk.
#[derive(Debug, Clone, Copy)]
pub enum Over<'a> {
    /// By datagrams.
    Udp,
    /// By connections.
    Tcp,
    /// By connections that a tunnel encrypts, since Debian's SIPp has no TLS; with certificates of this authority.
    Tls(&'a Pki),
}

impl Over<'_> {
    /// As in a URI and in a record.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls(_) => "tls",
        }
    }

    /// SIPp's word for it.
    const fn mode(self) -> &'static str {
        match self {
            Self::Udp => "u1",
            Self::Tcp | Self::Tls(_) => "t1",
        }
    }
}

/// What SIPp counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that went as the scenario says.
    pub successful: u32,
    /// Calls that did not.
    pub failed: u32,
    /// Messages that had to be sent again.
    pub retransmissions: u32,
}

/// A running SIPp. It is killed when dropped.
#[derive(Debug)]
pub struct Sipp {
    process: Process,
    folder: TempDir,
    address: SocketAddr,
    patience: Duration,
    _tunnel: Option<Tunnel>,
}

impl Sipp {
    /// A callee on a free port of 127.0.0.1; every `@word@` of the scenario is replaced by its value.
    pub fn callee(scenario: &str, words: &[(&str, &str)]) -> Result<Self> {
        Self::callee_on(IpAddr::V4(Ipv4Addr::LOCALHOST), scenario, words)
    }

    /// A callee on a free port of this address.
    pub fn callee_on(ip: IpAddr, scenario: &str, words: &[(&str, &str)]) -> Result<Self> {
        let mut sipp = Self::start::<&str>(ip, scenario, words, &[])?;
        let address = sipp.address;
        sipp.process.wait_until(Duration::from_secs(10), |_| is_bound(address))?;
        Ok(sipp)
    }

    /// A callee on 127.0.0.1 whom the router reaches so.
    pub fn callee_by(over: Over<'_>, scenario: &str, words: &[(&str, &str)]) -> Result<Self> {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let Over::Tls(pki) = over else {
            return match over {
                Over::Tcp => Self::callee_over_tcp(ip, scenario, words),
                _ => Self::callee_on(ip, scenario, words),
            };
        };
        let plain = free_tcp_on(ip)?;
        let tunnel = Tunnel::before(plain, &pki.sign("callee", "callee", "IP:127.0.0.1")?)?;
        let (address, port) = (tunnel.address(), tunnel.address().port().to_string());
        // It is reached by the tunnel's port.
        let text = text_of(scenario, words)?.replace("[transport]", "TLS").replace("[local_port]", &port);
        let mut sipp = Self::launch(plain, &text, &["-t", "t1"])?;
        sipp.process.wait_until(Duration::from_secs(10), |_| is_listening(plain))?;
        Ok(Self { address, _tunnel: Some(tunnel), ..sipp })
    }

    /// A caller from 127.0.0.1 who talks so to the router at this address.
    pub fn caller_by(
        over: Over<'_>,
        scenario: &str,
        words: &[(&str, &str)],
        router: SocketAddr,
        load: Load,
    ) -> Result<Self> {
        let (mut text, mut tunnel, mut peer) = (text_of(scenario, words)?, None, router);
        if let Over::Tls(pki) = over {
            let towards = Tunnel::towards(router, pki)?;
            peer = towards.address();
            text = text.replace("[transport]", "TLS").replace("[remote_ip]:[remote_port]", &router.to_string());
            tunnel = Some(towards);
        }
        let address = free_udp(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
        let mut arguments = arguments(peer, load, over.mode());
        // Its credentials are for a host without a user unless it is told whom it calls.
        if let Some((_, callee)) = words.iter().find(|(word, _)| *word == "callee") {
            arguments.extend(["-auth_uri".to_owned(), format!("{callee}@{router}")]);
        }
        let sipp = Self::launch(address, &text, &arguments)?;
        Ok(Self { _tunnel: tunnel, ..sipp }.calls(load))
    }

    /// A callee over TCP, on a free port of this address.
    pub fn callee_over_tcp(ip: IpAddr, scenario: &str, words: &[(&str, &str)]) -> Result<Self> {
        let mut sipp = Self::start(ip, scenario, words, &["-t", "t1"])?;
        let address = sipp.address;
        sipp.process.wait_until(Duration::from_secs(10), |_| is_listening(address))?;
        Ok(sipp)
    }

    /// Callers over TCP from this address: all by one connection (`t1`), or each by its own (`tn`).
    pub fn caller_over_tcp(
        mode: &str,
        scenario: &str,
        words: &[(&str, &str)],
        router: SocketAddr,
        load: Load,
    ) -> Result<Self> {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Ok(Self::start(ip, scenario, words, &arguments(router, load, mode))?.calls(load))
    }

    /// Callers from 127.0.0.1. Numbers may hold `[field0]`: four digits, another one for each call.
    pub fn caller(scenario: &str, words: &[(&str, &str)], router: SocketAddr, load: Load) -> Result<Self> {
        Self::caller_on(IpAddr::V4(Ipv4Addr::LOCALHOST), scenario, words, router, load)
    }

    /// Callers from this address.
    pub fn caller_on(
        ip: IpAddr,
        scenario: &str,
        words: &[(&str, &str)],
        router: SocketAddr,
        load: Load,
    ) -> Result<Self> {
        Ok(Self::start(ip, scenario, words, &arguments(router, load, "u1"))?.calls(load))
    }

    /// Callers from this address who write down how long each call waited for its answer: see [`Sipp::trace`].
    pub fn traced_caller(ip: IpAddr, words: &[(&str, &str)], router: SocketAddr, load: Load) -> Result<Self> {
        let mut arguments = arguments(router, load, "u1");
        arguments.extend(["-trace_rtt", "-rtt_freq", "1"].map(str::to_owned));
        Ok(Self::start(ip, "caller", words, &arguments)?.calls(load))
    }

    /// A callee that loses so many of a hundred messages, those that come and those that it sends.
    pub fn lossy_callee(percent: u8, scenario: &str, words: &[(&str, &str)]) -> Result<Self> {
        let mut sipp = Self::start(IpAddr::V4(Ipv4Addr::LOCALHOST), scenario, words, &losing(percent))?;
        let address = sipp.address;
        sipp.process.wait_until(Duration::from_secs(10), |_| is_bound(address))?;
        Ok(sipp)
    }

    /// Callers that lose so many of a hundred messages, those that come and those that they send.
    pub fn lossy_caller(
        percent: u8,
        scenario: &str,
        words: &[(&str, &str)],
        router: SocketAddr,
        load: Load,
    ) -> Result<Self> {
        let mut arguments = arguments(router, load, "u1");
        arguments.extend(["-recv_timeout", "30000"].map(str::to_owned));
        arguments.extend(losing(percent));
        Ok(Self::start(IpAddr::V4(Ipv4Addr::LOCALHOST), scenario, words, &arguments)?.calls(load))
    }

    fn calls(mut self, load: Load) -> Self {
        self.patience = Duration::from_secs(60 + u64::from(load.calls / load.rate.max(1)));
        self
    }

    fn start<T: AsRef<OsStr>>(ip: IpAddr, scenario: &str, words: &[(&str, &str)], more: &[T]) -> Result<Self> {
        Self::launch(free_udp(ip)?, &text_of(scenario, words)?, more)
    }

    fn launch<T: AsRef<OsStr>>(address: SocketAddr, scenario: &str, more: &[T]) -> Result<Self> {
        let folder = TempDir::with_prefix("trunkline-sipp-").context("no temporary folder")?;
        fs::write(folder.path().join("scenario.xml"), scenario)?;
        fs::write(folder.path().join("numbers.csv"), numbers())?;
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let process = Process::start(Path::new("sipp"), folder.path().join("sipp.out"), |command| {
            command
                .current_dir(folder.path())
                .args(more)
                .args(["-sf", "scenario.xml", "-inf", "numbers.csv", "-i", &ip, "-p", &port, "-nostdin"])
                .args(["-trace_stat", "-stf", STATISTICS, "-fd", "1", "-trace_err", "-error_file", "errors.log"])
                .args(["-trace_logs", "-log_file", "calls.log"]);
        })?;
        Ok(Self { process, folder, address, patience: Duration::from_secs(20), _tunnel: None })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it has made all its calls.
    ///
    /// # Errors
    /// When it has not in time; a call that failed is no error but a count.
    pub fn wait(mut self) -> Result<Counts> {
        self.process.wait(self.patience).with_context(|| self.why())?;
        self.counts()
    }

    /// Tells a callee to end when its calls have ended.
    pub fn finish(mut self) -> Result<Counts> {
        self.process.signal(Signal::SIGUSR1)?;
        if self.process.wait(self.patience).is_err() {
            bail!("calls were left over at the callee: {}", self.why());
        }
        self.counts()
    }

    /// Waits until it has made all its calls; the Call-IDs of those that went well. For the scenario `caller`.
    ///
    /// # Errors
    /// When it has not in time.
    pub fn completed(mut self) -> Result<Vec<String>> {
        self.process.wait(self.patience).with_context(|| self.why())?;
        let log = fs::read_to_string(self.folder.path().join("calls.log")).context("SIPp wrote no log")?;
        Ok(log.lines().filter_map(|line| Some(line.split_once("completed ")?.1.trim().to_owned())).collect())
    }

    /// Waits until it has made all its calls; when each of them was answered. For [`Sipp::traced_caller`].
    ///
    /// # Errors
    /// When it has not in time.
    pub fn trace(mut self) -> Result<Trace> {
        self.process.wait(self.patience).with_context(|| self.why())?;
        trace::read(self.folder.path(), STATISTICS)
    }

    /// What went wrong, in SIPp's words.
    pub fn why(&self) -> String {
        let errors = fs::read(self.folder.path().join("errors.log")).unwrap_or_default();
        let errors = String::from_utf8_lossy(&errors);
        let first: String = errors.lines().take(40).collect::<Vec<_>>().join("\n");
        format!(
            "SIPp's errors begin:\n{first}\n{}",
            if first.is_empty() { self.process.last_lines() } else { String::new() }
        )
    }

    fn counts(&self) -> Result<Counts> {
        let text = fs::read_to_string(self.folder.path().join(STATISTICS))
            .with_context(|| format!("SIPp wrote no statistics: {}", self.process.last_lines()))?;
        let counts = parse_statistics(&text).context("SIPp's statistics are not as we know them")?;
        if counts.failed > 0 {
            eprintln!("{}", self.why());
        }
        Ok(counts)
    }
}

/// So many of a hundred messages are lost. What then comes again out of its turn is let pass: SIPp would end the call.
fn losing(percent: u8) -> [String; 4] {
    ["-lost", &percent.to_string(), "-default_behaviors", "all,-abortunexp"].map(str::to_owned)
}

/// To this router, so many calls, by this transport in SIPp's words. A caller that hears nothing for 15 s hangs up.
fn arguments(router: SocketAddr, load: Load, transport: &str) -> Vec<String> {
    let (router, calls, rate) = (router.to_string(), load.calls.to_string(), load.rate.to_string());
    let words = [&router, "-m", &calls, "-r", &rate, "-l", "10000", "-t", transport, "-max_socket", "1000"];
    let words = words.into_iter().chain(["-recv_timeout", "15000"]);
    words.map(str::to_owned).collect()
}

/// The last line of the statistics, by the names in the first.
fn parse_statistics(text: &str) -> Option<Counts> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let names = lines.next()?.split(';');
    let values: HashMap<&str, &str> = names.zip(lines.next_back()?.split(';')).collect();
    let count = |name: &str| values.get(name)?.parse().ok();
    Some(Counts {
        successful: count("SuccessfulCall(C)")?,
        failed: count("FailedCall(C)")?,
        retransmissions: count("Retransmissions(C)")?,
    })
}

/// The scenario with its words: `@word@` is one that must be given, `@word=default@` one that need not.
fn text_of(scenario: &str, words: &[(&str, &str)]) -> Result<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(format!("{scenario}.xml"));
    let text = fs::read_to_string(&file).with_context(|| format!("no scenario {}", file.display()))?;
    let open = Regex::new("@([a-z]+)=([^@]*)@").context("a pattern")?;
    let given = |word: &str| words.iter().find(|(known, _)| *known == word).map(|(_, value)| (*value).to_owned());
    let text = open.replace_all(&text, |found: &Captures<'_>| given(&found[1]).unwrap_or_else(|| found[2].to_owned()));
    Ok(words.iter().fold(text.into_owned(), |text, (word, value)| text.replace(&format!("@{word}@"), value)))
}

/// SIPp takes one line after the other for its calls.
fn numbers() -> String {
    (0..10_000).fold("SEQUENTIAL\n".to_owned(), |text, number| text + &format!("{number:04}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scenarios_understand_each_other_without_a_router() -> Result<()> {
        let callee = Sipp::callee("callee", &[])?;
        let words = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "50")];
        let calls = Load { calls: 20, rate: 20 };
        let expected = Counts { successful: 20, failed: 0, retransmissions: 0 };
        assert_eq!(Sipp::caller("caller", &words, callee.address(), calls)?.wait()?, expected);
        assert_eq!(callee.finish()?, expected);
        Ok(())
    }

    #[test]
    fn a_refusal_that_the_scenario_does_not_expect_is_a_failed_call() -> Result<()> {
        let callee = Sipp::callee("refusing", &[("code", "503")])?;
        let words = [("caller", "12125550100"), ("callee", "19195550101"), ("talk", "50")];
        let counts = Sipp::caller("caller", &words, callee.address(), Load::ONE)?.wait()?;
        assert_eq!((counts.successful, counts.failed), (0, 1));
        Ok(())
    }

    #[test]
    fn the_last_line_of_the_statistics_counts() {
        let text = "A;SuccessfulCall(C);FailedCall(C);Retransmissions(C)\n1;2;3;4\n5;60;7;8\n";
        let counts = Counts { successful: 60, failed: 7, retransmissions: 8 };
        assert_eq!(parse_statistics(text), Some(counts));
    }

    #[test]
    fn statistics_without_a_column_are_refused() {
        assert_eq!(parse_statistics("A;B\n1;2\n"), None);
    }
}

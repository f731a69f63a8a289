//! One SIPp scenario by UDP, TCP and TLS alike, all through one router.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use anyhow::{Context, Result, ensure};
use trunkline::cdr::record::CallRecord;

use crate::pki::Pki;
use crate::ports::{free_tcp, free_udp};
use crate::setup::Setup;
use crate::sipp::{Load, Over, Sipp};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const CALLER: &str = "12125550100";

/// A caller, and gateways in the order in which they are preferred; as many of each as there are transports.
#[derive(Debug)]
pub struct Scenario<'a> {
    caller: &'a str,
    words: Words<'a>,
    gateways: Vec<Gateway<'a>>,
    setup: Setup,
}

type Words<'a> = Vec<(&'a str, &'a str)>;

#[derive(Debug)]
struct Gateway<'a> {
    who: Who<'a>,
    keys: &'a str,
}

/// Who answers at a gateway.
#[derive(Debug)]
enum Who<'a> {
    Sipp(&'a str, Words<'a>),
    Nobody,
    Silence,
    TheRouter,
}

/// What stands at a gateway while the calls are made.
enum Standing {
    Sipp(Box<Sipp>),
    /// Takes what comes and says nothing.
    Bound(#[expect(dead_code, reason = "held open")] UdpSocket),
    Listening(#[expect(dead_code, reason = "held open")] TcpListener),
    Nothing,
}

impl<'a> Scenario<'a> {
    /// The caller's scenario and its words, beside `caller` and `callee`.
    pub fn new(caller: &'a str, words: &[(&'a str, &'a str)]) -> Result<Self> {
        let setup = Setup::new()?.without_sqlite().pipeline("default", &["auth", "blocklist", "rate"]);
        Ok(Self { caller, words: words.to_vec(), gateways: Vec::new(), setup })
    }

    /// Changes the router's configuration.
    #[must_use]
    pub fn with(self, change: impl FnOnce(Setup) -> Setup) -> Self {
        Self { setup: change(self.setup), ..self }
    }

    /// The next gateway is a SIPp with this scenario. The word `next` is the URI of the gateway behind it.
    #[must_use]
    pub fn gateway(self, scenario: &'a str, words: &[(&'a str, &'a str)]) -> Self {
        self.gateway_with(scenario, words, "")
    }

    /// The same, with more keys in the router's configuration.
    #[must_use]
    pub fn gateway_with(self, scenario: &'a str, words: &[(&'a str, &'a str)], keys: &'a str) -> Self {
        self.push(Who::Sipp(scenario, words.to_vec()), keys)
    }

    /// At the next gateway nobody has the port.
    #[must_use]
    pub fn dead(self) -> Self {
        self.push(Who::Nobody, "")
    }

    /// The next gateway hears what it is sent, and says nothing.
    #[must_use]
    pub fn silent(self, keys: &'a str) -> Self {
        self.push(Who::Silence, keys)
    }

    /// The next gateway is the router itself.
    #[must_use]
    pub fn itself(self) -> Self {
        self.push(Who::TheRouter, "")
    }

    fn push(mut self, who: Who<'a>, keys: &'a str) -> Self {
        self.gateways.push(Gateway { who, keys });
        self
    }

    /// Calls once by each transport, all at once. Every SIPp must see its scenario through, without a retransmission where
    /// there is none to be; the records of all calls, so many of each transport, in the order of their ends.
    ///
    /// # Errors
    /// What did not go as the scenario says.
    pub fn run(self, records_each: usize) -> Result<Vec<CallRecord>> {
        let pki = Pki::new()?;
        let own = pki.sign("router", "router", "IP:127.0.0.1")?;
        let ways = [Over::Udp, Over::Tcp, Over::Tls(&pki)];
        let (tcp, tls, udp) = (free_tcp()?, free_tcp()?, self.setup.sip());
        let routers = [udp, tcp, tls];
        let trust = format!("[tls]\nca = \"{}\"\n", pki.authority().display());
        let mut setup = self.setup.listen_tcp(&[tcp]).listen_tls(tls, &own, None).section(&trust);
        let mut standing = Vec::new();
        for ((over, router), prefix) in ways.into_iter().zip(routers).zip(PREFIXES) {
            // The one behind is there first: it may be told to the one before.
            let mut next = String::new();
            for (place, gateway) in self.gateways.iter().enumerate().rev() {
                let (stands, address) = stand(over, gateway, &next, router)?;
                next = format!("sip:{address};transport={}", over.name());
                let name = format!("{}-{place}", over.name());
                setup = setup.gateway_uri(&name, &next, gateway.keys);
                setup = setup.route(prefix, &name, &format!("0.00{}", place + 10));
                standing.push((over, stands));
            }
        }
        let router = setup.start()?;
        let mut callers = Vec::new();
        for ((over, address), prefix) in ways.into_iter().zip(routers).zip(PREFIXES) {
            let callee = format!("{prefix}5550101");
            let words: Words<'_> =
                self.words.iter().copied().chain([("caller", CALLER), ("callee", &*callee)]).collect();
            callers.push((over, Sipp::caller_by(over, self.caller, &words, address, Load::ONE)?));
        }
        for (over, caller) in callers {
            let counts = caller.wait().with_context(|| format!("the caller by {}", over.name()))?;
            ensure!((counts.successful, counts.failed) == (1, 0), "the caller by {}: {counts:?}", over.name());
            ensure!(counts.retransmissions == 0, "the caller by {} has said something twice", over.name());
        }
        for (over, stands) in standing {
            let Standing::Sipp(sipp) = stands else { continue };
            let counts = sipp.finish().with_context(|| format!("a gateway by {}", over.name()))?;
            ensure!((counts.successful, counts.failed) == (1, 0), "a gateway by {}: {counts:?}", over.name());
        }
        let records = router.wait_for_records(ways.len() * records_each)?;
        for over in ways {
            let count = records.iter().filter(|record| &*record.transport == over.name()).count();
            ensure!(count == records_each, "{count} records of calls by {}", over.name());
        }
        Ok(records)
    }
}

/// Of the numbers that are called by each transport.
const PREFIXES: [&str; 3] = ["1201", "1202", "1203"];

fn stand(over: Over<'_>, gateway: &Gateway<'_>, next: &str, router: SocketAddr) -> Result<(Standing, SocketAddr)> {
    Ok(match (&gateway.who, over) {
        (Who::Sipp(scenario, words), _) => {
            let words: Words<'_> = words.iter().copied().chain([("next", next)]).collect();
            let sipp = Sipp::callee_by(over, scenario, &words)?;
            let address = sipp.address();
            (Standing::Sipp(Box::new(sipp)), address)
        }
        (Who::Nobody, Over::Udp) => (Standing::Nothing, free_udp(LOCAL)?),
        (Who::Nobody, _) => (Standing::Nothing, free_tcp()?),
        (Who::Silence, Over::Udp) => {
            let socket = UdpSocket::bind((LOCAL, 0))?;
            let address = socket.local_addr()?;
            (Standing::Bound(socket), address)
        }
        (Who::Silence, _) => {
            let listener = TcpListener::bind((LOCAL, 0))?;
            let address = listener.local_addr()?;
            (Standing::Listening(listener), address)
        }
        (Who::TheRouter, _) => (Standing::Nothing, router),
    })
}

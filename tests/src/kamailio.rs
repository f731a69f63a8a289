//! Kamailio from Debian's package as a neighbour: a record-routing proxy that sends every new request to one place.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::ports::{free_udp, is_bound};
use crate::process::Process;

/// A running Kamailio. It ends when dropped.
#[derive(Debug)]
pub struct Kamailio {
    address: SocketAddr,
    process: Process,
    _folder: TempDir,
}

impl Kamailio {
    /// Sends every new request to this place.
    pub fn before(next: SocketAddr) -> Result<Self> {
        Self::start(next, "")
    }

    /// The same, but an INVITE needs this login first (407, RFC 3261 section 22.3); Kamailio itself verifies it.
    pub fn before_with_login(next: SocketAddr, realm: &str, user: &str, password: &str) -> Result<Self> {
        let ask = format!(
            "if (is_method(\"INVITE\")) {{\n if (!pv_proxy_authenticate(\"{realm}\", \"{password}\", \"0\") || $au != \"{user}\") \
             {{ proxy_challenge(\"{realm}\", \"1\"); exit; }}\n consume_credentials();\n}}"
        );
        Self::start(next, &ask)
    }

    fn start(next: SocketAddr, ask: &str) -> Result<Self> {
        let folder = TempDir::with_prefix("trunkline-kamailio-").context("no temporary folder")?;
        let address = free_udp(IpAddr::V4(Ipv4Addr::LOCALHOST))?;
        let words = [("ADDRESS", address.to_string()), ("NEXT", next.to_string()), ("ASK", ask.to_owned())];
        let text = words.iter().fold(CONFIG.to_owned(), |text, (word, value)| text.replace(word, value));
        let config = folder.path().join("kamailio.cfg");
        fs::write(&config, text)?;
        // Debian keeps servers where only root's PATH looks.
        let program =
            ["/usr/sbin/kamailio", "/usr/local/sbin/kamailio"].into_iter().find(|path| Path::new(path).is_file());
        let program = Path::new(program.unwrap_or("kamailio"));
        let mut process = Process::start(program, folder.path().join("kamailio.log"), |command| {
            // In the foreground, with children; its sockets and its working folder are its own.
            command.args(["-DD", "-E", "-m", "32", "-M", "8", "-f"]).arg(&config);
            command.arg("-Y").arg(folder.path()).arg("-w").arg(folder.path());
        })?;
        process.wait_until(Duration::from_secs(20), |_| is_bound(address))?;
        Ok(Self { address, process, _folder: folder })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.process.output()
    }
}

/// One child: several would send a 180 and its 200 in any order.
const CONFIG: &str = r#"#!KAMAILIO
debug=1
log_stderror=yes
children=1
listen=udp:ADDRESS
disable_tcp=yes
auto_aliases=no
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "auth.so"
modparam("rr", "enable_full_lr", 1)
request_route {
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (has_totag()) {
    if (loose_route()) {
      if (is_method("INVITE|UPDATE")) { record_route(); }
      t_relay(); exit;
    }
    if (is_method("ACK")) { if (t_check_trans()) { t_relay(); } exit; }
    sl_send_reply("404", "Not here"); exit;
  }
  if (is_method("CANCEL")) { if (t_check_trans()) { t_relay(); } exit; }
  t_check_trans();
  ASK
  if (is_method("INVITE")) { record_route(); }
  $du = "sip:NEXT";
  t_relay();
}
"#;

//! What of the configuration stays as it was at the start: a reload opens no sockets and moves no records.

use crate::config::model::{Admin, Cdr, Config, Hep, Listen, Node, Streams, Tracing};

/// The sections that the node runs with until its end.
#[derive(Clone)]
pub(super) struct Fixed {
    node: Node,
    listen: Listen,
    streams: Streams,
    hep: Option<Hep>,
    tracing: Option<Tracing>,
    admin: Admin,
    cdr: Cdr,
    max_calls: Option<usize>,
}

impl Fixed {
    pub(super) fn of(config: &Config) -> Self {
        let Config { node, listen, streams, hep, tracing, admin, cdr, .. } = config.clone();
        Self { node, listen, streams, hep, tracing, admin, cdr, max_calls: config.call.max_calls }
    }

    /// A warning for each section that `config` has otherwise.
    pub(super) fn unheeded(&self, config: &Config) -> Vec<String> {
        let sections = [
            ("[node]", self.node != config.node),
            ("[listen]", self.listen != config.listen),
            ("[streams]", self.streams != config.streams),
            ("[hep]", self.hep != config.hep),
            ("[tracing]", self.tracing != config.tracing),
            ("[admin]", self.admin != config.admin),
            ("[cdr]", self.cdr != config.cdr),
            ("call.max-calls", self.max_calls != config.call.max_calls),
        ];
        let changed = sections.into_iter().filter(|(_, changed)| *changed);
        changed.map(|(section, _)| format!("{section} has changed: that takes effect at the next start")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Fixed;
    use crate::config::model::Config;

    const STARTED: &str = "[node]
name = 'edge-1'
[listen]
udp = ['127.0.0.1:5060']
[call]
max-attempts = 8
[cdr.stores.main]
sql = { url = 'sqlite:cdr.db' }
";

    fn config(text: &str) -> Config {
        toml::from_str(text).expect("a configuration")
    }

    fn unheeded(from: &str, to: &str) -> Vec<String> {
        assert!(STARTED.contains(from), "{from}");
        Fixed::of(&config(STARTED)).unheeded(&config(&STARTED.replace(from, to)))
    }

    #[test]
    fn a_section_that_waits_for_the_next_start_is_named() {
        for (section, from, to) in [
            ("[node]", "edge-1", "edge-2"),
            ("[listen]", "5060", "5061"),
            ("[admin]", "[call]", "[admin]\nbind = '127.0.0.1:9060'\n[call]"),
            ("[cdr]", "cdr.db", "cdr2.db"),
            ("call.max-calls", "max-attempts = 8", "max-calls = 8"),
        ] {
            let expected = format!("{section} has changed: that takes effect at the next start");
            assert_eq!(unheeded(from, to), [expected]);
        }
    }

    #[test]
    fn what_a_reload_takes_over_needs_no_warning() {
        assert!(unheeded("max-attempts = 8", "max-attempts = 4").is_empty());
        assert!(unheeded("[node]", "[node]\ndrain = '30s'").is_empty(), "the default, written out");
    }
}

//! Whose word about the caller counts.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::super::units;

/// `[customers.NAME] trust-identity`: whether what a customer's calls assert about their callers is believed (RFC 3325).
/// Written as `true`, `false` or a list of networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TrustIdentity {
    /// P-Asserted-Identity is taken out.
    #[default]
    Never,
    /// It is believed.
    Always,
    /// It is believed from these networks.
    From(Vec<IpNet>),
}

impl TrustIdentity {
    /// Whether a call from this address is believed.
    pub fn holds(&self, source: IpAddr) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::From(networks) => networks.iter().any(|network| network.contains(&source.to_canonical())),
        }
    }
}

impl<'de> Deserialize<'de> for TrustIdentity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> Visitor<'de> for Written {
            type Value = TrustIdentity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, `false`, or a list of networks such as `[\"192.0.2.0/24\"]`")
            }

            fn visit_bool<E: Error>(self, believed: bool) -> Result<TrustIdentity, E> {
                Ok(if believed { TrustIdentity::Always } else { TrustIdentity::Never })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<TrustIdentity, A::Error> {
                units::networks(SeqAccessDeserializer::new(list)).map(TrustIdentity::From)
            }
        }
        deserializer.deserialize_any(Written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TrustIdentity, toml::de::Error> {
        #[derive(Deserialize)]
        struct Table {
            trust: TrustIdentity,
        }
        toml::from_str::<Table>(&format!("trust = {text}")).map(|table| table.trust)
    }

    #[test]
    fn trust_is_all_or_nothing_or_by_network() {
        let peer = IpAddr::from([192, 0, 2, 7]);
        let mapped: IpAddr = "::ffff:192.0.2.7".parse().unwrap();
        for (text, holds) in [
            ("true", true),
            ("false", false),
            ("[]", false),
            ("['192.0.2.7']", true),
            ("['10.0.0.0/8', '192.0.2.0/24']", true),
            ("['192.0.2.8']", false),
        ] {
            let trust = read(text).unwrap();
            assert_eq!((trust.holds(peer), trust.holds(mapped)), (holds, holds), "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_told_with_what_would_be_right() {
        let told = read("'yes'").unwrap_err().to_string();
        assert!(told.contains("`true`, `false`, or a list of networks"), "{told}");
        assert!(read("['everybody']").unwrap_err().to_string().contains("a network such as"));
    }
}

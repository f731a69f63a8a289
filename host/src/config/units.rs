//! Durations and sizes as texts with units, networks as texts with or without a prefix length.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use crate::sip::codes::Pattern;

/// A time span, written as `250us`, `30ms`, `5s`, `10m`, `24h` or `7d`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeSpan(Duration);

impl TimeSpan {
    /// So many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// So many seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// As the standard library's type.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text {
            wanted: "a duration: a number and a unit, such as `30ms`, `5s`, `10m`, `24h` or `7d`",
            parse: |text| parse_duration(text).map(Self),
        })
    }
}

/// A time span above zero, or `always`, which is zero: nothing is waited for.
pub(super) fn always_or_span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TimeSpan, D::Error> {
    deserializer.deserialize_str(Text {
        wanted: "`always`, or a duration above zero, such as `10ms`",
        parse: |text| match text {
            "always" => Some(TimeSpan::default()),
            text => parse_duration(text).filter(|span| !span.is_zero()).map(TimeSpan),
        },
    })
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let micros: u64 = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => return None,
    };
    number.checked_mul(micros).map(Duration::from_micros)
}

/// A size in bytes written as `512B`, `64KiB`, `16MiB` or `1GiB`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// So many KiB.
    pub const fn from_kib(kib: u64) -> Self {
        Self(kib << 10)
    }

    /// So many MiB.
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// Bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text {
            wanted: "a size: a number and a unit, such as `64KiB`, `16MiB` or `1GiB`",
            parse: |text| parse_size(text).map(Self),
        })
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let shift = match unit {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

/// `("30", "ms")` of `30ms` or `30 ms`; underscores may group the digits.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_')?;
    let number = text[..end].replace('_', "").parse().ok()?;
    Some((number, text[end..].trim_start()))
}

/// A list of networks; a bare address is the network of that address alone.
pub(super) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let networks: Vec<Network> = Vec::deserialize(deserializer)?;
    Ok(networks.into_iter().map(|network| network.0).collect())
}

struct Network(IpNet);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text {
            wanted: "a network such as `192.0.2.0/24` or `2001:db8::/32`, or an address such as `192.0.2.7`",
            parse: |text| {
                let host = || text.parse::<IpAddr>().map(IpNet::from);
                text.parse::<IpNet>().or_else(|_| host()).ok().map(Self)
            },
        })
    }
}

/// A socket address, port included.
pub(super) fn socket_addresses<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<std::net::SocketAddr>, D::Error> {
    struct Address(std::net::SocketAddr);
    impl<'de> Deserialize<'de> for Address {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_str(Text {
                wanted: "an IP address and a port, such as `0.0.0.0:5060` or `[::]:5060`",
                parse: |text| text.parse().ok().map(Self),
            })
        }
    }
    let addresses: Vec<Address> = Vec::deserialize(deserializer)?;
    Ok(addresses.into_iter().map(|address| address.0).collect())
}

/// A time span, or `off` for none.
pub(super) fn span_or_off<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TimeSpan>, D::Error> {
    deserializer.deserialize_str(Text {
        wanted: "a duration such as `30s`, or `off`",
        parse: |text| if text == "off" { Some(None) } else { parse_duration(text).map(|span| Some(TimeSpan(span))) },
    })
}

/// A list of final codes and their classes.
pub(super) fn codes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Pattern>, D::Error> {
    struct Code(Pattern);
    impl<'de> Deserialize<'de> for Code {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_str(Text {
                wanted: "a final code or a class of them from 300 to 699, such as `\"503\"` or `\"5xx\"`",
                parse: |text| Pattern::read(text).map(Self),
            })
        }
    }
    let codes: Vec<Code> = Vec::deserialize(deserializer)?;
    Ok(codes.into_iter().map(|code| code.0).collect())
}

/// Reads a text; whatever is wrong with it, the error says what is wanted.
struct Text<T> {
    wanted: &'static str,
    parse: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wanted)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

//! `[customers.NAME.digest] md5`: `true`, `false` or `"only"`.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Visitor};

use crate::sip::digest::Md5;

pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Md5, D::Error> {
    struct Written;
    impl Visitor<'_> for Written {
        type Value = Md5;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("`true`, `false` or `\"only\"`")
        }

        fn visit_bool<E: Error>(self, offered: bool) -> Result<Md5, E> {
            Ok(if offered { Md5::Offered } else { Md5::Refused })
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Md5, E> {
            if text == "only" { Ok(Md5::Alone) } else { Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)) }
        }
    }
    deserializer.deserialize_any(Written)
}

//! What the caller asked to keep secret (RFC 3323, RFC 3325).

use crate::{Call, Host};

/// True where the caller's identity must not be shown or looked up: a Privacy header that asks for `id`, `user` or
/// `header` (RFC 3323 section 4.2, RFC 3325 section 9.3), the deployed `full`, or an anonymous From
/// (RFC 3323 section 4.1.1.3).
pub fn asked(call: &Call, host: &dyn Host) -> bool {
    anonymous(&call.from_uri) || host.header("Privacy").iter().any(|value| hides_identity(value))
}

/// True where the value of a Privacy header hides who calls.
pub fn hides_identity(value: &str) -> bool {
    // RFC 3323 separates by semicolons; commas and blanks are seen from older switches.
    let mut asked = value.split([';', ',', ' ']).map(str::trim);
    asked.any(|level| ["id", "user", "header", "full"].iter().any(|hides| level.eq_ignore_ascii_case(hides)))
}

/// True where a From URI tells nothing by intent: `sip:anonymous@anonymous.invalid` and what switches make of it.
pub fn anonymous(uri: &str) -> bool {
    let host = uri.rsplit_once('@').map_or("", |(_, host)| host.split([';', ':', '?']).next().unwrap_or(""));
    let user = crate::uri::User::of(uri).name;
    host.eq_ignore_ascii_case("anonymous.invalid")
        || ["anonymous", "restricted", "private", "unavailable"].iter().any(|name| user.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeHost, call};

    #[test]
    fn identity_is_hidden_by_id_user_header_and_full_alone() {
        for value in ["id", "user", "header", "full", "ID;critical", "session; id", "user,id"] {
            assert!(hides_identity(value), "{value}");
        }
        for value in ["none", "session", "critical", "history", "", "ident"] {
            assert!(!hides_identity(value), "{value}");
        }
    }

    #[test]
    fn an_anonymous_from_hides_without_a_privacy_header() {
        let mut anonymous = call("2025550123", "2125550100");
        assert!(!asked(&anonymous, &FakeHost::new()));
        for uri in ["sip:anonymous@anonymous.invalid", "sip:x@Anonymous.Invalid;tag", "sip:Restricted@10.0.0.1:5060"] {
            anonymous.from_uri = uri.to_owned();
            assert!(asked(&anonymous, &FakeHost::new()), "{uri}");
        }
    }

    #[test]
    fn a_privacy_header_hides_a_known_number() {
        assert!(asked(&call("2025550123", "2125550100"), &FakeHost::new().with_header("privacy", "id")));
    }
}

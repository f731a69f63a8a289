//! As much of DER as finds the Common Name in the subject of a certificate (RFC 5280 section 4.1.2.4): the certificate
//! has been parsed and verified by others before.

/// OID 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
/// UTF8String, PrintableString, IA5String: their contents are UTF-8 text.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];

/// The last Common Name of a subject, which is given without its outer SEQUENCE or with it.
pub(super) fn common_name(subject: &[u8]) -> Option<&str> {
    let names = match element(subject) {
        Some((SEQUENCE, inner, [])) => inner,
        _ => subject,
    };
    elements(names)
        .filter(|(tag, _)| *tag == SET)
        .flat_map(|(_, set)| elements(set))
        .filter_map(|(_, attribute)| {
            let mut parts = elements(attribute);
            let (_, _) = parts.next().filter(|(tag, oid)| *tag == OID && *oid == COMMON_NAME)?;
            let (_, text) = parts.next().filter(|(tag, _)| TEXTS.contains(tag))?;
            std::str::from_utf8(text).ok()
        })
        .last()
}

fn elements(mut rest: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, value, more) = element(rest)?;
        rest = more;
        Some((tag, value))
    })
}

/// Tag, contents, and what follows. Lengths of up to two bytes: no subject is longer.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (length, rest) = match bytes.get(1..)? {
        [length @ 0..=0x7f, rest @ ..] | [0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    let (value, more) = rest.split_at_checked(length)?;
    Some((bytes[0], value, more))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C=US, O=ACME, CN=carrier-a.example.net
    const SUBJECT: &[u8] =
        b"\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x13\x02US\x31\x0d\x30\x0b\x06\x03\x55\x04\x0a\x0c\x04ACME\
        \x31\x1e\x30\x1c\x06\x03\x55\x04\x03\x0c\x15carrier-a.example.net";

    #[test]
    fn the_common_name_is_found_with_and_without_the_outer_sequence() {
        assert_eq!(common_name(SUBJECT), Some("carrier-a.example.net"));
        let whole = [&[SEQUENCE, SUBJECT.len() as u8], SUBJECT].concat();
        assert_eq!(common_name(&whole), Some("carrier-a.example.net"));
    }

    #[test]
    fn cut_bytes_give_no_name_and_no_panic() {
        for length in 0..SUBJECT.len() {
            assert_eq!(common_name(&SUBJECT[..length]), None, "{length}");
        }
    }
}

//! What can be a key.

use super::error::LookupError;

/// Bytes in a key.
const LONGEST: usize = 256;

/// Refuses what cannot be a key of any table, before it costs anything.
pub(super) fn check(key: &str) -> Result<(), LookupError> {
    if key.is_empty() || key.len() > LONGEST || key.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Err(LookupError::BadKey);
    }
    Ok(())
}

/// Percent-encodes all but the unreserved characters (RFC 3986 section 2.3), so that a key stays one path segment.
///
/// `.` and `..` cannot stay one: URL parsers read even `%2E%2E` as a step up. They are refused.
pub(super) fn percent_encode(key: &str, into: &mut String) -> Result<(), LookupError> {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    if key == "." || key == ".." {
        return Err(LookupError::BadKey);
    }
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.push(HEX[usize::from(byte >> 4)]);
            into.push(HEX[usize::from(byte & 15)]);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_short_and_printable() {
        assert_eq!(check(&"5".repeat(256)), Ok(()));
        assert_eq!(check(&"5".repeat(257)), Err(LookupError::BadKey));
        assert_eq!(check("12\r\n34"), Err(LookupError::BadKey));
        assert_eq!(check(""), Err(LookupError::BadKey));
        assert_eq!(check("é"), Ok(()));
    }

    #[test]
    fn a_key_cannot_leave_its_path_segment() {
        let mut path = String::new();
        percent_encode("a/../b?c#d é+", &mut path).unwrap();
        assert_eq!(path, "a%2F..%2Fb%3Fc%23d%20%C3%A9%2B");
        assert_eq!(percent_encode("..", &mut path), Err(LookupError::BadKey));
    }
}

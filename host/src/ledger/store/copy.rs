//! Rows in the text format of PostgreSQL's COPY.

use std::fmt::Display;
use std::io::Write as _;

/// Lines of cells, parted by tabs.
#[derive(Debug, Default)]
pub(super) struct Rows(Vec<u8>);

/// One line in the making.
pub(super) struct Row<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl Rows {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Adds a line.
    pub(super) fn row(&mut self, cells: impl FnOnce(&mut Row<'_>)) {
        cells(&mut Row { out: &mut self.0, first: true });
        self.0.push(b'\n');
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Row<'_> {
    fn part(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b'\t');
        }
    }

    /// A text of any kind. NUL, which PostgreSQL cannot hold, becomes U+FFFD.
    pub(super) fn text(&mut self, text: &str) {
        self.part();
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r' | 0)) {
            self.out.extend_from_slice(&rest[..at]);
            self.out.extend_from_slice(match rest[at] {
                b'\\' => b"\\\\",
                b'\t' => b"\\t",
                b'\n' => b"\\n",
                b'\r' => b"\\r",
                _ => "\u{fffd}".as_bytes(),
            });
            rest = &rest[at + 1..];
        }
        self.out.extend_from_slice(rest);
    }

    /// A number, in digits.
    pub(super) fn number(&mut self, number: impl Display) {
        self.part();
        // Writing to memory does not fail.
        let _ = write!(self.out, "{number}");
    }

    pub(super) fn null(&mut self) {
        self.part();
        self.out.extend_from_slice(b"\\N");
    }

    pub(super) fn text_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    pub(super) fn number_or_null(&mut self, number: Option<impl Display>) {
        match number {
            Some(number) => self.number(number),
            None => self.null(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_the_format_is_written_so_that_it_has_none() {
        let mut rows = Rows::default();
        rows.row(|row| {
            row.text("a\\b\tc\nd\0e");
            row.number(-7);
            row.null();
            row.text_or_null(Some("\\N"));
            row.text("");
        });
        assert_eq!(String::from_utf8_lossy(rows.bytes()), "a\\\\b\\tc\\nd\u{fffd}e\t-7\t\\N\t\\\\N\t\n");
    }
}

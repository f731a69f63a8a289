//! Rows in the binary format of PostgreSQL's COPY: half of what the server has to do for the text format.
//!
//! The server checks the length of each cell against its column's type, and the bytes of texts for UTF-8.

/// What every stream begins with: a signature, no flags, no extension.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// In place of the number of a row's cells: there are no more rows.
const END: [u8; 2] = (-1_i16).to_be_bytes();
/// In place of a cell's length.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();

/// Rows in the making.
#[derive(Debug)]
pub(super) struct Rows(Vec<u8>);

/// One row in the making.
pub(super) struct Row<'a> {
    out: &'a mut Vec<u8>,
    cells: i16,
}

impl Rows {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        let mut out = Vec::with_capacity(HEAD.len() + bytes + END.len());
        out.extend_from_slice(HEAD);
        Self(out)
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: impl FnOnce(&mut Row<'_>)) {
        let begin = self.0.len();
        self.0.extend_from_slice(&[0; 2]);
        let mut row = Row { out: &mut self.0, cells: 0 };
        cells(&mut row);
        let count = row.cells;
        self.0[begin..begin + 2].copy_from_slice(&count.to_be_bytes());
    }

    /// The whole stream; nothing can be added after that.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&END);
        self.0
    }
}

impl Row<'_> {
    fn cell(&mut self, bytes: impl FnOnce(&mut Vec<u8>)) {
        self.cells += 1;
        let begin = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        bytes(self.out);
        // Never too long: a message of the broker, let alone a part of it, has less than 2 GiB.
        let length = i32::try_from(self.out.len() - begin - 4).unwrap_or(i32::MAX);
        self.out[begin..begin + 4].copy_from_slice(&length.to_be_bytes());
    }

    fn null(&mut self) {
        self.cells += 1;
        self.out.extend_from_slice(&NULL);
    }

    /// `text`, of any kind. NUL, which PostgreSQL cannot hold, becomes U+FFFD.
    pub(super) fn text(&mut self, text: &str) {
        self.cell(|out| {
            let mut rest = text.as_bytes();
            while let Some(at) = memchr::memchr(0, rest) {
                out.extend_from_slice(&rest[..at]);
                out.extend_from_slice("\u{fffd}".as_bytes());
                rest = &rest[at + 1..];
            }
            out.extend_from_slice(rest);
        });
    }

    /// `text`, or null.
    pub(super) fn text_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    /// `bigint`. What it cannot hold becomes the most that it can.
    pub(super) fn bigint(&mut self, number: u64) {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.cell(|out| out.extend_from_slice(&number.to_be_bytes()));
    }

    /// `bigint`, or null.
    pub(super) fn bigint_or_null(&mut self, number: Option<u64>) {
        match number {
            Some(number) => self.bigint(number),
            None => self.null(),
        }
    }

    /// `integer`.
    pub(super) fn integer(&mut self, number: impl Into<i32>) {
        let number = number.into();
        self.cell(|out| out.extend_from_slice(&number.to_be_bytes()));
    }

    /// `numeric`, or null: an integer, and how many of its digits stand after the point.
    pub(super) fn numeric_or_null(&mut self, number: Option<(i128, u8)>) {
        match number {
            Some((digits, scale)) => self.cell(|out| numeric(out, digits, scale)),
            None => self.null(),
        }
    }
}

/// The count of digits in base 10,000, the power of the first, the sign, the places to show, then the digits.
fn numeric(out: &mut Vec<u8>, digits: i128, scale: u8) {
    /// Of 39 decimal digits and 255 places.
    const MOST: usize = 10 + 64;
    let mut groups = [0_u16; MOST];
    let (mut count, fraction) = (0, usize::from(scale).div_ceil(4));
    let mut rest = digits.unsigned_abs();
    // The last group of the fraction may be a part of one: 0.00345 is 34 and 5000.
    let mut lift = 10_u128.pow((4 - u32::from(scale) % 4) % 4);
    while rest > 0 || count < fraction {
        let step = 10_000 / lift;
        groups[count] = (rest % step * lift) as u16;
        rest /= step;
        lift = 1;
        count += 1;
    }
    let sign: u16 = if digits < 0 { 0x4000 } else { 0 };
    let weight = count as i16 - fraction as i16 - 1;
    out.extend_from_slice(&(count as u16).to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&u16::from(scale).to_be_bytes());
    for group in groups[..count].iter().rev() {
        out.extend_from_slice(&group.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PostgreSQL reads: the digits by their powers of 10,000, as a decimal with all places.
    fn read(bytes: &[u8]) -> String {
        let words: Vec<i64> = bytes.chunks(2).map(|two| i16::from_be_bytes([two[0], two[1]]).into()).collect();
        let (count, weight, negative, places) = (words[0] as usize, words[1], words[2] == 0x4000, words[3]);
        assert_eq!(words.len(), 4 + count);
        let group = |power: i64| words[4..].get((weight - power) as usize).copied().unwrap_or(0);
        let whole = (0..=weight.max(0)).rev().fold(0, |whole, power| whole * 10_000 + group(power));
        let fraction: Vec<_> = (1..=(places + 3) / 4).map(|power| format!("{:04}", group(-power))).collect();
        let sign = if negative { "-" } else { "" };
        format!("{sign}{whole}.{}", &fraction.concat()[..places as usize])
    }

    #[test]
    fn a_numeric_is_the_number_that_it_was_with_as_many_places() {
        let of = |digits: i128, scale: u8| {
            let mut bytes = Vec::new();
            numeric(&mut bytes, digits, scale);
            read(&bytes)
        };
        assert_eq!(of(345, 5), "0.00345");
        assert_eq!(of(59, 4), "0.0059");
        assert_eq!(of(-12_500_000_001, 9), "-12.500000001");
        assert_eq!(of(1_234_567_890_123, 0), "1234567890123.");
        assert_eq!(of(100_000_000, 4), "10000.0000");
        assert_eq!(of(0, 6), "0.000000");
        assert_eq!(of(i64::MAX.into(), 18), "9.223372036854775807");
        let mut most = Vec::new();
        numeric(&mut most, i128::MIN, u8::MAX);
        assert_eq!(most.len(), 8 + 2 * 64, "no figure is too long");
    }

    #[test]
    fn a_row_is_the_count_of_its_cells_and_each_with_its_length() {
        let mut rows = Rows::with_capacity(0);
        rows.row(|row| {
            row.text("a\0b");
            row.bigint(7);
            row.integer(200_u16);
            row.text_or_null(None);
        });
        let bytes = rows.finish();
        let row = bytes.strip_prefix(HEAD).unwrap();
        let cells: [&[u8]; 5] = [
            b"\0\x04",
            b"\0\0\0\x05a\xef\xbf\xbdb",
            b"\0\0\0\x08\0\0\0\0\0\0\0\x07",
            b"\0\0\0\x04\0\0\0\xc8",
            b"\xff\xff\xff\xff\xff\xff",
        ];
        assert_eq!(row, cells.concat());
    }
}

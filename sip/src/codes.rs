//! Sets of final status codes, written as `503` or `5xx`.

/// A set of codes from 300 to 699.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeSet([u64; WORDS]);

const FIRST: u16 = 300;
const LAST: u16 = 699;
const WORDS: usize = ((LAST - FIRST + 1) as usize).div_ceil(64);

/// One code, or all of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// Such as 503.
    Code(u16),
    /// Such as 5, for all from 500 to 599.
    Class(u16),
}

impl Pattern {
    /// `503` or `5xx`; `None` where it is neither, or no final failure.
    pub fn read(text: &str) -> Option<Self> {
        if let Some(class) = text.strip_suffix("xx") {
            return class.parse().ok().filter(|class| (3..=6).contains(class) && text.len() == 3).map(Self::Class);
        }
        text.parse().ok().filter(|code| (FIRST..=LAST).contains(code)).map(Self::Code)
    }
}

impl CodeSet {
    /// None.
    pub const EMPTY: Self = Self([0; WORDS]);

    /// Those that these patterns name.
    pub fn of(patterns: &[Pattern]) -> Self {
        Self::EMPTY.changed(patterns, &[])
    }

    /// This set with the codes of `more` and without those of `less`. A single code outweighs its class, in whichever
    /// of the two it stands.
    #[must_use]
    pub fn changed(mut self, more: &[Pattern], less: &[Pattern]) -> Self {
        for (patterns, held) in [(more, true), (less, false)] {
            for class in patterns
                .iter()
                .filter_map(|pattern| if let Pattern::Class(class) = pattern { Some(class) } else { None })
            {
                (class * 100..class * 100 + 100).for_each(|code| self.put(code, held));
            }
        }
        for (patterns, held) in [(more, true), (less, false)] {
            for code in
                patterns.iter().filter_map(|pattern| if let Pattern::Code(code) = pattern { Some(code) } else { None })
            {
                self.put(*code, held);
            }
        }
        self
    }

    /// Whether it holds this code.
    pub fn contains(&self, code: u16) -> bool {
        Self::place(code).is_some_and(|(word, bit)| self.0[word] & bit != 0)
    }

    fn put(&mut self, code: u16, held: bool) {
        if let Some((word, bit)) = Self::place(code) {
            if held {
                self.0[word] |= bit;
            } else {
                self.0[word] &= !bit;
            }
        }
    }

    fn place(code: u16) -> Option<(usize, u64)> {
        let index = usize::from(code.checked_sub(FIRST).filter(|_| code <= LAST)?);
        Some((index / 64, 1 << (index % 64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_code_outweighs_its_class() {
        let busy = CodeSet::of(&[Pattern::Class(4)]).changed(&[], &[Pattern::Code(486)]);
        assert!(busy.contains(404) && !busy.contains(486) && !busy.contains(503));
        let one = CodeSet::of(&[Pattern::Class(5)]).changed(&[Pattern::Code(503)], &[Pattern::Class(5)]);
        assert!(one.contains(503) && !one.contains(500));
    }

    #[test]
    fn what_is_no_final_failure_is_no_pattern() {
        for text in ["", "xx", "1xx", "2xx", "7xx", "55xx", "200", "299", "700", "5x", "five", "-503", "5XX"] {
            assert_eq!(Pattern::read(text), None, "{text}");
        }
        assert_eq!(Pattern::read("3xx"), Some(Pattern::Class(3)));
        assert_eq!(Pattern::read("699"), Some(Pattern::Code(699)));
        assert!(CodeSet::of(&[Pattern::Code(699)]).contains(699));
        assert!(!CodeSet::EMPTY.contains(65_000));
    }
}

//! Single figures of what happens within the process, each beside its aim: `NAME.json` and `NAME.md`.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::report::keep;

/// All that one program measured.
#[derive(Debug, Default, Serialize)]
pub struct Figures {
    /// In the order in which they were measured.
    pub rows: Vec<Figure>,
}

/// One of them.
#[derive(Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// How much that was.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// What it should be, where that was said.
    pub aim: Option<Aim>,
}

/// What a figure is held against.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aim {
    /// What costs something.
    AtMost(f64),
    /// What is got through.
    AtLeast(f64),
}

impl Figures {
    /// Keeps one, and tells it at once: the next may take a while.
    pub fn add(&mut self, what: impl Into<String>, value: f64, unit: &'static str, aim: Option<Aim>) {
        let figure = Figure { what: what.into(), value, unit, aim };
        eprintln!("{}: {} {unit}", figure.what, rounded(value));
        self.rows.push(figure);
    }

    /// Writes `NAME.json` and `NAME.md` into a folder; returns the Markdown.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<String> {
        keep(folder, name, self, &self.markdown())
    }

    fn markdown(&self) -> String {
        let mut text = "\n| what | seen | aim |\n|---|---:|---:|\n".to_owned();
        for Figure { what, value, unit, aim } in &self.rows {
            let aim = match aim {
                Some(Aim::AtMost(most)) => format!("at most {} {unit}", rounded(*most)),
                Some(Aim::AtLeast(least)) => format!("at least {} {unit}", rounded(*least)),
                None => String::new(),
            };
            let _infallible = writeln!(text, "| {what} | {} {unit} | {aim} |", rounded(*value));
        }
        text
    }
}

/// Three digits that count.
fn rounded(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_stands_beside_its_aim() {
        let mut figures = Figures::default();
        figures.add("a row", 75.25, "ns", Some(Aim::AtMost(150.0)));
        figures.add("records", 33_559.4, "a second", Some(Aim::AtLeast(20_000.0)));
        figures.add("fuel", 52_564.0, "instructions", None);
        let table = figures.markdown();
        assert!(table.contains("| a row | 75.2 ns | at most 150 ns |"), "{table}");
        assert!(table.contains("| records | 33559 a second | at least 20000 a second |"), "{table}");
        assert!(table.contains("| fuel | 52564 instructions |  |"), "{table}");
    }
}

//! Single figures of what happens within the process, each beside its aim: `NAME.json` and `NAME.md`.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::report::{keep, machine};

/// All that one program measured.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Processor, cores, kernel.
    pub machine: String,
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
    /// What it should at most be, where that was said.
    pub aim: Option<f64>,
}

impl Figures {
    /// None of this machine yet.
    pub fn new() -> Self {
        Self { machine: machine(), rows: Vec::new() }
    }

    /// Keeps one, and tells it at once: the next may take a while.
    pub fn add(&mut self, what: impl Into<String>, value: f64, unit: &'static str, aim: Option<f64>) {
        let figure = Figure { what: what.into(), value, unit, aim };
        eprintln!("{}: {} {unit}", figure.what, rounded(value));
        self.rows.push(figure);
    }

    /// Writes `NAME.json` and `NAME.md` into a folder; returns the Markdown.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<String> {
        keep(folder, name, self, self.markdown())
    }

    fn markdown(&self) -> String {
        let mut text = format!("{}\n\n| what | seen | aim |\n|---|---:|---:|\n", self.machine);
        for Figure { what, value, unit, aim } in &self.rows {
            let aim = aim.map_or_else(String::new, |aim| format!("{} {unit}", rounded(aim)));
            let _infallible = writeln!(text, "| {what} | {} {unit} | {aim} |", rounded(*value));
        }
        text
    }
}

impl Default for Figures {
    fn default() -> Self {
        Self::new()
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
        let mut figures = Figures { machine: "m".to_owned(), rows: Vec::new() };
        figures.add("a row", 75.25, "ns", Some(150.0));
        figures.add("fuel", 52_564.0, "instructions", None);
        let table = figures.markdown();
        assert!(table.contains("| a row | 75.2 ns | 150 ns |"), "{table}");
        assert!(table.contains("| fuel | 52564 instructions |  |"), "{table}");
    }
}

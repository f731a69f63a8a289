//! What a plugin costs in each language: the one that `trunkline plugin new` makes, built by `trunkline plugin build` and
//! measured by `trunkline plugin bench` on one recorded call.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde::{Deserialize, Serialize};
use trunkline_benches::report::keep;
use trunkline_tests::Router;

/// As in `--lang`, and as people write them.
const LANGUAGES: [(&str, &str); 4] = [("rust", "Rust"), ("c", "C"), ("python", "Python"), ("javascript", "JavaScript")];

#[derive(Parser)]
struct Arguments {
    /// How long warm calls are measured, and cold ones as long again
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Where the results go
    #[arg(long, default_value = "benches/results")]
    out: PathBuf,
}

/// All of one run.
#[derive(Serialize)]
struct Report {
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    language: &'static str,
    /// Of the component.
    bytes: u64,
    #[serde(flatten)]
    cost: Cost,
}

/// As `trunkline plugin bench --json` tells it.
#[derive(Serialize, Deserialize)]
struct Cost {
    /// WebAssembly instructions of a call.
    fuel: Spread,
    /// A call in an instance that has served others.
    #[serde(alias = "warm-micros")]
    warm_micros: Spread,
    /// A call with the making of its instance.
    #[serde(alias = "cold-micros")]
    cold_micros: Spread,
}

#[derive(Serialize, Deserialize)]
struct Spread {
    median: f64,
    p99: f64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir()?;
    let mut rows = Vec::new();
    for (word, language) in LANGUAGES {
        eprintln!("{language}: building, then {} s warm and {} s cold", arguments.seconds, arguments.seconds);
        rows.push(measure(folder.path(), word, language, arguments.seconds).with_context(|| language.to_owned())?);
    }
    let report = Report { rows };
    print!("{}", keep(&arguments.out, "languages", &report, &report.markdown()?)?);
    Ok(())
}

fn measure(folder: &Path, word: &str, language: &'static str, seconds: u64) -> Result<Row> {
    let (name, folder) = (format!("vip-{word}"), folder.display().to_string());
    trunkline(&["new", "--lang", word, &name, "--in", &folder])?;
    let project = Path::new(&folder).join(&name);
    let component = project.join(format!("{name}.wasm"));
    trunkline(&["build", &project.display().to_string()])?;
    // One lookup that finds its row, one header field, one attribute: the first call of the template's file.
    let calls = fs::read_to_string(project.join("calls.jsonl")).context("the template's calls")?;
    let call = calls.lines().find(|line| line.starts_with('{')).context("the template has a recorded call")?;
    let one = project.join("one.jsonl");
    fs::write(&one, format!("{call}\n"))?;
    let (file, one, time) = (component.display().to_string(), one.display().to_string(), seconds.to_string());
    let config = r#"{"table": "vips"}"#;
    let told = trunkline(&["bench", &file, &one, "--config", config, "--seconds", &time, "--json"])?;
    let cost = serde_json::from_str(&told).with_context(|| format!("`plugin bench --json` wrote {told}"))?;
    Ok(Row { language, bytes: fs::metadata(&component)?.len(), cost })
}

/// `trunkline plugin` with these words: what it wrote.
fn trunkline(words: &[&str]) -> Result<String> {
    let output = Command::new(Router::program()?).arg("plugin").args(words).output().context("trunkline")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "trunkline plugin {}:\n{errors}", words.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}

impl Report {
    fn markdown(&self) -> Result<String> {
        let mut text = "\n| language | component | fuel, median | warm, µs: median | p99 | cold, µs: median | p99 |\n\
                        |---|---:|---:|---:|---:|---:|---:|\n"
            .to_owned();
        for Row { language, bytes, cost } in &self.rows {
            let Cost { fuel, warm_micros: warm, cold_micros: cold } = cost;
            writeln!(
                text,
                "| {language} | {} | {:.0} | {:.1} | {:.1} | {:.0} | {:.0} |",
                size(*bytes),
                fuel.median,
                warm.median,
                warm.p99,
                cold.median,
                cold.p99
            )?;
        }
        Ok(text)
    }
}

/// In kB, or in MB.
fn size(bytes: u64) -> String {
    if bytes < 1_000_000 { format!("{} kB", bytes / 1_000) } else { format!("{:.1} MB", bytes as f64 / 1e6) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_plugin_bench_tells_is_a_row_of_the_table() -> Result<()> {
        let told = r#"{ "warm": 9, "cold": 3, "fuel": { "median": 3448, "p99": 3448 },
            "warm-micros": { "median": 2.31, "p99": 3.4 }, "cold-micros": { "median": 34.2, "p99": 60.7 } }"#;
        let row = |language, bytes| -> Result<Row> { Ok(Row { language, bytes, cost: serde_json::from_str(told)? }) };
        let report = Report { rows: vec![row("C", 10_240)?, row("Python", 18_530_000)?] };
        let table = report.markdown()?;
        let lines: Vec<&str> = table.lines().skip(3).collect();
        let expected =
            ["| C | 10 kB | 3448 | 2.3 | 3.4 | 34 | 61 |", "| Python | 18.5 MB | 3448 | 2.3 | 3.4 | 34 | 61 |"];
        assert_eq!(lines, expected);
        Ok(())
    }
}

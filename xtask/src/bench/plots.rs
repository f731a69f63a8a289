//! The results of the benches as pictures: `benches/results/NAME.json` becomes `NAME.svg`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::chart::{Chart, Group, Panel};

/// What makes a chart of a bench's results.
type Drawn = fn(&Value) -> Vec<Panel>;

const DRAWN: [(&str, Drawn); 10] = [
    ("cost", cost),
    ("capacity", capacity),
    ("outage", outage),
    ("ledger", figures),
    ("records", figures),
    ("scale", scale),
    ("start", figures),
    ("stages", figures),
    ("lookups", figures),
    ("languages", languages),
];

/// Draws what there is in a folder of results; the names of what was drawn.
pub(super) fn draw(folder: &Path) -> Result<Vec<&'static str>> {
    let mut done = Vec::new();
    for (name, panels) in DRAWN {
        let file = folder.join(name).with_extension("json");
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let results: Value = serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
        let taken = ["machine", "day", "commit"].map(|key| word(&results, key)).join(", ");
        let caption = format!("cargo xtask bench --only {name}: {taken}");
        let chart = Chart { caption, panels: panels(&results) };
        fs::write(file.with_extension("svg"), chart.svg()).context("cannot write the picture")?;
        done.push(name);
    }
    Ok(done)
}

fn cost(results: &Value) -> Vec<Panel> {
    let groups = grouped(
        rows(results),
        |row| format!("{} calls/s", number(row, "rate")),
        |row| (word(row, "peer"), number(row, "cpu_micros_per_call")),
    );
    vec![Panel { title: "Processor time of a call".to_owned(), unit: "µs".to_owned(), logarithmic: false, groups }]
}

fn capacity(results: &Value) -> Vec<Panel> {
    let clean = |row: &&Value| number(row, "failed") == 0.0 && number(row, "retransmissions") == 0.0;
    let mut groups: Vec<Group> = Vec::new();
    for row in rows(results).filter(clean) {
        let (peer, rate) = (word(row, "peer"), number(row, "rate"));
        match groups.iter_mut().find(|group| group.name == peer) {
            Some(group) if group.bars[0].1 >= rate => {}
            Some(group) => group.bars[0].1 = rate,
            None => groups.push(Group { name: peer, bars: vec![(String::new(), rate)] }),
        }
    }
    let title = "Highest rate without a failed call or a message sent again".to_owned();
    vec![Panel { title, unit: "calls/s".to_owned(), logarithmic: false, groups }]
}

fn outage(results: &Value) -> Vec<Panel> {
    let groups = grouped(
        rows(results),
        |row| format!("{}: {}", word(row, "fault"), word(row, "system").replace("Trunkline, ", "")),
        |row| (word(row, "phase"), number(row, "p99")),
    );
    // Many a name is too long for one line: each fault has a panel of its own.
    let mut panels: Vec<Panel> = Vec::new();
    for group in groups {
        let (fault, system) = group.name.split_once(": ").unwrap_or((&group.name, ""));
        let group = Group { name: system.to_owned(), bars: group.bars };
        let title = format!("While {fault}: 99 of 100 callers are answered within");
        match panels.iter_mut().find(|panel| panel.title == title) {
            Some(panel) => panel.groups.push(group),
            None => panels.push(Panel { title, unit: "ms".to_owned(), logarithmic: true, groups: vec![group] }),
        }
    }
    panels
}

fn scale(results: &Value) -> Vec<Panel> {
    let mut panels = Vec::new();
    let bar = |name: &str, value: f64| Group { name: name.to_owned(), bars: vec![(String::new(), value)] };
    if let Some(simulated) = results.get("simulated").filter(|seen| seen.is_object()) {
        let groups = vec![
            bar("that stands, on the heap", number(simulated, "bytes_per_call")),
            bar("the bar", 2048.0),
            bar("in its first half minute", number(simulated, "young_bytes")),
        ];
        let title = format!("Memory of a call, {} at once, simulated", number(simulated, "calls"));
        panels.push(Panel { title, unit: "bytes".to_owned(), logarithmic: false, groups });
    }
    let standing = results.get("standing").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(first) = standing.first() {
        let calls = number(first, "calls");
        let of = |key: &str| standing.iter().map(|seen| bar(&word(seen, "peer"), number(seen, key))).collect();
        let title = format!("Memory of a call, {calls} at once on the wire");
        panels.push(Panel { title, unit: "bytes".to_owned(), logarithmic: false, groups: of("bytes_per_call") });
        let title = format!("A thousandth of a core while {calls} calls stand");
        panels.push(Panel { title, unit: "‰".to_owned(), logarithmic: false, groups: of("rest_per_mille") });
    }
    let growth = results.get("growth").and_then(Value::as_array).cloned().unwrap_or_default();
    for (key, title, unit, divisor) in [
        ("call_nanos", "Processor time of a call through five stages, as the configuration grows", "µs", 1e3),
        ("resident_kib", "Memory of a router without calls, as the configuration grows", "MiB", 1024.0),
    ] {
        let one =
            |row: &Value| bar(&format!("{} {}", number(row, "size"), word(row, "of")), number(row, key) / divisor);
        if !growth.is_empty() {
            let groups = growth.iter().map(one).collect();
            panels.push(Panel { title: title.to_owned(), unit: unit.to_owned(), logarithmic: false, groups });
        }
    }
    panels
}

fn languages(results: &Value) -> Vec<Panel> {
    let panel = |title: &str, unit: &str, of: fn(&Value) -> f64| {
        let bar = |row: &Value| Group { name: word(row, "language"), bars: vec![(String::new(), of(row))] };
        Panel {
            title: title.to_owned(),
            unit: unit.to_owned(),
            logarithmic: true,
            groups: rows(results).map(bar).collect(),
        }
    };
    vec![
        panel("WebAssembly instructions of a call", "fuel", |row| number(&row["fuel"], "median")),
        panel("A call in a warm instance", "µs", |row| number(&row["warm_micros"], "median")),
        panel("A call with the making of its instance", "µs", |row| number(&row["cold_micros"], "median")),
    ]
}

/// Single figures: a panel for each unit, as those of two units have no length in common. What is aimed at stands beside;
/// what is nothing has no bar.
fn figures(results: &Value) -> Vec<Panel> {
    let mut panels: Vec<Panel> = Vec::new();
    for row in rows(results).filter(|row| number(row, "value") > 0.0) {
        let mut bars = vec![("seen".to_owned(), number(row, "value"))];
        for (key, name) in [("at-most", "at most"), ("at-least", "at least")] {
            if let Some(aim) = row["aim"][key].as_f64().filter(|aim| *aim > 0.0) {
                bars.push((name.to_owned(), aim));
            }
        }
        let (group, unit) = (Group { name: word(row, "what"), bars }, word(row, "unit"));
        match panels.iter_mut().find(|panel| panel.unit == unit) {
            Some(panel) => panel.groups.push(group),
            None => panels.push(Panel { title: format!("In {unit}"), unit, logarithmic: true, groups: vec![group] }),
        }
    }
    panels
}

fn rows(results: &Value) -> impl Iterator<Item = &Value> {
    results.get("rows").and_then(Value::as_array).into_iter().flatten()
}

/// One group for each name, in the order of the rows.
fn grouped<'a>(
    rows: impl Iterator<Item = &'a Value>,
    name: impl Fn(&Value) -> String,
    bar: impl Fn(&Value) -> (String, f64),
) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for row in rows {
        let name = name(row);
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.bars.push(bar(row)),
            None => groups.push(Group { name, bars: vec![bar(row)] }),
        }
    }
    groups
}

fn word(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn number(value: &Value, key: &str) -> f64 {
    value.get(key).and_then(Value::as_f64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_that_are_kept_can_be_drawn() -> Result<()> {
        let kept = crate::setup::root().join("benches/results");
        let folder = tempfile::tempdir()?;
        for file in fs::read_dir(kept)?.flatten() {
            fs::copy(file.path(), folder.path().join(file.file_name()))?;
        }
        let drawn = draw(folder.path())?;
        assert!(drawn.contains(&"cost") && drawn.contains(&"outage"), "{drawn:?}");
        for name in drawn {
            let svg = fs::read_to_string(folder.path().join(name).with_extension("svg"))?;
            assert!(svg.matches("<rect").count() > 3, "{name}.svg has no bars");
            assert!(
                !svg.contains("NaN") && !svg.contains(">0 "),
                "{name}.svg shows a number that the results do not have"
            );
        }
        Ok(())
    }
}

//! OpenMetrics text as series.

use std::collections::{BTreeMap, HashMap};

/// A page of metrics at one moment.
#[derive(Debug, Default)]
pub(super) struct Page {
    series: HashMap<String, Vec<Series>>,
}

#[derive(Debug)]
pub(super) struct Series {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

impl Series {
    /// A label's value; empty where it has none.
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.label(name) == *value)
    }
}

impl Page {
    /// Lines that are none of a series are passed over. Names are without `trunkline_`.
    pub(super) fn read(text: &str) -> Self {
        let mut page = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, series)) = read_line(line) {
                page.series.entry(name.trim_start_matches("trunkline_").to_owned()).or_default().push(series);
            }
        }
        page
    }

    /// All series of this name.
    pub(super) fn all(&self, name: &str) -> &[Series] {
        self.series.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The sum of those that have these labels.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        // Not by `sum`: of nothing that is -0, which shows.
        self.all(name).iter().filter(|series| series.has(labels)).fold(0.0, |sum, series| sum + series.value)
    }

    /// Every value of a label, each once, in order.
    pub(super) fn values(&self, name: &str, label: &str) -> Vec<String> {
        let mut values: Vec<String> = self.all(name).iter().map(|series| series.label(label).to_owned()).collect();
        values.sort();
        values.dedup();
        values
    }

    /// A histogram's buckets: upper bounds with what lies at or below, added up over all other labels.
    pub(super) fn buckets(&self, name: &str, labels: &[(&str, &str)]) -> Vec<(f64, f64)> {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for series in self.all(&format!("{name}_bucket")).iter().filter(|series| series.has(labels)) {
            let bound = match series.label("le") {
                "+Inf" => f64::INFINITY,
                bound => bound.parse().unwrap_or(f64::INFINITY),
            };
            match buckets.iter_mut().find(|(known, _)| known.total_cmp(&bound).is_eq()) {
                Some((_, count)) => *count += series.value,
                None => buckets.push((bound, series.value)),
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        buckets
    }
}

/// `name{label="value",…} number`
fn read_line(line: &str) -> Option<(&str, Series)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, after) = rest.trim_start_matches(',').split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.insert(label.to_owned(), value);
            rest = after;
        }
        rest = &rest[1..];
    }
    let value = rest.trim_start().split(' ').next()?.parse().ok()?;
    Some((name, Series { labels, value }))
}

/// Text up to the closing quote, and what comes after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

/// A quantile as Prometheus reckons it: evenly within a bucket; `None` where nothing was observed.
pub(super) fn quantile(q: f64, buckets: &[(f64, f64)]) -> Option<f64> {
    let total = buckets.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
    let rank = q * total;
    let place = buckets.iter().position(|(_, count)| *count >= rank)?;
    let (bound, count) = buckets[place];
    let (below, before) = place.checked_sub(1).map_or((0.0, 0.0), |before| buckets[before]);
    if bound.is_infinite() {
        return Some(below);
    }
    Some(below + (bound - below) * ((rank - before) / (count - before).max(f64::MIN_POSITIVE)).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_with_what_is_quoted_in_them() {
        let page = Page::read(
            "# HELP x\ntrunkline_calls_total{customer=\"a \\\"b\\\", c\",code=\"200\"} 7\ntrunkline_ready 1\nnonsense\n# EOF",
        );
        assert_eq!(page.all("calls_total")[0].label("customer"), "a \"b\", c");
        assert!((page.sum("calls_total", &[("code", "200")]) - 7.0).abs() < f64::EPSILON);
        assert!((page.sum("ready", &[]) - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let buckets = [(0.001, 50.0), (0.002, 90.0), (0.01, 100.0), (f64::INFINITY, 100.0)];
        let near = |a: Option<f64>, b: f64| (a.unwrap_or(-1.0) - b).abs() < 1e-9;
        assert!(near(quantile(0.5, &buckets), 0.001));
        assert!(near(quantile(0.7, &buckets), 0.0015));
        assert!(near(quantile(0.95, &buckets), 0.006));
        assert_eq!(quantile(0.5, &[(0.001, 0.0), (f64::INFINITY, 0.0)]), None);
        assert!(near(quantile(0.99, &[(0.001, 0.0), (f64::INFINITY, 5.0)]), 0.001));
    }
}

//! Bar charts as SVG: every result of the benches is a few groups of a few bars.
//!
//! Written here because a chart library would bring more code than is in this file for axes, fonts and backends that bars
//! with their numbers beside them do not need.

use std::fmt::Write as _;

const WIDTH: f64 = 860.0;
/// Where bars begin: left of it stand the groups' names.
const LEFT: f64 = 250.0;
/// Characters of a group's name that have room there; a longer one stands above its bars.
const NAME: usize = 38;
/// Where the longest bar ends: right of it stands its number.
const RIGHT: f64 = 740.0;
const BAR: f64 = 15.0;
const GAP: f64 = 12.0;
const TITLE: f64 = 44.0;
const LINE: f64 = 18.0;
/// Distinct in black and white too, and for those who see no red or green (Okabe and Ito).
const COLOURS: [&str; 6] = ["#0072b2", "#e69f00", "#999999", "#56b4e9", "#d55e00", "#cc79a7"];

/// Charts under each other.
#[derive(Debug, Default)]
pub(super) struct Chart {
    /// Above all: the machine, the date.
    pub(super) caption: String,
    pub(super) panels: Vec<Panel>,
}

/// Bars of one unit.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) title: String,
    /// Behind each number.
    pub(super) unit: String,
    /// Each step of the length is a factor: for values that lie far apart.
    pub(super) logarithmic: bool,
    pub(super) groups: Vec<Group>,
}

/// Bars that are compared first of all.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    /// The series that each belongs to, and its value.
    pub(super) bars: Vec<(String, f64)>,
}

impl Chart {
    /// The whole picture.
    pub(super) fn svg(&self) -> String {
        let mut body = String::new();
        text(&mut body, (12.0, 20.0), "start", "#666", &self.caption);
        let mut y = 30.0;
        for panel in &self.panels {
            y = panel.draw(&mut body, y);
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" width=\"{WIDTH}\" height=\"{y}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
        )
    }
}

impl Panel {
    /// Draws it below `top`; returns where it ends.
    fn draw(&self, out: &mut String, top: f64) -> f64 {
        let series = self.series();
        let _infallible = writeln!(
            out,
            "<text x=\"12\" y=\"{}\" font-size=\"15\" font-weight=\"bold\">{}</text>",
            top + 24.0,
            escaped(&self.title)
        );
        let mut y = top + TITLE;
        if series.len() > 1 {
            for (index, name) in series.iter().enumerate() {
                rectangle(out, (LEFT, y - 10.0), (10.0, 10.0), colour(index));
                text(out, (LEFT + 16.0, y), "start", "#222", name);
                y += LINE;
            }
        }
        for group in &self.groups {
            if group.name.chars().count() > NAME {
                text(out, (12.0, y + BAR - 4.0), "start", "#222", &group.name);
                y += BAR;
            } else {
                let middle = y + BAR * group.bars.len() as f64 / 2.0 + 4.0;
                text(out, (LEFT - 10.0, middle), "end", "#222", &group.name);
            }
            for (name, value) in &group.bars {
                let index = series.iter().position(|known| *known == name).unwrap_or_default();
                let length = self.length(*value);
                rectangle(out, (LEFT, y + 1.0), (length, BAR - 2.0), colour(index));
                let number = format!("{} {}", number(*value), self.unit);
                text(out, (LEFT + length + 6.0, y + BAR - 4.0), "start", "#222", &number);
                y += BAR;
            }
            y += GAP;
        }
        y + GAP
    }

    /// In the order in which they first appear.
    fn series(&self) -> Vec<&String> {
        let mut series = Vec::new();
        for (name, _) in self.groups.iter().flat_map(|group| &group.bars) {
            if !series.contains(&name) {
                series.push(name);
            }
        }
        series
    }

    fn length(&self, value: f64) -> f64 {
        let values = || self.groups.iter().flat_map(|group| &group.bars).map(|(_, value)| *value);
        let most = values().fold(f64::MIN_POSITIVE, f64::max);
        let share = if self.logarithmic {
            // A bar of the least value is still seen.
            let least = values().filter(|value| *value > 0.0).fold(most, f64::min) / 2.0;
            if value > least { (value / least).ln() / (most / least).ln() } else { 0.0 }
        } else {
            value / most
        };
        share.clamp(0.0, 1.0) * (RIGHT - LEFT)
    }
}

fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

/// Three digits that mean something.
fn number(value: f64) -> String {
    let digits = if value >= 100.0 || value.fract() == 0.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    let plain = format!("{value:.digits$}");
    let (whole, rest) = plain.split_once('.').map_or((plain.as_str(), ""), |(whole, rest)| (whole, rest));
    let mut out = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if rest.is_empty() { out } else { format!("{out}.{rest}") }
}

fn rectangle(out: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), colour: &str) {
    let _infallible = writeln!(
        out,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
    );
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, colour: &str, text: &str) {
    let _infallible = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{}</text>",
        escaped(text)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(logarithmic: bool) -> Panel {
        let bars = vec![("A & B".to_owned(), 500.0), ("C".to_owned(), 5.0)];
        let groups = vec![Group { name: "at 1,000 calls/s".to_owned(), bars }];
        Panel { title: "Cost".to_owned(), unit: "µs".to_owned(), logarithmic, groups }
    }

    #[test]
    fn a_bar_is_as_long_as_its_value_says() {
        assert!((panel(false).length(250.0) - (RIGHT - LEFT) / 2.0).abs() < 0.1);
        let log = panel(true);
        let step = log.length(500.0) - log.length(50.0);
        assert!(
            (step - (log.length(50.0) - log.length(5.0))).abs() < 0.1,
            "a factor of ten is the same step everywhere"
        );
        assert!(log.length(0.0).abs() < 0.1);
    }

    #[test]
    fn a_chart_is_a_picture_with_its_numbers_and_no_raw_ampersand() {
        let chart = Chart { caption: "a machine".to_owned(), panels: vec![panel(false)] };
        let svg = chart.svg();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("A &amp; B") && svg.contains(">500 µs<") && !svg.contains("A & B"));
    }

    #[test]
    fn numbers_are_told_in_three_digits() {
        assert_eq!(["1,234,567", "12.3", "0.66", "5"].map(str::to_owned), [1_234_567.4, 12.34, 0.657, 5.0].map(number));
    }
}

//! The Prometheus text format, version 0.0.4: families with their HELP and TYPE, samples with escaped labels.
//!
//! Deliberately without OpenMetrics: every scraper that asks for it takes this too.

use std::fmt::{Display, Write as _};

use buntime_core::measure::{Family, Figure, Sample, Type};

use crate::cells::Histogram;

/// What the format is called on the wire.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Pairs of name and value. Names are ours; values may be anything.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

/// Writes families one after the other.
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a family. All its samples follow at once.
    pub fn family(&mut self, name: &str, kind: Type, help: &str) {
        let kind = match kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
        };
        self.0.push_str("# HELP ");
        self.0.push_str(name);
        self.0.push(' ');
        push_escaped(&mut self.0, help, false);
        // Writing to a string cannot fail.
        let _ = write!(self.0, "\n# TYPE {name} {kind}\n");
    }

    /// One sample.
    pub fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.line(name, "", labels, None, value);
    }

    /// A family of one sample without labels.
    pub fn single(&mut self, name: &str, kind: Type, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// A family with all its samples.
    pub fn render(&mut self, family: &Family) {
        self.family(family.name, family.kind, family.help);
        for Sample { labels, figure } in &family.samples {
            let labels: Vec<_> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
            match figure {
                Figure::Count(count) => self.sample(family.name, &labels, count),
                Figure::Number(number) => self.sample(family.name, &labels, number),
                Figure::Histogram { bounds, buckets, sum } => {
                    self.histogram(family.name, &labels, bounds, &Histogram { buckets: buckets.clone(), sum: *sum });
                }
            }
        }
    }

    /// The samples of a histogram with those upper bounds, in seconds.
    pub fn histogram(&mut self, name: &str, labels: Labels<'_>, bounds: &[f64], histogram: &Histogram) {
        let mut count = 0;
        for (index, inside) in histogram.buckets.iter().enumerate() {
            count += inside;
            let bound = bounds.get(index).copied().unwrap_or(f64::INFINITY);
            self.line(name, "_bucket", labels, Some(bound), count);
        }
        self.line(name, "_sum", labels, None, histogram.sum.as_secs_f64());
        self.line(name, "_count", labels, None, count);
    }

    fn line(&mut self, name: &str, suffix: &str, labels: Labels<'_>, le: Option<f64>, value: impl Display) {
        self.0.push_str(name);
        self.0.push_str(suffix);
        let mut separator = '{';
        for (label, text) in labels {
            self.0.push(separator);
            self.0.push_str(label);
            self.0.push_str("=\"");
            push_escaped(&mut self.0, text, true);
            self.0.push('"');
            separator = ',';
        }
        if let Some(bound) = le {
            self.0.push(separator);
            let _ = if bound.is_finite() { write!(self.0, "le=\"{bound}\"") } else { write!(self.0, "le=\"+Inf\"") };
            separator = ',';
        }
        if separator == ',' {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// All that was written.
    pub fn finish(self) -> String {
        self.0
    }
}

fn push_escaped(into: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => into.push_str("\\\\"),
            '\n' => into.push_str("\\n"),
            '"' if quotes => into.push_str("\\\""),
            c => into.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn label_values_and_help_are_escaped() {
        let mut text = Text::new();
        text.family("a", Type::Gauge, "one \"two\"\\\nthree");
        text.sample("a", &[("x", "\"\\\n"), ("y", "ü")], 1.5);
        assert_eq!(
            text.finish(),
            "# HELP a one \"two\"\\\\\\nthree\n# TYPE a gauge\na{x=\"\\\"\\\\\\n\",y=\"ü\"} 1.5\n"
        );
    }

    #[test]
    fn families_are_written_with_their_samples() {
        let family = Family::new("x", Type::Counter, "X.").with([("of", "a")], Figure::Count(2));
        let mut text = Text::new();
        text.render(&family);
        assert_eq!(text.finish(), "# HELP x X.\n# TYPE x counter\nx{of=\"a\"} 2\n");
    }

    #[test]
    fn buckets_are_cumulative_and_end_at_infinity() {
        let mut text = Text::new();
        let histogram = Histogram { buckets: vec![1, 0, 2], sum: Duration::from_millis(4500) };
        text.histogram("h", &[("r", "x")], &[0.000_001_024, 1.0], &histogram);
        let lines = [
            "h_bucket{r=\"x\",le=\"0.000001024\"} 1",
            "h_bucket{r=\"x\",le=\"1\"} 1",
            "h_bucket{r=\"x\",le=\"+Inf\"} 3",
            "h_sum{r=\"x\"} 4.5",
            "h_count{r=\"x\"} 3",
        ];
        assert_eq!(text.finish().lines().collect::<Vec<_>>(), lines);
    }
}

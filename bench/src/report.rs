//! The table: medians over the rounds, and their ratios to the yardstick.

use std::fmt;

use crate::load::Latency;
use crate::picture::Bar;

/// One measurement of one case.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measured {
    /// Processor time of the server per request.
    pub cpu_micros: f64,
    /// Processor time of the database per request; whatever else it does is in it too.
    pub database_micros: f64,
    /// Answers per second. Generator and server share the machine, so this says less than the
    /// processor time.
    pub per_second: f64,
    /// How long answers took. Saturated, that is how long they waited for each other.
    pub latency: Latency,
    /// Memory of the server, in MB.
    pub memory: f64,
}

/// All measurements.
pub struct Report {
    yardstick: &'static str,
    lines: Vec<(String, Vec<Measured>)>,
}

impl Report {
    /// A table with a line per name.
    pub fn new(yardstick: &'static str, names: impl Iterator<Item = String>) -> Self {
        Self { yardstick, lines: names.map(|name| (name, Vec::new())).collect() }
    }

    /// What the server and its database spend in the cases that are wanted.
    pub fn bars(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<Bar> {
        let wanted = self.lines.iter().filter(|(name, all)| is_wanted(name) && !all.is_empty());
        let bar = |(name, all): &(String, Vec<Measured>)| {
            let database = median(all.iter().map(|each| each.database_micros));
            let label = name.split(": ").next().unwrap_or_default().replace('&', "&amp;");
            // What has no database of its own is charged nothing for one that idles.
            let database = if database < 1.0 { 0.0 } else { database };
            Bar { label, parts: [median(all.iter().map(|each| each.cpu_micros)), database] }
        };
        wanted.map(bar).collect()
    }

    /// Adds a measurement to its line.
    pub fn add(&mut self, name: &str, measured: Measured) {
        if let Some((_, all)) = self.lines.iter_mut().find(|(each, _)| each == name) {
            all.push(measured);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |all: &[Measured], what: fn(&Measured) -> f64| median(all.iter().map(what));
        let unit = self
            .lines
            .iter()
            .find(|(name, _)| name == self.yardstick)
            .map_or(f64::NAN, |(_, all)| of(all, |each| each.cpu_micros));
        let width = self.lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        writeln!(
            f,
            "| {:width$} | server µs | × bare hyper | Postgres µs | p50 µs | p99 µs | requests/s | MB |",
            "case"
        )?;
        writeln!(
            f,
            "|-{:-<width$}-|----------:|-------------:|------------:|-------:|-------:|-----------:|---:|",
            ""
        )?;
        for (name, all) in &self.lines {
            let cpu = of(all, |each| each.cpu_micros);
            let database = of(all, |each| each.database_micros);
            let (median, p99) =
                (of(all, |each| each.latency.median as f64), of(all, |each| each.latency.p99 as f64));
            let (rate, memory) = (of(all, |each| each.per_second), of(all, |each| each.memory));
            writeln!(
                f,
                "| {name:width$} | {cpu:9.1} | {:12.2} | {database:11.1} | {median:6.0} | {p99:6.0} | {rate:10.0} | {memory:2.0} |",
                cpu / unit
            )?;
        }
        Ok(())
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_medians() {
        let mut report = Report::new("unit", ["unit", "other"].map(str::to_owned).into_iter());
        for (name, cpu_micros) in [("unit", 10.0), ("unit", 2.0), ("unit", 90.0), ("other", 25.0)] {
            report.add(name, Measured { cpu_micros, ..Measured::default() });
        }
        let text = report.to_string();
        let ratios: Vec<f64> = text
            .lines()
            .skip(2)
            .map(|line| line.split('|').nth(3).unwrap().trim().parse().unwrap())
            .collect();
        assert_eq!(ratios, [1.0, 2.5]);
    }
}

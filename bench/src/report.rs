//! The table: medians over the rounds, and their ratios to the yardstick.

use std::fmt;

/// One measurement of one case.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Processor time of the server per request.
    pub cpu_micros: f64,
    /// Answers per second. Generator and server share the machine, so this says less than the processor time.
    pub per_second: f64,
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

    /// Adds a measurement to its line.
    pub fn add(&mut self, name: &str, measured: Measured) {
        if let Some((_, all)) = self.lines.iter_mut().find(|(each, _)| each == name) {
            all.push(measured);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpu = |all: &[Measured]| median(all.iter().map(|each| each.cpu_micros));
        let unit =
            self.lines.iter().find(|(name, _)| name == self.yardstick).map_or(f64::NAN, |(_, all)| cpu(all));
        let width = self.lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        writeln!(f, "| {:width$} | CPU µs per request | × bare hyper | requests/s |", "case")?;
        writeln!(f, "|-{:-<width$}-|-------------------:|-------------:|-----------:|", "")?;
        for (name, all) in &self.lines {
            let (cpu, rate) = (cpu(all), median(all.iter().map(|each| each.per_second)));
            writeln!(f, "| {name:width$} | {cpu:18.1} | {:12.1} | {rate:10.0} |", cpu / unit)?;
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
            report.add(name, Measured { cpu_micros, per_second: 1.0 });
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

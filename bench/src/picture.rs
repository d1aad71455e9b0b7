//! Bars as an SVG file, for a page that has a table beside it.

use std::fmt::Write as _;
use std::path::Path;

use crate::Fallible;

/// One bar: what it is of, and its parts from the left.
pub struct Bar {
    pub label: String,
    pub parts: [f64; 2],
}

const WIDTH: f64 = 420.0;
const ROW: usize = 26;
const LABELS: f64 = 300.0;

/// Writes bars to `path`; `parts` are the names of the bars' parts.
pub fn write(path: &Path, title: &str, parts: [&str; 2], bars: &[Bar]) -> Fallible<()> {
    let longest = bars.iter().map(|bar| bar.parts.iter().sum::<f64>()).fold(f64::MIN_POSITIVE, f64::max);
    let height = ROW * (bars.len() + 2);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 840 {height}\" font-family=\"system-ui, sans-serif\" \
         font-size=\"13\" role=\"img\" aria-label=\"{title}\">\n<rect width=\"840\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"8\" y=\"18\" font-weight=\"600\">{title}</text>\n"
    );
    let colours = ["#2f6f4f", "#9bc4ae"];
    for (number, (name, colour)) in parts.iter().zip(colours).enumerate() {
        let x = 600 + 110 * number;
        writeln!(svg, "<rect x=\"{x}\" y=\"8\" width=\"12\" height=\"12\" fill=\"{colour}\"/>")?;
        writeln!(svg, "<text x=\"{}\" y=\"18\">{name}</text>", x + 17)?;
    }
    for (row, bar) in bars.iter().enumerate() {
        let y = ROW * (row + 1) + 8;
        writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LABELS - 8.0,
            y + 14,
            bar.label
        )?;
        let mut x = LABELS;
        for (part, colour) in bar.parts.iter().zip(colours) {
            let width = part / longest * WIDTH;
            writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"18\" fill=\"{colour}\"/>"
            )?;
            x += width;
        }
        let sum: f64 = bar.parts.iter().sum();
        writeln!(svg, "<text x=\"{:.1}\" y=\"{}\">{sum:.0} µs</text>", x + 6.0, y + 14)?;
    }
    svg.push_str("</svg>\n");
    Ok(std::fs::write(path, svg)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_is_as_wide_as_there_is_room() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bars.svg");
        let bars = [("short", [1.0, 1.0]), ("long", [6.0, 2.0])];
        let bars = bars.map(|(label, parts)| Bar { label: label.to_owned(), parts });
        write(&path, "Title", ["a", "b"], &bars).unwrap();
        let svg = std::fs::read_to_string(path).unwrap();
        for width in ["52.5", "315.0", "105.0"] {
            assert!(svg.contains(&format!("width=\"{width}\"")), "{width} is missing in\n{svg}");
        }
    }
}

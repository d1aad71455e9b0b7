//! The pages that are made from the code's tables, and the test that they are up to date.

mod alerts;
mod command_line;
mod doctor;
mod errors;
mod metrics;
mod settings;

use std::path::Path;

pub use alerts::rules;
pub use metrics::metrics;

/// Prose of the pages is at most so wide.
const WIDTH: usize = 100;

/// Every generated page: its file name and its contents.
fn pages() -> Vec<(&'static str, String)> {
    let pages = [
        ("settings.md", settings::page()),
        ("cli.md", command_line::page()),
        ("errors.md", errors::page()),
        ("metrics.md", metrics::page()),
        ("openapi.json", openapi()),
        ("doctor.md", doctor::page()),
        ("../../deploy/prometheus/holdfast.rules.yml", alerts::rules()),
        ("../guides/alerts.md", alerts::runbook()),
        ("../../deploy/holdfast.toml", settings::toml()),
        ("../../deploy/.env.example", settings::env()),
    ];
    let is_prose = |name: &str| Path::new(name).extension().is_some_and(|extension| extension == "md");
    pages.map(|(name, text)| (name, if is_prose(name) { wrapped(&text) } else { text })).into()
}

/// The description of the API as an installation at an address of nobody's gives it.
fn openapi() -> String {
    let document = holdfast::http::document("https://holdfast.example.com");
    serde_json::to_string_pretty(&document).unwrap() + "\n"
}

/// Markdown whose prose is at most [`WIDTH`] wide. Headings, tables, comments and fenced blocks
/// stay as they are; a link is not taken apart.
fn wrapped(text: &str) -> String {
    let mut page = String::new();
    let mut is_fenced = false;
    for line in text.lines() {
        is_fenced ^= line.starts_with("```");
        let is_kept = is_fenced || line.starts_with(['#', '|', '<', '`']);
        if is_kept || line.chars().count() <= WIDTH {
            page.push_str(line);
        } else {
            let indent = if line.starts_with("- ") { "  " } else { "" };
            fill(&mut page, line, WIDTH, indent);
        }
        page.push('\n');
    }
    page
}

/// Writes the words of `text`, breaking lines that would be wider than `width`. Each further line
/// begins with `indent`.
fn fill(page: &mut String, text: &str, width: usize, indent: &str) {
    let mut column = 0;
    for (at, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if at > 0 && column + 1 + length > width {
            page.push('\n');
            page.push_str(indent);
            column = indent.len();
        } else if at > 0 {
            page.push(' ');
            column += 1;
        }
        page.push_str(word);
        column += length;
    }
}

/// `scripts/reference.sh` writes the pages, by way of this test.
#[test]
fn the_generated_pages_are_fresh() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    for (name, text) in pages() {
        let path = docs.join(name);
        if std::env::var_os("WRITE_REFERENCE").is_some() {
            std::fs::write(path, text).unwrap();
        } else {
            let stored = std::fs::read_to_string(path).unwrap_or_default();
            assert!(stored == text, "docs/reference/{name} is stale: run scripts/reference.sh");
        }
    }
}

#[test]
fn prose_is_wrapped_and_the_rest_stays() {
    let long = "word ".repeat(30);
    let long = long.trim_end();
    for kept in [format!("# {long}"), format!("| {long} |"), format!("```text\n{long}\n```")] {
        assert_eq!(wrapped(&kept), format!("{kept}\n"));
    }
    for prose in [long.to_owned(), format!("- {long}")] {
        let page = wrapped(&prose);
        assert!(page.lines().count() == 2 && page.lines().all(|line| line.len() <= WIDTH), "{page}");
        assert_eq!(page.split_whitespace().count(), prose.split_whitespace().count());
    }
    assert!(wrapped(&format!("- {long}")).lines().nth(1).is_some_and(|line| line.starts_with("  word")));
}

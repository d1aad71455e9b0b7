//! SECURITY.md names tests and files as its evidence: each of them is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && name != "node_modules" {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|each| each == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_piece_of_evidence_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let mut files = Vec::new();
    rust_files(&root.join("crates"), &mut files);
    let functions: BTreeSet<String> = files
        .iter()
        .flat_map(|file| {
            std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .filter_map(|line| line.split_once("fn ").map(|(_, rest)| rest.to_owned()))
        .filter_map(|rest| rest.split_once('(').map(|(name, _)| name.to_owned()))
        .collect();
    let rows: Vec<_> = page
        .lines()
        .filter(|line| {
            line.starts_with("| ")
                && line[2..].starts_with(|c: char| c.is_ascii_digit())
                && line.matches(" | ").count() == 3
        })
        .collect();
    assert!(rows.len() > 40, "{} rows", rows.len());
    let (mut evidence, mut seen) = (0, BTreeSet::new());
    for row in &rows {
        let (_, last) = row.trim_end_matches(" |").rsplit_once(" | ").unwrap();
        // Without evidence there is a reason.
        let is_reason = ["nothing to test", "the operator's"].contains(&last);
        assert!(is_reason != last.contains('`'), "{row}");
        let items = row.split(" | ").next().unwrap().trim_start_matches("| ").split(", ");
        for item in items {
            assert!(item.starts_with(|c: char| c.is_ascii_digit()), "{row}");
            assert!(seen.insert(item), "{item} stands twice");
        }
        for name in last.split('`').skip(1).step_by(2) {
            let exists =
                if name.contains(['/', '.']) { root.join(name).exists() } else { functions.contains(name) };
            assert!(exists, "{name}, in: {row}");
            evidence += 1;
        }
    }
    assert!(evidence > 50, "{evidence}");
    // Files that are named elsewhere on the page.
    let named = page.split('`').skip(1).step_by(2).filter(|name| {
        ["crates/", "docs/", "scripts/", "clients/"].iter().any(|folder| name.starts_with(folder))
    });
    for name in named {
        assert!(root.join(name).exists(), "{name}");
    }
}

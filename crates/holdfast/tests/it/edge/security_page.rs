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
    let rows: Vec<_> =
        page.lines().filter(|line| line.starts_with("| ") && line.matches(" | ").count() == 3).collect();
    assert!(rows.len() > 40, "{} rows", rows.len());
    let mut evidence = 0;
    for row in rows.iter().skip(1) {
        let (_, last) = row.trim_end_matches(" |").rsplit_once(" | ").unwrap();
        for name in last.split('`').skip(1).step_by(2) {
            let exists =
                if name.contains(['/', '.']) { root.join(name).exists() } else { functions.contains(name) };
            assert!(exists, "{name}, in: {row}");
            evidence += 1;
        }
    }
    assert!(evidence > 50, "{evidence}");
}

//! The allowed edges of ARCHITECTURE.md, read from the `use` lines: direction is enforced without a crate per module.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What a module of the crate must not name: modules of ours (`crate::…`) and libraries.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "caller",
        &["crate::store", "crate::connections", "crate::http", "crate::users", "axum", "sqlx", "reqwest"],
    ),
    (
        "provider",
        &[
            "crate::caller",
            "crate::store",
            "crate::connections",
            "crate::users",
            "crate::http",
            "crate::vault",
            "axum",
            "sqlx",
            "reqwest",
        ],
    ),
    (
        "connections",
        &["crate::http", "crate::worker", "crate::cli", "crate::users", "axum", "sqlx", "reqwest"],
    ),
    ("users", &["crate::http", "crate::worker", "crate::cli", "axum", "sqlx", "reqwest"]),
    (
        "vault",
        &["crate::store", "crate::connections", "crate::http", "crate::caller", "axum", "sqlx", "reqwest"],
    ),
    ("store", &["crate::http", "crate::worker", "crate::cli", "crate::transport", "axum", "reqwest"]),
    ("outbox", &["crate::http", "crate::cli", "crate::caller", "crate::settings", "axum", "sqlx", "reqwest"]),
    ("worker", &["crate::http", "crate::cli", "crate::caller", "axum", "sqlx", "reqwest"]),
    ("http", &["crate::cli", "crate::worker", "crate::standin", "crate::settings", "sqlx", "reqwest"]),
    (
        "standin",
        &[
            "crate::connections",
            "crate::store",
            "crate::vault",
            "crate::users",
            "crate::http",
            "sqlx",
            "reqwest",
        ],
    ),
    (
        "telemetry",
        &[
            "crate::app",
            "crate::caller",
            "crate::connections",
            "crate::http",
            "crate::provider",
            "crate::store",
            "crate::users",
            "crate::vault",
            "axum",
        ],
    ),
    ("settings", &["crate::http", "crate::store", "crate::cli", "crate::app", "axum", "sqlx", "reqwest"]),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().unwrap() != "tests" {
                found.extend(sources(&path));
            }
        } else if path.extension().is_some_and(|ending| ending == "rs")
            && path.file_name().unwrap() != "tests.rs"
        {
            found.push(path);
        }
    }
    found
}

/// The part of a file that ships: its own test module is left out.
fn shipped(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned()
}

/// Whether `text` names `path` outside comments.
fn names(text: &str, path: &str) -> bool {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| {
        line.match_indices(path).any(|(at, _)| {
            let before = line[..at].chars().last();
            let after = line[at + path.len()..].chars().next();
            before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
                && after.is_none_or(|c| c == ':' || c == ';' || c == ' ' || c == ',')
        })
    })
}

#[test]
fn modules_use_only_what_they_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = BTreeSet::new();
    let mut read = 0;
    for (module, forbidden) in FORBIDDEN {
        for path in sources(&root.join(module)) {
            read += 1;
            let text = shipped(&path);
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            for each in *forbidden {
                if names(&text, each) {
                    wrong.insert(format!("{name} uses {each}"));
                }
            }
        }
    }
    assert!(read > 100, "{read} files");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_command_line_names_an_owner_without_proof() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let users: Vec<_> = sources(&root)
        .into_iter()
        .filter(|path| shipped(path).contains("named_by_operator("))
        .map(|path| path.strip_prefix(&root).unwrap().display().to_string())
        .filter(|name| !name.starts_with("cli/") && name != "caller/mod.rs")
        .collect();
    assert!(users.is_empty(), "{users:?}");
}

#[test]
fn a_forbidden_use_would_be_seen() {
    assert!(names("use crate::store::Store;", "crate::store"));
    assert!(names("    let x = axum::Router::new();", "axum"));
    assert!(!names("//! knows no axum, no crate::store", "axum"));
    assert!(!names("use crate::stores::X;", "crate::store"));
}

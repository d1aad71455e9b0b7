//! What the written pages tell people to type, set and open is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use holdfast::cli::args::Cli;
use holdfast::settings::table::TABLE;

const PAGES: [&str; 5] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Those, and every guide.
fn pages() -> Vec<(String, String)> {
    let guides = std::fs::read_dir(root().join("docs/guides")).unwrap();
    let guides = guides.map(|entry| format!("docs/guides/{}", entry.unwrap().file_name().to_string_lossy()));
    let guides = guides.filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "md"));
    let names = PAGES.into_iter().map(str::to_owned).chain(guides);
    names.map(|name| (name.clone(), std::fs::read_to_string(root().join(&name)).unwrap())).collect()
}

/// The longest runs of characters of a setting's name.
fn capitals(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
}

#[test]
fn settings_that_are_named_are_settings() {
    let known: BTreeSet<&str> = TABLE
        .iter()
        .flat_map(|setting| std::iter::once(setting.env).chain(setting.aliases.iter().copied()))
        .collect();
    let mut named = 0;
    for (page, text) in pages() {
        let ours =
            |name: &&str| ["HOLDFAST_", "CLERK_", "INSTAGRAM_"].iter().any(|each| name.starts_with(each));
        for name in capitals(&text).filter(ours) {
            let base = name.strip_suffix("_FILE").unwrap_or(name);
            // The stem of a pattern, such as `HOLDFAST_…`.
            let is_stem = base.ends_with('_');
            // What `holdfast dev`, our tests and the example's own front end call theirs.
            let is_other = name.starts_with("HOLDFAST_DEV_")
                || name.starts_with("HOLDFAST_TEST_")
                || name == "HOLDFAST_BIN";
            assert!(known.contains(base) || is_stem || is_other, "{page} names {name}");
            named += 1;
        }
    }
    assert!(named > 30, "{named}");
}

#[test]
fn commands_that_are_named_are_commands() {
    let mut root = Cli::command();
    root.build();
    let mut named = 0;
    for (page, text) in pages() {
        // In code: a line of a block, or between backticks.
        let spans = text.lines().flat_map(|line| line.split('`')).chain(text.split("$(").skip(1));
        for words in spans.filter_map(|span| span.trim().strip_prefix("holdfast ")) {
            let words: Vec<&str> = words.split_whitespace().collect();
            let Some(first) = words.first().filter(|word| {
                !word.starts_with('-') && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
            }) else {
                continue;
            };
            let first = first.trim_end_matches(')');
            if matches!(first, "--version" | "--help") {
                continue;
            }
            let Some(command) = root.find_subcommand(first) else { panic!("{page}: holdfast {words:?}") };
            if command.has_subcommands()
                && let Some(second) = words.get(1)
            {
                for each in second.trim_end_matches([')', '"']).split('|') {
                    assert!(command.find_subcommand(each).is_some(), "{page}: holdfast {first} {each}");
                }
            }
            named += 1;
        }
    }
    assert!(named > 10, "{named}");
}

#[test]
fn links_lead_somewhere() {
    let mut followed = 0;
    for (page, text) in pages() {
        let folder = root().join(&page);
        let folder = folder.parent().unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("http") || target.starts_with('#') {
                continue;
            }
            let file = target.split('#').next().unwrap();
            assert!(folder.join(file).exists(), "{page} links to {target}");
            followed += 1;
        }
        for name in text.split('`').skip(1).step_by(2).filter(|span| span.starts_with("scripts/")) {
            let file = name.split_whitespace().next().unwrap();
            assert!(root().join(file).exists(), "{page} names {name}");
        }
    }
    assert!(followed > 20, "{followed}");
}

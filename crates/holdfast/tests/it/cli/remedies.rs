//! Every remedy that this program tells can be followed: the settings, commands and pages that its
//! texts name are there. All of its texts are read, from the sources, so that none is forgotten.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap::error::ErrorKind;
use holdfast::cli::args::Cli;
use holdfast::overview::alerts::ALERTS;
use holdfast::settings::table::TABLE;

/// Where names stand that are no settings of ours: what others call theirs, and statements.
const OF_OTHERS: [&str; 3] = ["settings/sources/names.rs", "standin", "store/statements"];
/// Read when the program is built.
const OF_THE_BUILD: &str = "HOLDFAST_COMMIT";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") && name != "tests.rs" {
            found.push(path);
        }
    }
}

/// The texts of a source file, without its tests and comments: what stands in double quotes.
fn texts(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let (mut texts, mut rest) = (Vec::new(), source);
    while let Some(at) = rest.find(['"', '/', '\'']) {
        let found = &rest[at..];
        if found.starts_with("//") {
            rest = found.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(literal) = found.strip_prefix('"') {
            let hashes = rest[..at].bytes().rev().take_while(|byte| *byte == b'#').count();
            let is_raw = rest[..at - hashes].ends_with('r');
            let end = if is_raw { format!("\"{}", "#".repeat(hashes)) } else { "\"".to_owned() };
            let mut length = 0;
            while !literal[length..].starts_with(&end) {
                let skipped = if !is_raw && literal[length..].starts_with('\\') { 2 } else { 1 };
                length += literal[length..].chars().take(skipped).map(char::len_utf8).sum::<usize>();
            }
            texts.push(literal[..length].replace("\\\n", " ").replace("\\\"", "\""));
            rest = &literal[length + end.len()..];
        } else if found.starts_with("'\"'") || found.starts_with("'\\") {
            rest = &found[found[2..].find('\'').map_or(3, |end| end + 3)..];
        } else {
            rest = &found[1..];
        }
    }
    texts
}

/// Every text, with the file that it stands in.
fn all() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for krate in ["holdfast", "clerk-session"] {
        sources(&root().join("crates").join(krate).join("src"), &mut files);
    }
    let read = |path: PathBuf| {
        let name = path.to_string_lossy().into_owned();
        texts(&std::fs::read_to_string(path).unwrap()).into_iter().map(move |text| (name.clone(), text))
    };
    files.into_iter().flat_map(read).collect()
}

/// Whether the words can be typed, once each capital word is replaced.
fn can_be_typed(words: &str) -> Result<(), String> {
    let line = words.split(['<', '|', ';', '>']).next().unwrap();
    let words = line.split_whitespace().filter(|word| *word != "…");
    match Cli::command().try_get_matches_from(words) {
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            // A command is named without all that belongs to it, or a whole group of commands.
            ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            | ErrorKind::ValueValidation
            | ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion => Ok(()),
            _ => Err(error.to_string()),
        },
    }
}

#[test]
fn every_command_that_a_text_names_can_be_typed() {
    let mut tried = 0;
    let quoted = all().into_iter().flat_map(|(file, text)| {
        let spans = text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        spans.into_iter().map(move |span| (file.clone(), span))
    });
    let first = ALERTS.iter().flat_map(|alert| {
        alert.first.split([';', '|']).map(|part| (alert.name.to_owned(), part.trim().to_owned()))
    });
    for (place, words) in quoted.chain(first).filter(|(_, words)| words.starts_with("holdfast ")) {
        can_be_typed(&words).unwrap_or_else(|error| panic!("{place}: {words}\n{error}"));
        tried += 1;
    }
    assert!(tried > 40, "{tried}");
    assert!(can_be_typed("holdfast connections mend").is_err());
    assert!(can_be_typed("holdfast doctor --loudly").is_err());
}

#[test]
fn every_setting_that_a_text_names_is_there() {
    let known: BTreeSet<&str> = TABLE
        .iter()
        .flat_map(|setting| std::iter::once(setting.env).chain(setting.aliases.iter().copied()))
        .collect();
    let mut named = BTreeSet::new();
    for (file, text) in all().iter().filter(|(file, _)| !OF_OTHERS.iter().any(|part| file.contains(part))) {
        for name in text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')) {
            let base = name.strip_suffix("_FILE").unwrap_or(name);
            let is_setting = ["HOLDFAST_", "CLERK_", "INSTAGRAM_"].iter().any(|each| base.starts_with(each));
            if is_setting && !base.ends_with('_') && base != OF_THE_BUILD {
                assert!(known.contains(base), "{file} names {name}: {text}");
                named.insert(base.to_owned());
            }
        }
    }
    assert!(named.len() > 30, "{named:?}");
}

#[test]
fn every_page_that_a_text_names_is_there() {
    let mut opened = 0;
    for (file, text) in all() {
        for start in text.match_indices("docs/guides/").map(|(at, _)| at) {
            let end = text[start..].find(|c: char| c.is_whitespace() || "`)\";,\\".contains(c));
            let link = text[start..].get(..end.unwrap_or(text.len() - start)).unwrap().trim_end_matches('.');
            let (page, anchor) = link.split_once('#').unwrap_or((link, ""));
            let page = std::fs::read_to_string(root().join(page))
                .unwrap_or_else(|error| panic!("{file} names {page}: {error}"));
            let headings = page.lines().filter_map(|line| line.strip_prefix('#'));
            let anchors: Vec<String> = headings
                .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"))
                .collect();
            assert!(
                anchor.is_empty() || anchor.contains('{') || anchors.iter().any(|each| each == anchor),
                "{link}"
            );
            opened += 1;
        }
    }
    assert!(opened > 0);
}

#[test]
fn texts_are_found_and_comments_are_not() {
    let source = "// \"no\"\nlet a = \"yes \\\"quoted\\\"\"; let b = '\"'; let c = r#\"raw \"inner\"\"#; let d = b'/';\n";
    assert_eq!(texts(source), ["yes \"quoted\"", "raw \"inner\""]);
}

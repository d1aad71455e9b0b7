//! Who may use whom, read from the paths in the source: direction is held without a crate per
//! module.
//!
//! The list is the table of ARCHITECTURE.md, which is compared with it. A file may name its own
//! children by their bare names (a module is made of them); every other path is an edge.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules that each module may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("address", &[]),
    ("allocator", &[]),
    (
        "app",
        &[
            "budget",
            "caller",
            "clerk",
            "clock",
            "clock_watch",
            "connections",
            "entropy",
            "http",
            "outbox",
            "overview",
            "process",
            "provider",
            "settings",
            "store",
            "telemetry",
            "transport",
            "users",
            "vault",
            "worker",
        ],
    ),
    ("budget", &["http", "process", "settings"]),
    ("caller", &["clock", "digest", "entropy", "lock", "per_thread", "transport"]),
    ("clerk", &["caller", "clock", "display_text", "lock", "standard_webhooks", "transport"]),
    (
        "cli",
        &[
            "address",
            "app",
            "caller",
            "clock",
            "clock_watch",
            "connection",
            "connections",
            "counted",
            "display_text",
            "entropy",
            "http",
            "lock",
            "names",
            "outbox",
            "overview",
            "process",
            "provider",
            "settings",
            "standin",
            "store",
            "telemetry",
            "transport",
            "vault",
        ],
    ),
    ("client_address", &[]),
    ("clock", &[]),
    ("clock_watch", &["clock", "lock", "transport"]),
    ("connection", &["clock", "names", "provider"]),
    (
        "connections",
        &[
            "caller",
            "clock",
            "connection",
            "digest",
            "entropy",
            "lock",
            "metric",
            "provider",
            "store",
            "vault",
        ],
    ),
    ("counted", &[]),
    ("digest", &[]),
    ("display_text", &["address"]),
    ("entropy", &["lock", "per_thread"]),
    (
        "http",
        &[
            "address",
            "caller",
            "clerk",
            "client_address",
            "clock",
            "connection",
            "connections",
            "counted",
            "digest",
            "entropy",
            "lock",
            "metric",
            "names",
            "nearest",
            "outbox",
            "overview",
            "per_thread",
            "provider",
            "store",
            "telemetry",
            "users",
            "vault",
        ],
    ),
    ("lock", &[]),
    ("metric", &["names"]),
    ("names", &[]),
    ("nearest", &[]),
    (
        "outbox",
        &[
            "clock",
            "clock_watch",
            "connection",
            "connections",
            "entropy",
            "lock",
            "metric",
            "names",
            "standard_webhooks",
            "store",
            "telemetry",
            "transport",
        ],
    ),
    (
        "overview",
        &[
            "clock",
            "clock_watch",
            "connection",
            "connections",
            "metric",
            "names",
            "provider",
            "store",
            "worker",
        ],
    ),
    ("per_thread", &[]),
    ("process", &[]),
    ("provider", &["clock", "digest", "display_text", "lock", "metric", "transport"]),
    (
        "settings",
        &[
            "address",
            "caller",
            "client_address",
            "connection",
            "nearest",
            "provider",
            "standard_webhooks",
            "vault",
        ],
    ),
    ("standard_webhooks", &[]),
    ("standin", &["address", "clock", "entropy", "lock", "names", "transport"]),
    (
        "store",
        &[
            "caller",
            "clerk",
            "clock",
            "connection",
            "digest",
            "entropy",
            "lock",
            "names",
            "provider",
            "telemetry",
            "vault",
        ],
    ),
    ("telemetry", &["clock", "entropy", "metric", "names", "settings", "transport"]),
    ("transport", &["clock", "lock"]),
    ("users", &["caller", "clerk", "clock", "lock", "store"]),
    ("vault", &["entropy"]),
    (
        "worker",
        &["clock", "clock_watch", "connection", "connections", "lock", "metric", "store", "telemetry"],
    ),
];

/// Libraries that only these modules may use.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("axum", &["app", "cli", "http", "standin"]),
    ("sqlx", &["store"]),
    ("reqwest", &["transport"]),
    ("clap", &["cli"]),
    ("aide", &["http"]),
    ("chacha20poly1305", &["vault"]),
];

/// Source files by the path of the module that they are.
type Sources = BTreeMap<Vec<String>, String>;

fn crate_sources() -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Sources::new();
    for path in files(&root) {
        let relative = path.strip_prefix(&root).unwrap().with_extension("");
        let mut module: Vec<String> = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        module.pop_if(|last| last == "mod");
        sources.insert(module, shipped(&fs::read_to_string(path).unwrap()));
    }
    for entry in ["lib", "main"] {
        sources.remove(&vec![entry.to_owned()]);
    }
    sources
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if path.is_dir() && name != "tests" {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") && name != "tests.rs" {
            found.push(path);
        }
    }
    found
}

/// What ships of a file: without a test module at its end, and without comments, which may name
/// anything. A test module in a file of its own is declared at the top, and ends nothing.
fn shipped(text: &str) -> String {
    let is_inline = |at: usize| {
        let item = text[at..].lines().find(|line| !line.starts_with("#["));
        item.is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    };
    let end = text.match_indices("#[cfg(test)]\n").map(|(at, _)| at).find(|at| is_inline(*at));
    let lines = text[..end.unwrap_or(text.len())].lines();
    lines.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Every path that a source names from `crate`, `super` or `self`, as segments; groups are spread
/// out.
fn paths(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for root in ["crate", "super", "self"] {
        for (at, _) in text.match_indices(&format!("{root}::")) {
            let before = text[..at].chars().next_back();
            if before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':' && c != '$') {
                spread(&text[at..], &[], &mut found);
            }
        }
    }
    found
}

/// Follows one path, or one group in braces. Answers how much of `text` that was.
fn spread(text: &str, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let trimmed = text.trim_start();
    let skipped = text.len() - trimmed.len();
    if let Some(group) = trimmed.strip_prefix('{') {
        let mut at = 0;
        loop {
            let rest = group[at..].trim_start_matches([' ', '\n', ',']);
            at = group.len() - rest.len();
            if rest.is_empty() || rest.starts_with('}') {
                return skipped + 1 + at + 1;
            }
            at += spread(rest, prefix, found).max(1);
        }
    }
    let length = trimmed.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(trimmed.len());
    let mut path = prefix.to_vec();
    path.push(trimmed[..length].to_owned());
    if let Some(rest) = trimmed[length..].strip_prefix("::") {
        return skipped + length + 2 + spread(rest, &path, found);
    }
    found.push(path);
    let renamed = trimmed[length..].strip_prefix(" as ");
    let more = renamed
        .map_or(0, |rest| 4 + rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()));
    skipped + length + more
}

/// The file that a path leads to, seen from `from`.
fn target(sources: &Sources, from: &[String], path: &[String]) -> Option<Vec<String>> {
    let mut at: Vec<String> = match path[0].as_str() {
        "crate" => Vec::new(),
        "self" | "super" => from.to_vec(),
        _ => return None,
    };
    for segment in path {
        match segment.as_str() {
            "crate" | "self" => {}
            "super" => drop(at.pop()),
            other => at.push(other.to_owned()),
        }
    }
    while !at.is_empty() {
        if sources.contains_key(&at) {
            return Some(at);
        }
        at.pop();
    }
    None
}

/// Which file uses which.
fn edges(sources: &Sources) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let used = |from: &Vec<String>, text: &str| -> BTreeSet<Vec<String>> {
        let named = paths(text);
        let targets = named.iter().filter_map(|path| target(sources, from, path));
        targets.filter(|to| to != from).collect()
    };
    sources.iter().map(|(from, text)| (from.clone(), used(from, text))).collect()
}

/// What may not be used and is.
fn breaches(sources: &Sources) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (from, targets) in edges(sources) {
        let Some((_, allowed)) = ALLOWED.iter().find(|(module, _)| *module == from[0]) else {
            found.insert(format!("{} has no row", from[0]));
            continue;
        };
        for to in targets.into_iter().filter(|to| to[0] != from[0] && !allowed.contains(&to[0].as_str())) {
            found.insert(format!("{} uses {}", from.join("/"), to.join("/")));
        }
    }
    for (from, text) in sources {
        for (library, modules) in LIBRARIES {
            let names = text.match_indices(&format!("{library}::")).any(|(at, _)| {
                let before = text[..at].chars().next_back();
                before.is_none_or(|c| !c.is_alphanumeric() && !['_', ':', '"'].contains(&c))
            });
            if names && !modules.contains(&from[0].as_str()) {
                found.insert(format!("{} uses the library {library}", from.join("/")));
            }
        }
    }
    found
}

/// Files that need each other: each group is one circle, or several that meet.
fn circles(sources: &Sources) -> Vec<Vec<String>> {
    let edges = edges(sources);
    let reach = |from: &Vec<String>| -> BTreeSet<Vec<String>> {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(each) = waiting.pop() {
            let next = edges.get(&each).into_iter().flatten();
            waiting.extend(next.filter(|to| seen.insert((*to).clone())).cloned());
        }
        seen
    };
    let reached: BTreeMap<_, _> = edges.keys().map(|from| (from.clone(), reach(from))).collect();
    let mut groups = BTreeSet::new();
    for (from, to) in &reached {
        if to.contains(from) {
            let group = to.iter().filter(|each| reached[*each].contains(from));
            groups.insert(group.map(|each| each.join("/")).collect::<Vec<_>>());
        }
    }
    groups.into_iter().collect()
}

fn sources_of(files: &[(&str, &str)]) -> Sources {
    files.iter().map(|(name, text)| (name.split('/').map(str::to_owned).collect(), shipped(text))).collect()
}

#[test]
fn modules_use_only_what_they_may() {
    let sources = crate_sources();
    assert!(sources.len() > 200, "{} files", sources.len());
    let found = breaches(&sources);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_row_allows_what_nobody_uses() {
    let edges = edges(&crate_sources());
    for (module, allowed) in ALLOWED {
        for other in *allowed {
            let is_used =
                edges.iter().any(|(from, to)| from[0] == *module && to.iter().any(|each| each[0] == *other));
            assert!(is_used, "{module} does not use {other}");
        }
    }
}

#[test]
fn no_files_need_each_other() {
    let found = circles(&crate_sources());
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_planted_circle_and_a_planted_breach_are_seen() {
    let planted = sources_of(&[
        ("store/mod", "use crate::{\n    clock::Clock,\n    connections::{self as c, check::Check},\n};"),
        ("connections/check", "//! crate::http\nuse crate::store::Store;"),
        ("connections/mod", "mod check;\nfn x() { let _ = super::http::y(); }"),
        ("http", "use crate::clock::Clock;"),
        (
            "clock",
            "#[cfg(test)]\nmod tests;\nuse sqlx::Pool;\n#[cfg(test)]\nmod more {\n    use crate::http::x;\n}",
        ),
    ]);
    let planted: Sources = planted
        .into_iter()
        .map(|(mut module, text)| {
            module.pop_if(|last| last == "mod");
            (module, text)
        })
        .collect();
    let found: Vec<String> = breaches(&planted).into_iter().collect();
    assert_eq!(
        found,
        [
            "clock uses the library sqlx",
            "connections uses http",
            "store uses connections",
            "store uses connections/check",
        ]
    );
    assert_eq!(circles(&planted), [["connections/check", "store"]]);
}

#[test]
fn the_table_in_architecture_md_says_the_same() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ARCHITECTURE.md");
    let page = fs::read_to_string(page).unwrap();
    let rows: BTreeMap<String, BTreeSet<String>> = page
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim().trim_matches('|').split(" | ").collect();
            let [module, _, uses] = cells[..] else { return None };
            let module = module.trim().strip_prefix('`')?.strip_suffix('`')?;
            let uses = uses.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            Some((module.to_owned(), uses))
        })
        .collect();
    let expected: BTreeMap<String, BTreeSet<String>> = ALLOWED
        .iter()
        .map(|(module, uses)| ((*module).to_owned(), uses.iter().map(|each| (*each).to_owned()).collect()))
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn every_direct_dependency_has_a_place_in_a_row() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let page = read("docs/decisions/dependencies.md");
    let names = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let rows: Vec<&str> = names.filter(|name| *name != "dependency").collect();
    let listed: BTreeSet<&str> = rows.iter().flat_map(|row| row.split(", ")).collect();
    let manifests = ["crates/holdfast/Cargo.toml", "crates/clerk-session/Cargo.toml"].map(read);
    let direct: BTreeSet<&str> = manifests
        .iter()
        .filter_map(|manifest| manifest.split("\n[").find_map(|part| part.strip_prefix("dependencies]\n")))
        .flat_map(|part| part.lines().filter_map(|line| line.split(['.', ' ']).next()))
        .filter(|name| !name.is_empty() && *name != "clerk-session")
        .collect();
    assert_eq!(listed, direct);
    assert!(rows.len() <= 40, "{} rows", rows.len());
    let count = format!("Today {} rows hold {}\ncrates.", rows.len(), listed.len());
    assert!(page.contains(&count), "{count}");
}

#[test]
fn files_that_architecture_md_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let crates = ["crates/holdfast/src", "crates/clerk-session"].map(|each| files(&root.join(each)));
    let known: Vec<String> = crates.concat().iter().map(|file| file.display().to_string()).collect();
    let page = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let mut named = 0;
    for name in page.split('`').skip(1).step_by(2).filter(|name| name.strip_suffix(".rs").is_some()) {
        assert!(known.iter().any(|file| file.ends_with(&format!("/{name}"))), "{name}");
        named += 1;
    }
    assert!(named > 80, "{named}");
}

#[test]
fn only_the_command_line_names_an_owner_without_proof() {
    let users: Vec<String> = crate_sources()
        .into_iter()
        .filter(|(module, text)| module[0] != "cli" && text.contains("named_by_operator("))
        .map(|(module, _)| module.join("/"))
        // The operator's own page looks people up as the command line does.
        .filter(|name| name != "caller" && !name.starts_with("http/operator/"))
        .collect();
    assert!(users.is_empty(), "{users:?}");
}

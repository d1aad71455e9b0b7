//! SECURITY.md names tests and files as its evidence: each of them is there. Its list of bounds has
//! the numbers of the code, and every table of the database.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::reference;
use holdfast::metric::Metric;

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

/// The root of the repository, and its SECURITY.md.
fn root_and_page() -> (PathBuf, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    (root, page)
}

/// All Rust sources, one after the other.
fn sources(root: &Path) -> String {
    let mut files = Vec::new();
    rust_files(&root.join("crates"), &mut files);
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

/// Every function in `sources`.
fn functions(sources: &str) -> BTreeSet<&str> {
    let after = sources.lines().filter_map(|line| line.split_once("fn "));
    after.filter_map(|(_, rest)| rest.split_once('(')).map(|(name, _)| name).collect()
}

/// The rows of the table that begins with that head, cell by cell.
fn table<'a>(page: &'a str, head: &str) -> Vec<Vec<&'a str>> {
    let rows = page.split_once(head).unwrap_or_else(|| panic!("no table {head}")).1.lines().skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// What stands in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_bad_day_is_a_command_that_exists() {
    let (root, page) = root_and_page();
    let sources = sources(&root);
    let functions = functions(&sources);
    let rows = table(&page, "| what goes wrong | test | by hand |");
    assert!(rows.len() > 10, "{rows:?}");
    for row in rows {
        let [_, tests, by_hand] = row[..] else { panic!("{row:?}") };
        for name in quoted(tests) {
            let exists = if name.contains('/') { root.join(name).exists() } else { functions.contains(name) };
            assert!(exists, "{name}, in: {row:?}");
        }
        for (variable, _) in quoted(by_hand).filter_map(|each| each.split_once('=')) {
            let is_read = sources.contains(variable) || tests.contains("scripts/");
            assert!(is_read, "{variable}, in: {row:?}");
        }
    }
}

#[test]
fn every_bound_is_seen_in_a_metric_that_exists() {
    let (_, page) = root_and_page();
    let metrics: BTreeSet<_> =
        reference::metrics().iter().flat_map(|(_, table)| *table).map(Metric::full_name).collect();
    let rows = table(&page, "| what grows | bound | who gives way | seen in |");
    assert!(rows.len() > 30, "{rows:?}");
    for row in rows {
        let [what, .., seen] = row[..] else { panic!("{row:?}") };
        let elsewhere = [
            "accepted by the kernel, not yet by us",
            "SQLite's write-ahead log",
            "a line of an import",
            "lines of an import under way",
            "users and accounts of an import",
            "the log that `holdfast why` reads",
            "keys that `holdfast doctor` misses",
            "metric series",
        ];
        let mut named = quoted(seen).map(|name| name.split('{').next().unwrap()).peekable();
        assert!(named.peek().is_some() || elsewhere.contains(&what), "{what} is seen nowhere");
        let missing: Vec<_> = named.filter(|name| name.contains('_') && !metrics.contains(*name)).collect();
        assert!(missing.is_empty(), "{what}: {missing:?}");
    }
}

#[test]
fn every_piece_of_evidence_exists() {
    let (root, page) = root_and_page();
    let sources = sources(&root);
    let functions = functions(&sources);
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

const STRANGERS: &str = "reads for callers without a credential: service keys, redirects, receipts";
const TASKS: &str = "tasks beside the requests";
const CLERK_USERS: &str = "users asked about at Clerk, and answers of the last minute";

/// A row of the list of bounds, by its first cell, and a constant whose number stands in it.
const BOUNDS: &[(&str, &str, &str)] = &[
    ("connections of the metrics listener; look-ups there at a time", "process.rs", "OPERATORS"),
    ("connections of the metrics listener; look-ups there at a time", "http/operator/mod.rs", "LOOK_UPS"),
    ("accepted by the kernel, not yet by us", "http/server/bind.rs", "BACKLOG"),
    ("bodies above 16 KiB", "http/admission.rs", "SMALL_BODY"),
    ("bodies above 16 KiB", "http/large_bodies.rs", "LARGE_BODIES"),
    ("bodies above 16 KiB", "http/body.rs", "MAX_WEBHOOK_BODY"),
    ("bytes of an answer that nobody takes", "http/server/bind.rs", "SEND_BUFFER"),
    ("event streams", "http/streams.rs", "MAX_IN_ALL"),
    ("event streams", "http/streams.rs", "MAX_PER_USER"),
    ("streams that read at a time", "http/streams.rs", "MAX_LOOKING"),
    ("changes that a stream has yet to hear of", "store/changes.rs", "BACKLOG"),
    ("outgoing requests", "transport.rs", "PER_HOST"),
    ("an outgoing answer", "clerk/backend.rs", "MAX_ANSWER"),
    ("an outgoing answer", "provider/instagram/graph.rs", "MAX_PASSED_THROUGH"),
    ("status reads that wait for a round trip", "store/status_reads/mod.rs", "MOST_WAITING"),
    ("times of last use that wait to be stored", "store/stamps.rs", "MOST"),
    (STRANGERS, "store/strangers.rs", "AT_A_TIME"),
    (STRANGERS, "store/strangers.rs", "KNOWN_KEYS"),
    ("verified session tokens", "caller/verifier.rs", "REMEMBERED_TOKENS"),
    ("verified session tokens", "caller/verified_token_cache.rs", "BYTES"),
    ("refused tokens that come again", "caller/repeat_limiter.rs", "CAPACITY"),
    ("users asked about at Clerk, and answers of the last minute", "clerk/backend.rs", "REMEMBERED"),
    ("questions to Clerk's Backend API", "clerk/backend.rs", "BUDGET"),
    ("users whose facts failed", "users.rs", "REMEMBERED"),
    ("refused requests kept for `holdfast why`", "http/memory.rs", "CAPACITY"),
    ("rows in trouble that were logged", "store/unreadable.rs", "REMEMBERED"),
    ("grants remembered, sealed, for a standby that is promoted", "connections/journal/recent.rs", "MOST"),
    ("spans that wait to be exported", "telemetry/traces/queue.rs", "CAPACITY"),
    ("connections of the database", "store/engine/postgres.rs", "MAX_CONNECTIONS"),
    ("connections of the database", "store/engine/sqlite.rs", "READERS"),
    ("SQLite's write-ahead log", "store/engine/sqlite.rs", "LOG_KEPT"),
    ("lines of the log that wait to be written", "telemetry/writer.rs", "WAITING"),
    ("origins of refused pages", "http/memory.rs", "ORIGINS"),
    ("log lines about refused tokens", "caller/refusal_log.rs", "LINES"),
    ("files of the journal", "connections/journal/files.rs", "RESERVED_BYTES"),
    ("grants under way in the worker", "worker/mod.rs", "BATCH"),
    ("grants under way in the worker", "worker/mod.rs", "PARALLEL"),
    ("events to the app under way", "outbox/mod.rs", "BATCH"),
    ("events to the app under way", "outbox/mod.rs", "PARALLEL"),
    ("a line of an import", "cli/import/input.rs", "LONGEST_LINE"),
    ("lines of an import under way", "cli/import/mod.rs", "AHEAD"),
    ("the log that `holdfast why` reads", "cli/why/log.rs", "LONGEST_LINE"),
    ("the log that `holdfast why` reads", "cli/why/input.rs", "CHUNK"),
];

/// The number of `const NAME: … = …;`, products included.
fn constant(source: &Path, name: &str) -> u64 {
    let text = std::fs::read_to_string(source).unwrap();
    let line = text
        .lines()
        .find(|line| line.contains(&format!("const {name}: ")))
        .unwrap_or_else(|| panic!("{name} is not in {}", source.display()));
    let (_, value) = line.split_once(" = ").unwrap();
    let factors = value.trim_end_matches(';').split(" * ").map(|each| each.replace('_', ""));
    factors.map(|each| each.parse::<u64>().unwrap_or_else(|_| panic!("{line}"))).product()
}

/// As the page writes it: thousands apart, and bytes in their unit.
fn spellings(number: u64) -> Vec<String> {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    let mut all = vec![groups.join(",")];
    for (unit, name) in [(1 << 10, "KiB"), (1 << 20, "MiB")] {
        if number.is_multiple_of(unit) {
            all.push(format!("{} {name}", number / unit));
        }
    }
    all
}

#[test]
fn the_list_of_bounds_has_the_numbers_of_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("../../SECURITY.md")).unwrap();
    for (what, file, name) in BOUNDS {
        let row = page.lines().find(|line| line.starts_with(&format!("| {what} |")));
        let row = row.unwrap_or_else(|| panic!("no row for {what}"));
        let spellings = spellings(constant(&root.join("src").join(file), name));
        let has = |number: &String| {
            // A number, not a part of one.
            row.match_indices(number.as_str()).any(|(at, _)| {
                let beside = [row[..at].chars().last(), row[at + number.len()..].chars().next()];
                beside.into_iter().flatten().all(|c| !c.is_ascii_digit())
            })
        };
        assert!(spellings.iter().any(has), "{name} of {file} is {spellings:?}: {row}");
    }
}

#[test]
fn every_table_is_on_the_list_of_bounds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let mut tables = BTreeSet::new();
    for entry in std::fs::read_dir(root.join("migrations/sqlite")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let made = text.lines().filter_map(|line| line.strip_prefix("CREATE TABLE "));
        tables.extend(made.filter_map(|rest| rest.split_once(' ')).map(|(name, _)| name.to_owned()));
    }
    assert!(tables.len() > 12, "{tables:?}");
    let rows: String = page.lines().filter(|line| line.starts_with("| `")).collect();
    let missing: Vec<_> = tables.iter().filter(|table| !rows.contains(&format!("`{table}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// What may grow in the source: a file, the names of its collections, `channel` or `spawn`, and the
/// row that bounds them. Collections that only one call or one thread's start fills need no row.
const GROWS: &[(&str, &[&str], &str)] = &[
    ("app/server.rs", &["spawn"], TASKS),
    ("app/start.rs", &["spawn"], TASKS),
    (
        "cli/mod.rs",
        &["spawn"],
        "threads for calls that block: files of the journal, name look-ups, the checkpoint of SQLite's log",
    ),
    ("cli/serve.rs", &["spawn"], TASKS),
    ("store/changes.rs", &["channel"], "changes that a stream has yet to hear of"),
    ("store/changes.rs", &["spawn"], TASKS),
    ("store/status_reads/mod.rs", &["channel", "questions"], "status reads that wait for a round trip"),
    ("store/status_reads/postgres.rs", &["spawn"], TASKS),
    ("store/status_reads/sqlite.rs", &["spawn"], TASKS),
    ("store/stamps.rs", &["spawn", "under_way"], "times of last use that wait to be stored"),
    ("store/strangers.rs", &["known_keys"], STRANGERS),
    ("store/engine/postgres.rs", &["spawn"], "connections of the database"),
    (
        "store/engine/sqlite.rs",
        &["spawn"],
        "threads for calls that block: files of the journal, name look-ups, the checkpoint of SQLite's log",
    ),
    ("store/unreadable.rs", &["LoggedRows"], "rows in trouble that were logged"),
    ("http/server/mod.rs", &["spawn"], "connections"),
    ("http/server/places.rs", &["held", "of_address"], "connections"),
    ("http/detached.rs", &["spawn"], "work that outlives its request"),
    ("http/admission.rs", &["by_address"], "addresses with requests under way"),
    ("http/body.rs", &["Members"], "smaller bodies; headers"),
    ("http/large_bodies.rs", &["by_id"], "bodies above 16 KiB"),
    ("http/memory.rs", &["latest"], "refused requests kept for `holdfast why`"),
    ("http/memory.rs", &["origins"], "origins of refused pages"),
    ("http/memory.rs", &["by_code"], "metric series"),
    ("http/metrics.rs", &["routes"], "metric series"),
    ("http/streams.rs", &["by_user"], "event streams"),
    ("worker/tally.rs", &["fresh"], "metric series"),
    ("caller/two_generation_map.rs", &["young", "old"], "verified session tokens"),
    ("caller/refusal_log.rs", &["windows"], "log lines about refused tokens"),
    ("clerk/backend.rs", &["asking", "recent"], CLERK_USERS),
    ("clerk/pauses.rs", &["users"], CLERK_USERS),
    ("connections/journal/mod.rs", &["in_hand"], "attempts whose token is being stored"),
    (
        "connections/journal/mod.rs",
        &["spawn"],
        "threads for calls that block: files of the journal, name look-ups, the checkpoint of SQLite's log",
    ),
    ("connections/import.rs", &["predicted"], "users and accounts of an import"),
    ("cli/doctor/sealed.rs", &["without_key"], "keys that `holdfast doctor` misses"),
    ("cli/import/mod.rs", &["channel"], "lines of an import under way"),
    ("cli/why/input.rs", &["channel", "spawn"], "the log that `holdfast why` reads"),
    ("provider/calls.rs", &["said"], "failures to reach Instagram that were logged"),
    ("overview/mod.rs", &["journal"], "figures about all connections"),
    ("telemetry/writer.rs", &["channel", "spawn"], "lines of the log that wait to be written"),
    ("transport.rs", &["turns"], "outgoing requests"),
];

/// What that line of source makes grow.
fn grows(line: &str) -> Option<&str> {
    let line = line.trim();
    if line.starts_with("//") {
        return None;
    }
    let makes_channel = ["unbounded_channel(", "mpsc::channel(", "sync_channel(", " = channel()"];
    if makes_channel.iter().any(|each| line.contains(each)) || line.contains("broadcast::Sender::new(") {
        return Some("channel");
    }
    if line.contains("spawn(") || line.contains("spawn_blocking(") {
        return Some("spawn");
    }
    let collections = ["HashMap<", "HashSet<", "BTreeMap<", "BTreeSet<", "VecDeque<"];
    if let Some((_, tuple)) = line.split_once("struct ") {
        let (name, kind) = tuple.split_once('(')?;
        return collections.iter().any(|each| kind.contains(each)).then_some(name);
    }
    let (name, kind) = line.strip_suffix(',')?.split_once(": ")?;
    let name = name.rsplit(' ').next()?;
    let is_field = name.chars().all(|c| c.is_ascii_lowercase() || c == '_') && !kind.starts_with('&');
    (is_field && collections.iter().any(|each| kind.contains(each))).then_some(name)
}

#[test]
fn whatever_may_grow_in_the_source_has_a_row() {
    let (root, page) = root_and_page();
    let sources = root.join("crates/holdfast/src");
    let mut files = Vec::new();
    rust_files(&sources, &mut files);
    let mut found = BTreeSet::new();
    for file in &files {
        let name = file.strip_prefix(&sources).unwrap().display().to_string();
        // What is filled once at the start, and what no server runs.
        let is_left_out = ["settings/", "standin/", "cli/dev/"].iter().any(|each| name.starts_with(each));
        if is_left_out || name.contains("tests") {
            continue;
        }
        let text = std::fs::read_to_string(file).unwrap();
        let text = text.split("\nmod tests {").next().unwrap();
        found.extend(text.lines().filter_map(grows).map(|what| (name.clone(), what.to_owned())));
    }
    let listed: BTreeSet<_> = GROWS
        .iter()
        .flat_map(|(file, names, _)| names.iter().map(|name| ((*file).to_owned(), (*name).to_owned())))
        .collect();
    let (without, gone): (Vec<_>, Vec<_>) =
        (found.difference(&listed).collect(), listed.difference(&found).collect());
    assert!(without.is_empty(), "give these a row in SECURITY.md, and name it here: {without:#?}");
    assert!(gone.is_empty(), "these are gone: {gone:#?}");
    for (file, _, row) in GROWS {
        assert!(page.contains(&format!("\n| {row} |")), "{file}: SECURITY.md has no row {row}");
    }
}

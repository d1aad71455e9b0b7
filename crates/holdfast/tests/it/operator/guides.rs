//! The commands in the guides: those of the rehearsal run as they stand, and so does the SQL; every
//! other block says why it does not run, and names only commands and options that there are.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::testing::postgres_server::OwnServer;
use crate::testing::program::{Place, ring_entry};

/// A fenced block of commands.
struct Block {
    language: String,
    text: String,
    /// Why it is not run.
    reason: Option<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The guides with their blocks of `sh` and `sql`.
fn guides() -> Vec<(String, Vec<Block>)> {
    let folder = root().join("docs/guides");
    let mut guides = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            guides.push((name, blocks(&fs::read_to_string(path).unwrap())));
        }
    }
    assert!(guides.len() > 10);
    guides
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut reason = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(why) = line.strip_prefix("<!-- not run: ") {
            reason = why.strip_suffix(" -->").map(str::to_owned);
        } else if let Some(language) = line.strip_prefix("```").filter(|language| !language.is_empty()) {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if matches!(language, "sh" | "sql") {
                let (language, text) = (language.to_owned(), text.join("\n") + "\n");
                blocks.push(Block { language, text, reason: reason.take() });
            }
        }
    }
    blocks
}

/// With the program in the `PATH` as `holdfast`.
fn path_with_the_program(folder: &Path) -> String {
    let bin = folder.join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_holdfast"), bin.join("holdfast")).unwrap();
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

/// Other tens of ports for those of the page, because several runs may go on side by side.
fn free_ports() -> Vec<(&'static str, String)> {
    let is_free = |tens: u32| {
        (0..10).all(|digit| {
            let port = u16::try_from(tens * 10 + digit).unwrap();
            std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()
        })
    };
    let mut candidates = (1100 + std::process::id() % 2000..3200).filter(|tens| is_free(*tens));
    let mut next = || candidates.next().expect("ten free ports").to_string();
    ["807", "809", "844", "909", "549"].map(|tens| (tens, next())).into()
}

/// `8091` and `809$replica` change alike.
fn with(ports: &[(&str, String)], text: &str) -> String {
    ports.iter().fold(text.to_owned(), |text, (tens, other)| text.replace(tens, other))
}

/// The files that the page takes from the archive, with those ports.
fn source_with(ports: &[(&str, String)], folder: &Path) -> PathBuf {
    let source = folder.join("source");
    for file in
        ["deploy/nginx/holdfast.conf", "deploy/container/Caddyfile", "deploy/prometheus/holdfast.rules.yml"]
    {
        let copy = source.join(file);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        let text = fs::read_to_string(root().join(file)).unwrap();
        fs::write(copy, if file.starts_with("deploy/nginx") { with(ports, &text) } else { text }).unwrap();
    }
    source
}

#[test]
fn the_rehearsal_runs_as_it_stands() {
    let guides = guides();
    let (_, blocks) = guides.iter().find(|(name, _)| name == "rehearsal.md").unwrap();
    let commands: String =
        blocks.iter().filter(|block| block.reason.is_none()).map(|block| block.text.as_str()).collect();
    let folder = TempDir::new().unwrap();
    // The user `postgres` must be able to enter.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let script = folder.path().join("rehearsal.sh");
    let ports = free_ports();
    fs::write(&script, format!("set -eu\n{}", with(&ports, &commands))).unwrap();
    let output = folder.path().join("output");
    let file = fs::File::create(&output).unwrap();
    let mut shell = Command::new("bash")
        .arg(&script)
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", path_with_the_program(folder.path()))
        .env("SOURCE", source_with(&ports, folder.path()))
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .process_group(0)
        .spawn()
        .unwrap();
    let began = Instant::now();
    let ended = loop {
        match shell.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if began.elapsed() > Duration::from_mins(10) => break None,
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    // All that it started belongs to its group, but for Postgres.
    let postgres = folder.path().join("rehearsal/database/cluster/postmaster.pid");
    if let Some(process) = fs::read_to_string(postgres).ok().as_deref().and_then(|text| text.lines().next()) {
        let _ = Command::new("kill").args(["-INT", process]).status();
    }
    let group = format!("-{}", shell.id());
    let left = Command::new("kill").args(["-TERM", "--", &group]).output().unwrap().status.success();
    let told = fs::read_to_string(&output).unwrap();
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}\n{told}");
    assert!(!left, "something still runs\n{told}");
    for said in [
        "Nothing is broken.",
        "\nconnected\n",
        "401 token-",
        "service_key.create",
        "1 data keys are now sealed with",
        "seals, 1 data keys\n",
        "sealed: every grant that was tried opens: 1",
        "\nholdfast-unreachable\n",
    ] {
        assert!(told.contains(said), "{said} is missing in {told}");
    }
}

#[test]
fn the_sql_of_the_guides_makes_a_database_that_serves() {
    let server = OwnServer::start();
    let guides = guides();
    let (_, blocks) = guides.iter().find(|(name, _)| name == "database.md").unwrap();
    // The server of the test has a role of that name already.
    let sql: Vec<String> = blocks
        .iter()
        .filter(|block| block.language == "sql")
        .map(|block| block.text.replace("holdfast", "served"))
        .collect();
    let psql = |sql: &str| {
        let output = Command::new("psql")
            .args([
                "--quiet",
                "--set",
                "ON_ERROR_STOP=1",
                "--command",
                "SELECT 1",
                "--file",
                "-",
                &server.url(),
            ])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .and_then(|mut child| {
                std::io::Write::write_all(&mut child.stdin.take().unwrap(), sql.as_bytes())?;
                child.wait()
            });
        assert!(output.unwrap().success(), "{sql}");
    };
    let [simple, separated, renumbered] = sql.as_slice() else { panic!("two ways, and a restore") };
    let place = |role: &str| {
        let url =
            server.url().replace("://holdfast@", &format!("://{role}@")).replace("/postgres", "/served");
        Place::new()
            .with("HOLDFAST_DATABASE_URL", url)
            .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7))
    };
    psql(simple);
    let ended = place("served").run(&["migrate"]);
    assert_eq!(ended.code, 0, "{}", ended.whole());
    psql(&format!("DROP DATABASE served;\n{separated}"));
    assert_eq!(place("served").run(&["migrate"]).code, 2, "the server's role shall not");
    let ended = place("served_owner").run(&["migrate"]);
    assert_eq!(ended.code, 0, "{}", ended.whole());
    let ended = place("served").run(&["keys", "rotate"]);
    assert_eq!(ended.code, 0, "{}", ended.whole());
    psql(&format!("\\connect served\n{renumbered}"));
}

#[test]
fn every_other_block_says_why_it_is_not_run_and_names_real_commands() {
    let place = Place::new();
    let mut looked_at = 0;
    for (name, blocks) in guides() {
        for block in blocks.iter().filter(|block| block.language == "sh") {
            let is_run = name == "rehearsal.md";
            assert!(
                is_run || block.reason.is_some(),
                "{name} does not say why it is not run:\n{}",
                block.text
            );
            for line in block.text.lines() {
                for arguments in invocations(line) {
                    let words: Vec<&str> = arguments.split_whitespace().collect();
                    let depth = words.iter().take(2).take_while(|word| is_command(word)).count();
                    let help = |depth: usize| place.run(&[&words[..depth], &["--help"]].concat());
                    // The second word may be an argument.
                    let told = (1..=depth).rev().map(help).find(|told| told.code == 0);
                    let told = told.unwrap_or_else(|| panic!("{name}: no such command: {line}"));
                    for option in words.iter().filter(|word| word.starts_with("--")) {
                        assert!(told.stdout.contains(option), "{name}: {option} in {line}");
                    }
                    looked_at += 1;
                }
            }
        }
    }
    assert!(looked_at > 10, "{looked_at}");
}

/// What stands behind each `holdfast` of a line that is called with a command, up to a pipe.
fn invocations(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("holdfast ").filter_map(|(at, name)| {
        let is_called = line[..at].is_empty() || line[..at].ends_with([' ', '(']);
        let arguments = line[at + name.len()..].split(['|', ';', ')']).next().unwrap_or_default();
        let is_with_command = arguments.split_whitespace().next().is_some_and(is_command);
        (is_called && is_with_command).then_some(arguments)
    })
}

fn is_command(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_lowercase())
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

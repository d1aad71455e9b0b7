//! Where values come from: the environment, files that it names, and `holdfast.toml`.

mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::entry::{Setting, TomlKey};
use super::fault::{Fault, Origin};
use super::misplaced_secrets::{HIDDEN, looks_secret, shown_path};
use super::table::TABLE;
use names::{is_of_others, judge_names, unknown, warn_of_former_names};

/// The environment as one value, so that nothing but [`Environment::of_process`] reads the real
/// one.
#[derive(Clone, Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
    /// Names whose value is not UTF-8.
    unreadable: Vec<String>,
}

impl Environment {
    /// The environment of this process: the one place that reads it.
    pub fn of_process() -> Self {
        let mut environment = Self::default();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => {
                    environment.values.insert(name, value);
                }
                Err(_) => environment.unreadable.push(name),
            }
        }
        environment
    }

    /// An environment of these values.
    pub fn of<N: Into<String>, V: Into<String>>(values: impl IntoIterator<Item = (N, V)>) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { values, unreadable: Vec::new() }
    }

    /// The same without the settings of these names, and without the files that hold them.
    #[must_use]
    pub fn without(&self, names: &[String]) -> Self {
        let mut rest = self.clone();
        let is_named = |name: &str| {
            let base = name.strip_suffix("_FILE").unwrap_or(name);
            names.iter().any(|each| each.strip_suffix("_FILE").unwrap_or(each) == base)
        };
        rest.values.retain(|name, _| !is_named(name));
        rest.unreadable.retain(|name| !is_named(name));
        rest
    }

    /// Whether anything in it looks like a setting.
    pub fn has_own_names(&self) -> bool {
        let is_ours =
            |name: &str| ["HOLDFAST_", "CLERK_", "INSTAGRAM_"].iter().any(|prefix| name.starts_with(prefix));
        self.values.keys().any(|name| is_ours(name) && !is_of_others(name, self))
    }

    /// The value of that name; an empty one counts as unset.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }
}

/// The configuration file.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// Its path, for messages.
    pub path: PathBuf,
    /// Its contents.
    pub text: String,
}

impl ConfigFile {
    /// Reads the file that was asked for; where none was, `holdfast.toml` if it is there.
    pub fn find(asked: Option<&Path>) -> Result<Option<Self>, Fault> {
        let path = asked.map_or_else(super::table::default_config_file, Path::to_path_buf);
        match read_text(&path) {
            Ok(text) => Ok(Some(Self { path, text })),
            Err(error) if asked.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) if is_other_encoding(&error) => {
                Err(Fault::new(shown_path(&path), "the configuration file is not UTF-8", UTF_8))
            }
            Err(error) => Err(Fault::new(
                shown_path(&path),
                format!("the configuration file cannot be read: {error}"),
                if asked.is_some() {
                    "name a file that exists and is readable, or leave out --config"
                } else {
                    "let this process read it and its directory, or start in another directory"
                },
            )),
        }
    }
}

/// More than any configuration; `/dev/zero` would otherwise fill the memory.
const LARGEST_FILE: u64 = 1024 * 1024;

fn read_text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    if fs::File::open(path)?.take(LARGEST_FILE + 1).read_to_string(&mut text)? as u64 > LARGEST_FILE {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
    }
    Ok(text)
}

/// What mends a file in another encoding.
const UTF_8: &str = "save it as UTF-8; editors and shells of Windows may write UTF-16 or Latin-1";

fn is_other_encoding(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::InvalidData
}

/// A value with the place it came from. Every value is kept as a secret: the table decides which
/// may be shown.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub text: SecretString,
    pub origin: Origin,
}

/// All values that were found, by the setting's name in the environment.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub values: BTreeMap<&'static str, Found>,
    /// Settings that are set but unreadable, and where; their fault is noted, and they do not count
    /// as missing.
    pub spoilt: BTreeMap<&'static str, Origin>,
    /// The file cannot be read as TOML, so nobody knows what it sets.
    pub is_file_spoilt: bool,
    pub faults: Vec<Fault>,
    pub warnings: Vec<Fault>,
    /// Names of others' settings that nearly are one of ours.
    pub misspelt: Vec<Fault>,
}

impl Collected {
    /// Notes that the setting is set there, and what keeps it from being read.
    fn spoil(&mut self, setting: &Setting, origin: Origin, fault: Fault) {
        self.spoilt.insert(setting.env, origin);
        self.faults.push(fault);
    }
}

/// Collects values: the environment wins over the file, a setting's own name over its aliases.
pub(super) fn collect(environment: &Environment, file: Option<&ConfigFile>) -> Collected {
    let mut collected = Collected::default();
    for setting in TABLE.iter() {
        read_environment(setting, environment, &mut collected);
    }
    if let Some(file) = file {
        read_file(file, &mut collected);
    }
    judge_names(environment, &mut collected);
    warn_of_former_names(&mut collected);
    collected
}

fn read_environment(setting: &Setting, environment: &Environment, collected: &mut Collected) {
    let mut taken: Option<(&str, &str)> = None;
    for name in setting.names() {
        if let Some((first, value)) = taken {
            let other = environment.get(name).filter(|other| other.trim() != value);
            if other.is_some() {
                collected.warnings.push(Fault::new(
                    first,
                    format!("{name} has another value, which is not used"),
                    format!("give both the same value, or unset {name}"),
                ));
            }
            continue;
        }
        let origin = Origin::Environment(name.to_owned());
        if environment.unreadable.iter().any(|each| each == name) {
            let fault = Fault::new(name, "the value is not UTF-8", "write it in UTF-8");
            return collected.spoil(setting, origin, fault);
        }
        let file_name = format!("{name}_FILE");
        let found = match (environment.get(name), environment.get(&file_name)) {
            (Some(_), Some(_)) => {
                let what = format!("both {name} and {file_name} are set");
                return collected.spoil(setting, origin, Fault::new(name, what, "unset one of them"));
            }
            (Some(text), None) => {
                taken = Some((name, text.trim()));
                unquoted(setting, Found { text: text.trim().into(), origin }, collected)
            }
            (None, Some(path)) => read_value_file(setting, &file_name, Path::new(path), collected),
            (None, None) => continue,
        };
        if let Some(found) = found {
            collected.values.insert(setting.env, found);
        }
        if taken.is_none() {
            return;
        }
    }
}

/// The value, unless it stands in quotation marks. A shell removes them; `docker --env-file`,
/// `kubectl --from-env-file` and many dashboards keep them as part of the value, where they break
/// comparisons and signatures.
fn unquoted(setting: &Setting, found: Found, collected: &mut Collected) -> Option<Found> {
    let Some(meant) = within_quotes(found.text.expose_secret()) else { return Some(found) };
    let meant = if setting.secret || looks_secret(meant) { String::new() } else { format!(": {meant}") };
    let fault = Fault::new(
        found.origin.name().unwrap_or(setting.env),
        "the value stands in quotation marks, which are part of it here",
        format!("write it without them (not every reader of an env file takes them off){meant}"),
    );
    collected.spoil(setting, found.origin, fault);
    None
}

/// What stands between quotation marks, with a comment behind them or without.
fn within_quotes(text: &str) -> Option<&str> {
    let mark = text.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let inner = text.strip_prefix(mark)?;
    let before_comment = || inner.split_once(" #").and_then(|(value, _)| value.trim_end().strip_suffix(mark));
    inner.strip_suffix(mark).or_else(before_comment)
}

/// A value in a file of its own, as container platforms mount secrets. A line end behind it is not
/// part of it, nor is the mark that some editors put before UTF-8.
fn read_value_file(setting: &Setting, name: &str, path: &Path, collected: &mut Collected) -> Option<Found> {
    let origin = Origin::SecretFile { name: name.to_owned(), path: path.to_owned() };
    let text = read_text(path);
    let value = text.as_ref().map(|text| text.trim_start_matches('\u{feff}').trim());
    let shown = shown_path(path);
    let (what, remedy) = match value {
        Ok("") => (format!("{shown} is empty"), "put the value into it"),
        Ok(value) => return unquoted(setting, Found { text: value.into(), origin }, collected),
        Err(error) if is_other_encoding(error) => (format!("{shown} is not UTF-8"), UTF_8),
        Err(error) => {
            let remedy = if shown == HIDDEN {
                "name a file that holds the value, not the value"
            } else {
                "name a file that this process may read"
            };
            (format!("{shown} cannot be read: {error}"), remedy)
        }
    };
    collected.spoil(setting, origin, Fault::new(name, what, remedy));
    None
}

fn read_file(file: &ConfigFile, collected: &mut Collected) {
    let table: toml::Table = match file.text.parse() {
        Ok(table) => table,
        Err(error) => {
            // The library's message quotes the line, which may hold a secret; only the position is
            // used.
            let at = error.span().map_or(0, |span| span.start);
            collected.is_file_spoilt = true;
            let line = file.text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
            let message = error.message().lines().next().unwrap_or_default();
            collected.faults.push(Fault::new(
                file.path.display().to_string(),
                format!("line {line} is not TOML: {message}"),
                if message.contains("duplicate") {
                    "keep one of the lines that set it"
                } else {
                    "quote text values: key = \"value\""
                },
            ));
            return;
        }
    };
    let given: BTreeSet<&str> = collected.values.keys().chain(collected.spoilt.keys()).copied().collect();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => {
                for (inner_key, inner_value) in inner {
                    take_toml(file, &format!("{key}.{inner_key}"), &inner_value, &given, collected);
                }
            }
            other => take_toml(file, &key, &other, &given, collected),
        }
    }
}

/// Takes one key of the file, unless the environment has given its setting.
fn take_toml(
    file: &ConfigFile,
    key: &str,
    value: &toml::Value,
    given: &BTreeSet<&str>,
    collected: &mut Collected,
) {
    // The environment's names are accepted here too, so that an `.env` can be moved over unchanged.
    let by_key = |wanted: &str| {
        let is_wanted = |name: &str| name == wanted || TomlKey::of(name).to_string() == wanted;
        TABLE.iter().find(|each| each.names().any(is_wanted))
    };
    let path_of = key.strip_suffix("_file").or_else(|| key.strip_suffix("_FILE"));
    let (setting, is_path) = match (by_key(key), path_of.and_then(by_key)) {
        (Some(setting), _) => (setting, false),
        (None, Some(setting)) => (setting, true),
        (None, None) => {
            let known: Vec<String> = TABLE.iter().map(|each| each.toml_key().to_string()).collect();
            collected.faults.push(unknown(
                key,
                known.iter().map(String::as_str),
                "in the configuration file",
            ));
            return;
        }
    };
    // Nor is a file read that it names: a service may not be allowed to, and has no need to.
    if given.contains(setting.env) {
        return;
    }
    let Some(text) = toml_text(value) else {
        let fault = Fault::new(
            key,
            "the value is neither text, a number, a switch nor a list of texts",
            format!("write {}", setting.form),
        );
        return collected.spoil(setting, Origin::ConfigFile(key.to_owned()), fault);
    };
    if text.trim().is_empty() {
        return;
    }
    let found = if is_path {
        // Relative to the configuration file, so that the two can move together.
        let path = file.path.parent().unwrap_or(Path::new("")).join(text.trim());
        read_value_file(setting, key, &path, collected)
    } else {
        let origin = Origin::ConfigFile(key.to_owned());
        unquoted(setting, Found { text: text.trim().into(), origin }, collected)
    };
    if let Some(found) = found
        && collected.values.insert(setting.env, found).is_some()
    {
        collected.faults.push(Fault::new(
            key,
            "the value is given twice",
            "leave one of them out: the value, its file, or its other name",
        ));
    }
}

fn toml_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

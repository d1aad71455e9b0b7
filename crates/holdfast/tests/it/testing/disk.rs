//! A disk as it may be after a power failure: what a process wrote, by its system calls as `strace`
//! tells them, and of that what was synced, with or without some of the rest.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::dice::Dice;

/// What `strace` is to be asked for.
pub const CALLS: &str =
    "openat,lseek,write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat";
/// A disk writes so many bytes at once, or none of them.
const SECTOR: usize = 512;

/// Something that a process did to the disk, in the order in which the calls returned.
#[derive(Debug, Clone)]
pub struct Call {
    /// When, in microseconds since 1970: no later than it returned.
    pub at: u64,
    effect: Effect,
}

#[derive(Debug, Clone)]
enum Effect {
    Create(PathBuf),
    /// At the place given, or where the last one through this handle ended.
    Write(PathBuf, u64, Vec<u8>),
    Truncate(PathBuf, u64),
    Sync(PathBuf),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
}

/// Reads what `strace -f -ttt -y -xx` wrote of the files below `root`.
pub fn calls(trace: &str, root: &Path) -> Vec<Call> {
    let (mut begun, mut handles) = (HashMap::new(), HashMap::new());
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some((process, at, rest)) = split_line(line) else { continue };
        let whole = if let Some(first) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(process, first.to_owned());
            continue;
        } else if rest.starts_with("<... ") {
            let (Some(first), Some((_, last))) = (begun.remove(process), rest.split_once(" resumed>")) else {
                continue;
            };
            first + last
        } else {
            rest.to_owned()
        };
        if let Some(effect) = effect(&whole, root, &mut handles) {
            calls.push(Call { at, effect });
        }
    }
    calls
}

fn split_line(line: &str) -> Option<(&str, u64, &str)> {
    let (process, rest) = line.split_once(' ')?;
    let (time, rest) = rest.trim_start().split_once(' ')?;
    let (seconds, micros) = time.split_once('.')?;
    Some((process, seconds.parse::<u64>().ok()? * 1_000_000 + micros.parse::<u64>().ok()?, rest))
}

/// Where writes through a handle go, by its number: only `write` has no place of its own.
type Handles = HashMap<String, u64>;

fn effect(call: &str, root: &Path, handles: &mut Handles) -> Option<Effect> {
    let (name, rest) = call.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let arguments = arguments.trim_end().strip_suffix(')')?;
    if result.starts_with('-') || result.starts_with('?') {
        return None;
    }
    let fields: Vec<&str> = arguments.split(", ").collect();
    let below = |path: Option<PathBuf>| path.filter(|path| path.starts_with(root));
    let named = |field: &str| below(unquote(field).map(path_of).map(|path| root.join(path)));
    let handle = || fields.first()?.split_once('<').map(|(number, _)| number.to_owned());
    let opened = |field: &str| {
        let path = field.split_once('<')?.1.strip_suffix('>')?;
        below(Some(path_of(unescape(path))))
    };
    match name {
        "openat" => {
            let (number, _) = result.split_once('<')?;
            handles.insert(number.to_owned(), 0);
            let path = named(fields.get(1)?)?;
            let flags = fields.get(2)?;
            if flags.contains("O_TRUNC") {
                return Some(Effect::Truncate(path, 0));
            }
            flags.contains("O_CREAT").then_some(Effect::Create(path))
        }
        "write" => {
            let (path, bytes) = (opened(fields.first()?)?, unquote(fields.get(1)?)?);
            let at = handles.entry(handle()?).or_default();
            let from = *at;
            *at += bytes.len() as u64;
            Some(Effect::Write(path, from, bytes))
        }
        "pwrite64" => {
            let path = opened(fields.first()?)?;
            Some(Effect::Write(path, fields.get(3)?.parse().ok()?, unquote(fields.get(1)?)?))
        }
        "lseek" => {
            handles.insert(handle()?, result.parse().ok()?);
            None
        }
        "ftruncate" => Some(Effect::Truncate(opened(fields.first()?)?, fields.get(1)?.parse().ok()?)),
        "fsync" | "fdatasync" => Some(Effect::Sync(opened(fields.first()?)?)),
        "rename" => Some(Effect::Rename(named(fields.first()?)?, named(fields.get(1)?)?)),
        "renameat" | "renameat2" => Some(Effect::Rename(named(fields.get(1)?)?, named(fields.get(3)?)?)),
        "unlink" => Some(Effect::Unlink(named(fields.first()?)?)),
        "unlinkat" => Some(Effect::Unlink(named(fields.get(1)?)?)),
        _ => None,
    }
}

fn unquote(field: &str) -> Option<Vec<u8>> {
    Some(unescape(field.strip_prefix('"')?.strip_suffix('"')?))
}

/// `\x41` as the byte that it is; what is not escaped stands for itself.
fn unescape(text: &str) -> Vec<u8> {
    let (bytes, mut plain) = (text.as_bytes(), Vec::with_capacity(text.len() / 4));
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut at = 0;
    while at < bytes.len() {
        let escaped = bytes[at..].starts_with(b"\\x").then(|| Some(digit(at + 2)? * 16 + digit(at + 3)?));
        if let Some(Some(value)) = escaped {
            plain.push(u8::try_from(value).expect("two digits"));
            at += 4;
        } else {
            plain.push(bytes[at]);
            at += 1;
        }
    }
    plain
}

fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(String::from_utf8(bytes).expect("the paths of a test are text"))
}

/// A file's content: what is durable, and what was done to it since.
#[derive(Debug, Clone, Default)]
struct Content {
    durable: Vec<u8>,
    since: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Truncate(length) => bytes.resize(usize::try_from(*length).expect("it is small"), 0),
            Self::Write(at, new) => {
                let (from, to) = (usize::try_from(*at).expect("it is small"), new.len());
                bytes.resize(bytes.len().max(from + to), 0);
                bytes[from..from + to].copy_from_slice(new);
            }
        }
    }
}

/// How a directory changed: a name leads to another file, or to none.
type Renaming = Vec<(PathBuf, Option<usize>)>;

/// The disk after some calls.
#[derive(Debug, Default)]
pub struct Disk {
    files: Vec<Content>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names that no sync of their directory has made durable.
    renamed: Vec<Renaming>,
}

impl Disk {
    pub fn apply(&mut self, call: &Call) {
        match &call.effect {
            Effect::Create(path) => drop(self.file(path)),
            Effect::Write(path, at, bytes) => self.change(path, Change::Write(*at, bytes.clone())),
            Effect::Truncate(path, length) => self.change(path, Change::Truncate(*length)),
            Effect::Rename(from, to) => {
                if let Some(file) = self.names.remove(from) {
                    self.names.insert(to.clone(), file);
                    self.renamed.push(vec![(from.clone(), None), (to.clone(), Some(file))]);
                }
            }
            Effect::Unlink(path) => {
                if self.names.remove(path).is_some() {
                    self.renamed.push(vec![(path.clone(), None)]);
                }
            }
            Effect::Sync(path) => match self.names.get(path) {
                Some(file) => {
                    let content = &mut self.files[*file];
                    content.since.drain(..).for_each(|change| change.apply(&mut content.durable));
                }
                // Nothing was written to it under that name: it is a directory.
                None => self.sync_names(path),
            },
        }
    }

    /// What has happened so far is there for good: the state before the first failure.
    pub fn settle(&mut self) {
        for content in &mut self.files {
            content.since.drain(..).for_each(|change| change.apply(&mut content.durable));
        }
        self.durable_names = self.names.clone();
        self.renamed.clear();
    }

    fn file(&mut self, path: &Path) -> usize {
        if let Some(file) = self.names.get(path) {
            return *file;
        }
        let file = self.files.len();
        self.files.push(Content::default());
        self.names.insert(path.to_owned(), file);
        self.renamed.push(vec![(path.to_owned(), Some(file))]);
        file
    }

    fn change(&mut self, path: &Path, change: Change) {
        let file = self.file(path);
        self.files[file].since.push(change);
    }

    fn sync_names(&mut self, directory: &Path) {
        let (synced, rest) = self.renamed.drain(..).partition(|renaming: &Renaming| {
            renaming.iter().all(|(path, _)| path.parent() == Some(directory))
        });
        self.renamed = rest;
        rename(&mut self.durable_names, &synced);
    }

    /// Writes below `target` what a failure at this moment may leave of `root`: all that was
    /// synced; and of the rest nothing, everything, or what the dice say, torn between sectors.
    pub fn fail(&self, dice: &Dice, root: &Path, target: &Path) {
        let luck = dice.below(4);
        let mut names = self.durable_names.clone();
        // The names are journaled by the file system, in order.
        let kept = match luck {
            0 => 0,
            1 => self.renamed.len(),
            _ => dice.below(self.renamed.len() + 1),
        };
        rename(&mut names, &self.renamed[..kept]);
        for (path, file) in names {
            let content = &self.files[file];
            let mut bytes = content.durable.clone();
            for change in &content.since {
                match luck {
                    0 => {}
                    1 => change.apply(&mut bytes),
                    _ => torn(change, dice).iter().for_each(|part| part.apply(&mut bytes)),
                }
            }
            let path = target.join(path.strip_prefix(root).expect("it is below"));
            fs::create_dir_all(path.parent().expect("a directory")).expect("it is made");
            fs::write(path, bytes).expect("it is written");
        }
    }
}

fn rename(names: &mut BTreeMap<PathBuf, usize>, by: &[Renaming]) {
    for (path, file) in by.iter().flatten() {
        match file {
            Some(file) => names.insert(path.clone(), *file),
            None => names.remove(path),
        };
    }
}

/// All of a change, none of it, or the sectors of it that the disk got to.
fn torn(change: &Change, dice: &Dice) -> Vec<Change> {
    match (dice.below(3), change) {
        (0, _) => Vec::new(),
        (1, Change::Write(at, bytes)) => bytes
            .chunks(SECTOR)
            .enumerate()
            .filter(|_| dice.below(2) == 0)
            .map(|(number, part)| Change::Write(at + (number * SECTOR) as u64, part.to_vec()))
            .collect(),
        _ => vec![change.clone()],
    }
}

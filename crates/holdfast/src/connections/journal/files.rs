//! The journal's directory: one file per token, accessible to its owner only.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::de::IgnoredAny;
use uuid::Uuid;

use super::record::{Journaled, Origin, decode, encode};

const SUFFIX: &str = "grant";
const RESERVED: &str = "reserved";
/// Suffix of files that a failing disk has truncated.
const TORN: &str = "torn";
/// More than a sealed grant takes: Instagram's tokens have a few hundred characters.
const RESERVED_BYTES: usize = 8 * 1024;

/// Servers in one directory that are told apart.
const MOST_SERVERS: usize = 8;

/// The mark that a server works in the directory.
#[derive(Debug)]
pub(super) struct Use {
    /// Locked until this is dropped; `None` where there are too many.
    _place: Option<File>,
    /// How many others do.
    pub(super) others: usize,
}

/// A directory of journaled tokens. It is made on the first use.
#[derive(Debug, Clone)]
pub(super) struct Directory(pub(super) PathBuf);

/// Whether the bytes are not JSON, as the record of every version is.
fn is_torn(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_err()
}

/// Renames a truncated file: its token is lost. The file is kept as evidence of the disk's fault.
fn set_aside(path: &Path) -> io::Result<()> {
    let torn = path.with_extension(TORN);
    fs::rename(path, &torn)?;
    tracing::error!(file = %torn.display(), "the file is truncated and its token is lost; check the disk, then delete the file");
    Ok(())
}

impl Directory {
    /// Creates the directory if needed, clears the reservations of a killed process, and proves
    /// that a token can be written.
    pub(super) fn prepare(&self) -> io::Result<Use> {
        // Earlier versions named the directory `x.spill`; it is `x.journal` from now on.
        let former = self.0.with_extension("spill");
        if self.0.extension().is_some_and(|each| each == "journal") && !self.0.exists() && former.is_dir() {
            fs::rename(former, &self.0)?;
        }
        make_directory(&self.0)?;
        let own = self.enter()?;
        // Those of a server that works here are in use.
        let paths = fs::read_dir(&self.0)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        for path in paths.iter().filter(|_| own.others == 0) {
            if path.extension().is_some_and(|extension| extension == RESERVED) {
                fs::remove_file(path)?;
            }
        }
        self.probe()?;
        Ok(own)
    }

    /// Takes the first place that no server holds. A place is a file, locked as long as its server
    /// lives.
    fn enter(&self) -> io::Result<Use> {
        let (mut own, mut others) = (None, 0);
        for place in self.places() {
            if own.is_some() && !place.exists() {
                continue;
            }
            let file = create(&place)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => others += 1,
                // A file system without locks tells nobody apart.
                Ok(()) | Err(TryLockError::Error(_)) => own = own.or(Some(file)),
            }
        }
        Ok(Use { _place: own, others })
    }

    /// How many servers work here now.
    pub(super) fn servers(&self) -> usize {
        let is_held = |place: &PathBuf| {
            let tried = File::open(place).map(|file| file.try_lock_shared());
            matches!(tried, Ok(Err(TryLockError::WouldBlock)))
        };
        self.places().filter(is_held).count()
    }

    fn places(&self) -> impl Iterator<Item = PathBuf> {
        (0..MOST_SERVERS).map(|place| self.0.join(format!("server-{place}.lock")))
    }

    /// Proves that a token can be written, in the nearest existing ancestor if the directory is
    /// missing.
    pub(super) fn probe(&self) -> io::Result<()> {
        let existing = self.0.ancestors().find(|each| each.exists());
        let name = format!("probe-{}.{RESERVED}", std::process::id());
        reserve(existing.unwrap_or(Path::new("")).join(name)).map(drop)
    }

    /// Reserves disk space for one token. On return the space is allocated and synced.
    pub(super) fn reserve(&self, origin: &Origin) -> io::Result<Reservation> {
        make_directory(&self.0)?;
        reserve(self.path(origin).with_extension(RESERVED))
    }

    /// Writes a token, into its reservation if there is one. On return the token survives a crash
    /// of the process, but not yet of the machine.
    pub(super) fn write(&self, reservation: Option<Reservation>, token: &Journaled) -> io::Result<Entry> {
        let bytes = encode(token)?;
        let path = self.path(&token.origin);
        let written = reservation.map(|reservation| reservation.hold(&bytes, &path));
        // There may be space now, even if the reservation failed or is gone.
        if !matches!(written, Some(Ok(()))) {
            make_directory(&self.0)?;
            Reservation::at(path.with_extension(RESERVED))?.hold(&bytes, &path)?;
        }
        Ok(Entry { path, directory: self.0.clone() })
    }

    /// All tokens. An unreadable file is logged and left in place; a truncated one is set aside.
    pub(super) fn read(&self) -> io::Result<Vec<Journaled>> {
        let mut all = Vec::new();
        for path in self.paths()? {
            let reported = |error: &io::Error| {
                tracing::error!(file = %path.display(), %error, "a journaled token cannot be read");
            };
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) => {
                    reported(&error);
                    continue;
                }
            };
            match decode(&bytes) {
                Ok(token) => all.push(token),
                Err(error) => {
                    reported(&error);
                    if is_torn(&bytes) {
                        set_aside(&path)?;
                    }
                }
            }
        }
        Ok(all)
    }

    /// The names of all files, readable or not.
    pub(super) fn names(&self) -> io::Result<BTreeSet<OsString>> {
        Ok(self.paths()?.iter().filter_map(|path| path.file_name()).map(OsStr::to_owned).collect())
    }

    /// The files of all tokens.
    fn paths(&self) -> io::Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == SUFFIX));
        Ok(paths)
    }

    /// The token of this origin, if there is one.
    pub(super) fn find(&self, origin: &Origin) -> io::Result<Option<Journaled>> {
        match fs::read(self.path(origin)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => decode(&found?).map(Some),
        }
    }

    /// Deletes the token of this origin. On return that is durable.
    pub(super) fn remove(&self, origin: &Origin) -> io::Result<()> {
        remove(&self.path(origin))?;
        sync(&self.0)
    }

    /// Deletes the tokens of this connection or attempt. On return that is durable.
    pub(super) fn remove_all_of(&self, row: Uuid) -> io::Result<()> {
        let prefix = format!("{row}-");
        let mut paths = self.paths()?;
        paths.retain(|path| {
            path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with(&prefix))
        });
        paths.iter().try_for_each(|path| remove(path))?;
        if paths.is_empty() { Ok(()) } else { sync(&self.0) }
    }

    fn path(&self, origin: &Origin) -> PathBuf {
        self.0.join(format!("{}.{SUFFIX}", origin.file_stem()))
    }
}

/// A written token.
#[derive(Debug)]
pub(super) struct Entry {
    path: PathBuf,
    directory: PathBuf,
}

impl Entry {
    /// Syncs the file. On return it also survives a crash of the machine.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        sync(&self.directory)
    }

    /// Deletes the file. Not synced: if it returns after a power failure, replaying it is harmless.
    pub(super) fn remove(self) -> io::Result<()> {
        remove(&self.path)
    }
}

/// Reserved disk space for one token; freed when dropped.
#[derive(Debug)]
pub struct Reservation {
    path: PathBuf,
    file: File,
}

impl Reservation {
    fn at(path: PathBuf) -> io::Result<Self> {
        Ok(Self { file: create(&path)?, path })
    }

    /// Writes a token into it, which is called `path` from then on.
    fn hold(mut self, bytes: &[u8], path: &Path) -> io::Result<()> {
        fill(&mut self.file, bytes)?;
        fs::rename(&self.path, path)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // Fails if a token was written into it. A leftover is small, and cleared at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

fn reserve(path: PathBuf) -> io::Result<Reservation> {
    let mut reservation = Reservation::at(path)?;
    reservation.file.write_all(&[0; RESERVED_BYTES])?;
    // Some file systems report a full disk only on sync.
    reservation.file.sync_all()?;
    Ok(reservation)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        // Another task stored and deleted it first.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Syncs a directory: a new name in it is durable only then.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Replaces the file's content with `bytes`.
fn fill(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.rewind()?;
    file.write_all(bytes)?;
    file.set_len(u64::try_from(bytes.len()).map_err(io::Error::other)?)
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Never through a link: where root runs `holdfast doctor`, the directory is another user's.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options.open(path)
}

//! The file of a SQLite database: made, locked for one server, and still where it was.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::store::OpenError;

/// The file that was opened under a path.
#[derive(Debug)]
pub(super) struct FileIdentity {
    pub(super) path: PathBuf,
    opened: Option<(u64, u64)>,
}

impl FileIdentity {
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), opened: inode(path) }
    }

    /// Whether the path still leads to the same file. Otherwise SQLite would go on writing to a
    /// file without a name.
    pub(super) fn is_in_place(&self) -> bool {
        inode(&self.path) == self.opened
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|metadata| identity(&metadata))
}

fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// The lock of a file that is about to be made. A lock file that was made for it goes with it: the
/// server may run as another user than the restore, and could not open it.
pub(in crate::store) struct Reservation {
    made: Option<PathBuf>,
    _lock: File,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(path) = &self.made {
            // A lock file that stays is in the way of another user only.
            let _ = fs::remove_file(path);
        }
    }
}

/// Keeps servers away from a file that is about to be made.
pub(in crate::store) fn reserve(path: &Path) -> Result<Reservation, OpenError> {
    require_directory(path)?;
    let lock_path = lock_path(path);
    let made = (!lock_path.exists()).then_some(lock_path);
    Ok(Reservation { made, _lock: lock(path)? })
}

/// Ensures that the file can be written; creates it with mode 0600 if `create`.
pub(super) fn prepare_file(path: &Path, create: bool) -> Result<(), OpenError> {
    require_directory(path)?;
    if !create && !path.exists() {
        return Err(OpenError::NoFile(path.to_owned()));
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create).truncate(false).mode(0o600);
    options.open(path).map(drop).map_err(|error| not_writable(path, &error))
}

fn require_directory(path: &Path) -> Result<(), OpenError> {
    let directory = directory_of(path);
    if directory.is_dir() { Ok(()) } else { Err(OpenError::NoDirectory(directory.to_owned())) }
}

/// The directory that a SQLite file is in.
pub fn directory_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Beside the file itself, so that a file reached by several links has one lock.
fn lock_path(path: &Path) -> PathBuf {
    let directory = || directory_of(path).canonicalize().ok().zip(path.file_name());
    let place =
        path.canonicalize().ok().or_else(|| directory().map(|(directory, name)| directory.join(name)));
    let mut name = place.unwrap_or_else(|| path.to_owned()).into_os_string();
    name.push(".lock");
    PathBuf::from(name)
}

/// Whether a server works on the file; `None` where this user may not know.
pub fn is_served(path: &Path) -> Option<bool> {
    match File::open(lock_path(path)) {
        Ok(file) => match file.try_lock_shared() {
            Ok(()) => Some(false),
            Err(TryLockError::WouldBlock) => Some(true),
            Err(TryLockError::Error(_)) => None,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(false),
        Err(_) => None,
    }
}

/// Locks the file for serving. The system releases the lock when the process ends, in any way.
pub(super) fn lock(path: &Path) -> Result<File, OpenError> {
    let lock_path = lock_path(path);
    loop {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            // A program that can open it can lock it, and keep the server from starting.
            .mode(0o600)
            .open(&lock_path)
            .map_err(|error| not_writable(&lock_path, &error))?;
        match file.try_lock() {
            // A restore may have removed it meanwhile, and others lock the next one.
            Ok(()) if file.metadata().ok().map(|opened| identity(&opened)) != inode(&lock_path) => {}
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(not_writable(&lock_path, &error)),
        }
    }
}

fn not_writable(path: &Path, error: &io::Error) -> OpenError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OpenError::NoRoom(path.to_owned()),
        kind => OpenError::NotWritable { path: path.to_owned(), why: kind.to_string() },
    }
}

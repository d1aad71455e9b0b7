//! The spill: where a new grant is from the moment that it has arrived until the database has it.
//!
//! A refresh may have killed the old grant, so the new one may be the only one that works. It is sealed under the
//! owner's key like in the database, and written to a file that only we may read before the database is tried: so it survives
//! the process even where the database keeps us waiting. Mostly the file goes again a moment later. Where the database cannot take the
//! grant, the file is synced, and the worker puts it into the database as soon as that answers.
//!
//! Where the database is away because the disk is full, there would be no room for that file either. So [`Room`] is made
//! before the provider is asked: without it, a refresh is not begun.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::from_millis;

/// The directory of spilled grants.
#[derive(Debug, Clone)]
pub struct Spill {
    directory: PathBuf,
}

/// A spilled grant: sealed, with what is needed to know whether it is still wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spilled {
    /// The connection.
    pub connection_id: Uuid,
    /// Its owner.
    pub user_id: String,
    /// The link that the refresh was made for; another link makes the grant worthless.
    pub linked_at: Option<Timestamp>,
    /// The version of the grant that was refreshed; the blob is bound to it.
    pub from_version: i64,
    /// The grant, sealed under the owner's key.
    pub blob: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    connection_id: Uuid,
    user_id: String,
    linked_at: Option<i64>,
    from_version: i64,
    blob: String,
}

const SUFFIX: &str = "grant";
const RESERVED: &str = "reserved";
/// More than a sealed grant of Instagram's takes, whose tokens have a few hundred characters.
const ROOM_BYTES: usize = 8 * 1024;

impl Spill {
    /// Spills into `directory`, which is made, closed to others, on the first use.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Where it spills to.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes the directory if need be, proves that a grant could be written there, and clears what reservations a killed
    /// process left. For the start, before the first refresh.
    pub fn prepare(&self) -> io::Result<()> {
        make_directory(&self.directory)?;
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == RESERVED) {
                fs::remove_file(path)?;
            }
        }
        self.probe()
    }

    /// Proves that a grant could be written to the directory; to the nearest one above it where it has yet to be made.
    pub fn probe(&self) -> io::Result<()> {
        let existing = self.directory.ancestors().find(|each| each.is_dir());
        let name = format!("probe-{}.{RESERVED}", std::process::id());
        reserve(existing.unwrap_or(Path::new("")).join(name)).map(drop)
    }

    /// Takes room for one grant. When it answers, the disk has it.
    pub fn reserve(&self, connection_id: Uuid, from_version: i64) -> io::Result<Room> {
        make_directory(&self.directory)?;
        reserve(self.path(connection_id, from_version).with_extension(RESERVED))
    }

    /// Writes a grant down, into the room that was made for it. When it answers, the grant survives this process, though not yet
    /// the machine.
    pub fn hold(&self, mut room: Room, spilled: &Spilled) -> io::Result<Held> {
        let record = Record {
            connection_id: spilled.connection_id,
            user_id: spilled.user_id.clone(),
            linked_at: spilled.linked_at.map(Timestamp::as_millisecond),
            from_version: spilled.from_version,
            blob: STANDARD.encode(&spilled.blob),
        };
        let bytes = serde_json::to_vec(&record)?;
        let path = self.path(spilled.connection_id, spilled.from_version);
        if let Err(error) = fill(&mut room.file, &bytes).and_then(|()| fs::rename(&room.path, &path)) {
            tracing::warn!(%error, "the room for a spilled grant is gone; trying without");
            make_directory(&self.directory)?;
            room.file = create(&room.path)?;
            fill(&mut room.file, &bytes)?;
            fs::rename(&room.path, &path)?;
        }
        Ok(Held { path, directory: self.directory.clone() })
    }

    /// What has been spilled. A file that cannot be read is reported and left where it is.
    pub fn read(&self) -> io::Result<Vec<Spilled>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != SUFFIX) {
                continue;
            }
            match read_file(&path) {
                Ok(spilled) => all.push(spilled),
                Err(error) => {
                    tracing::error!(file = %path.display(), %error, "a spilled grant cannot be read");
                }
            }
        }
        Ok(all)
    }

    /// Deletes what is no longer needed.
    pub fn remove(&self, spilled: &Spilled) -> io::Result<()> {
        fs::remove_file(self.path(spilled.connection_id, spilled.from_version))?;
        sync(&self.directory)
    }

    fn path(&self, connection_id: Uuid, version: i64) -> PathBuf {
        self.directory.join(format!("{connection_id}-{version}.{SUFFIX}"))
    }
}

/// A grant that is written down.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    directory: PathBuf,
}

impl Held {
    /// Makes it survive the machine as well. When it answers, the file is durable.
    pub fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        sync(&self.directory)
    }

    /// The database has it. Not synced: a file that comes back after a power failure is no news to the database.
    pub fn remove(self) -> io::Result<()> {
        match fs::remove_file(self.path) {
            // Another process that spills to the same place has stored it already.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

/// A new name is durable only once its directory is.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Room on the disk for one grant; given back when dropped.
#[derive(Debug)]
pub struct Room {
    path: PathBuf,
    file: File,
}

impl Drop for Room {
    fn drop(&mut self) {
        // Not there where a grant was written into it. What stays otherwise is small, and cleared at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

fn reserve(path: PathBuf) -> io::Result<Room> {
    let mut room = Room { file: create(&path)?, path };
    room.file.write_all(&[0; ROOM_BYTES])?;
    // Some file systems say only now that there is no room.
    room.file.sync_all()?;
    Ok(room)
}

/// Puts `bytes` in place of the file's content.
fn fill(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.rewind()?;
    file.write_all(bytes)?;
    file.set_len(u64::try_from(bytes.len()).map_err(io::Error::other)?)
}

fn read_file(path: &Path) -> io::Result<Spilled> {
    let record: Record = serde_json::from_slice(&fs::read(path)?)?;
    let blob = STANDARD.decode(record.blob).map_err(io::Error::other)?;
    Ok(Spilled {
        connection_id: record.connection_id,
        user_id: record.user_id,
        linked_at: record.linked_at.map(from_millis),
        from_version: record.from_version,
        blob,
    })
}

#[cfg(unix)]
fn make_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn make_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

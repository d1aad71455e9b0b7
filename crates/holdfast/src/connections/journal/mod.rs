//! The spill: where a new grant is from the moment that it has arrived until the database has it.
//!
//! A refresh may have killed the old grant, so the new one may be the only one that works; and a connect attempt's code is spent
//! once a token has come for it. The new one is sealed under the owner's key like in the database, and written to a file that only we may read before the database is tried: so it survives
//! the process even where the database keeps us waiting. Mostly the file goes again a moment later. Where the database cannot take the
//! grant, the file is synced, and the worker puts it into the database as soon as that answers.
//!
//! Where the database is away because the disk is full, there would be no room for that file either. So [`Room`] is made
//! before the provider is asked: without it, neither a refresh is begun nor a code exchanged.

pub(super) mod replay;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::from_millis;
use crate::connection::attempt::AttemptStage;

/// The directory of spilled grants.
#[derive(Debug, Clone)]
pub struct Spill {
    directory: PathBuf,
}

/// A spilled token: sealed, with what is needed to know whether it is still wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spilled {
    /// Its owner.
    pub user_id: String,
    /// What brought it.
    pub origin: Origin,
    /// The token, sealed under the owner's key and bound to its origin.
    pub blob: Vec<u8>,
}

/// What brought a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A refresh.
    Refresh {
        /// The connection.
        connection_id: Uuid,
        /// The link that the refresh was made for; another link makes the grant worthless.
        linked_at: Option<Timestamp>,
        /// The version of the grant that was refreshed.
        from_version: i64,
    },
    /// A connect attempt.
    Attempt {
        /// The attempt.
        attempt_id: Uuid,
        /// How far the token takes it.
        step: Step,
    },
}

/// A step of a connect attempt that a token has come with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The short-lived token.
    Short,
    /// The long-lived grant.
    Grant,
}

impl Step {
    /// Latest first.
    pub const ALL: [Self; 2] = [Self::Grant, Self::Short];

    /// The stage that the attempt is at with it.
    pub fn stage(self) -> AttemptStage {
        match self {
            Self::Short => AttemptStage::ShortGranted,
            Self::Grant => AttemptStage::Granted,
        }
    }

    /// Whether it takes an attempt on that is at `stage`.
    pub fn is_news_at(self, stage: AttemptStage) -> bool {
        match stage {
            // `Returned` where the row comes from a backup: nobody asks for a token before the intent is written.
            AttemptStage::Returned | AttemptStage::Redeeming => true,
            AttemptStage::ShortGranted => self == Self::Grant,
            AttemptStage::Open | AttemptStage::Granted | AttemptStage::Closed => false,
        }
    }
}

impl Origin {
    /// The row that the token belongs to.
    pub fn row(&self) -> Uuid {
        match self {
            Self::Refresh { connection_id, .. } => *connection_id,
            Self::Attempt { attempt_id, .. } => *attempt_id,
        }
    }

    fn file_stem(&self) -> String {
        match self {
            Self::Refresh { connection_id, from_version, .. } => format!("{connection_id}-{from_version}"),
            Self::Attempt { attempt_id, step } => format!("{attempt_id}-{}", step.stage().as_str()),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Record {
    Refresh { connection_id: Uuid, user_id: String, linked_at: Option<i64>, from_version: i64, blob: String },
    Attempt { attempt_id: Uuid, user_id: String, stage: String, blob: String },
}

impl From<&Spilled> for Record {
    fn from(spilled: &Spilled) -> Self {
        let (user_id, blob) = (spilled.user_id.clone(), STANDARD.encode(&spilled.blob));
        match spilled.origin {
            Origin::Refresh { connection_id, linked_at, from_version } => {
                let linked_at = linked_at.map(Timestamp::as_millisecond);
                Self::Refresh { connection_id, user_id, linked_at, from_version, blob }
            }
            Origin::Attempt { attempt_id, step } => {
                Self::Attempt { attempt_id, user_id, stage: step.stage().as_str().to_owned(), blob }
            }
        }
    }
}

impl TryFrom<Record> for Spilled {
    type Error = io::Error;

    fn try_from(record: Record) -> io::Result<Self> {
        let (user_id, origin, blob) = match record {
            Record::Refresh { connection_id, user_id, linked_at, from_version, blob } => {
                let linked_at = linked_at.map(from_millis);
                (user_id, Origin::Refresh { connection_id, linked_at, from_version }, blob)
            }
            Record::Attempt { attempt_id, user_id, stage, blob } => {
                let step = Step::ALL.into_iter().find(|step| step.stage().as_str() == stage);
                let step = step.ok_or_else(|| io::Error::other("no such stage"))?;
                (user_id, Origin::Attempt { attempt_id, step }, blob)
            }
        };
        Ok(Self { user_id, origin, blob: STANDARD.decode(blob).map_err(io::Error::other)? })
    }
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
        let existing = self.directory.ancestors().find(|each| each.exists());
        let name = format!("probe-{}.{RESERVED}", std::process::id());
        reserve(existing.unwrap_or(Path::new("")).join(name)).map(drop)
    }

    /// How many tokens wait.
    pub fn count(&self) -> io::Result<usize> {
        match fs::read_dir(&self.directory) {
            Ok(entries) => {
                let is_one = |entry: io::Result<fs::DirEntry>| {
                    entry.is_ok_and(|entry| entry.path().extension().is_some_and(|ending| ending == SUFFIX))
                };
                Ok(entries.map(is_one).filter(|is_one| *is_one).count())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Takes room for one token. When it answers, the disk has it.
    pub fn reserve(&self, origin: &Origin) -> io::Result<Room> {
        make_directory(&self.directory)?;
        reserve(self.path(origin).with_extension(RESERVED))
    }

    /// Writes a grant down, into the room that was made for it. When it answers, the grant survives this process, though not yet
    /// the machine.
    pub fn hold(&self, mut room: Room, spilled: &Spilled) -> io::Result<Held> {
        let bytes = serde_json::to_vec(&Record::from(spilled))?;
        let path = self.path(&spilled.origin);
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

    /// The one of that origin, if it is there.
    pub fn find(&self, origin: &Origin) -> io::Result<Option<Spilled>> {
        match read_file(&self.path(origin)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    /// Deletes what is no longer needed.
    pub fn remove(&self, origin: &Origin) -> io::Result<()> {
        remove(&self.path(origin))?;
        sync(&self.directory)
    }

    fn path(&self, origin: &Origin) -> PathBuf {
        self.directory.join(format!("{}.{SUFFIX}", origin.file_stem()))
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
        remove(&self.path)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        // Whoever else stored it at the same time was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
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
    serde_json::from_slice::<Record>(&fs::read(path)?)?.try_into()
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

//! A write-ahead journal for tokens: it holds each new one until the database has it.
//!
//! A refresh may end the old grant, and a code that has brought a token is spent, so a new token
//! may be the only one that works. It is therefore sealed under the owner's key, as in the
//! database, and written to a file before the database is tried. Usually the file is deleted a
//! moment later. If the database cannot take the token, the file is synced, and the worker stores
//! it once the database answers.
//!
//! Space is reserved before the provider is asked, because a full disk may be why the database is
//! down. Stored tokens are remembered in memory for some minutes, in case a promoted standby lacks
//! them. The journal is a safety net: if its directory cannot be written, the log, a metric and
//! `holdfast doctor` say so, and work continues with the database alone.

mod failover;
mod files;
mod recent;
mod record;
pub(super) mod replay;

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::{Handle, RuntimeFlavor};
use uuid::Uuid;

use super::error::ServiceError;
use files::Directory;
pub use files::Reservation;
use recent::Recent;
pub use record::{Journaled, LinkId, Origin, Step};

use crate::lock::Lock;

/// What the operator does where two servers share a directory.
pub const OWN_DIRECTORY: &str = "give each server a directory of its own in HOLDFAST_JOURNAL_DIR, and restart it; nothing is to be done \
                                 where the other one was about to stop";

/// The journal of this process.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// `None`: there is no journal.
    directory: Option<Directory>,
    is_writable: AtomicBool,
    /// Attempts whose token this process is about to store, with a count; replays skip their files.
    in_hand: Lock<HashMap<Uuid, usize>>,
    recent: Recent,
    /// Held for as long as this process works in the directory.
    in_use: Lock<Option<files::Use>>,
}

impl Journal {
    /// A journal in `directory`, which is created on first use, with mode 0700.
    pub fn in_directory(directory: PathBuf) -> Self {
        Self::of(Some(Directory(directory)))
    }

    /// No journal: a token that the database does not take is lost.
    pub fn none() -> Self {
        Self::of(None)
    }

    fn of(directory: Option<Directory>) -> Self {
        Self(Arc::new(Inner {
            directory,
            is_writable: AtomicBool::new(true),
            in_hand: Lock::default(),
            recent: Recent::default(),
            in_use: Lock::default(),
        }))
    }

    /// Proves at the start that a token can be written, and clears the reservations of a killed
    /// process.
    pub fn prepare(&self) {
        let Some(directory) = &self.0.directory else { return };
        let prepared = directory.prepare();
        self.found(prepared.as_ref().err());
        let Ok(own) = prepared else { return };
        if own.others > 0 {
            tracing::error!(
                directory = %directory.0.display(), others = own.others, help = OWN_DIRECTORY,
                "another server uses HOLDFAST_JOURNAL_DIR: each stores or deletes what the other keeps there"
            );
        }
        *self.0.in_use.lock() = Some(own);
    }

    /// How many servers use the directory now.
    pub fn servers(&self) -> usize {
        self.0.directory.as_ref().map_or(0, Directory::servers)
    }

    /// Proves that a token could be written, without changing anything.
    pub fn probe(&self) -> io::Result<()> {
        self.0.directory.as_ref().map_or(Ok(()), Directory::probe)
    }

    /// Stored tokens that are remembered, in case a promoted standby lacks them.
    pub fn remembered(&self) -> usize {
        self.0.recent.len()
    }

    /// Attempts whose token this process is about to store.
    pub fn in_hand(&self) -> usize {
        self.0.in_hand.lock().len()
    }

    /// Reserves space for the provider's answer. `None`: there is no space or no journal, and only
    /// the database can keep the answer.
    pub(super) async fn reserve(&self, origin: Origin) -> Option<Reservation> {
        let directory = self.0.directory.clone()?;
        let reserve = move || directory.reserve(&origin);
        let reserved = match Handle::current().runtime_flavor() {
            // On one thread nothing could run meanwhile; and in a simulation nothing may.
            RuntimeFlavor::CurrentThread => reserve(),
            _ => tokio::task::spawn_blocking(reserve).await.map_err(io::Error::other).flatten(),
        };
        self.found(reserved.as_ref().err());
        reserved.ok()
    }

    /// Writes a token without awaiting anything, since it may be the only one that works.
    pub(super) fn write(
        &self,
        reservation: Option<Reservation>,
        user_id: &str,
        origin: Origin,
        sealed: Result<Vec<u8>, ServiceError>,
    ) -> Entry {
        let sealed = sealed.map_err(|error| error.to_string());
        let token = sealed.map(|blob| Journaled { user_id: user_id.to_owned(), origin, blob });
        let mut entry = Entry { origin, file: None, token: None, journal: self.clone() };
        let Some(directory) = &self.0.directory else { return entry };
        let written = token.and_then(|token| {
            let file = directory.write(reservation, &token).map_err(|error| error.to_string())?;
            Ok((file, token))
        });
        match written {
            Ok((file, token)) => (entry.file, entry.token) = (Some(file), Some(token)),
            Err(error) => {
                tracing::error!(
                    row = %origin.row(), error,
                    "a new token could not be journaled; it is only in memory until the database stores it"
                );
            }
        }
        entry
    }

    /// Tokens that were stored in the last minutes.
    fn recent(&self) -> &Recent {
        &self.0.recent
    }

    /// All journaled tokens.
    pub fn read(&self) -> io::Result<Vec<Journaled>> {
        self.0.directory.as_ref().map_or(Ok(Vec::new()), Directory::read)
    }

    /// The names of the journaled tokens' files.
    pub fn names(&self) -> io::Result<BTreeSet<OsString>> {
        self.0.directory.as_ref().map_or(Ok(BTreeSet::new()), Directory::names)
    }

    /// How many tokens are journaled.
    pub fn count(&self) -> io::Result<usize> {
        Ok(self.names()?.len())
    }

    /// The journaled token of this origin, if there is one.
    pub(super) fn find(&self, origin: &Origin) -> Option<Journaled> {
        let found = self.0.directory.as_ref().map_or(Ok(None), |directory| directory.find(origin));
        found.unwrap_or_else(|error| {
            tracing::error!(row = %origin.row(), %error, "a journaled token cannot be read");
            None
        })
    }

    /// Deletes the token of this origin: the database has it, or does not want it.
    pub(super) fn remove(&self, origin: &Origin) {
        let removed = self.0.directory.as_ref().map_or(Ok(()), |directory| directory.remove(origin));
        if let Err(error) = removed {
            tracing::warn!(row = %origin.row(), %error, "the file of a stored token could not be deleted");
        }
    }

    /// Deletes the tokens of this connection and forgets those of its owner: its link has ended.
    pub(super) fn forget_link(&self, row: Uuid, user_id: &str) {
        self.recent().forget_user(user_id);
        self.forget(row);
    }

    /// Deletes the tokens of this connection or attempt: nobody wants them any more.
    pub(super) fn forget(&self, row: Uuid) {
        self.recent().forget(row);
        let removed = self.0.directory.as_ref().map_or(Ok(()), |directory| directory.remove_all_of(row));
        if let Err(error) = removed {
            tracing::error!(%row, %error, "an unwanted token could not be deleted from the journal");
        }
    }

    /// Logs once when the directory becomes unwritable, and once when it is writable again.
    fn found(&self, error: Option<&io::Error>) {
        let is_writable = error.is_none();
        let was_writable = self.0.is_writable.swap(is_writable, Ordering::Relaxed);
        let Some(Directory(directory)) = &self.0.directory else { return };
        let directory = directory.display();
        match error {
            Some(error) if was_writable => {
                tracing::error!(
                    %directory, %error,
                    "HOLDFAST_JOURNAL_DIR cannot be written; a token that arrives while the database is away could be lost"
                );
            }
            None if !was_writable => tracing::info!(%directory, "the journal can be written again"),
            Some(_) | None => {}
        }
    }

    /// Keeps replays away from the attempt's files until the returned guard is dropped.
    pub(super) fn guard_attempt(&self, attempt_id: Uuid) -> AttemptGuard {
        *self.0.in_hand.lock().entry(attempt_id).or_default() += 1;
        AttemptGuard { journal: self.clone(), attempt_id }
    }

    fn is_in_hand(&self, attempt_id: Uuid) -> bool {
        self.0.in_hand.lock().contains_key(&attempt_id)
    }
}

/// A token in the journal, or only in memory where it could not be written.
#[derive(Debug)]
#[must_use]
pub(super) struct Entry {
    origin: Origin,
    file: Option<files::Entry>,
    token: Option<Journaled>,
    journal: Journal,
}

impl Entry {
    /// Deletes the file: the database has the token, or it is no longer wanted.
    pub(super) fn discard(self) {
        if let Some(token) = self.token {
            self.journal.recent().remember(token);
        }
        if let Some(Err(error)) = self.file.map(files::Entry::remove) {
            tracing::warn!(row = %self.origin.row(), %error, "the file of a stored token could not be deleted");
        }
    }

    /// Syncs the file: the database could not take the token.
    pub(super) fn retain(self, why: &ServiceError) {
        let row = self.origin.row();
        match self.file.map(|file| file.sync()) {
            Some(Ok(())) => {
                tracing::warn!(%row, %why, "a new token could not be stored; it waits in the journal");
            }
            Some(Err(error)) => {
                tracing::error!(
                    %row, %why, %error,
                    "a new token could not be stored, and its journal file could not be synced to disk"
                );
            }
            None => {
                tracing::error!(%row, %why, "a new token could be neither stored nor journaled");
            }
        }
    }
}

/// The guard of [`Journal::guard_attempt`].
#[derive(Debug)]
pub(super) struct AttemptGuard {
    journal: Journal,
    attempt_id: Uuid,
}

impl Drop for AttemptGuard {
    fn drop(&mut self) {
        let mut all = self.journal.0.in_hand.lock();
        if let Some(count) = all.get_mut(&self.attempt_id) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.attempt_id);
            }
        }
    }
}

#[cfg(test)]
mod tests;

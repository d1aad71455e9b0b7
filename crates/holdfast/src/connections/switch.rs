//! Installing another grant: append it as the newest version and use it, in one unit of work.

use super::Connections;
use super::error::ServiceError;
use super::grants::RowSeal;
use super::journal::LinkId;
use super::recorder::{Conflicts, change, is_stored};
use crate::clock::after;
use crate::connection::observation::Observation;
use crate::connection::schedule::HOUR;
use crate::connection::transition::apply;
use crate::connection::{Connection, GrantFacts};
use crate::provider::Grant;
use crate::store::Lease;
use crate::vault::UserKey;

/// Why the grant in use changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switch {
    /// A refresh brought the new one.
    Renewed,
    /// Version `dead` does not work; one before it does.
    RolledBack {
        /// The version in use until now.
        dead: i64,
    },
}

impl LinkId {
    pub(super) fn of(connection: &Connection, grant: GrantFacts) -> Self {
        Self { connection_id: connection.id, linked_at: connection.linked_at, from_version: grant.version }
    }

    /// Whether `connection`, with the grant `in_use`, has this link. Its time may have been
    /// repaired meanwhile; a version is never reused.
    fn is_of(&self, connection: &Connection, in_use: GrantFacts) -> bool {
        connection.linked_at == self.linked_at || in_use.version == self.from_version
    }
}

impl Connections {
    /// Appends a grant as the newest version and switches to it. The version used until now is kept
    /// until the next switch: the provider may not have ended it. Returns whether the grant was
    /// stored: not if the person has disconnected or reconnected, or a later grant is there. The
    /// caller's `lease` is released in the same unit of work.
    pub(super) async fn switch(
        &self,
        link: LinkId,
        key: &UserKey,
        grant: &Grant,
        switch: Switch,
        lease: Option<&Lease>,
    ) -> Result<bool, ServiceError> {
        // The claimed connection is usually still current; if not, the write conflicts.
        let mut claimed = lease.map(|lease| lease.connection().clone());
        let mut conflicts = Conflicts::default();
        loop {
            let current = match claimed.take() {
                Some(claimed) => Some(claimed),
                None => self.parts.store.connection_by_id(link.connection_id).await?,
            };
            let Some(current) = current else { return Ok(false) };
            let Some(in_use) = current.grant.filter(|in_use| link.is_of(&current, *in_use)) else {
                return Ok(false);
            };
            let Some(observation) = self.installed(&current, in_use, grant, link, switch)? else {
                return Ok(false);
            };
            let now = self.parts.clock.now();
            let seal = RowSeal::of_connection(key, &current);
            let sealed = seal.seal_grant(current.next_version(), grant)?;
            let mut changes = change(&current, apply(&current, &observation, now), now, None);
            changes.append_grant = Some(sealed);
            changes.erase_grants_below = Some((current.id, in_use.version));
            changes.release = lease.cloned();
            if is_stored(self.parts.store.commit(&changes).await?)? {
                return Ok(true);
            }
            conflicts.lost()?;
        }
    }

    /// The observation that installs the grant on `current`; `None` if it must not be.
    fn installed(
        &self,
        current: &Connection,
        in_use: GrantFacts,
        grant: &Grant,
        link: LinkId,
        switch: Switch,
    ) -> Result<Option<Observation>, ServiceError> {
        let schedule = self.schedule()?;
        let from_version = in_use.version;
        let facts = GrantFacts {
            version: current.next_version(),
            obtained_at: grant.obtained_at,
            expires_at: grant.expires_at,
        };
        let next_refresh_at = schedule.refresh_at(facts);
        Ok(match switch {
            // The grant obtained later wins, even if it expires earlier: the provider may have
            // ended the other. One refreshed from the grant in use is later, whatever the clock
            // says.
            Switch::Renewed
                if grant.obtained_at <= in_use.obtained_at && in_use.version != link.from_version =>
            {
                None
            }
            Switch::Renewed => Some(Observation::Refreshed {
                from_version,
                grant: facts,
                granted: self.granted(current, grant),
                next_refresh_at,
            }),
            Switch::RolledBack { dead } if in_use.version != dead => None,
            Switch::RolledBack { .. } => {
                // The last refresh brought a dead grant; another one right away would not help.
                let next_refresh_at = next_refresh_at.max(after(schedule.now, HOUR));
                Some(Observation::RolledBack { from_version, grant: facts, next_refresh_at })
            }
        })
    }
}

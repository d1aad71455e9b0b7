//! Importing grants of another system: each is proven with `/me`, then sealed and linked like one
//! of ours.
//!
//! A grant is linked in one unit of work, and one that is in use is skipped without asking Instagram.
//! So an import may stop anywhere and be started again.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::{Mutex, watch};

use crate::caller::OwnerId;
use crate::clock::{after, before};
use crate::connection::belief::is_sign;
use crate::connection::clock_repair::USUAL_LIFE;
use crate::connection::observation::Observation;
use crate::connection::transition::{apply, is_another_account, same_account};
use crate::connection::{Connection, Reason, State};
use crate::connections::complete::linking;
use crate::connections::grants;
use crate::connections::listing::holders;
use crate::connections::recorder::Conflicts;
use crate::connections::{Connections, ServiceError};
use crate::digest::sha256;
use crate::provider::{Account, Grant, LONGEST_LIFE, LimitScope, Meaning, ProviderId, SharedProvider};
use crate::store::CommitOutcome;

/// How often Instagram is asked about one grant.
const TRIES: u32 = 3;
/// Pause between two of these calls.
const PAUSE: Duration = Duration::from_secs(2);
/// How long Instagram may give no useful answer before the rest is left for another run.
const OUTAGE_PATIENCE: Duration = Duration::from_mins(2);
/// The same while it limits the app: the app's budget is counted by the hour.
const LIMIT_PATIENCE: Duration = Duration::from_mins(90);
/// Pause between two checks whether Instagram may be asked.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// With less lifetime left than this, a grant is refreshed at once.
const LAST_DAYS: Duration = Duration::from_hours(7 * 24);
/// The detail in the history.
const HISTORY: &str = "imported from another system";

/// A grant of another system, not proven.
#[derive(Debug)]
pub struct Offered {
    /// The token.
    pub access_token: SecretString,
    /// When it was obtained, where known.
    pub obtained_at: Option<Timestamp>,
    /// When it expires, if known.
    pub expires_at: Option<Timestamp>,
}

/// The outcome for an offered grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imported {
    /// Proven and linked; on a dry run: proven.
    Linked,
    /// The user is connected, with this account as far as the token tells; nothing was changed.
    AlreadyConnected,
    /// The user has linked another account here, which stays.
    OtherAccountLinked,
    /// The account is linked to another user.
    AccountTaken,
    /// The person has disconnected here, and only they can connect again.
    Disconnected,
    /// The person has withdrawn the account at Instagram since the grant was obtained.
    Withdrawn,
    /// Instagram did not say whose the token is: it does not accept it, or could not be asked, or
    /// its answer was not about the token.
    Unproven(Meaning),
    /// The user was deleted.
    UserDeleted,
}

/// The beginning of an id's SHA-256: an import may have many.
type Short = [u8; 16];

fn short(id: &str) -> Short {
    let hash = sha256(id.as_bytes());
    std::array::from_fn(|index| hash[index])
}

/// Imports one grant after another, as the rate budget allows.
#[derive(Debug)]
pub struct Importer {
    connections: Connections,
    provider: SharedProvider,
    dry_run: bool,
    /// When Instagram last answered usefully. Locked while a caller waits for its turn.
    answered: Mutex<Timestamp>,
    /// Until when it waits because Instagram limits the app.
    waits: watch::Sender<Option<Timestamp>>,
    /// Accounts that were linked, or would have been by a dry run, and to whom.
    predicted: Mutex<HashMap<Short, Short>>,
}

impl Connections {
    /// An importer; `None` where Instagram is not configured.
    pub fn importer(&self, dry_run: bool) -> Option<Importer> {
        let provider = self.parts.provider.clone()?;
        let answered = Mutex::new(self.parts.clock.now());
        let (waits, predicted) = (watch::Sender::new(None), Mutex::default());
        Some(Importer { connections: self.clone(), provider, dry_run, answered, waits, predicted })
    }
}

/// A grant that Instagram has confirmed, and whose account is known.
#[derive(Debug)]
pub struct Proven {
    grant: Grant,
    account: Account,
    expiry_is_known: bool,
    /// The latest time at which the person may have consented to it: they did so before it was
    /// obtained, or else before it was seen to work.
    consented_by: Timestamp,
}

impl Importer {
    /// Until when the importer waits because Instagram limits the app.
    pub fn waits(&self) -> watch::Receiver<Option<Timestamp>> {
        let mut waits = self.waits.subscribe();
        // The first calls may meet the limit before anybody listens.
        waits.mark_changed();
        waits
    }

    /// Asks Instagram whose a grant is, unless the outcome is known without that. Waits for the
    /// rate budget and for the end of an outage. May be called concurrently.
    pub async fn prove(
        &self,
        owner: &OwnerId,
        offered: &Offered,
    ) -> Result<Result<Proven, Imported>, ServiceError> {
        let parts = &self.connections.parts;
        if parts.store.is_deleted(owner).await? {
            return Ok(Err(Imported::UserDeleted));
        }
        let present = parts.store.connection(owner, ProviderId::INSTAGRAM).await?;
        let now = parts.clock.now();
        let Life { grant, expiry_is_known, obtained_by } = to_grant(offered, parts.refresh.min_age, now);
        let consented_by = obtained_by.unwrap_or(now);
        match present.as_ref().and_then(|present| Some((present, settled(present)?))) {
            Some((present, Imported::AlreadyConnected)) => self.beside(present, &grant).await.map(Err),
            Some((_, outcome)) => Ok(Err(outcome)),
            None => {
                let account = self.identify(&grant, TRIES).await;
                Ok(account.map(|account| Proven { grant, account, expiry_is_known, consented_by }))
            }
        }
    }

    /// The outcome of a grant whose user is connected: it may be another account's. Instagram is not
    /// asked about the grant in use, which most are when an import is started again.
    async fn beside(&self, present: &Connection, offered: &Grant) -> Result<Imported, ServiceError> {
        if self.connections.uses(present, &offered.access_token).await? {
            return Ok(Imported::AlreadyConnected);
        }
        Ok(match self.identify(offered, 1).await {
            Ok(account) if is_another_account(present, &account) => Imported::OtherAccountLinked,
            // Whose it is may yet be told.
            Err(
                outcome @ Imported::Unproven(
                    Meaning::Unavailable | Meaning::Crowded | Meaning::RateLimited(_),
                ),
            ) => outcome,
            // A grant that does not work would connect nothing.
            Ok(_) | Err(Imported::Unproven(_)) => Imported::AlreadyConnected,
            Err(outcome) => outcome,
        })
    }

    /// Links a proven grant to `owner`. If two users have the same account, the first call wins.
    pub async fn link(&self, owner: &OwnerId, proven: &Proven) -> Result<Imported, ServiceError> {
        if self.dry_run {
            let present = self.connections.parts.store.connection(owner, ProviderId::INSTAGRAM).await?;
            return self.predict(owner, present.as_ref(), proven).await;
        }
        match self.store(owner, proven).await {
            Err(ServiceError::UserGone) => Ok(Imported::UserDeleted),
            linked => linked,
        }
    }

    /// The grant's account, or the outcome without it. An unexplained death is believed when it has
    /// been said `deaths` times.
    async fn identify(&self, grant: &Grant, deaths: u32) -> Result<Account, Imported> {
        let mut tries = 0;
        loop {
            self.turn().await?;
            tries += 1;
            let reply = self.provider.identify(grant).await;
            let failure = match self.connections.gate.observe(reply) {
                Ok(account) => {
                    *self.answered.lock().await = self.connections.parts.clock.now();
                    return Ok(account);
                }
                Err(failure) => failure,
            };
            tracing::debug!(
                meaning = ?failure.meaning, detail = %failure.detail,
                "the account of a grant to import could not be identified"
            );
            if is_about_the_grant(failure.meaning) {
                *self.answered.lock().await = self.connections.parts.clock.now();
            }
            let pause = failure.retry_after.unwrap_or(PAUSE).max(PAUSE);
            let pause = match failure.meaning {
                // A single one may be wrong.
                Meaning::DeadUnexplained => (tries < deaths).then_some(PAUSE),
                // No fault of this grant. Its next turn comes when this is over.
                Meaning::RateLimited(LimitScope::App) => {
                    tries -= 1;
                    Some(PAUSE)
                }
                // The others need not wait for this account.
                Meaning::RateLimited(LimitScope::Account) if failure.retry_after.is_none() => None,
                Meaning::Unavailable | Meaning::Crowded | Meaning::RateLimited(LimitScope::Account) => {
                    Some(pause).filter(|pause| *pause <= OUTAGE_PATIENCE)
                }
                Meaning::Dead(_)
                | Meaning::UserAction(_)
                | Meaning::Permission
                | Meaning::App(_)
                | Meaning::Content
                | Meaning::CodeRejected => None,
            };
            match pause.filter(|_| tries < TRIES) {
                Some(pause) => self.connections.parts.clock.sleep(pause).await,
                None => return Err(Imported::Unproven(failure.meaning)),
            }
        }
    }

    /// Waits until Instagram may be asked. Fails where an outage lasts for [`OUTAGE_PATIENCE`], or a
    /// limit of the app's for [`LIMIT_PATIENCE`], for this grant and those after it.
    async fn turn(&self) -> Result<(), Imported> {
        let clock = &self.connections.parts.clock;
        loop {
            let answered = self.answered.lock().await;
            if self.connections.provider_allows(1) > 0 {
                return Ok(());
            }
            let now = clock.now();
            match self.connections.gate.spent_until(now) {
                Some(until) if until > after(*answered, LIMIT_PATIENCE) => {
                    return Err(Imported::Unproven(Meaning::RateLimited(LimitScope::App)));
                }
                Some(until) => self.waits.send_if_modified(|told| {
                    // Calls that were under way together end within moments.
                    let is_news = told.is_none_or(|told| until > after(told, OUTAGE_PATIENCE));
                    *told = if is_news { Some(until) } else { *told };
                    is_news
                }),
                None if after(*answered, OUTAGE_PATIENCE) <= now => {
                    return Err(Imported::Unproven(Meaning::Unavailable));
                }
                None => false,
            };
            clock.sleep(LOOK_AGAIN).await;
        }
    }

    /// The outcome that linking would have.
    async fn predict(
        &self,
        owner: &OwnerId,
        present: Option<&Connection>,
        Proven { account, consented_by, .. }: &Proven,
    ) -> Result<Imported, ServiceError> {
        if self.connections.is_withdrawn(account, *consented_by).await? {
            return Ok(Imported::Withdrawn);
        }
        if present.is_some_and(|present| present.account.is_some() && !same_account(present, account)) {
            return Ok(Imported::OtherAccountLinked);
        }
        let store = &self.connections.parts.store;
        let linked = holders(store, account).await?;
        let is_taken = linked.iter().any(|each| each.user_id != owner.as_str());
        let owner = short(owner.as_str());
        let is_taken =
            is_taken || *self.predicted.lock().await.entry(short(&account.id)).or_insert(owner) != owner;
        Ok(if is_taken { Imported::AccountTaken } else { Imported::Linked })
    }

    /// Stores connection, grant and history in one unit of work.
    async fn store(&self, owner: &OwnerId, proven: &Proven) -> Result<Imported, ServiceError> {
        let Proven { grant, account, expiry_is_known, consented_by: _ } = proven;
        let connections = &self.connections;
        let parts = &connections.parts;
        let mut conflicts = Conflicts::default();
        loop {
            let stored = parts.store.connection(owner, ProviderId::INSTAGRAM).await?;
            if let Some(outcome) = stored.as_ref().and_then(settled) {
                return Ok(outcome);
            }
            // A line that links nothing leaves nothing: no record, no connection, no key.
            let predicted = self.predict(owner, stored.as_ref(), proven).await?;
            if predicted != Imported::Linked {
                return Ok(predicted);
            }
            let now = parts.clock.now();
            let expected_version = stored.as_ref().map(|stored| stored.version);
            let before = match stored {
                Some(before) => before,
                None => connections.new_connection(owner, now)?,
            };
            let (key, new_user_key) =
                grants::user_key_or_new(&parts.store, &parts.vault, owner.as_str()).await?;
            let linked_at = self.before_open_consents(owner, now).await?;
            let linked =
                connections.linked(&before, &self.provider, grant, account.clone(), linked_at, now)?;
            // The evidence is the answer of `/me`, not a consent that we have seen.
            let worked = Observation::Worked {
                grant_version: before.next_version(),
                account: None,
                next_refresh_at: None,
            };
            let mut connection = apply(&linked, &worked, now);
            if is_due_at_once(grant, *expiry_is_known, parts.refresh.min_age, now) {
                connection.next_refresh_at = Some(now);
            }
            let mut changes = linking(&key, &before, connection, grant, now, Some(HISTORY))?;
            if let Some(write) = &mut changes.connection {
                write.expected_version = expected_version;
            }
            changes.new_user_key = new_user_key;
            match parts.store.commit(&changes).await? {
                CommitOutcome::Committed => return Ok(Imported::Linked),
                CommitOutcome::AccountAlreadyLinked => return Ok(Imported::AccountTaken),
                CommitOutcome::UserDeleted => return Ok(Imported::UserDeleted),
                CommitOutcome::Conflict | CommitOutcome::TooManyAttempts => {}
            }
            conflicts.lost()?;
        }
    }

    /// A time, `now` at the latest, before what the person has consented to and not completed: an
    /// import is no consent, so what they are about to connect comes later.
    async fn before_open_consents(&self, owner: &OwnerId, now: Timestamp) -> Result<Timestamp, ServiceError> {
        let open = self.connections.parts.store.open_attempts(owner, ProviderId::INSTAGRAM).await?;
        let consents = open.iter().filter_map(|attempt| attempt.returned_at);
        Ok(consents.map(|at| before(at, Duration::from_millis(1))).fold(now, Timestamp::min))
    }
}

/// Whether a refusal says that Instagram answers, and serves the app.
fn is_about_the_grant(meaning: Meaning) -> bool {
    is_sign(meaning) || matches!(meaning, Meaning::Content | Meaning::RateLimited(LimitScope::Account))
}

/// The outcome for a connection that needs no grant, or must not get one.
fn settled(connection: &Connection) -> Option<Imported> {
    match connection.standing.state() {
        State::Connected | State::Degraded | State::ActionRequired => Some(Imported::AlreadyConnected),
        State::NotConnected if connection.standing.reason() == Some(Reason::UserDisconnected) => {
            Some(Imported::Disconnected)
        }
        State::NotConnected | State::Connecting | State::ReconnectRequired | State::Unavailable => None,
    }
}

/// An offered grant as one of ours, and what is known of its life.
struct Life {
    grant: Grant,
    expiry_is_known: bool,
    /// When it was obtained at the latest, if that is known: others' stores may keep the first
    /// time.
    obtained_by: Option<Timestamp>,
}

/// What is not known of a grant's life is assumed such that no clock ends it wrongly.
fn to_grant(offered: &Offered, min_age: Duration, now: Timestamp) -> Life {
    // A past expiry is false if the token works; if it does not work, Instagram says so. Nor can
    // one that is further off than any token's end: others' stores are known to hold such times,
    // and would have the token die before it is refreshed.
    let known = offered.expires_at.filter(|at| *at > now && *at <= after(now, LONGEST_LIFE));
    let expires_at = known.unwrap_or_else(|| after(now, USUAL_LIFE));
    let derived = known.and_then(|at| at.checked_sub(USUAL_LIFE).ok());
    let old_enough = now.checked_sub(min_age).unwrap_or(now);
    // So long ago that its grant would have ended is no time that a store means.
    let told = offered.obtained_at.filter(|at| after(*at, LONGEST_LIFE) > now);
    let obtained_at = told.or(derived).unwrap_or(old_enough).min(now);
    let grant = Grant { access_token: offered.access_token.clone(), scopes: None, obtained_at, expires_at };
    Life { grant, expiry_is_known: known.is_some(), obtained_by: told.max(derived).map(|at| at.min(now)) }
}

/// Whether a grant is refreshed as soon as it is here: where its end is a guess, which the first
/// refresh tells, and in its last days, for which others' systems have left it.
fn is_due_at_once(grant: &Grant, expiry_is_known: bool, min_age: Duration, now: Timestamp) -> bool {
    let is_old_enough = after(grant.obtained_at, min_age) <= now;
    !expiry_is_known || (is_old_enough && grant.expires_at <= after(now, LAST_DAYS))
}

#[cfg(test)]
mod tests;

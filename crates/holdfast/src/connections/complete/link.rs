//! The last step: links the account, and unlinks its former holder.

use jiff::Timestamp;

use crate::connection::attempt::{Attempt, AttemptNote, AttemptOutcome, Expect};
use crate::connection::observation::{Call, Confidence, Observation};
use crate::connection::status::not_granted;
use crate::connection::transition::{apply, is_working, same_account};
use crate::connection::{Connection, GrantFacts};
use crate::connections::diagnose::Diagnosed;
use crate::connections::grants::{RowSeal, UnlinkedGrant, open_user_key};
use crate::connections::journal::Journaled;
use crate::connections::listing::holders;
use crate::connections::recorder::{Conflicts, change, is_stored};
use crate::connections::{Connections, ServiceError};
use crate::provider::{Account, Failure, Grant, Meaning, ProviderId, SharedProvider};
use crate::store::{AttemptWrite, ChangeSet, CommitOutcome};
use crate::vault::UserKey;

/// Whether an account may be linked.
enum Verdict {
    /// No: the attempt ends.
    End(AttemptOutcome),
    /// Yes; these lose it, whose connections do not work.
    Link { former: Vec<Connection> },
}

impl Connections {
    /// Links the account, as [`named`]: connection, grant, attempt and history, and the end of
    /// former holders' links, in one unit of work.
    pub(super) async fn link(
        &self,
        attempt: &Attempt,
        key: &UserKey,
        provider: &SharedProvider,
        held: UnlinkedGrant,
        account: Account,
    ) -> Result<(), ServiceError> {
        let UnlinkedGrant { grant, account_id: _, consented_at } = held;
        let mut conflicts = Conflicts::default();
        loop {
            let now = self.parts.clock.now();
            let before = self.parts.store.connection_of(attempt).await?;
            let before = before.ok_or(ServiceError::UserGone)?;
            let former = match self.judge(attempt, &before, &account, consented_at, now).await? {
                Verdict::Link { former } => former,
                Verdict::End(outcome) => {
                    self.end_attempt(attempt, outcome, now).await?;
                    return Ok(());
                }
            };
            let linked = self.linked(&before, provider, &grant, account.clone(), consented_at, now)?;
            let mut changes = linking(key, &before, linked, &grant, now, None)?;
            let note = AttemptNote { id: attempt.id, outcome: Some(AttemptOutcome::Connected) };
            changes.history.iter_mut().for_each(|entry| entry.attempt = Some(note));
            let closed = attempt.closed(AttemptOutcome::Connected, now);
            changes.attempt = Some(AttemptWrite::update(attempt, closed));
            let moved = |holder: &Connection| {
                change(holder, apply(holder, &Observation::AccountMoved, now), now, None)
            };
            // In this order: no two connections have the account at once.
            let all: Vec<_> = former.iter().map(moved).chain([changes]).collect();
            match self.parts.store.commit_all(&all).await? {
                CommitOutcome::Committed => {
                    for holder in &former {
                        tracing::info!(connection = %holder.id, "an account moved to another user, who has proven control of it");
                        self.parts.journal.forget_link(holder.id, &holder.user_id);
                    }
                    // Attempts that wait for the provider have nothing to add: their consent is
                    // older.
                    self.supersede(attempt, consented_at, |token_account| match token_account {
                        Some(id) if is_named(&account, id) => AttemptOutcome::Connected,
                        Some(_) => AttemptOutcome::DifferentAccount,
                        None => AttemptOutcome::Expired,
                    })
                    .await;
                    return Ok(());
                }
                // Another user linked it meanwhile; this one, or a former holder, was erased.
                CommitOutcome::AccountAlreadyLinked | CommitOutcome::UserDeleted => {}
                // If only the connection changed, try again. If the attempt changed (the person
                // disconnected), its outcome is already stored.
                CommitOutcome::Conflict | CommitOutcome::TooManyAttempts => {
                    let current = self.parts.store.attempt(attempt.id).await?;
                    if current.is_none_or(|each| each.revision != attempt.revision) {
                        return Ok(());
                    }
                }
            }
            conflicts.lost()?;
        }
    }

    /// Whether the attempt's account may be linked.
    async fn judge(
        &self,
        attempt: &Attempt,
        before: &Connection,
        account: &Account,
        consented_at: Timestamp,
        now: Timestamp,
    ) -> Result<Verdict, ServiceError> {
        let is_same = same_account(before, account);
        Ok(Verdict::End(if self.is_withdrawn(account, consented_at).await? {
            AttemptOutcome::Disconnected
        } else if is_working(before, now) && was_linked_since(before, consented_at, now) {
            // A later consent was faster: what it linked stands.
            if is_same { AttemptOutcome::Connected } else { AttemptOutcome::DifferentAccount }
        } else if self.parts.store.has_declined(attempt, consented_at, now).await? {
            // The "no" could not end this attempt, or found it before its completion came.
            AttemptOutcome::Denied
        } else if before.account.is_some() && !is_same && attempt.expect == Expect::SameAccount {
            AttemptOutcome::DifferentAccount
        } else if let Some(former) = self.dead_holders(&attempt.user_id, account, now).await? {
            return Ok(Verdict::Link { former });
        } else {
            AttemptOutcome::AccountTaken
        }))
    }

    /// Links the account again with the grant of an attempt whose row is lost, if it is linked to
    /// this user with an earlier grant. Returns whether the connection has this grant or a later
    /// one.
    pub(in crate::connections) async fn relink(&self, token: &Journaled) -> Result<bool, ServiceError> {
        let store = &self.parts.store;
        let (Some(provider), Some(key)) = (&self.parts.provider, store.user_key(&token.user_id).await?)
        else {
            return Ok(false);
        };
        let key = open_user_key(&self.parts.vault, &token.user_id, &key)?;
        let seal = RowSeal::of_journaled(&key, token);
        let UnlinkedGrant { grant, account_id, consented_at } = seal.open_unlinked_grant(&token.blob)?;
        let answer = self.gate.observe(provider.identify(&grant).await);
        let Ok(account) = answer.and_then(|account| named(account, account_id.as_deref())) else {
            return Ok(false);
        };
        let mut conflicts = Conflicts::default();
        loop {
            let holders = store.connections_by_account(ProviderId::INSTAGRAM, &account.id).await?;
            let mine = holders.into_iter().find(|holder| holder.user_id == token.user_id);
            let Some(before) = mine else { return Ok(false) };
            if self.is_withdrawn(&account, consented_at).await? {
                return Ok(false);
            }
            let in_use = before.linked_at.zip(before.grant.map(|facts| facts.obtained_at));
            if in_use > Some((consented_at, grant.obtained_at)) {
                return Ok(true);
            }
            let now = self.parts.clock.now();
            let linked = self.linked(&before, provider, &grant, account.clone(), consented_at, now)?;
            if is_stored(store.commit(&linking(&key, &before, linked, &grant, now, None)?).await?)? {
                return Ok(true);
            }
            conflicts.lost()?;
        }
    }

    /// The connection with the account linked, by a consent at `consented_at`.
    pub(in crate::connections) fn linked(
        &self,
        before: &Connection,
        provider: &SharedProvider,
        grant: &Grant,
        account: Account,
        consented_at: Timestamp,
        now: Timestamp,
    ) -> Result<Connection, ServiceError> {
        let scopes = grant.scopes.clone().unwrap_or_default();
        // Where the provider does not say what was granted, nothing is known to be missing.
        let missing_scopes =
            grant.scopes.as_ref().map(|granted| not_granted(provider.scopes(), granted)).unwrap_or_default();
        let grant = GrantFacts {
            version: before.next_version(),
            obtained_at: grant.obtained_at,
            expires_at: grant.expires_at,
        };
        let next_refresh_at = self.schedule()?.refresh_at(grant);
        let linked_at = consented_at.min(now);
        let linked =
            Observation::Linked { account, scopes, missing_scopes, grant, linked_at, next_refresh_at };
        Ok(apply(before, &linked, now))
    }

    /// Whether the person withdrew the account at the provider after `consented_at`: the message
    /// did not find a token in another replica's journal.
    pub(in crate::connections) async fn is_withdrawn(
        &self,
        account: &Account,
        consented_at: Timestamp,
    ) -> Result<bool, ServiceError> {
        let ids = [account.id.as_str(), account.professional_id.as_deref().unwrap_or(&account.id)];
        let withdrawn_at = self.parts.store.withdrawn_at(ProviderId::INSTAGRAM, ids).await?;
        Ok(withdrawn_at.is_some_and(|issued_at| consented_at < issued_at))
    }

    /// The other users' connections with this account, which lose it if none of them works: this
    /// user has just proven control of it. `None` if one works. A holder that seems to work is
    /// checked first, since its state may be weeks old. A death with a stated cause counts even in
    /// an incident: Instagram has just answered this user about the same account.
    async fn dead_holders(
        &self,
        user_id: &str,
        account: &Account,
        now: Timestamp,
    ) -> Result<Option<Vec<Connection>>, ServiceError> {
        let mut dead = Vec::new();
        let holders = holders(&self.parts.store, account).await?;
        for mut holder in holders.into_iter().filter(|holder| holder.user_id != user_id) {
            if is_working(&holder, now) {
                let probed = ServiceError::of_one(self.probe(&holder).await, |error| {
                    tracing::warn!(connection = %holder.id, %error, "the present holder of an account could not be checked");
                })?;
                if let Some(Ok(Diagnosed::Failed(meaning @ Meaning::Dead(_), _))) = probed {
                    self.believe(&holder, meaning).await?;
                }
                match self.parts.store.connection_by_id(holder.id).await? {
                    Some(current) if same_account(&current, account) => holder = current,
                    Some(_) | None => continue,
                }
            }
            if is_working(&holder, now) {
                return Ok(None);
            }
            dead.push(holder);
        }
        Ok(Some(dead))
    }

    /// Records a death that Instagram has just stated, whatever happens to others.
    async fn believe(&self, holder: &Connection, meaning: Meaning) -> Result<(), ServiceError> {
        let Some(GrantFacts { version: grant_version, .. }) = holder.grant else { return Ok(()) };
        let died = Observation::Failed {
            grant_version,
            call: Call::Check,
            failure: Failure::new(meaning, "said while another user links the account"),
            next_refresh_at: None,
            confidence: Confidence::TooFew,
        };
        self.recorder.record(holder.id, &died, None).await.map(drop)
    }
}

/// Whether the present account was linked by a later consent than that of `consented_at`. A link
/// time in the future was written by a clock that was ahead, and says nothing about a right one.
fn was_linked_since(before: &Connection, consented_at: Timestamp, now: Timestamp) -> bool {
    let is_comparable = |linked: Timestamp| linked <= now || consented_at > now;
    before.linked_at.is_some_and(|linked| linked > consented_at && is_comparable(linked))
}

/// The account; if `/me` names only the professional id, with the id in the token answer. A failure
/// if the token was issued for another account: the answer is about somebody else.
pub(super) fn named(account: Account, account_id: Option<&str>) -> Result<Account, Failure> {
    match account_id {
        Some(id) if account.lacks_the_kind_of(id) => {
            Ok(Account { professional_id: Some(account.id), id: id.to_owned(), ..account })
        }
        Some(id) if !is_named(&account, id) => {
            tracing::error!(issued_for = id, answered = %account.id, "Instagram answers with another account than it issued a token for");
            Err(Failure::new(
                Meaning::DeadUnexplained,
                "the answer is about another account than the token's",
            ))
        }
        Some(_) | None => Ok(account),
    }
}

/// Whether this is one of the account's ids.
fn is_named(account: &Account, id: &str) -> bool {
    account.ids().any(|each| each == id)
}

/// The unit of work: the connection, and its grant as the only one.
pub(in crate::connections) fn linking(
    key: &UserKey,
    before: &Connection,
    linked: Connection,
    grant: &Grant,
    now: Timestamp,
    detail: Option<&str>,
) -> Result<ChangeSet, ServiceError> {
    let version = before.next_version();
    let sealed = RowSeal::of_connection(key, before).seal_grant(version, grant)?;
    let mut changes = change(before, linked, now, detail);
    changes.append_grant = Some(sealed);
    // The new grant is proven, so the earlier ones are not needed any more.
    changes.erase_grants_below = Some((before.id, version));
    Ok(changes)
}

#[cfg(test)]
mod tests;

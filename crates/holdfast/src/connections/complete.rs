//! Completing a connect attempt: the caller who began it brings the secret that only the redirect carried.
//!
//! Each step is durable before the next begins: intent, short-lived token, grant, link. A crash between any two
//! leaves a row from which [`Connections::resume`] goes on. The code is spent once it has brought a token, so that is written down
//! beside the database as well until that has it ([`super::spill`]).

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use uuid::Uuid;

use crate::caller::OwnerId;
use crate::clock::after;
use crate::connection::attempt::{Attempt, AttemptOutcome, AttemptStage, Expect};
use crate::connection::observation::Observation;
use crate::connection::status::{InstagramStatus, lacking};
use crate::connection::transition::{apply, reason_of, same_account};
use crate::connection::{Connection, GrantFacts, Reason};
use crate::connections::callback::seal_of;
use crate::connections::connect::hash;
use crate::connections::grants::{self, Held, HeldGrant};
use crate::connections::journal::replay::{keep, let_go};
use crate::connections::journal::{Origin, Room, Spilled, Step};
use crate::connections::stop::Stop;
use crate::connections::{Connections, ServiceError, change};
use crate::provider::{Account, Failure, Grant, Meaning, Reply, SharedProvider};
use crate::store::{AttemptWrite, CommitOutcome};
use crate::vault::UserKey;

/// The attempt could not be completed.
#[derive(Debug, thiserror::Error)]
pub enum CompleteError {
    /// There is no such attempt.
    #[error("there is no such connect attempt")]
    NoSuchAttempt,
    /// Somebody else began it.
    #[error("this connect attempt was begun by another user")]
    NotYours,
    /// The browser has not come back from Instagram.
    #[error("the browser has not come back from Instagram for this connect attempt")]
    NotReturned,
    /// The completion is not the one that the browser carried.
    #[error("the completion does not belong to this connect attempt")]
    WrongCompletion,
    /// Its time ran out.
    #[error("the connect attempt has expired")]
    Expired,
    /// The person declined.
    #[error("the person declined at Instagram")]
    Denied,
    /// The account belongs to another user.
    #[error("this Instagram account is connected to another user")]
    AccountTaken,
    /// Another account came back than the linked one.
    #[error("another Instagram account came back than the connected one")]
    DifferentAccount,
    /// Another request is completing it and has not come to an end, or what it has in hand rests until Instagram may
    /// be asked again.
    #[error("the connect attempt is being completed by another request")]
    InProgress {
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// Instagram stood in the way.
    #[error("Instagram did not let the connection be completed")]
    Instagram {
        /// As in the status.
        reason: Reason,
        /// When the same `complete` goes on from what is kept. `None` where the attempt has ended.
        retry_after: Option<Duration>,
    },
    /// Connecting is not set up.
    #[error("connecting Instagram is not set up on this server")]
    NotConfigured,
    /// Ours.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// While somebody exchanges, nobody else begins to; after this, the work is considered abandoned.
/// Longer than the sum of the time limits of all calls that one completion can make.
const BUSY: Duration = Duration::from_secs(45);
/// A code that somebody has sent out, and whose answer is not stored, rests for this much longer before anybody else sends it: it is
/// probably spent, and what it brought may wait beside another server until the database is back for that one too.
const SPENT: Duration = Duration::from_mins(2);
/// A parallel request waits this long for the outcome.
const PATIENCE: Duration = Duration::from_secs(9);
/// A client that was turned away after that asks again this much later.
const SOON: Duration = Duration::from_secs(1);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// What Instagram handed us is worth more patience than an open attempt: completing is tried again for this long. It
/// is also how long a short-lived token lives.
const GRANT_PATIENCE: Duration = Duration::from_hours(1);
/// What is kept because Instagram could not be asked rests this long; shorter than a parallel request's patience, so
/// that a person who tries again need not be turned away.
const OUTAGE_PAUSE: Duration = Duration::from_secs(5);
/// The same where the provider limits us without saying for how long, because calling on would lengthen it, and where our app
/// must be mended first.
const LONG_PAUSE: Duration = Duration::from_mins(1);
/// A call that fails in passing within this time is repeated once.
const QUICKLY: Duration = Duration::from_secs(1);
/// Pause before the repetition.
const PAUSE: Duration = Duration::from_millis(400);

impl Connections {
    /// Completes an attempt. A completed attempt answers its owner with the same outcome again.
    pub async fn complete(
        &self,
        owner: &OwnerId,
        attempt_id: Uuid,
        completion: &SecretString,
    ) -> Result<InstagramStatus, CompleteError> {
        use secrecy::ExposeSecret;
        let provider = self.parts.provider.as_ref().ok_or(CompleteError::NotConfigured)?;
        let started = self.parts.clock.now();
        loop {
            let attempt = self.parts.store.attempt(attempt_id).await.map_err(ServiceError::from)?;
            let attempt = attempt.ok_or(CompleteError::NoSuchAttempt)?;
            if attempt.user_id != owner.as_str() {
                return Err(CompleteError::NotYours);
            }
            let now = self.parts.clock.now();
            if let Some(outcome) = ended_without_return(&attempt, now) {
                self.close_expired(&attempt, now).await?;
                return Err(outcome);
            }
            // There is no completion yet that could be guessed, and its owner alone is told.
            if attempt.stage == AttemptStage::Open {
                return Err(CompleteError::NotReturned);
            }
            let presented = hash(completion.expose_secret());
            let matches = attempt.completion_hash.is_some_and(|kept| {
                aws_lc_rs::constant_time::verify_slices_are_equal(&kept, &presented).is_ok()
            });
            if !matches {
                return Err(CompleteError::WrongCompletion);
            }
            if let Some(outcome) = attempt.outcome {
                return self.repeat(owner, outcome).await;
            }
            if self.recover_journaled(&attempt).await? {
                continue;
            }
            if attempt.expires_at <= now {
                self.close_expired(&attempt, now).await?;
                return Err(CompleteError::Expired);
            }
            if is_let_go(&attempt, now)
                && let Some(claimed) = self.claim(&attempt, now).await?
            {
                self.run_to_end(provider, claimed).await?;
                continue;
            }
            // What rests for longer than anybody waits here need not be waited for.
            if now >= after(started, PATIENCE)
                || attempt.busy_until.is_some_and(|until| until > after(now, BUSY))
            {
                return Err(in_progress(&attempt, now));
            }
            self.parts.clock.sleep(LOOK_AGAIN).await;
        }
    }

    /// Goes on where a crashed or interrupted completion stopped. The owner's consent stands: the completion was
    /// presented before the first step. Does nothing where somebody is at it.
    pub async fn resume(&self, attempt: &Attempt) -> Result<(), CompleteError> {
        let provider = self.parts.provider.as_ref().ok_or(CompleteError::NotConfigured)?;
        let now = self.parts.clock.now();
        let begun = match attempt.stage {
            AttemptStage::Redeeming | AttemptStage::ShortGranted | AttemptStage::Granted => true,
            AttemptStage::Open | AttemptStage::Returned | AttemptStage::Closed => false,
        };
        if attempt.expires_at <= now {
            self.close_expired(attempt, now).await?;
            return Ok(());
        }
        if !begun || !is_let_go(attempt, now) {
            return Ok(());
        }
        match self.claim(attempt, now).await? {
            Some(claimed) => self.run_to_end(provider, claimed).await,
            None => Ok(()),
        }
    }

    /// Ends attempts whose time has run out and carries on those that were let go of. Returns how many. One
    /// attempt's trouble stays its own.
    pub async fn advance_attempts(&self, limit: usize, stop: &Stop) -> Result<usize, ServiceError> {
        let now = self.parts.clock.now();
        let mut tended = 0;
        let expired = self.parts.store.expired_attempts(now, limit).await?;
        for attempt in expired.iter().take_while(|_| !stop.is_asked()) {
            tended += 1;
            match self.end_attempt(attempt, AttemptOutcome::Expired, now).await {
                Err(error) if !error.concerns_all() => {
                    tracing::error!(attempt = %attempt.id, %error, "a connect attempt whose time has run out could not be ended");
                }
                outcome => drop(outcome?),
            }
        }
        if self.parts.provider.is_none() {
            return Ok(tended);
        }
        let stranded = self.parts.store.stranded_attempts(now, limit).await?;
        for attempt in stranded.iter().take_while(|_| !stop.is_asked()) {
            tended += 1;
            if let Err(error) = self.resume(attempt).await {
                tracing::warn!(attempt = %attempt.id, %error, "an interrupted connect attempt could not be finished yet");
            }
        }
        Ok(tended)
    }

    async fn close_expired(&self, attempt: &Attempt, now: Timestamp) -> Result<(), CompleteError> {
        if attempt.stage != AttemptStage::Closed && attempt.expires_at <= now {
            self.end_attempt(attempt, AttemptOutcome::Expired, now).await?;
        }
        Ok(())
    }

    async fn repeat(
        &self,
        owner: &OwnerId,
        outcome: AttemptOutcome,
    ) -> Result<InstagramStatus, CompleteError> {
        match outcome {
            AttemptOutcome::Connected => Ok(self.status(owner).await.map_err(ServiceError::from)?),
            AttemptOutcome::Denied => Err(CompleteError::Denied),
            AttemptOutcome::Expired => Err(CompleteError::Expired),
            AttemptOutcome::DifferentAccount => Err(CompleteError::DifferentAccount),
            AttemptOutcome::AccountTaken => Err(CompleteError::AccountTaken),
            AttemptOutcome::Failed(reason) => Err(CompleteError::Instagram { reason, retry_after: None }),
        }
    }

    /// Writes the intent. Exactly one of any number of parallel requests gets the attempt.
    async fn claim(&self, attempt: &Attempt, now: Timestamp) -> Result<Option<Attempt>, ServiceError> {
        let stage = match attempt.stage {
            AttemptStage::Returned => AttemptStage::Redeeming,
            other @ (AttemptStage::Open
            | AttemptStage::Redeeming
            | AttemptStage::ShortGranted
            | AttemptStage::Granted
            | AttemptStage::Closed) => other,
        };
        let next = Attempt { stage, busy_until: Some(after(now, BUSY)), ..attempt.clone() };
        self.step(attempt, next).await
    }

    /// [`Connections::advance`], giving the stored attempt back.
    async fn step(&self, attempt: &Attempt, next: Attempt) -> Result<Option<Attempt>, ServiceError> {
        let stored = self.advance(attempt, next.clone()).await?;
        Ok(stored.then(|| Attempt { revision: attempt.revision + 1, ..next }))
    }

    /// From wherever the attempt is to its end. The outcome stands in the attempt; an error means that it has not ended.
    async fn run_to_end(&self, provider: &SharedProvider, attempt: Attempt) -> Result<(), CompleteError> {
        let key = grants::user_key(&self.parts.store, &self.parts.vault, &attempt.user_id)
            .await
            .map_err(ServiceError::from)?;
        let mut attempt = attempt;
        loop {
            let Some(sealed) = attempt.sealed.clone() else {
                return Err(ServiceError::Content { what: "connect attempt" }.into());
            };
            let seal = seal_of(&key, &attempt);
            let next = match attempt.stage {
                AttemptStage::Redeeming => {
                    let code = seal.open_code(&sealed).map_err(ServiceError::from)?;
                    let room = self.room_for(&attempt, Step::Short).await?;
                    // The code goes out once; whether a lost reply spent it, nobody can know.
                    match provider.redeem(&code).await.outcome {
                        Ok(short) => {
                            let sealed = seal.seal(&Held::Short(short)).map_err(ServiceError::from)?;
                            self.keep(&attempt, Step::Short, sealed, room).await?
                        }
                        Err(failure) => return self.fail(&attempt, &failure).await,
                    }
                }
                AttemptStage::ShortGranted => {
                    let short = seal.open_short(&sealed).map_err(ServiceError::from)?;
                    let room = self.room_for(&attempt, Step::Grant).await?;
                    match self.repeatedly(|| provider.extend(&short)).await {
                        Ok(mut grant) => {
                            grant.scopes = grant.scopes.or(short.scopes);
                            let held = HeldGrant { grant, account_id: short.account_id };
                            let sealed = seal.seal(&Held::Grant(held)).map_err(ServiceError::from)?;
                            self.keep(&attempt, Step::Grant, sealed, room).await?
                        }
                        // The code is spent, so the token is the only way on.
                        Err(failure) if is_wait(failure.meaning) => {
                            return self.suspend(&attempt, &failure).await;
                        }
                        Err(failure) => return self.fail(&attempt, &failure).await,
                    }
                }
                AttemptStage::Granted => {
                    let held = seal.open_grant(&sealed).map_err(ServiceError::from)?;
                    return match self.repeatedly(|| provider.identify(&held.grant)).await {
                        Ok(account) => self.link(&attempt, &key, provider, held, account).await,
                        Err(failure) if is_wait(failure.meaning) => self.suspend(&attempt, &failure).await,
                        Err(failure) => self.fail(&attempt, &failure).await,
                    };
                }
                AttemptStage::Open | AttemptStage::Returned | AttemptStage::Closed => return Ok(()),
            };
            match next {
                Some(next) => attempt = next,
                // Only after our claim ran out can somebody else have moved it on; the outcome is theirs to write.
                None => return Err(in_progress(&attempt, self.parts.clock.now())),
            }
        }
    }

    /// A call that changes nothing at the provider, once more where it failed in passing.
    async fn repeatedly<'a, T, F>(&self, call: F) -> Result<T, Failure>
    where
        F: Fn() -> futures_util::future::BoxFuture<'a, Reply<T>>,
    {
        let begun = self.parts.clock.now();
        match call().await.outcome {
            // A provider that took its time to fail would take the caller's patience for the second try.
            Err(failure) if is_passing(failure.meaning) && self.parts.clock.now() < after(begun, QUICKLY) => {
                self.parts.clock.sleep(PAUSE).await;
                call().await.outcome
            }
            outcome => outcome,
        }
    }

    /// Room to write down what `step` brings. Without it, nothing is asked, and whoever comes next may try at once.
    async fn room_for(&self, attempt: &Attempt, step: Step) -> Result<Option<Room>, ServiceError> {
        let room = self.room(Origin::Attempt { attempt_id: attempt.id, step }).await;
        if room.is_err() {
            self.advance(attempt, Attempt { busy_until: None, ..attempt.clone() }).await?;
        }
        room
    }

    /// Makes what has just arrived durable before anything else happens.
    async fn keep(
        &self,
        attempt: &Attempt,
        step: Step,
        sealed: Vec<u8>,
        room: Option<Room>,
    ) -> Result<Option<Attempt>, ServiceError> {
        let origin = Origin::Attempt { attempt_id: attempt.id, step };
        let _in_hand = self.in_hand.take(attempt.id);
        let held = self.write_down(room, &attempt.user_id, origin, Ok(sealed.clone()));
        let stored = self.step(attempt, self.taken_on(attempt, step, sealed)).await;
        match &stored {
            Ok(Some(_)) | Err(ServiceError::UserGone) => let_go(origin, held),
            // Others have moved it on meanwhile. Whether that makes the token worthless shows when its file is looked at again.
            Ok(None) => keep(origin, held, &ServiceError::Contended),
            Err(error) => keep(origin, held, error),
        }
        stored
    }

    /// The attempt with what the provider handed us for it, which is worth more patience than an open one.
    fn taken_on(&self, attempt: &Attempt, step: Step, sealed: Vec<u8>) -> Attempt {
        let patient = attempt.expires_at.max(after(self.parts.clock.now(), GRANT_PATIENCE));
        Attempt { stage: step.stage(), expires_at: patient, sealed: Some(sealed), ..attempt.clone() }
    }

    /// Whether a token that the database could not take lay beside it for this attempt, and is in its row now.
    async fn recover_journaled(&self, attempt: &Attempt) -> Result<bool, ServiceError> {
        let Some(spill) = &self.spill else { return Ok(false) };
        for step in Step::ALL.into_iter().filter(|step| step.is_news_at(attempt.stage)) {
            let found = spill.find(&Origin::Attempt { attempt_id: attempt.id, step });
            let found = found.unwrap_or_else(|error| {
                tracing::error!(attempt = %attempt.id, %error, "a spilled token cannot be read");
                None
            });
            let Some(spilled) = found.filter(|found| found.user_id == attempt.user_id) else { continue };
            match self.replay(&spilled).await {
                Err(error) if !error.concerns_all() => {
                    tracing::error!(attempt = %attempt.id, %error, "a spilled token cannot be stored; its file stays");
                }
                replayed => return replayed,
            }
        }
        Ok(false)
    }

    /// Puts a token that was spilled into its attempt's row, unless that knows better, and lets anybody go on from there.
    pub(super) async fn replay_attempt(
        &self,
        spilled: &Spilled,
        attempt_id: Uuid,
        step: Step,
    ) -> Result<(), ServiceError> {
        for _ in 0..MAX_TRIES {
            let attempt = self.parts.store.attempt(attempt_id).await?;
            let wanted = attempt
                .filter(|attempt| attempt.user_id == spilled.user_id && step.is_news_at(attempt.stage));
            let Some(attempt) = wanted else { return Ok(()) };
            let key = grants::user_key(&self.parts.store, &self.parts.vault, &attempt.user_id).await?;
            let seal = seal_of(&key, &attempt);
            // What does not open must not take the place of what may.
            match step {
                Step::Short => drop(seal.open_short(&spilled.blob)?),
                Step::Grant => drop(seal.open_grant(&spilled.blob)?),
            }
            let next = self.taken_on(&attempt, step, spilled.blob.clone());
            if self.advance(&attempt, Attempt { busy_until: None, ..next }).await? {
                return Ok(());
            }
        }
        Err(ServiceError::Contended)
    }

    async fn fail(&self, attempt: &Attempt, failure: &Failure) -> Result<(), CompleteError> {
        tracing::warn!(attempt = %attempt.id, stage = attempt.stage.as_str(), meaning = ?failure.meaning, detail = %failure.detail, "connecting failed at the provider");
        let outcome = AttemptOutcome::Failed(reason_of(failure.meaning));
        self.end_attempt(attempt, outcome, self.parts.clock.now()).await?;
        Ok(())
    }

    /// What Instagram handed us is durable, but it cannot answer the next question at the moment: the attempt stays
    /// open, and another `complete`, or the worker, goes on from here.
    async fn suspend(&self, attempt: &Attempt, failure: &Failure) -> Result<(), CompleteError> {
        tracing::warn!(attempt = %attempt.id, stage = attempt.stage.as_str(), meaning = ?failure.meaning, detail = %failure.detail, "what Instagram handed us is kept; it could not be asked on yet");
        let usual = if is_passing(failure.meaning) { OUTAGE_PAUSE } else { LONG_PAUSE };
        let pause = failure.retry_after.unwrap_or(usual).min(GRANT_PATIENCE / 2);
        let until = after(self.parts.clock.now(), pause);
        self.advance(attempt, Attempt { busy_until: Some(until), ..attempt.clone() }).await?;
        Err(CompleteError::Instagram { reason: waited_for(failure.meaning), retry_after: Some(pause) })
    }

    /// Links the account: connection, grant, attempt and history in one unit of work.
    async fn link(
        &self,
        attempt: &Attempt,
        key: &UserKey,
        provider: &SharedProvider,
        held: HeldGrant,
        mut account: Account,
    ) -> Result<(), CompleteError> {
        let HeldGrant { grant, account_id } = held;
        // Where `/me` names the professional id only, the token answer has told us the one that is ours.
        if account.professional_id.as_deref() == Some(account.id.as_str()) {
            account.id = account_id.unwrap_or(account.id);
        }
        for _ in 0..MAX_TRIES {
            let now = self.parts.clock.now();
            let before = self.parts.store.connection_of(attempt).await.map_err(ServiceError::from)?;
            let before = before.ok_or(ServiceError::UserGone)?;
            if attempt.expect == Expect::SameAccount
                && before.account.is_some()
                && !same_account(&before, &account)
            {
                self.end_attempt(attempt, AttemptOutcome::DifferentAccount, now).await?;
                return Ok(());
            }
            // The connection's version never comes again, so neither does a grant's.
            let version = before.version + 1;
            let sealed = grants::seal_grant(key, &attempt.user_id, provider.id(), before.id, version, &grant)
                .map_err(ServiceError::from)?;
            let connection = self.linked(&before, provider, &grant, account.clone(), version, now)?;
            let mut changes = change(&before, connection, now, None);
            changes.append_grant = Some(sealed);
            // The new grant has answered already, so the earlier ones have served.
            changes.erase_grants_below = Some((before.id, version));
            changes.attempt = Some(AttemptWrite {
                expected_revision: Some(attempt.revision),
                attempt: Attempt {
                    revision: attempt.revision + 1,
                    stage: AttemptStage::Closed,
                    outcome: Some(AttemptOutcome::Connected),
                    sealed: None,
                    busy_until: None,
                    closed_at: Some(now),
                    ..attempt.clone()
                },
                limits: None,
            });
            match self.parts.store.commit(&changes).await.map_err(ServiceError::from)? {
                CommitOutcome::Committed => return Ok(()),
                CommitOutcome::AccountAlreadyLinked => {
                    self.end_attempt(attempt, AttemptOutcome::AccountTaken, now).await?;
                    return Ok(());
                }
                CommitOutcome::UserDeleted => return Err(ServiceError::UserGone.into()),
                // Either the connection changed, and we try again, or the attempt did (the person disconnected
                // meanwhile), and then its outcome has been written by others.
                CommitOutcome::Conflict | CommitOutcome::TooManyAttempts => {
                    let current = self.parts.store.attempt(attempt.id).await.map_err(ServiceError::from)?;
                    if current.is_none_or(|each| each.revision != attempt.revision) {
                        return Ok(());
                    }
                }
            }
        }
        Err(ServiceError::Contended.into())
    }

    fn linked(
        &self,
        before: &Connection,
        provider: &SharedProvider,
        grant: &Grant,
        account: Account,
        version: i64,
        now: Timestamp,
    ) -> Result<Connection, ServiceError> {
        let scopes = grant.scopes.clone().unwrap_or_default();
        // Where the provider does not say what was granted, nothing is known to be missing.
        let missing_scopes =
            grant.scopes.as_ref().map(|granted| lacking(provider.scopes(), granted)).unwrap_or_default();
        let linked = Observation::Linked {
            account,
            scopes,
            missing_scopes,
            grant: GrantFacts { version, obtained_at: grant.obtained_at, expires_at: grant.expires_at },
            next_refresh_at: self.refresh_due(grant)?,
        };
        let mut connection = apply(before, &linked, now);
        connection.version = before.version + 1;
        Ok(connection)
    }
}

/// The link is tried again this often when others change the connection meanwhile.
const MAX_TRIES: u32 = 10;

/// Outcomes that need no completion secret to be told to the owner.
fn ended_without_return(attempt: &Attempt, now: Timestamp) -> Option<CompleteError> {
    match (attempt.stage, attempt.outcome) {
        (AttemptStage::Closed, Some(AttemptOutcome::Denied)) => Some(CompleteError::Denied),
        (AttemptStage::Closed, Some(AttemptOutcome::Expired)) => Some(CompleteError::Expired),
        (AttemptStage::Open | AttemptStage::Returned, _) if attempt.expires_at <= now => {
            Some(CompleteError::Expired)
        }
        _ => None,
    }
}

/// Whether nobody is at it any more.
fn is_let_go(attempt: &Attempt, now: Timestamp) -> bool {
    let rest = match attempt.stage {
        AttemptStage::Redeeming => SPENT,
        AttemptStage::Open
        | AttemptStage::Returned
        | AttemptStage::ShortGranted
        | AttemptStage::Granted
        | AttemptStage::Closed => Duration::ZERO,
    };
    attempt.busy_until.is_none_or(|until| after(until, rest) <= now)
}

/// Somebody else has it, or it rests. A request that is at it ends long before its claim does; a rest is over when it is over.
fn in_progress(attempt: &Attempt, now: Timestamp) -> CompleteError {
    let left = attempt.busy_until.and_then(|until| Duration::try_from(until.duration_since(now)).ok());
    CompleteError::InProgress { retry_after: left.filter(|left| *left > BUSY).unwrap_or(SOON) }
}

/// Trouble that time mends, or we: it says nothing against a grant that is in hand.
fn is_wait(meaning: Meaning) -> bool {
    matches!(meaning, Meaning::RateLimited(_) | Meaning::App(_)) || is_passing(meaning)
}

/// What the person is told of trouble that is waited for. An unexplained "no" to what was handed out a moment ago is not believed.
fn waited_for(meaning: Meaning) -> Reason {
    if meaning == Meaning::DeadUnexplained { Reason::ProviderUnavailable } else { reason_of(meaning) }
}

/// Trouble that may be over in a moment. An unexplained "no" is what a node says that has not heard of the token yet.
fn is_passing(meaning: Meaning) -> bool {
    match meaning {
        Meaning::Unavailable | Meaning::DeadUnexplained => true,
        Meaning::RateLimited(_)
        | Meaning::Dead(_)
        | Meaning::UserAction(_)
        | Meaning::Permission
        | Meaning::App(_)
        | Meaning::Content
        | Meaning::CodeRejected => false,
    }
}

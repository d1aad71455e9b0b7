//! Makes every token from Instagram durable before anything else happens.
//!
//! A code that has brought a token is spent, so the token is in the
//! [journal](super::super::journal) until the database has it.

use uuid::Uuid;

use super::exchange::{COMPLETION_WINDOW, LINKING_WINDOW};
use crate::clock::after;
use crate::connection::attempt::Attempt;
use crate::connections::grants::RowSeal;
use crate::connections::journal::{Journaled, Origin, Reservation, Step};
use crate::connections::recorder::Conflicts;
use crate::connections::{Connections, ServiceError};

impl Connections {
    /// Reserves journal space for the token of `step`.
    pub(super) async fn reserve(&self, attempt: &Attempt, step: Step) -> Option<Reservation> {
        self.parts.journal.reserve(Origin::Attempt { attempt_id: attempt.id, step }).await
    }

    /// Journals and stores a new token. `None` if the attempt was moved on meanwhile.
    pub(super) async fn store_token(
        &self,
        attempt: &Attempt,
        step: Step,
        sealed: Vec<u8>,
        reservation: Option<Reservation>,
    ) -> Result<Option<Attempt>, ServiceError> {
        let origin = Origin::Attempt { attempt_id: attempt.id, step };
        let _guard = self.parts.journal.guard_attempt(attempt.id);
        let entry = self.parts.journal.write(reservation, &attempt.user_id, origin, Ok(sealed.clone()));
        let stored = self.advance(attempt, self.with_token(attempt, step, sealed)).await;
        match &stored {
            Ok(Some(_)) | Err(ServiceError::UserGone) => entry.discard(),
            // Others have moved it on meanwhile: where it has ended, as by a disconnect, nobody
            // wants the token any more.
            Ok(None) if self.is_past(attempt.id, step).await => {
                tracing::warn!(
                    attempt = %attempt.id,
                    "a token arrived for a connect attempt that has ended or gone on meanwhile; it is discarded"
                );
                entry.discard();
            }
            Ok(None) => entry.retain(&ServiceError::Contended),
            Err(error) => entry.retain(error),
        }
        stored
    }

    /// Whether the attempt has no use for what `step` brings; false where that cannot be known.
    async fn is_past(&self, attempt_id: Uuid, step: Step) -> bool {
        match self.parts.store.attempt(attempt_id).await {
            Ok(current) => current.is_none_or(|current| !step.is_news_at(current.stage)),
            Err(_) => false,
        }
    }

    /// The attempt with the token of `step`, and time left to use it.
    fn with_token(&self, attempt: &Attempt, step: Step, sealed: Vec<u8>) -> Attempt {
        let window = match step {
            Step::Short => COMPLETION_WINDOW,
            Step::Grant => LINKING_WINDOW,
        };
        let expires_at = attempt.expires_at.max(after(self.parts.clock.now(), window));
        Attempt { stage: step.stage(), expires_at, sealed: Some(sealed), ..attempt.clone() }
    }

    /// Moves a journaled token of this attempt into its row. Returns whether a token was handled.
    pub(in crate::connections) async fn recover_journaled(
        &self,
        attempt: &Attempt,
    ) -> Result<bool, ServiceError> {
        for step in Step::ALL.into_iter().filter(|step| step.is_news_at(attempt.stage)) {
            let found = self.parts.journal.find(&Origin::Attempt { attempt_id: attempt.id, step });
            let Some(token) = found.filter(|found| found.user_id == attempt.user_id) else { continue };
            let replayed = ServiceError::of_one(self.replay(&token).await, |error| {
                tracing::error!(attempt = %attempt.id, %error, "a journaled token cannot be stored; its file is kept");
            })?;
            if let Some(replayed) = replayed {
                return Ok(replayed);
            }
        }
        Ok(false)
    }

    /// Puts a journaled token into its attempt's row and drops the claim, unless the attempt is
    /// already further. Returns whether it was stored.
    pub(in crate::connections) async fn replay_attempt(
        &self,
        token: &Journaled,
        attempt_id: Uuid,
        step: Step,
    ) -> Result<bool, ServiceError> {
        let mut conflicts = Conflicts::default();
        loop {
            let attempt = self.parts.store.attempt(attempt_id).await?;
            if attempt.is_none() {
                tracing::warn!(
                    attempt = %attempt_id,
                    "a journaled token is deleted: the database lacks its attempt, as after the user was erased or a backup restored"
                );
            }
            let wanted =
                attempt.filter(|attempt| attempt.user_id == token.user_id && step.is_news_at(attempt.stage));
            let Some(attempt) = wanted else { return Ok(false) };
            let key = self.stored_user_key(&attempt.user_id).await?;
            let seal = RowSeal::of_attempt(&key, &attempt);
            // A token that does not open must not replace a secret that may.
            match step {
                Step::Short => drop(seal.open_short(&token.blob)?),
                Step::Grant => drop(seal.open_unlinked_grant(&token.blob)?),
            }
            let next = self.with_token(&attempt, step, token.blob.clone());
            if self
                .advance(&attempt, Attempt { busy_until: None, paused_until: None, ..next })
                .await?
                .is_some()
            {
                return Ok(true);
            }
            conflicts.lost()?;
        }
    }
}

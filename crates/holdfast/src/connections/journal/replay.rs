//! Storing journaled tokens.

use tokio_util::sync::CancellationToken;

use super::super::{Connections, ServiceError};
use super::{Journaled, Origin};

impl Connections {
    /// Stores the journaled tokens; returns how many. A file is deleted only after the database has
    /// answered for it. If one token fails for a reason of its own, its file stays and the others
    /// continue. SQLite's log is a file of this replica as well: what was erased leaves it here.
    pub async fn replay_journal(&self, stop: &CancellationToken) -> Result<usize, ServiceError> {
        self.parts.store.finish_scrub().await;
        self.survive_failover(stop).await?;
        let all = self.parts.journal.read().unwrap_or_else(|error| {
            tracing::error!(%error, "the journal cannot be read");
            Vec::new()
        });
        let mut replayed = 0;
        for token in all.into_iter().take_while(|_| !stop.is_cancelled()) {
            let done = ServiceError::of_one(self.replay(&token).await, |error| {
                let row = token.origin.row().to_string();
                if self.parts.store.is_news("journaled token", &row) {
                    tracing::error!(row, %error, "a journaled token cannot be stored; its file is kept");
                }
            })?;
            replayed += usize::from(done == Some(true));
        }
        Ok(replayed)
    }

    /// Stores a token, or finds it no longer wanted, and deletes its file. Returns false while
    /// another task of this process is about to store it.
    pub(in crate::connections) async fn replay(&self, token: &Journaled) -> Result<bool, ServiceError> {
        if let Origin::Attempt { attempt_id, .. } = token.origin
            && self.parts.journal.is_in_hand(attempt_id)
        {
            return Ok(false);
        }
        match self.store_journaled(token).await {
            // User and data key are deleted, so the token is no longer wanted.
            Ok(_) | Err(ServiceError::UserGone) => {}
            Err(error) => return Err(error),
        }
        self.parts.journal.remove(&token.origin);
        Ok(true)
    }

    /// Stores a token unless it is outdated. Returns whether it was stored.
    pub(super) async fn store_journaled(&self, token: &Journaled) -> Result<bool, ServiceError> {
        match token.origin {
            Origin::Refresh(link) => self.replay_refresh(token, link).await,
            Origin::Attempt { attempt_id, step } => self.replay_attempt(token, attempt_id, step).await,
        }
    }
}

//! After a database failover, the promoted standby may lack the last writes that the failed server
//! acknowledged. Recent tokens are stored again, and losses are logged.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::super::{Connections, ServiceError};
use super::{Journaled, Origin, Step};
use crate::store::StoreError;

impl Connections {
    /// Compares the database's timeline with the known one, and stores again what a promoted
    /// standby lacks.
    pub(super) async fn survive_failover(&self, stop: &CancellationToken) -> Result<(), ServiceError> {
        self.parts.journal.recent().age(self.parts.clock.now());
        let timeline = match self.parts.store.timeline().await {
            Ok(Some(timeline)) => timeline,
            // Without a readable timeline, no failover can be noticed.
            Ok(None) | Err(StoreError::Denied(_) | StoreError::Missing(_) | StoreError::Refused(_)) => {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let Some(tokens) = self.parts.journal.recent().of_another_than(&timeline) else {
            self.parts.journal.recent().is_of(timeline);
            return Ok(());
        };
        let (remembered, mut restored) = (tokens.len(), 0_u32);
        let mut missing = BTreeMap::<String, Vec<Journaled>>::new();
        for token in tokens {
            if stop.is_cancelled() {
                return Ok(());
            }
            match self.store_journaled(&token).await {
                Ok(true) => restored += 1,
                Ok(false) if self.has_row(&token).await? => {}
                Err(error) if error.concerns_all() => return Err(error),
                Ok(false) | Err(_) => missing.entry(token.user_id.clone()).or_default().push(token),
            }
        }
        let mut lost = 0_u32;
        for (user, tokens) in missing {
            match self.restore_link(&tokens).await {
                Ok(true) => restored += 1,
                Err(error) if error.concerns_all() => return Err(error),
                Ok(false) | Err(_) => {
                    lost += 1;
                    tracing::error!(
                        user,
                        "a link cannot be restored: its connection or connect attempt is missing"
                    );
                }
            }
        }
        tracing::error!(
            timeline,
            remembered,
            restored,
            lost,
            "the database has failed over to a standby; its missing grants of the last minutes are stored again; users whose \
             link is lost must connect again"
        );
        self.parts.journal.recent().is_of(timeline);
        Ok(())
    }

    /// Restores the link of a user's latest attempt that had its grant. The attempt is missing, but
    /// the connection may exist: its user may have connected again.
    async fn restore_link(&self, tokens: &[Journaled]) -> Result<bool, ServiceError> {
        let is_grant = |token: &&Journaled| matches!(token.origin, Origin::Attempt { step: Step::Grant, .. });
        match tokens.iter().rev().find(is_grant) {
            Some(token) => self.relink(token).await,
            None => Ok(false),
        }
    }

    async fn has_row(&self, token: &Journaled) -> Result<bool, ServiceError> {
        let store = &self.parts.store;
        Ok(match token.origin {
            Origin::Refresh(link) => store.connection_by_id(link.connection_id).await?.is_some(),
            Origin::Attempt { attempt_id, .. } => store.attempt(attempt_id).await?.is_some(),
        })
    }
}

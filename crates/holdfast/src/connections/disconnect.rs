//! Disconnecting: on return, the grant's bytes are deleted.
//!
//! What ends, in this order, and where:
//!
//! 1. the open connect attempts, and their tokens in the journal: `withdraw_attempts`
//!    ([`attempts`](super::attempts));
//! 2. the link: [`Observation::Disconnected`] clears account, scopes and grant
//!    ([`apply`](crate::connection::transition::apply));
//! 3. every stored version of the grant: a connection that loses its grant keeps no row of it
//!    ([`change`](super::recorder::change)), in the same unit of work as its history and the event
//!    to the app;
//! 4. the connection's tokens in the journal: `Connections::end_link`, below;
//! 5. the bytes in SQLite's file and log ([`Store::scrub`](crate::store::Store::scrub)).
//!
//! If a step fails, the later ones are not taken and the call answers with an error. It may be
//! repeated.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::caller::OwnerId;
use crate::connection::observation::Observation;
use crate::connection::{Connection, Reason, State};
use crate::connections::{Connections, Recorded, ServiceError};
use crate::provider::ProviderId;

/// Proof that the grant is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DisconnectReceipt {
    /// Always true: after this answer nothing is linked.
    pub disconnected: bool,
    /// When the grant's bytes were deleted. `null` where there was nothing to delete.
    #[schemars(with = "Option<String>")]
    pub deleted_at: Option<Timestamp>,
    /// What to do at Instagram to withdraw the permission there too; its API has no way to do that
    /// for a person.
    pub revoke_hint: String,
}

/// For installations that are not set up for the provider any more; what it granted stands there
/// all the same.
const NO_PROVIDER_HINT: &str = "To withdraw the permission at the provider too, open the settings of your account there and remove the app.";

impl Connections {
    /// Disconnects. Idempotent: a repeated call returns the first receipt. Also ends open connect
    /// attempts, so that none of them can restore the connection.
    pub async fn disconnect(&self, owner: &OwnerId) -> Result<DisconnectReceipt, ServiceError> {
        let now = self.parts.clock.now();
        self.withdraw_attempts(owner, now).await?;
        let ended = match self.parts.store.connection(owner, ProviderId::INSTAGRAM).await? {
            Some(connection) if is_linked(&connection) => {
                let ended = self.end_link(connection.id, &Observation::Disconnected).await?;
                ended.map(|ended| ended.connection)
            }
            Some(connection) => {
                // The answer to an earlier call may have been lost after its commit.
                self.parts.journal.forget_link(connection.id, &connection.user_id);
                Some(connection)
            }
            None => None,
        };
        self.parts.store.scrub().await?;
        // A declined or failed attempt ended without a link: there was nothing to delete.
        let was_disconnected = |ended: &Connection| ended.standing.reason() == Some(Reason::UserDisconnected);
        let deleted_at = ended.filter(was_disconnected).map(|ended| ended.since);
        let revoke_hint = match &self.parts.provider {
            Some(provider) => provider.revoke_hint().to_owned(),
            None => NO_PROVIDER_HINT.to_owned(),
        };
        Ok(DisconnectReceipt { disconnected: true, deleted_at, revoke_hint })
    }

    /// Records an observation that may end a link. If it has, the grant is deleted on return, also
    /// from this process's journal. Another replica's journal drops it at its next tick, and
    /// SQLite's log with a [scrub](crate::store::Store::scrub).
    pub(super) async fn end_link(
        &self,
        id: Uuid,
        end: &Observation,
    ) -> Result<Option<Recorded>, ServiceError> {
        let recorded = self.recorder.record(id, end, None).await?;
        if let Some(Recorded { connection, .. }) = &recorded
            && connection.grant.is_none()
        {
            self.parts.journal.forget_link(id, &connection.user_id);
        }
        Ok(recorded)
    }
}

fn is_linked(connection: &Connection) -> bool {
    connection.account.is_some()
        || connection.grant.is_some()
        || connection.standing.state() != State::NotConnected
}

//! What Meta tells us, signed: a person removed the app, or wants their data deleted.

use jiff::Timestamp;

use crate::connection::observation::Observation;
use crate::connection::transition::is_about_an_earlier_link;
use crate::connections::{Connections, ServiceError};
use crate::entropy::random;
use crate::store::DataDeletion;

impl Connections {
    /// The person behind this account removed the app at `issued_at`. Answers how many connections that concerned. A
    /// message from before the present link proves nothing about it; Instagram is asked what holds.
    pub async fn deauthorized(
        &self,
        account_id: &str,
        issued_at: Option<Timestamp>,
    ) -> Result<usize, ServiceError> {
        let connections = self.parts.store.connections_by_account(Self::PROVIDER, account_id).await?;
        for connection in &connections {
            if is_about_an_earlier_link(connection, issued_at) {
                self.probe(connection).await?;
            } else {
                self.record(connection.id, &Observation::Deauthorized { issued_at }, None).await?;
            }
        }
        Ok(connections.len())
    }

    /// The person behind this account wants what we hold of it deleted: grants and account facts go, and a receipt without
    /// personal data stays. Late and repeated requests delete too.
    pub async fn delete_account_data(&self, account_id: &str) -> Result<DataDeletion, ServiceError> {
        let code = u128::from_be_bytes(random::<16>(&*self.parts.entropy)?);
        let mut deletion = DataDeletion {
            code: format!("{code:032x}"),
            provider: Self::PROVIDER,
            requested_at: self.parts.clock.now(),
            completed_at: None,
            erased: 0,
        };
        // Before anything is erased: should we fall over in between, the request is known.
        self.parts.store.record_deletion(&deletion).await?;
        for connection in self.parts.store.connections_by_account(Self::PROVIDER, account_id).await? {
            self.record(connection.id, &Observation::DataDeleted, None).await?;
            deletion.erased += 1;
        }
        deletion.completed_at = Some(self.parts.clock.now());
        self.parts.store.record_deletion(&deletion).await?;
        Ok(deletion)
    }
}

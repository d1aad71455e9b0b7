//! What Meta tells us, signed: a person removed the app, or wants their data deleted.

use jiff::Timestamp;

use crate::connection::observation::Observation;
use crate::connection::transition::is_about_an_earlier_link;
use crate::connections::{Connections, ServiceError};
use crate::store::DataDeletion;

impl Connections {
    /// The person behind this account removed the app at `issued_at`. Answers how many connections
    /// that concerned. A message from before the present link proves nothing about it; Instagram is
    /// asked what holds.
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
                self.recorder.record(connection.id, &Observation::Deauthorized { issued_at }, None).await?;
            }
        }
        Ok(connections.len())
    }

    /// The person behind this account wanted, at `issued_at`, what we hold of it deleted: grants
    /// and account facts that were linked before then go, and a receipt without personal data
    /// stays. The same request again has the first receipt.
    pub async fn delete_account_data(
        &self,
        account_id: &str,
        issued_at: Option<Timestamp>,
        code: u128,
    ) -> Result<DataDeletion, ServiceError> {
        let code = format!("{code:032x}");
        if let Some(first) =
            self.parts.store.deletion(&code).await?.filter(|each| each.completed_at.is_some())
        {
            return Ok(first);
        }
        let mut deletion = DataDeletion {
            code,
            provider: Self::PROVIDER,
            requested_at: self.parts.clock.now(),
            completed_at: None,
            erased: 0,
        };
        // Before anything is erased: should we fall over in between, the request is known.
        self.parts.store.record_deletion(&deletion).await?;
        // One that does not say when it was issued is about now.
        let issued_at = issued_at.unwrap_or(deletion.requested_at);
        for connection in self.parts.store.connections_by_account(Self::PROVIDER, account_id).await? {
            // Where it is linked anew by now, what was linked then has gone already: a connection
            // holds one link.
            let deleted = Observation::DataDeleted { issued_at };
            let recorded = self.recorder.record(connection.id, &deleted, None).await?;
            deletion.erased += u32::from(recorded.is_some_and(|recorded| recorded.news));
        }
        deletion.completed_at = Some(self.parts.clock.now());
        self.parts.store.record_deletion(&deletion).await?;
        Ok(deletion)
    }
}

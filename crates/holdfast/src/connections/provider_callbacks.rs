//! Meta's signed callbacks: a person removed the app, or wants their data deleted.

use jiff::Timestamp;

use crate::connection::observation::Observation;
use crate::connection::transition::is_about_an_earlier_link;
use crate::connections::{Connections, ServiceError};
use crate::store::DataDeletion;

impl Connections {
    /// The account's person removed the app at `issued_at`. Returns how many connections have the
    /// account. A message older than the present link proves nothing about it, so Instagram is
    /// asked.
    pub async fn deauthorized(
        &self,
        account_id: &str,
        issued_at: Option<Timestamp>,
    ) -> Result<usize, ServiceError> {
        let connections = self.parts.store.connections_by_account(Self::PROVIDER, account_id).await?;
        for connection in &connections {
            if is_about_an_earlier_link(connection, issued_at, self.parts.clock.now()) {
                self.probe(connection).await?;
            } else {
                self.end_link(connection.id, &Observation::Deauthorized { issued_at }).await?;
            }
        }
        Ok(connections.len())
    }

    /// The account's person requested at `issued_at` that their data be deleted. Erases grants and
    /// account facts that were linked before then, and stores a receipt without personal data. A
    /// repeated request gets the first receipt.
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
        // Before anything is erased, so that a crash in between does not lose the request.
        self.parts.store.record_deletion(&deletion).await?;
        // A request without a time counts as issued now.
        let issued_at = issued_at.unwrap_or(deletion.requested_at);
        for connection in self.parts.store.connections_by_account(Self::PROVIDER, account_id).await? {
            // Where it is linked anew by now, what was linked then has gone already: a connection
            // holds one link.
            let deleted = Observation::DataDeleted { issued_at };
            let recorded = self.end_link(connection.id, &deleted).await?;
            deletion.erased += u32::from(recorded.is_some_and(|recorded| recorded.news));
        }
        deletion.completed_at = Some(self.parts.clock.now());
        self.parts.store.record_deletion(&deletion).await?;
        Ok(deletion)
    }
}

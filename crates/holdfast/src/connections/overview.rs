//! What an operator sees of the provider and of this process's part in it. Makes no call.

use jiff::Timestamp;

use crate::connection::status::InstagramStatus;
use crate::connections::Connections;
use crate::store::{Notice, StoreError};

impl Connections {
    /// The status of the user that a notice is about, as it is now.
    pub async fn status_of_notice(&self, notice: &Notice) -> Result<InstagramStatus, StoreError> {
        let facts = self.parts.store.notice_facts(notice).await?;
        Ok(self.told_of(facts))
    }

    /// The share of the provider's budget for the app that is used, as far as its answers say; 1
    /// where it is spent.
    pub fn budget_used(&self) -> f64 {
        f64::from(self.gate.budget_used_percent()) / 100.0
    }

    /// Until when the provider is not asked, because it answers nobody or its budget is spent.
    pub fn provider_rests_until(&self) -> Option<Timestamp> {
        let now = self.parts.clock.now();
        self.gate.rests_until(now).max(self.gate.spent_until(now))
    }

    /// Tokens that wait for the database; `None` where they cannot be counted.
    pub fn journal_entries(&self) -> Option<usize> {
        self.journal.count().ok()
    }

    /// Whether a token could be written down now.
    pub fn journal_is_writable(&self) -> bool {
        self.journal.probe().is_ok()
    }
}

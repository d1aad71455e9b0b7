//! What an operator wants to know of the provider and of this process's part in it. Asks nobody.

use jiff::Timestamp;

use crate::caller::OwnerId;
use crate::connection::status::InstagramStatus;
use crate::connections::Connections;
use crate::store::{Notice, StoreError};

impl Connections {
    /// The status of the user that a notice is about, as it is now.
    pub async fn status_of_notice(&self, notice: &Notice) -> Result<InstagramStatus, StoreError> {
        self.status(&OwnerId::named_by_operator(notice.user_id.as_deref().unwrap_or_default())).await
    }

    /// The share of the provider's budget for the app that is used, as far as its answers say; 1 where it is spent.
    pub fn budget_used(&self) -> f64 {
        f64::from(self.budget.used(self.parts.clock.now())) / 100.0
    }

    /// Until when the provider is not asked, because it answers nobody or its budget is spent.
    pub fn provider_rests_until(&self) -> Option<Timestamp> {
        let now = self.parts.clock.now();
        self.breaker.rests_until(now).max(self.budget.spent_until(now))
    }

    /// Tokens that wait for the database; `None` where they cannot be counted.
    pub fn journal_entries(&self) -> Option<usize> {
        self.spill.as_ref().and_then(|spill| spill.count().ok())
    }

    /// Whether a token could be written down now.
    pub fn journal_is_writable(&self) -> bool {
        self.spill.as_ref().is_none_or(|spill| spill.probe().is_ok())
    }
}

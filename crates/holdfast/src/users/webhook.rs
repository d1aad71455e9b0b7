//! Events that Clerk signs.

use super::UserFacts;

/// A webhook delivery whose signature was verified; made nowhere else.
#[derive(Debug, Clone)]
pub struct SignedEvent {
    id: String,
    user_id: String,
    change: UserChange,
}

/// What an event says about a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserChange {
    /// `user.created`, `user.updated`: the whole record.
    Stored(UserFacts),
    /// `user.deleted`.
    Deleted,
}

impl SignedEvent {
    /// The `svix-id`: the same for every delivery of one event.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Clerk user id.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// What it says.
    pub fn change(&self) -> &UserChange {
        &self.change
    }
}

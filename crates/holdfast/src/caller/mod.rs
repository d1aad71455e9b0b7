//! Who is calling: the only maker of [`Caller`] and [`OwnerId`].

/// A user whose data the bearer of this value may reach. Made only from a verified session token or service key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnerId(String);

impl OwnerId {
    /// The Clerk user id, `user_…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

//! Who is calling: the only maker of [`Caller`] and [`OwnerId`].

/// A user whose data the bearer of this value may reach. Made only from a verified session token or service key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnerId(String);

impl OwnerId {
    /// The owner that an operator names on the command line: whoever runs that holds the database anyway.
    pub fn named_by_operator(user_id: impl Into<String>) -> Self {
        Self(user_id.into())
    }

    /// The Clerk user id, `user_…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

//! Who is calling: the only maker of [`Caller`] and [`OwnerId`].

mod breaker;
mod generations;
pub mod keys;
mod refusal_log;
mod remembered;
pub mod service;

/// A user whose data the bearer of this value may reach. Made only from a verified session token or service key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnerId(String);

impl OwnerId {
    /// The owner that an operator names on the command line: whoever runs that holds the database anyway.
    pub fn named_by_operator(user_id: impl Into<String>) -> Self {
        Self(user_id.into())
    }

    /// The owner of that Clerk user id; `None` where it is not `user_` with letters, digits and underscores.
    fn parse(user_id: &str) -> Option<Self> {
        const LONGEST: usize = 128;
        let rest = user_id.strip_prefix("user_").filter(|rest| !rest.is_empty())?;
        let plain = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        (plain && user_id.len() <= LONGEST).then(|| Self(user_id.to_owned()))
    }

    /// The Clerk user id, `user_…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

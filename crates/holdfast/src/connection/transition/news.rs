//! What of a change belongs in the history, and what the app is told.

use crate::connection::Connection;
use crate::provider::Account;

/// Whether the change belongs in the history: another state, reason or link, or other missing
/// scopes.
pub fn is_news(before: &Connection, after: &Connection) -> bool {
    // A repaired link time is the same link: it keeps its grant.
    let version = |connection: &Connection| connection.grant.map(|grant| grant.version);
    before.standing != after.standing
        || before.linked_at != after.linked_at && version(before) != version(after)
        || !same_scopes(&before.missing_scopes, &after.missing_scopes)
}

/// Whether the app is told: besides what is news, other scopes or another description of the
/// account. Its picture's address changes with each answer, and times change with each refresh.
pub fn is_event(before: &Connection, after: &Connection) -> bool {
    let described = |connection: &Connection| {
        connection.account.clone().map(|account| Account { profile_picture_url: None, ..account })
    };
    is_news(before, after)
        || !same_scopes(&before.scopes, &after.scopes)
        || described(before) != described(after)
}

/// Whether the two hold the same scopes, in any order.
pub fn same_scopes(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().all(|each| other.contains(each))
}

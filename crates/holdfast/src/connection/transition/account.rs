//! Whether an answer is about the linked account.

use crate::connection::Connection;
use crate::provider::Account;

/// Whether `account` is the linked one. Either id may be missing from an answer, or be in the place
/// of the other, so one match is enough.
pub fn same_account(connection: &Connection, account: &Account) -> bool {
    connection
        .account
        .as_ref()
        .is_some_and(|linked| account.ids().any(|id| linked.ids().any(|each| each == id)))
}

/// Whether `account` is certainly not the linked one. Where `/me` names the professional id only
/// and none is stored, the two cannot be compared.
pub fn is_another_account(connection: &Connection, account: &Account) -> bool {
    connection.account.as_ref().is_some_and(|linked| {
        let is_comparable = linked.professional_id.is_some() || !account.lacks_the_kind_of(&linked.id);
        is_comparable && !same_account(connection, account)
    })
}

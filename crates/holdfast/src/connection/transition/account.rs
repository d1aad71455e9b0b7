//! Whether an answer is about the linked account.

use crate::connection::Connection;
use crate::provider::Account;

/// Whether `account` is the linked one. Either id may be missing from an answer, so one match is
/// enough.
pub fn same_account(connection: &Connection, account: &Account) -> bool {
    connection.account.as_ref().is_some_and(|linked| {
        linked.id == account.id
            || (linked.professional_id.is_some() && linked.professional_id == account.professional_id)
    })
}

/// Whether `account` is certainly not the linked one. Where `/me` names the professional id only
/// and none is stored, the two cannot be compared.
pub fn is_another_account(connection: &Connection, account: &Account) -> bool {
    connection.account.as_ref().is_some_and(|linked| {
        let is_comparable =
            linked.professional_id.is_some() || account.professional_id.as_ref() != Some(&account.id);
        is_comparable && !same_account(connection, account)
    })
}

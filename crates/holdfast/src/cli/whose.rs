//! Whose connection an operator means.

use super::args::WhoseArgs;
use super::exit::Failure;
use crate::caller::OwnerId;
use crate::connection::Connection;
use crate::connections::listing;
use crate::provider::ProviderId;
use crate::store::Store;

/// Whose connection is meant. What does not exist is said, never taken for something that needs no
/// work.
pub(super) async fn named(store: &Store, whose: &WhoseArgs) -> Result<OwnerId, Failure> {
    match (&whose.user, &whose.account) {
        (_, Some(account)) => {
            let found = listing::by_account(store, account).await?;
            match found.as_slice() {
                [] => Err(Failure::no(format!("no connection here has the Instagram account {account}"))
                    .mended_by("--account takes one of the account's two ids, or @ and its handle")),
                [connection] => Ok(OwnerId::named_by_operator(&connection.user_id)),
                several => {
                    let users: Vec<&str> = several.iter().map(|each| each.user_id.as_str()).collect();
                    Err(Failure::no(format!(
                        "{} connections here have the Instagram account {account}",
                        users.len()
                    ))
                    .mended_by(format!("name one of the users instead: {}", users.join(", "))))
                }
            }
        }
        (Some(user), None) => {
            let owner = OwnerId::named_by_operator(user);
            let is_known = store.user(&owner).await?.is_some();
            if is_known {
                Ok(owner)
            } else {
                Err(Failure::no(format!("there is no user {user} here")).mended_by(
                    "Clerk user ids begin with user_; --account finds a user by their Instagram account",
                ))
            }
        }
        // The parser asks for one of the two.
        (None, None) => Err(Failure::setup("no user is named", "name one, or give --account")),
    }
}

/// The connection of that user.
pub(super) async fn connection_of(store: &Store, owner: &OwnerId) -> Result<Connection, Failure> {
    let found = store.connection(owner, ProviderId::INSTAGRAM).await?;
    found.ok_or_else(|| {
        Failure::no(format!("{} has no connection here", owner.as_str()))
            .mended_by("--account finds a user by their Instagram account")
    })
}

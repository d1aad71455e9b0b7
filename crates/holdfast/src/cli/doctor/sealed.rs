//! Whether what is stored opens. Reads, and records nothing.

use super::code;
use super::report::Check;
use crate::connections::grants::{RowSeal, open_user_key};
use crate::store::Store;
use crate::vault::Vault;

/// Sealed rows tried at most; of more, a sample of this size.
const MOST: usize = 10_000;
const PAGE: usize = 200;

pub(super) async fn check(store: &Store, vault: &Vault) -> Check {
    let (mut after, mut opened, mut sealed) = (None, 0_usize, 0_usize);
    while opened + sealed < MOST {
        let page = match store.connections_page(after, PAGE).await {
            Ok(page) => page,
            Err(error) => return Check::failed(code::SEALED, error.to_string()),
        };
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for connection in page {
            let Some(facts) = connection.grant else { continue };
            let (user, id) = (connection.user_id.as_str(), connection.id);
            match store.sealed_grant_and_key(user, id, facts.version).await {
                Ok(Some((grant, key))) => {
                    let open = open_user_key(vault, user, &key)
                        .and_then(|key| RowSeal::of_connection(&key, &connection).open_grant(&grant));
                    if open.is_ok() { opened += 1 } else { sealed += 1 }
                }
                Ok(None) => sealed += 1,
                Err(error) => return Check::failed(code::SEALED, error.to_string()),
            }
        }
    }
    if sealed > 0 {
        Check::failed(code::SEALED, format!("{sealed} of {} grants tried do not open", opened + sealed))
    } else {
        Check::passed(code::SEALED, format!("every grant that was tried opens: {opened}"))
    }
}

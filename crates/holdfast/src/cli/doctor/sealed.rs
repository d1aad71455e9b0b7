//! Whether what is stored opens. Reads, and records nothing.

use std::time::Duration;

use super::super::context::Context;
use super::code;
use super::report::Check;
use crate::clock::after;
use crate::connections::grants::{RowSeal, open_user_key};
use crate::store::Store;
use crate::vault::Vault;

/// Connections looked at at most; of more, a sample of this size.
const MOST: usize = 10_000;
const PAGE: usize = 200;
/// Time for all of them, of what [`super::run`] grants to the database.
const TIME: Duration = Duration::from_secs(5);

pub(super) async fn check(context: &Context, store: &Store, vault: &Vault) -> Check {
    let ends_at = after(context.clock.now(), TIME);
    let (mut last, mut seen, mut opened, mut sealed) = (None, 0, 0_usize, 0_usize);
    while seen < MOST && context.clock.now() < ends_at {
        let page = match store.sealed_page(last, PAGE).await {
            Ok(page) => page,
            Err(error) => return Check::failed(code::SEALED, error.to_string()),
        };
        let Some((connection, _)) = page.last() else { break };
        last = Some(connection.id);
        seen += page.len();
        for (connection, stored) in page.iter().filter(|(connection, _)| connection.grant.is_some()) {
            let opens = stored.as_ref().is_some_and(|(grant, key)| {
                let key = open_user_key(vault, &connection.user_id, key);
                key.and_then(|key| RowSeal::of_connection(&key, connection).open_grant(grant)).is_ok()
            });
            if opens { opened += 1 } else { sealed += 1 }
        }
    }
    if sealed > 0 {
        Check::failed(code::SEALED, format!("{sealed} of {} grants tried do not open", opened + sealed))
    } else {
        Check::passed(code::SEALED, format!("every grant that was tried opens: {opened}"))
    }
}

//! Whether what is stored opens. Reads, and records nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::context::Context;
use super::answered::{Unanswered, answered, refused};
use super::code;
use super::report::Check;
use crate::clock::after;
use crate::connections::ServiceError;
use crate::connections::grants::{RowSeal, open_user_key};
use crate::store::Store;
use crate::vault::Vault;

/// Connections looked at at most; of more, a sample of this size.
const MOST: usize = 10_000;
const PAGE: usize = 200;
/// Time for all of them, of what [`super::run`] grants to the database.
const TIME: Duration = Duration::from_secs(5);
/// No key is lost, so giving one up would only cost the others their grants.
const DAMAGED: &str = "only these people are concerned, and no key: their status says `grant_unreadable`, and they reconnect; or \
                       restore a backup from before the damage";

pub(super) async fn check(context: &Context, store: &Store, vault: &Vault) -> Result<Vec<Check>, Unanswered> {
    let ends_at = after(context.clock.now(), TIME);
    let (mut last, mut seen, mut found) = (None, 0, Found::default());
    while seen < MOST && context.clock.now() < ends_at {
        let page = match answered(store.sealed_page(last, PAGE).await)? {
            Ok(page) => page,
            Err(error) => return Ok(vec![refused(code::SEALED, &error)]),
        };
        let Some((connection, _)) = page.last() else { break };
        last = Some(connection.id);
        seen += page.len();
        for (connection, stored) in page.iter().filter(|(connection, _)| connection.grant.is_some()) {
            let opened = stored.as_ref().map(|(grant, key)| {
                let key = open_user_key(vault, &connection.user_id, key)?;
                RowSeal::of_connection(&key, connection).open_grant(grant)
            });
            match opened {
                Some(Ok(_)) => found.opened += 1,
                Some(Err(ServiceError::KeyNotHere { key_id })) => {
                    *found.without_key.entry(key_id).or_default() += 1;
                }
                Some(Err(_)) | None => found.damaged.push(connection.user_id.clone()),
            }
        }
    }
    Ok(found.told())
}

/// How the grants that were tried fared.
#[derive(Default)]
struct Found {
    opened: usize,
    /// How many lack which key of the ring: with the key they open.
    without_key: BTreeMap<String, usize>,
    /// Whose grant no key opens.
    damaged: Vec<String>,
}

impl Found {
    fn told(self) -> Vec<Check> {
        let sealed: usize = self.without_key.values().sum();
        let tried = self.opened + sealed + self.damaged.len();
        if tried == self.opened {
            return vec![code::SEALED.passed(format!("every grant that was tried opens: {tried}"))];
        }
        let mut checks = Vec::new();
        if sealed > 0 {
            let keys: Vec<String> = self.without_key.into_keys().collect();
            let what = format!(
                "{sealed} of {tried} grants tried do not open: HOLDFAST_ENCRYPTION_KEYS lacks {}",
                keys.join(", ")
            );
            checks.push(code::SEALED.failed(what).mended_by(
                "add the key behind the others; if its bytes are lost for good, `holdfast keys retire --lost ID` gives up all \
                 that it sealed",
            ));
        }
        if let Some(first) = self.damaged.first() {
            let what = format!(
                "{} of {tried} grants tried do not open: they are damaged, the first is that of {first}",
                self.damaged.len()
            );
            checks.push(code::SEALED.failed(what).mended_by(DAMAGED));
        }
        checks
    }
}

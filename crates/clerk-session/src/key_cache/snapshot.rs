//! One document's keys, and what is known of them.

use std::sync::atomic::{AtomicI64, Ordering};

use super::asked::{Begun, Came};
use crate::keys::{KeySet, SkippedKey};
use crate::verifier::{Verdict, Verifier};

pub(super) struct Snapshot {
    pub(super) keys: KeySet,
    pub(super) skipped: Vec<SkippedKey>,
    pub(super) source: Source,
    /// When the document was asked for.
    pub(super) loaded_at_ms: i64,
    /// When Clerk's server gave the document: before `loaded_at_ms` where a cache on the way kept
    /// it.
    pub(super) as_of_ms: i64,
    pub(super) epoch: u64,
    /// The `iat` of the newest token that these keys have proven, unix milliseconds: until then, at
    /// least, Clerk signed with them. Kept only while all keys have one `kid`, as an instance's
    /// have.
    pub(super) newest_proven_ms: AtomicI64,
}

/// Where a document comes from.
pub(super) enum Source {
    Pinned,
    /// This process has not fetched it.
    Restored,
    Fetched(Begun),
}

impl Snapshot {
    pub(super) fn is_restored(&self) -> bool {
        matches!(self.source, Source::Restored)
    }

    /// Whether a token is older than the document: it came before Clerk was asked, or one that
    /// seems to be no older did.
    pub(super) fn was_asked_for_after(&self, token: &Came) -> bool {
        match self.source {
            // A copy out of a cache on the way may be older than the request for it.
            Source::Fetched(begun) if self.as_of_ms == self.loaded_at_ms => {
                begun.number > token.fetches
                    || begun.newest_token_ms.is_some_and(|newest| token.issued_at_ms <= newest)
            }
            Source::Fetched(_) | Source::Pinned | Source::Restored => false,
        }
    }

    pub(super) fn judge(&self, verifier: &Verifier, token: &str, now_ms: i64) -> Verdict {
        let verdict = verifier.verify(token, &self.keys, now_ms);
        if let Verdict::Accepted(claims) = &verdict
            && let Some(issued) = claims.issued_at_ms
            && self.keys.have_one_kid()
        {
            self.newest_proven_ms.fetch_max(issued, Ordering::Relaxed);
        }
        verdict
    }
}

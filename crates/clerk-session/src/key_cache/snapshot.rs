//! One document's keys, and what is known of them.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::keys::{KeySet, SkippedKey};
use crate::verifier::{Verdict, Verifier};

pub(super) struct Snapshot {
    pub(super) keys: KeySet,
    pub(super) skipped: Vec<SkippedKey>,
    /// Whether it was restored: this process has not fetched it.
    pub(super) is_restored: bool,
    /// When the document was asked for.
    pub(super) loaded_at_ms: i64,
    /// The time of which the document tells: before that where a cache on the way kept it.
    pub(super) as_of_ms: i64,
    pub(super) epoch: u64,
    /// The `iat` of the newest token that these keys have proven, unix milliseconds: until then, at
    /// least, Clerk signed with them. Kept only while all keys have one `kid`, as an instance's
    /// have.
    pub(super) newest_proven_ms: AtomicI64,
    /// The `iat` of the newest token that had come when the document was asked for, unproven: what
    /// was issued until then is older than the document.
    pub(super) asked_for_ms: AtomicI64,
}

impl Snapshot {
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

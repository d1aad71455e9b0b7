//! The last requests that were refused or failed, for an operator with a request id from a
//! screenshot.
//!
//! In memory alone, and bounded: `holdfast why` asks for it over the metrics listener. No token, no
//! body, no address.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clerk_session::{Inactive, Refusal, Remedy, Step};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::lock::Lock;

/// Requests remembered; a further one replaces the oldest.
const CAPACITY: usize = 10_000;
/// Refused origins remembered. Few, because a client can send any.
const ORIGINS: usize = 16;

/// How the verifier came to a refusal; for the operator, never for the caller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The step that refused.
    pub step: String,
    /// Everything that was found.
    pub found: String,
    /// Identifies the token in logs and here; useless for anything else.
    pub fingerprint: Option<String>,
    /// Whose the token says it is.
    pub claimed_user: Option<String>,
    /// Whether the signature proved that.
    #[serde(default)]
    pub is_proven: bool,
    /// What would mend this very refusal.
    #[serde(default)]
    pub remedy: Option<String>,
}

impl Judgement {
    /// The judgement behind a refusal of the `Authorization` values `credentials`; `words` are
    /// those of the operator's settings.
    pub(super) fn of(refusal: &Refusal, credentials: &[&[u8]], words: fn(&Remedy) -> String) -> Self {
        let remedy = Some(words(refusal.remedy()));
        Self { remedy, ..Self::new(refusal.step, refusal.operator_detail().to_owned(), credentials) }
    }

    /// The judgement on a genuine token of a session that does not count.
    pub(super) fn inactive(why: &Inactive, credentials: &[&[u8]]) -> Self {
        Self::new(Step::Status, why.found(), credentials)
    }

    fn new(step: Step, found: String, credentials: &[&[u8]]) -> Self {
        let token = match credentials {
            [only] => {
                std::str::from_utf8(only).ok().and_then(|value| clerk_session::bearer_token(value).ok())
            }
            [] | [_, _, ..] => None,
        };
        Self {
            step: step.as_str().to_owned(),
            found,
            is_proven: step > Step::Signature,
            fingerprint: token.map(clerk_session::fingerprint),
            claimed_user: token.and_then(claimed_user),
            remedy: None,
        }
    }
}

/// `sub` of a token that nobody has verified, where it looks like a user id.
fn claimed_user(token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    let user = claims.get("sub")?.as_str()?;
    clerk_session::is_user_id(user).then(|| user.to_owned())
}

/// One request that did not go well.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Its id, as in `x-request-id`.
    pub request_id: String,
    /// When it was answered.
    pub at: Timestamp,
    /// Its method.
    pub method: String,
    /// The template of its route.
    pub route: String,
    /// The status of the answer.
    pub status: u16,
    /// The code of the answer.
    pub code: String,
    /// What the caller was told.
    pub detail: String,
    /// Who the caller was, where that was proven.
    pub user_id: Option<String>,
    /// How a token was judged, where that is why.
    pub judgement: Option<Judgement>,
    /// What went wrong in this server, where that is why.
    #[serde(default)]
    pub cause: Option<String>,
}

impl Remembered {
    /// Who the caller was, proven or as the token says.
    pub fn user(&self) -> Option<&str> {
        self.user_id.as_deref().or_else(|| self.judgement.as_ref()?.claimed_user.as_deref())
    }

    /// Those of its code's `causes` that may be it: none where it is known what it was.
    pub fn guesses(&self, causes: &'static [&'static str]) -> &'static [&'static str] {
        let is_known = self.cause.is_some() || self.judgement.is_some();
        if is_known { &[] } else { causes }
    }

    /// What would mend it: this very refusal where that is known, else what has this code, which
    /// `usual` mends.
    pub fn remedy<'a>(&'a self, usual: &'a str) -> &'a str {
        self.judgement.as_ref().and_then(|each| each.remedy.as_deref()).unwrap_or(usual)
    }

    /// What has to be said after [`user`](Self::user), where nobody has proven to be that.
    pub fn doubt(&self) -> &'static str {
        let is_proven = self.user_id.is_some() || self.judgement.as_ref().is_some_and(|each| each.is_proven);
        if is_proven { "" } else { ", as the token says; not proven" }
    }
}

/// What is known of a request id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recalled {
    /// The first request with this id. Callers choose ids, so anybody who saw one in a screenshot
    /// can send it again.
    #[serde(flatten)]
    pub first: Remembered,
    /// How many came later with the same id.
    #[serde(default)]
    pub later: usize,
}

impl Recalled {
    /// What has to be said where later requests had the same id.
    pub fn warning(&self) -> Option<String> {
        (self.later > 0).then(|| {
            format!("This is the first request with this id; {} came later with the same one.", self.later)
        })
    }
}

/// A page's origin that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedOrigin {
    /// As the browser sent it.
    pub origin: String,
    /// The allowed one that was probably meant.
    pub nearest: Option<String>,
    /// When it called last.
    pub at: Timestamp,
}

/// The memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct RefusalMemory(Arc<Lock<State>>);

#[derive(Debug, Default)]
struct State {
    latest: VecDeque<Arc<Remembered>>,
    /// How many since the process started, and the last.
    by_code: BTreeMap<String, (u64, Arc<Remembered>)>,
    /// Distinct ones, the latest last.
    origins: VecDeque<RefusedOrigin>,
}

impl RefusalMemory {
    /// Remembers one.
    pub fn remember(&self, one: Remembered) {
        let (mut state, one) = (self.0.lock(), Arc::new(one));
        let (amount, last) = state.by_code.entry(one.code.clone()).or_insert_with(|| (0, Arc::clone(&one)));
        (*amount, *last) = (*amount + 1, Arc::clone(&one));
        if state.latest.len() >= CAPACITY {
            state.latest.pop_front();
        }
        state.latest.push_back(one);
    }

    /// Remembers an origin that was refused, once however often it calls.
    pub fn remember_origin(&self, one: RefusedOrigin) {
        let mut state = self.0.lock();
        state.origins.retain(|known| known.origin != one.origin);
        if state.origins.len() >= ORIGINS {
            state.origins.pop_front();
        }
        state.origins.push_back(one);
    }

    /// Requests and origins in memory.
    pub fn remembered(&self) -> (usize, usize) {
        let state = self.0.lock();
        (state.latest.len(), state.origins.len())
    }

    /// The origins that were refused, the latest first.
    pub fn origins(&self) -> Vec<RefusedOrigin> {
        let state = self.0.lock();
        state.origins.iter().rev().cloned().collect()
    }

    /// What is known of that id.
    pub fn find(&self, request_id: &str) -> Option<Recalled> {
        let state = self.0.lock();
        let mut with_it = state.latest.iter().filter(|one| one.request_id == request_id);
        let first = Remembered::clone(with_it.next()?);
        Some(Recalled { first, later: with_it.count() })
    }

    /// The latest of a user, newest first, claimed ones included.
    pub fn of_user(&self, user_id: &str, most: usize) -> Vec<Arc<Remembered>> {
        let is_theirs = |one: &&Arc<Remembered>| one.user() == Some(user_id);
        let state = self.0.lock();
        state.latest.iter().rev().filter(is_theirs).take(most).cloned().collect()
    }

    /// The latest of all, newest first.
    pub fn latest(&self, most: usize) -> Vec<Arc<Remembered>> {
        let state = self.0.lock();
        state.latest.iter().rev().take(most).cloned().collect()
    }

    /// How many there were of this code since the process started.
    pub fn amount(&self, code: &str) -> u64 {
        self.0.lock().by_code.get(code).map_or(0, |(amount, _)| *amount)
    }

    /// The last of this code, however many of others came later.
    pub fn last_of(&self, code: &str) -> Option<Arc<Remembered>> {
        self.0.lock().by_code.get(code).map(|(_, last)| Arc::clone(last))
    }

    /// How many there were of each code since the process started.
    pub fn by_code(&self) -> BTreeMap<String, u64> {
        let state = self.0.lock();
        state.by_code.iter().map(|(code, (amount, _))| (code.clone(), *amount)).collect()
    }
}

#[cfg(test)]
mod tests;

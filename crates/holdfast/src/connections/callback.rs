//! Instagram's redirect: finds the attempt by `state` and sends the person back to the app.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::connection::Reason;
use crate::connection::attempt::{Attempt, AttemptOutcome, AttemptStage};
use crate::connection::return_url::with_query;
use crate::connections::connect::hash;
use crate::connections::grants::RowSeal;
use crate::connections::recorder::Conflicts;
use crate::connections::{Connections, ServiceError};

/// The query of Instagram's redirect.
#[derive(Debug, Clone, Default)]
pub struct CallbackQuery {
    /// The authorization code.
    pub code: Option<SecretString>,
    /// What we sent.
    pub state: Option<SecretString>,
    /// `access_denied` where the person declined.
    pub error: Option<String>,
}

impl CallbackQuery {
    /// Parses a query (`application/x-www-form-urlencoded`). `None` if one of these parameters
    /// occurs twice: it would be unclear which counts.
    pub fn parse(query: &str) -> Option<Self> {
        let (mut code, mut state, mut error) = (None, None, None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let known = match name.as_ref() {
                "code" => &mut code,
                "state" => &mut state,
                "error" => &mut error,
                _ => continue,
            };
            if known.replace(value.into_owned()).is_some() {
                return None;
            }
        }
        Some(Self { code: code.map(SecretString::from), state: state.map(SecretString::from), error })
    }
}

/// Where the browser goes.
#[derive(Debug, Clone)]
pub enum CallbackOutcome {
    /// Back to where the person came from. Carries the completion, so it is never logged.
    Redirect(Url),
    /// A page that says what happened: without a usable attempt, no return address is known.
    Page(CallbackPage),
}

/// What the page tells a person who cannot be sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackPage {
    /// The redirect carries no `state`, and no error either.
    StateMissing,
    /// No `state`, and the person declined. Meta's own sample of a declined redirect has none.
    Declined,
    /// No `state`, and another error.
    Failed,
    /// No attempt has that `state`: it is too old, or was never ours.
    StateUnknown,
    /// The attempt has connected an account, and its completion is of no use any more.
    AlreadyConnected,
    /// The attempt has another consent already, and is being completed with that one.
    UnderWay,
    /// The attempt has another consent already, whose completion was not presented.
    NotCompleted,
    /// A parameter of [`CallbackQuery`] occurs twice.
    Ambiguous,
}

/// The `error` of a person who declined.
const DECLINED: &str = "access_denied";
/// Longest `state` worth hashing and longest code worth sealing, in bytes.
const MAX_PARAMETER: usize = 4096;

impl Connections {
    /// Handles the redirect. The same redirect again gets the first one's outcome. A "no" is the
    /// person's last word, also on a consent to the same attempt that is not linked yet.
    pub async fn callback(&self, query: CallbackQuery) -> Result<CallbackOutcome, ServiceError> {
        let Some(state) = query.state.as_ref().filter(|each| !each.expose_secret().is_empty()) else {
            return Ok(CallbackOutcome::Page(match query.error.as_deref() {
                Some(DECLINED) => CallbackPage::Declined,
                Some(_) => CallbackPage::Failed,
                None => CallbackPage::StateMissing,
            }));
        };
        if state.expose_secret().len() > MAX_PARAMETER {
            return Ok(CallbackOutcome::Page(CallbackPage::StateUnknown));
        }
        // Instagram appends `#_`. Browsers do not send a fragment, but in-app web views may.
        let state_hash = hash(state.expose_secret().trim_end_matches("#_"));
        let code = usable_code(query.code.as_ref()).filter(|_| query.error.is_none());
        let is_no = query.error.as_deref() == Some(DECLINED);
        let mut conflicts = Conflicts::default();
        loop {
            let Some(mut attempt) = self.parts.store.attempt_by_state(&state_hash).await? else {
                return Ok(CallbackOutcome::Page(CallbackPage::StateUnknown));
            };
            let now = self.parts.clock.now();
            // The allow-list may have changed since the attempt began.
            if self.parts.return_urls.choose(Some(&attempt.return_to)).is_err() {
                return Ok(CallbackOutcome::Page(CallbackPage::StateUnknown));
            }
            let is_taken_back = is_no && attempt.outcome.is_none() && !attempt.has_expired(now);
            if attempt.stage != AttemptStage::Open && !is_taken_back {
                return self.repeat_answer(&attempt, code.as_ref(), now).await;
            }
            let ending = match &code {
                _ if attempt.has_expired(now) => AttemptOutcome::Expired,
                Some(code) => {
                    if let Some(outcome) = self.store_code(&attempt, code, now).await? {
                        return Ok(outcome);
                    }
                    conflicts.lost()?;
                    continue;
                }
                None if is_no => AttemptOutcome::Denied,
                // Some failures come without `error`. Without a code the attempt has failed anyway.
                None => AttemptOutcome::Failed(Reason::AttemptFailed),
            };
            // A declined attempt has no completion.
            (attempt.completion_hash, attempt.sealed_completion) = (None, None);
            if self.end_attempt(&attempt, ending, now).await? {
                if ending == AttemptOutcome::Denied {
                    self.parts.journal.forget(attempt.id);
                    // Also on what still waits for the provider.
                    self.supersede(&attempt, now, |_| AttemptOutcome::Denied).await;
                }
                return Ok(ended(&attempt, ending));
            }
            conflicts.lost()?;
        }
    }

    /// Stores the code, sealed, and redirects with the completion. `None` if another delivery was
    /// faster.
    async fn store_code(
        &self,
        attempt: &Attempt,
        code: &SecretString,
        now: Timestamp,
    ) -> Result<Option<CallbackOutcome>, ServiceError> {
        let key = self.user_key(&attempt.user_id).await?;
        let seal = RowSeal::of_attempt(&key, attempt);
        let completion = self.fresh_secret()?;
        let next = Attempt {
            stage: AttemptStage::Returned,
            returned_at: Some(now),
            sealed: Some(seal.seal_code(code)?),
            completion_hash: Some(hash(completion.expose_secret())),
            sealed_completion: Some(seal.seal_completion(&completion, code)?),
            ..attempt.clone()
        };
        Ok(self.advance(attempt, next).await?.map(|_| completed(attempt, &completion)))
    }

    /// Repeats the first delivery's answer. Includes the completion only for the same code, and
    /// only until the attempt expires.
    async fn repeat_answer(
        &self,
        attempt: &Attempt,
        code: Option<&SecretString>,
        now: Timestamp,
    ) -> Result<CallbackOutcome, ServiceError> {
        if let (Some(sealed), Some(code)) = (&attempt.sealed_completion, code)
            && !attempt.has_expired(now)
        {
            let key = self.stored_user_key(&attempt.user_id).await?;
            if let Some(completion) = RowSeal::of_attempt(&key, attempt).open_completion(sealed, code)? {
                return Ok(completed(attempt, &completion));
            }
        }
        Ok(match attempt.outcome {
            Some(AttemptOutcome::Connected) => CallbackOutcome::Page(CallbackPage::AlreadyConnected),
            None if attempt.has_expired(now) => CallbackOutcome::Page(CallbackPage::StateUnknown),
            None if attempt.is_begun() => CallbackOutcome::Page(CallbackPage::UnderWay),
            None => CallbackOutcome::Page(CallbackPage::NotCompleted),
            // A person who goes back and approves has not declined, but this attempt is over.
            Some(AttemptOutcome::Denied) if code.is_some() => {
                redirect(attempt, "expired", Reason::AttemptExpired)
            }
            Some(outcome) => ended(attempt, outcome),
        })
    }
}

fn usable_code(code: Option<&SecretString>) -> Option<SecretString> {
    let code = code?.expose_secret().trim_end_matches("#_");
    (!code.is_empty() && code.len() <= MAX_PARAMETER).then(|| SecretString::from(code.to_owned()))
}

fn completed(attempt: &Attempt, completion: &SecretString) -> CallbackOutcome {
    let id = attempt.id.to_string();
    back(attempt, &[("instagram", "complete"), ("attempt", &id), ("completion", completion.expose_secret())])
}

fn ended(attempt: &Attempt, outcome: AttemptOutcome) -> CallbackOutcome {
    match outcome {
        AttemptOutcome::Denied => redirect(attempt, "denied", Reason::Denied),
        AttemptOutcome::Expired | AttemptOutcome::Disconnected => {
            redirect(attempt, "expired", Reason::AttemptExpired)
        }
        AttemptOutcome::Failed(reason) => redirect(attempt, "failed", reason),
        AttemptOutcome::DifferentAccount | AttemptOutcome::AccountTaken | AttemptOutcome::Connected => {
            redirect(attempt, "failed", Reason::AttemptFailed)
        }
    }
}

fn redirect(attempt: &Attempt, word: &str, reason: Reason) -> CallbackOutcome {
    let id = attempt.id.to_string();
    back(attempt, &[("instagram", word), ("attempt", &id), ("reason", reason.as_str())])
}

/// Redirects to `return_to`, which was checked when the attempt began and stored as parsed.
fn back(attempt: &Attempt, pairs: &[(&str, &str)]) -> CallbackOutcome {
    match Url::parse(&attempt.return_to) {
        Ok(url) => CallbackOutcome::Redirect(with_query(url, pairs)),
        Err(_) => CallbackOutcome::Page(CallbackPage::StateUnknown),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_query_is_read_once_per_name() {
        let query = CallbackQuery::parse("code=a%23_&state=s&x=1&x=2").unwrap();
        assert_eq!(query.code.unwrap().expose_secret(), "a#_");
        assert_eq!(query.state.unwrap().expose_secret(), "s");
        assert!(query.error.is_none());
        for twice in
            ["code=a&code=b&state=s", "state=a&state=a", "error=x&state=s&error=y", "code=a&c%6Fde=b"]
        {
            assert!(CallbackQuery::parse(twice).is_none(), "{twice}");
        }
        assert!(CallbackQuery::parse("").unwrap().state.is_none());
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_read_whatever_stands_around_it(
            code in "\\PC{0,24}", state in "\\PC{0,24}", noise in "[a-z]{1,3}=?[!-~&&[^&]]{0,8}",
        ) {
            let mut written = url::form_urlencoded::Serializer::new(String::new());
            written.append_pair("state", &state).append_pair("code", &code);
            let query = CallbackQuery::parse(&format!("&{noise}&{}&&", written.finish())).unwrap();
            let read = |secret: Option<SecretString>| secret.unwrap().expose_secret().to_owned();
            prop_assert_eq!((read(query.code), read(query.state)), (code, state));
        }
    }
}

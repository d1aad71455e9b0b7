//! Clerk's Backend API: who a user id belongs to.
//!
//! Its failures are about Clerk or about our secret key, never about the caller, and never fail a
//! sign-in. After failures about two users in a row the API is not asked for a while, so that an
//! outage there does not slow every call here. Each user is asked about once a minute at most, and
//! all together within a budget that leaves room for the app's other backends.

mod error;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use url::Url;

use super::UserFacts;
use super::pauses::UserPauses;
use super::wire::WireUser;
use crate::caller::keys::{BackendKeys, SecretKey};
use crate::clock::{SharedClock, after, is_over, still_ahead};
use crate::lock::Lock;
use crate::transport::{Answer, SharedTransport, TransportError};

pub use error::BackendError;

/// A person waits for this answer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// A user with full metadata is a few kilobytes.
const MAX_ANSWER: usize = 256 * 1024;
/// Quiet after a timeout, a broken connection or a 5xx: for one user, and for all if it happens
/// with two users in a row.
const COOL_DOWN: Duration = Duration::from_secs(5);
/// Quiet after a 429 that does not say for how long: the length of Clerk's own window.
const RATE_LIMIT_COOL_DOWN: Duration = Duration::from_secs(10);
/// Longest quiet, whatever `Retry-After` says.
const MAX_COOL_DOWN: Duration = Duration::from_mins(1);
/// Time for which an answer about a user is reused.
const FRESH: Duration = Duration::from_mins(1);
/// Answers remembered; with more users, some are asked about more often.
const REMEMBERED: usize = 10_000;
/// Questions within [`WINDOW`]: a quarter of what Clerk allows the instance, whose other backends
/// ask as well (<https://clerk.com/docs/guides/how-clerk-works/system-limits>: 1,000 in 10
/// seconds).
const BUDGET: u32 = 250;
const WINDOW: Duration = Duration::from_secs(10);

/// A client of the Backend API.
pub struct BackendApi {
    transport: SharedTransport,
    clock: SharedClock,
    access: BackendKeys,
    state: Lock<State>,
}

struct State {
    quiet_until: Option<Timestamp>,
    /// One per user being asked for, so that parallel first calls make one request.
    asking: HashMap<String, Arc<Flight>>,
    /// Users about whom the API failed: where it fails whenever it is asked about one user, the
    /// quiet after that must not be all that the others get.
    failing: UserPauses,
    /// About whom the API failed last, with no answer since.
    failed_last: Option<String>,
    /// What was answered lately, by user.
    recent: HashMap<String, (Timestamp, Result<UserFacts, BackendError>)>,
    /// When the present window began, and how many questions were asked in it.
    window: Option<(Timestamp, u32)>,
}

impl State {
    fn new() -> Self {
        Self {
            quiet_until: None,
            asking: HashMap::new(),
            failing: UserPauses::new(COOL_DOWN, MAX_COOL_DOWN, REMEMBERED),
            failed_last: None,
            recent: HashMap::new(),
            window: None,
        }
    }

    fn recent(&self, user_id: &str, now: Timestamp) -> Option<Result<UserFacts, BackendError>> {
        let (at, answer) = self.recent.get(user_id)?;
        (!is_over(*at, FRESH, now)).then(|| answer.clone())
    }

    fn remember(&mut self, user_id: &str, answer: Result<UserFacts, BackendError>, now: Timestamp) {
        if self.recent.len() >= REMEMBERED {
            self.recent.retain(|_, (at, _)| !is_over(*at, FRESH, now));
        }
        if self.recent.len() < REMEMBERED || self.recent.contains_key(user_id) {
            self.recent.insert(user_id.to_owned(), (now, answer));
        }
    }

    /// Pauses the questions about this user. Returns whether the API seems to fail whomever it is
    /// asked about.
    fn note_failure(&mut self, user_id: &str, now: Timestamp) -> bool {
        self.failing.failed(user_id, now);
        self.failed_last.replace(user_id.to_owned()).is_some_and(|before| before != user_id)
    }

    /// Takes one request out of the budget; the error says until when it is spent.
    fn spend(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        let (began, asked) =
            self.window.filter(|(began, _)| !is_over(*began, WINDOW, now)).unwrap_or((now, 0));
        if asked >= BUDGET {
            return Err(after(began, WINDOW));
        }
        self.window = Some((began, asked + 1));
        Ok(())
    }
}

/// A request under way, and its answer for those who waited.
type Flight = tokio::sync::Mutex<Option<Result<UserFacts, BackendError>>>;

impl fmt::Debug for BackendApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendApi").field("access", &self.access).finish_non_exhaustive()
    }
}

impl BackendApi {
    /// `base` is `CLERK_API_URL`, without `/v1`.
    pub fn new(base: Url, secret_key: &SecretKey, transport: SharedTransport, clock: SharedClock) -> Self {
        let access = BackendKeys { base, secret_key: secret_key.clone() };
        Self { transport, clock, access, state: Lock::new(State::new()) }
    }

    /// `GET /v1/users/{user_id}`. Shares a request for the same user that is under way; asks
    /// nothing during a cool-down.
    pub async fn user(&self, user_id: &str) -> Result<UserFacts, BackendError> {
        let turn = Turn::new(self, user_id);
        let mut flight = turn.flight.lock().await;
        if let Some(answer) = flight.as_ref() {
            return answer.clone();
        }
        let now = self.clock.now();
        if let Some(recent) = self.state.lock().recent(user_id, now) {
            return recent;
        }
        let paused = self.state.lock().failing.until(user_id, now);
        if let Some(until) = self.quiet_until().max(paused) {
            return Err(BackendError::CoolingDown { until });
        }
        self.state.lock().spend(now).map_err(|until| BackendError::CoolingDown { until })?;
        let answer = self.ask(user_id).await;
        if answer.as_ref().err().is_none_or(|error| error.concerns_one_user()) {
            self.state.lock().remember(user_id, answer.clone(), now);
        }
        // Later callers must not share this answer: the user may have changed since.
        turn.land();
        match &answer {
            Ok(_) => {
                let mut state = self.state.lock();
                state.failing.forget(user_id);
                state.failed_last = None;
            }
            Err(error) if error.concerns_one_user() => self.state.lock().failed_last = None,
            Err(error) => {
                let now = self.clock.now();
                let mut state = self.state.lock();
                let is_everybodys = !error.may_concern_one_user() || state.note_failure(user_id, now);
                if let Some(quiet) = error.cool_down().filter(|_| is_everybodys) {
                    state.quiet_until = Some(after(now, quiet));
                }
            }
        }
        *flight = Some(answer.clone());
        answer
    }

    /// Users in memory: answers of the last minute, and failures.
    pub fn remembered(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.recent.len(), state.failing.remembered())
    }

    /// Whether this user would not be asked about now: that failed a moment ago.
    pub fn is_left_alone(&self, user_id: &str) -> bool {
        let now = self.clock.now();
        self.quiet_until().is_some() || self.state.lock().failing.until(user_id, now).is_some()
    }

    fn quiet_until(&self) -> Option<Timestamp> {
        let (now, mut state) = (self.clock.now(), self.state.lock());
        state.quiet_until = state.quiet_until.and_then(|until| still_ahead(until, MAX_COOL_DOWN, now));
        state.quiet_until
    }

    async fn ask(&self, user_id: &str) -> Result<UserFacts, BackendError> {
        let mut request = self.access.request(&["users", user_id]).named("/v1/users/{user_id}");
        request.timeout = TIMEOUT;
        request.max_answer = MAX_ANSWER;
        match self.transport.send(request).await {
            Ok(answer) => read(&answer, user_id, self.clock.now()),
            Err(TransportError::TooLarge) => Err(BackendError::OddRecord),
            Err(error) => Err(BackendError::Unreachable(error)),
        }
    }
}

/// A caller's share in a request for one user; given up on drop, so that a caller who hangs up
/// leaves nothing behind.
struct Turn<'a> {
    api: &'a BackendApi,
    user_id: &'a str,
    flight: Arc<Flight>,
}

impl<'a> Turn<'a> {
    fn new(api: &'a BackendApi, user_id: &'a str) -> Self {
        let flight = Arc::clone(api.state.lock().asking.entry(user_id.to_owned()).or_default());
        Self { api, user_id, flight }
    }

    /// Ends the turn: those who come from now on ask anew.
    fn land(&self) {
        let mut state = self.api.state.lock();
        if state.asking.get(self.user_id).is_some_and(|each| Arc::ptr_eq(each, &self.flight)) {
            state.asking.remove(self.user_id);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // One reference is ours, one the map's: nobody else waits.
        if Arc::strong_count(&self.flight) <= 2 {
            self.land();
        }
    }
}

fn read(answer: &Answer, user_id: &str, now: Timestamp) -> Result<UserFacts, BackendError> {
    match answer.status {
        StatusCode::OK => {
            let record: serde_json::Map<String, serde_json::Value> =
                serde_json::from_slice(&answer.body).map_err(|_| BackendError::NotUnderstood)?;
            let user: WireUser =
                serde_json::from_value(record.into()).map_err(|_| BackendError::OddRecord)?;
            if user.id == user_id { Ok(user.into()) } else { Err(BackendError::OddRecord) }
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(BackendError::SecretRefused(answer.status.as_u16()))
        }
        // A 404 of some proxy on the way has no Clerk error in it and says nothing about the user.
        StatusCode::NOT_FOUND if is_clerk_error(&answer.body) => Err(BackendError::NoSuchUser),
        StatusCode::TOO_MANY_REQUESTS => {
            let retry_after = within_bounds(answer.retry_after(now).unwrap_or(RATE_LIMIT_COOL_DOWN));
            Err(BackendError::RateLimited { retry_after })
        }
        StatusCode::SERVICE_UNAVAILABLE if let Some(wait) = answer.retry_after(now) => {
            Err(BackendError::Overloaded { retry_after: within_bounds(wait) })
        }
        other => Err(BackendError::Status(other.as_u16())),
    }
}

/// Clerk's errors are `{"errors": [{"code", "message", …}]}`.
fn is_clerk_error(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body)
        .is_ok_and(|body| body.get("errors").is_some_and(serde_json::Value::is_array))
}

fn within_bounds(wait: Duration) -> Duration {
    wait.clamp(Duration::from_secs(1), MAX_COOL_DOWN)
}

#[cfg(test)]
mod tests;

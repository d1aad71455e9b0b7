//! The one verifier of every protected route.

use std::borrow::Cow;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use clerk_session::{
    CannotJudge, CannotJudgeReason, ExplainedStep, Inactive, KeyCache, KeySet, KeyStatus, Policy, Refusal,
    SESSION_PENDING, Step, Verdict, Verifier, bearer_token,
};
use jiff::Timestamp;

use super::Caller;
use super::config::{ClerkConfig, ConfigError};
use super::counts::{Counters, Counts};
use super::kept_keys::fetching;
use super::key_reporter::KeyReporter;
use super::keys::{JwksFetcher, KeySource};
use super::refusal_log::{Line, RefusalLog};
use super::repeat_limiter::{RepeatLimiter, SHORTEST_TOKEN};
use super::two_generation_map::Digest;
use super::verified_token_cache::VerifiedTokenCache;
use crate::clock::SharedClock;
use crate::digest::sha256;
use crate::transport::SharedTransport;

/// How often the background loop looks whether keys are due; [`KeyCache`] decides.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Verified tokens that are remembered: some tens of megabytes when full.
const REMEMBERED_TOKENS: usize = 30_000;

/// What came of judging a request's credential.
#[derive(Debug, Clone)]
pub enum Authentication {
    /// Genuine and acceptable.
    Caller(Caller),
    /// 401.
    Refused(Refusal),
    /// 403: genuine, but the session is not active.
    Inactive(Inactive),
    /// 503: not a "no".
    CannotJudge(CannotJudge),
    /// 429: this refused token was presented too often; the reason is unchanged.
    StopRepeating {
        /// Why it is refused.
        refusal: Refusal,
        /// When to come back.
        retry_after: Duration,
    },
    /// 400: several `Authorization` headers. It is unknown which of them a proxy on the way has
    /// judged.
    MultipleCredentials,
}

/// Judges session tokens: the same verdict on the same token at the same instant, whatever the
/// route.
#[derive(Debug)]
pub struct SessionVerifier {
    verifier: ArcSwap<Verifier>,
    /// Grows with every change of the policy: tokens remembered under an earlier one do not count.
    policies: AtomicU64,
    keys: KeyCache,
    /// The policy's, in milliseconds.
    skew_ms: i64,
    remembered: VerifiedTokenCache<Caller>,
    repeat_limiter: RepeatLimiter<Refusal>,
    log: RefusalLog,
    counters: Counters,
    clock: SharedClock,
}

impl SessionVerifier {
    /// A verifier without keys yet, unless they are pinned. The first token makes it fetch them, or
    /// [`SessionVerifier::run`] before that.
    pub fn new(
        config: ClerkConfig,
        transport: SharedTransport,
        clock: SharedClock,
    ) -> Result<Self, ConfigError> {
        let keys = match config.keys {
            KeySource::Pinned(pem) => KeyCache::pinned(KeySet::from_pem(&pem)?),
            KeySource::Fetched(servers) => {
                fetching(JwksFetcher::new(servers, transport), config.kept_keys, &clock)
            }
        };
        let skew_ms = config.policy.clock_skew_ms;
        let verifier = Verifier::new(config.policy);
        Ok(Self {
            verifier: ArcSwap::from_pointee(verifier),
            policies: AtomicU64::new(0),
            keys,
            skew_ms,
            remembered: VerifiedTokenCache::new(REMEMBERED_TOKENS),
            repeat_limiter: RepeatLimiter::default(),
            log: RefusalLog::default(),
            counters: Counters::default(),
            clock,
        })
    }

    /// Tokens in memory: verified ones, and refused ones that may come again.
    pub fn remembered(&self) -> (usize, usize) {
        (self.remembered.len(), self.repeat_limiter.len())
    }

    /// Judges all values of a request's `Authorization` header. `request_id` is for the log.
    pub async fn judge(&self, authorization: &[&[u8]], request_id: &str) -> Authentication {
        let now = self.clock.now();
        let value = match authorization {
            [] => return self.refuse(Refusal::missing(), None, request_id, now),
            // The strict check first: the lossy one costs much more and is rarely needed.
            [only] => str::from_utf8(only).map_or_else(|_| String::from_utf8_lossy(only), Cow::Borrowed),
            [_, _, ..] => return Authentication::MultipleCredentials,
        };
        match bearer_token(&value) {
            Ok(token) => self.judge_token(token, request_id, now).await,
            Err(refusal) => self.refuse(refusal, None, request_id, now),
        }
    }

    async fn judge_token(&self, token: &str, request_id: &str, now: Timestamp) -> Authentication {
        let name = sha256(token.as_bytes());
        let (epoch, now_ms) = (self.epoch(), now.as_millisecond());
        // Once the keys are too old to judge by, remembered verdicts of theirs do not count either.
        if self.keys.is_ready(now_ms)
            && let Some(caller) = self.remembered.get(&name, epoch, now_ms)
        {
            self.counters.count(|each| &each.remembered);
            return self.accept(caller, request_id, now);
        }
        if let Some((refusal, retry_after)) = self.repeat_limiter.tripped(&name, epoch, now) {
            self.counters.count(|each| &each.stopped);
            return Authentication::StopRepeating { refusal, retry_after };
        }
        let verifier = self.verifier.load_full();
        let verdict = self.keys.judge(&verifier, token, now_ms).await;
        self.log_steps(token, request_id, now);
        // If the keys changed meanwhile, it is unknown which were used: nothing is remembered then.
        let settled = self.epoch() == epoch;
        match verdict {
            Verdict::Accepted(claims) => {
                if let Some(why) = Inactive::of(&claims) {
                    return self.inactive(why, token, request_id, now);
                }
                let caller = Caller::proven(*claims);
                if settled {
                    self.remember(name, epoch, &caller);
                }
                self.accept(caller, request_id, now)
            }
            Verdict::Refused(refusal) => {
                if settled && token.len() >= SHORTEST_TOKEN && !refusal.code.time_may_mend() {
                    self.repeat_limiter.refused(name, epoch, now, refusal.clone());
                }
                self.refuse(refusal, Some(token), request_id, now)
            }
            Verdict::CannotJudge(cannot) => {
                if cannot.reason == CannotJudgeReason::KeyNewerThanOurs {
                    self.counters.count(|each| &each.key_unknown);
                } else {
                    self.counters.count(|each| &each.cannot_judge);
                }
                Authentication::CannotJudge(cannot)
            }
        }
    }

    /// With `HOLDFAST_LOG=holdfast::caller=debug`: logs each verification step, which costs a
    /// second verification.
    fn log_steps(&self, token: &str, request_id: &str, now: Timestamp) {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let told = self.keys.explain(&self.verifier.load(), token, now.as_millisecond());
        let fingerprint = clerk_session::fingerprint(token);
        for ExplainedStep { step, outcome, detail, .. } in &told.steps {
            tracing::debug!(step, ?outcome, detail, fingerprint, request_id, "verification step");
        }
    }

    /// Remembers a verified token for as long as the verifier would accept it.
    fn remember(&self, name: Digest, epoch: u64, caller: &Caller) {
        let claims = caller.claims();
        let earliest_ms = claims.not_before_ms.max(claims.issued_at_ms).unwrap_or(i64::MIN);
        let from_ms = earliest_ms.saturating_sub(self.skew_ms);
        let until_ms = claims.expires_at_ms.saturating_add(self.skew_ms);
        // The payload, what was read of it, and what has a size of its own.
        let bytes = 2 * claims.raw().len() + 512;
        self.remembered.insert(name, epoch, (from_ms, until_ms), caller.clone(), bytes);
    }

    fn accept(&self, caller: Caller, request_id: &str, now: Timestamp) -> Authentication {
        let claims = caller.claims();
        self.counters.count(|each| &each.accepted);
        if claims.authorized_party_unknown {
            self.counters.count(|each| &each.would_refuse);
            self.log.would_refuse(claims.authorized_party.as_deref(), request_id, now);
        }
        Authentication::Caller(caller)
    }

    fn inactive(&self, why: Inactive, token: &str, request_id: &str, now: Timestamp) -> Authentication {
        self.counters.count(|each| &each.pending);
        let (step, detail) = (Step::Status.as_str(), &*why.found());
        self.log.write(Line { code: SESSION_PENDING, step, detail, token: Some(token), request_id }, now);
        Authentication::Inactive(why)
    }

    fn refuse(
        &self,
        refusal: Refusal,
        token: Option<&str>,
        request_id: &str,
        now: Timestamp,
    ) -> Authentication {
        self.counters.count(|each| &each.refused);
        let line = Line {
            code: refusal.code.as_str(),
            step: refusal.step.as_str(),
            detail: refusal.operator_detail(),
            token,
            request_id,
        };
        self.log.write(line, now);
        Authentication::Refused(refusal)
    }

    /// Whether tokens can be judged now; for readiness.
    pub fn can_judge(&self) -> bool {
        self.keys.is_ready(self.clock.now().as_millisecond())
    }

    /// How the keys are doing, for the operator.
    pub fn key_status(&self) -> KeyStatus {
        self.keys.status()
    }

    /// Verifies by `policy` from now on. The clock skew stays: the times of remembered tokens
    /// include it.
    pub fn replace_policy(&self, mut policy: Policy) {
        policy.clock_skew_ms = self.skew_ms;
        // In this order: a thread that reads the new count uses the new policy.
        self.verifier.store(Arc::new(Verifier::new(policy)));
        self.policies.fetch_add(1, Ordering::SeqCst);
    }

    /// Changes whenever the keys or the policy do: both counts only grow.
    fn epoch(&self) -> u64 {
        self.keys.epoch().wrapping_add(self.policies.load(Ordering::SeqCst))
    }

    /// What was judged so far.
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }

    /// Gets the keys before the first token needs them, and renews them before they age, until
    /// `shutdown`.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut reporter = KeyReporter::default();
        loop {
            let round = async {
                let now = self.clock.now();
                self.keys.renew_if_due(now.as_millisecond()).await;
                reporter.report(&self.keys.status(), self.keys.epoch(), now);
                self.clock.sleep(LOOK_EVERY).await;
            };
            tokio::select! {
                () = &mut shutdown => return,
                () = round => {}
            }
        }
    }
}

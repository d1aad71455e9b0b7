//! The suite that every provider passes, against its real client and a server that speaks its real
//! protocol.
//!
//! A new provider implements [`Bench`] over its stand-in and calls [`passes`].

use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{Failure, Grant, Meaning, NotPassed, PassThrough, PassedThrough, Provider, ShortGrant};
use crate::clock::{Clock as _, ManualClock};

/// A provider, its far side, and the hands of the person who owns the account.
pub trait Bench: Send + Sync {
    /// The provider under test.
    fn provider(&self) -> &dyn Provider;
    /// The clock that both sides read.
    fn clock(&self) -> &ManualClock;
    /// Secrets of the app that nothing may show.
    fn app_secrets(&self) -> Vec<String>;
    /// How old a grant must be before it may be refreshed.
    fn minimum_refresh_age(&self) -> Duration;
    /// The person approves everything at that address; gives where the browser is sent next.
    fn approve(&self, authorize_url: Url) -> BoxFuture<'_, Url>;
    /// The person removes the app at the provider.
    fn revoke(&self);
    /// The provider answers nothing useful from now on, or does again.
    fn set_down(&self, down: bool);
    /// The provider hands out long-lived tokens without saying how long they live from now on, or
    /// says it again.
    fn set_silent_about_lifetime(&self, silent: bool);
    /// A call that every grant may make.
    fn harmless_call(&self) -> PassThrough;
}

/// Runs the suite; each part on a bench of its own.
pub async fn passes<B: Bench, F: Future<Output = B>>(make: impl Fn() -> F) {
    says_what_people_need(&make().await);
    consent_carries_state_and_no_secret(&make().await).await;
    a_code_is_worth_one_grant(&make().await).await;
    a_grant_is_prolonged(&make().await).await;
    a_refresh_that_names_no_lifetime_loses_no_grant(&make().await).await;
    an_account_keeps_its_ids(&make().await).await;
    revocation_is_noticed_everywhere(&make().await).await;
    an_outage_kills_nothing(&make().await).await;
    nothing_prints_a_secret(&make().await).await;
}

/// What became of an app's call.
pub fn outcome(used: Result<PassedThrough, NotPassed>) -> Result<(), Failure> {
    match used {
        Ok(passed) => passed.failure.map_or(Ok(()), Err),
        Err(NotPassed::Failed(failure)) => Err(failure),
        Err(NotPassed::TooLarge) => Err(Failure::new(Meaning::Content, "larger than what is passed on")),
    }
}

async fn code(bench: &impl Bench) -> SecretString {
    let back = bench.approve(bench.provider().authorize_url("a-state", false)).await;
    let (_, code) = back.query_pairs().find(|(name, _)| name == "code").expect("a code");
    SecretString::from(code.into_owned())
}

async fn short(bench: &impl Bench) -> ShortGrant {
    bench.provider().redeem(&code(bench).await).await.outcome.expect("a short-lived token")
}

async fn grant(bench: &impl Bench) -> Grant {
    bench.provider().extend(&short(bench).await).await.outcome.expect("a grant")
}

fn says_what_people_need(bench: &impl Bench) {
    assert!(!bench.provider().scopes().is_empty());
    assert!(!bench.provider().revoke_hint().is_empty());
}

async fn consent_carries_state_and_no_secret(bench: &impl Bench) {
    let state = "st&te=1/+ ü";
    let url = bench.provider().authorize_url(state, true);
    for secret in bench.app_secrets() {
        assert!(!url.as_str().contains(&secret));
    }
    assert_ne!(url, bench.provider().authorize_url(state, false), "asking to log in again must show");
    let back = bench.approve(url).await;
    assert!(back.query_pairs().any(|(name, value)| name == "state" && value == state), "state comes back");
}

async fn a_code_is_worth_one_grant(bench: &impl Bench) {
    let code = code(bench).await;
    let short = bench.provider().redeem(&code).await.outcome.expect("the first time");
    assert!(!short.access_token.expose_secret().is_empty());
    assert_eq!(short.obtained_at, bench.clock().now());
    let again = bench.provider().redeem(&code).await.outcome.expect_err("the second time");
    assert_eq!(again.meaning, Meaning::CodeRejected, "{again:?}");
    let never =
        bench.provider().redeem(&SecretString::from("never-issued")).await.outcome.expect_err("made up");
    assert_eq!(never.meaning, Meaning::CodeRejected, "{never:?}");
    assert!(bench.provider().extend(&short).await.outcome.is_ok(), "a spent code spoils nothing");
}

async fn a_grant_is_prolonged(bench: &impl Bench) {
    let first = grant(bench).await;
    assert_eq!(first.obtained_at, bench.clock().now());
    assert!(first.expires_at > first.obtained_at);
    bench.clock().advance(bench.minimum_refresh_age() + Duration::from_mins(1));
    let second = bench.provider().refresh(&first).await.outcome.expect("a refreshed grant");
    assert!(!second.access_token.expose_secret().is_empty());
    assert!(second.expires_at > first.expires_at);
    assert!(second.scopes.is_none() || second.scopes == first.scopes, "a refresh forgets no scopes");
    assert!(bench.provider().identify(&second).await.outcome.is_ok());
}

async fn a_refresh_that_names_no_lifetime_loses_no_grant(bench: &impl Bench) {
    let short = short(bench).await;
    bench.set_silent_about_lifetime(true);
    let refused = bench.provider().extend(&short).await.outcome.expect_err("a first grant needs a lifetime");
    assert_eq!(refused.meaning, Meaning::Unavailable, "{refused:?}");
    bench.set_silent_about_lifetime(false);
    let held = bench.provider().extend(&short).await.outcome.expect("the short-lived token is not spent");
    bench.clock().advance(bench.minimum_refresh_age() + Duration::from_mins(1));
    bench.set_silent_about_lifetime(true);
    let renewed = bench.provider().refresh(&held).await.outcome.expect("the new token may be the only one");
    bench.set_silent_about_lifetime(false);
    assert_eq!((renewed.obtained_at, renewed.expires_at), (bench.clock().now(), held.expires_at));
    assert!(bench.provider().identify(&renewed).await.outcome.is_ok());
}

async fn an_account_keeps_its_ids(bench: &impl Bench) {
    let short = short(bench).await;
    let grant = bench.provider().extend(&short).await.outcome.expect("a grant");
    let account = bench.provider().identify(&grant).await.outcome.expect("an account");
    assert!(!account.id.is_empty());
    if let Some(id) = short.account_id {
        assert_eq!(id, account.id, "both answers name the same account");
    }
    let again = self::grant(bench).await;
    let account_again = bench.provider().identify(&again).await.outcome.expect("an account");
    assert_eq!(account.id, account_again.id);
    assert_eq!(account.professional_id, account_again.professional_id);
}

async fn revocation_is_noticed_everywhere(bench: &impl Bench) {
    let grant = grant(bench).await;
    bench.clock().advance(bench.minimum_refresh_age() + Duration::from_mins(1));
    bench.revoke();
    let provider = bench.provider();
    let refreshed = provider.refresh(&grant).await.outcome.map(|_| ());
    let identified = provider.identify(&grant).await.outcome.map(|_| ());
    let used = outcome(provider.pass_through(&grant, bench.harmless_call()).await);
    for outcome in [refreshed, identified, used] {
        let failure = outcome.expect_err("a revoked grant");
        assert!(matches!(failure.meaning, Meaning::Dead(_) | Meaning::DeadUnexplained), "{failure:?}");
    }
}

async fn an_outage_kills_nothing(bench: &impl Bench) {
    let code = code(bench).await;
    let short = short(bench).await;
    let grant = bench.provider().extend(&short).await.outcome.expect("a grant");
    bench.clock().advance(Duration::from_mins(1));
    bench.set_down(true);
    let provider = bench.provider();
    let used = provider.pass_through(&grant, bench.harmless_call()).await;
    let failures: Vec<Failure> = [
        provider.redeem(&code).await.outcome.map(|_| ()),
        provider.extend(&short).await.outcome.map(|_| ()),
        provider.refresh(&grant).await.outcome.map(|_| ()),
        provider.identify(&grant).await.outcome.map(|_| ()),
        outcome(used),
    ]
    .into_iter()
    .map(|outcome| outcome.expect_err("down"))
    .collect();
    for failure in failures {
        assert_eq!(failure.meaning, Meaning::Unavailable, "{failure:?}");
    }
    bench.set_down(false);
    assert!(provider.identify(&grant).await.outcome.is_ok(), "it lives on");
}

async fn nothing_prints_a_secret(bench: &impl Bench) {
    let code = code(bench).await;
    let short = bench.provider().redeem(&code).await.outcome.expect("a short-lived token");
    let grant = bench.provider().extend(&short).await.outcome.expect("a grant");
    bench.revoke();
    let failure = bench.provider().identify(&grant).await.outcome.expect_err("revoked");
    let again = bench.provider().redeem(&code).await.outcome.expect_err("spent");
    let printed = format!("{:?} {short:?} {grant:?} {failure:?} {again:?}", bench.provider());
    let mut secrets = bench.app_secrets();
    secrets.extend(
        [code, short.access_token, grant.access_token].iter().map(|each| each.expose_secret().to_owned()),
    );
    for secret in secrets {
        assert!(!printed.contains(&secret), "a secret was printed");
    }
}

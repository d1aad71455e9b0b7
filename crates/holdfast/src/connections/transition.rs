//! The one function that changes what we know about a connection.
//!
//! [`apply`] is pure and total: every observation on every connection has a defined outcome, and an
//! observation about a grant that is no longer the stored one changes nothing.

use std::time::Duration;

use jiff::Timestamp;

use super::incident::{Outlook, patience};
use super::retiming::LONGEST_WAIT;
use super::status::is_alive;
use super::{Connection, Evidence, EvidenceSource, GrantFacts, Reason, Standing, State, Suspicion};
use crate::clock::after;
use crate::provider::{Account, DeathCause, Failure, Meaning, UserAction};

/// Temporary refresh failures in a row before the status says `refresh_failing`.
const FAILURES_BEFORE_DEGRADED: u32 = 3;

/// With less life left than this, the first failed refresh already shows.
const SHORT_OF_TIME: Duration = Duration::from_hours(168);

/// Something that we learned.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// A connect attempt was completed; the new grant has answered "whose are you" already.
    Linked {
        /// The account it belongs to.
        account: Account,
        /// What was granted.
        scopes: Vec<String>,
        /// What we asked for and was not granted.
        missing_scopes: Vec<String>,
        /// The new grant.
        grant: GrantFacts,
        /// When to refresh it.
        next_refresh_at: Timestamp,
    },
    /// A refresh answered with a new grant.
    Refreshed {
        /// The grant that was refreshed.
        from_version: i64,
        /// The new one.
        grant: GrantFacts,
        /// When to refresh it.
        next_refresh_at: Timestamp,
    },
    /// The grant does not work, but the version before it does: that one is in use again.
    Restored {
        /// The grant that does not work.
        from_version: i64,
        /// The earlier one, stored anew.
        grant: GrantFacts,
        /// When to refresh it.
        next_refresh_at: Timestamp,
    },
    /// The connection was declared dead at the beginning of an incident, so its death is not believed any more.
    TakenBack {
        /// Deaths up to this time were before the incident.
        fallen_after: Timestamp,
        /// When it takes its turn as a canary.
        next_refresh_at: Timestamp,
    },
    /// A call with the grant worked.
    Worked {
        /// The grant that was used.
        grant_version: i64,
        /// The account as the provider describes it now, where the call was about that.
        account: Option<Account>,
        /// When to refresh the grant, where the stored time was for looking after a trouble.
        next_refresh_at: Option<Timestamp>,
    },
    /// A call with the grant failed.
    Failed {
        /// The grant that was used.
        grant_version: i64,
        /// What kind of call it was.
        call: Call,
        /// What came back.
        failure: Failure,
        /// When the worker will try again, where it will.
        next_refresh_at: Option<Timestamp>,
        /// What a sign of death is worth, as the other connections fare.
        outlook: Outlook,
    },
    /// The provider told us, signed, that the person removed the app.
    Deauthorized {
        /// When the provider issued the message.
        issued_at: Option<Timestamp>,
    },
    /// The person disconnected.
    Disconnected,
    /// The provider told us, signed, that the person wants their data deleted.
    DataDeleted,
    /// A connect attempt ended without a link.
    AttemptEnded(AttemptEnd),
    /// The stored expiry has passed.
    ExpiryPassed,
    /// A clock that was ahead wrote times that the present one puts right.
    Retimed {
        /// The same grant, with the times that it can have.
        grant: GrantFacts,
        /// When to refresh it.
        next_refresh_at: Timestamp,
    },
    /// The grant cannot be opened by anybody: the key that it was sealed with is given up.
    KeyLost {
        /// The grant that could not be opened.
        grant_version: i64,
    },
}

/// The kind of call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Refreshing the grant.
    Refresh,
    /// Asking whose grant it is, because somebody wants to know.
    Identify,
    /// The same by the worker, to see whether a trouble has passed.
    Look,
    /// A call that the app made.
    Use,
}

/// How a connect attempt ended without a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnd {
    /// The person declined.
    Denied,
    /// Its time ran out.
    Expired,
    /// It failed.
    Failed,
}

/// The connection as it is after `observation`. Its `version` is left for the store to advance.
pub fn apply(connection: &Connection, observation: &Observation, now: Timestamp) -> Connection {
    let mut next = connection.clone();
    match observation {
        Observation::Linked { account, scopes, missing_scopes, grant, next_refresh_at } => {
            next.account = Some(account.clone());
            next.scopes.clone_from(scopes);
            next.missing_scopes.clone_from(missing_scopes);
            next.linked_at = Some(now);
            hold(&mut next, *grant, *next_refresh_at);
            next.since = now;
            prove(&mut next, EvidenceSource::Oauth, now);
        }
        Observation::Refreshed { from_version, grant, next_refresh_at } => {
            if is_about(connection, *from_version) {
                hold(&mut next, *grant, *next_refresh_at);
                prove(&mut next, EvidenceSource::Refresh, now);
            }
        }
        Observation::Restored { from_version, grant, next_refresh_at } => {
            if is_about(connection, *from_version) {
                hold(&mut next, *grant, *next_refresh_at);
                prove(&mut next, EvidenceSource::Use, now);
                // The renewal that brought the grant before was none.
                next.failures = 1;
            }
        }
        Observation::TakenBack { fallen_after, next_refresh_at } => {
            let by_answer = connection.evidence.is_some_and(|evidence| match evidence.source {
                EvidenceSource::Refresh | EvidenceSource::Use => evidence.at > *fallen_after,
                EvidenceSource::Oauth | EvidenceSource::Callback | EvidenceSource::Clock => false,
            });
            let is_fallen =
                matches!(connection.standing.state(), State::ReconnectRequired | State::ActionRequired);
            if is_fallen && by_answer && connection.grant.is_some_and(|grant| grant.expires_at > now) {
                stand(&mut next, Reason::ProviderIncident.into(), now);
                next.next_refresh_at = Some(*next_refresh_at);
            }
        }
        Observation::Worked { grant_version, account, next_refresh_at } => {
            let other = account.as_ref().is_some_and(|seen| is_another_account(connection, seen));
            if is_about(connection, *grant_version) && !other {
                if let (Some(linked), Some(seen)) = (&connection.account, account)
                    && same_account(connection, seen)
                {
                    // Names and pictures change; ids do not, and an answer may lack one of them.
                    next.account = Some(Account {
                        id: linked.id.clone(),
                        professional_id: linked
                            .professional_id
                            .clone()
                            .or_else(|| seen.professional_id.clone()),
                        ..seen.clone()
                    });
                }
                next.retry_after = None;
                // Whoever was dead and lives again must be kept alive again.
                next.next_refresh_at = next_refresh_at.or(connection.next_refresh_at).or(Some(now));
                // Where a later time is given for that, it was not to be renewed yet.
                if connection.fails_to_renew() && next_refresh_at.is_none() {
                    // That it works today says nothing of whether it can be renewed.
                    next.evidence = Some(Evidence { source: EvidenceSource::Use, at: now });
                } else {
                    prove(&mut next, EvidenceSource::Use, now);
                }
            }
        }
        Observation::Failed { grant_version, call, failure, next_refresh_at, outlook } => {
            // A late answer finds nothing left to say of whoever has ended meanwhile.
            if is_about(connection, *grant_version) && is_alive(connection.standing.state()) {
                next.next_refresh_at = next_refresh_at.or(connection.next_refresh_at);
                fail(&mut next, *call, failure, *outlook, now);
            }
        }
        Observation::Deauthorized { issued_at } => {
            let is_known = connection.standing == Reason::Deauthorized.into();
            if !is_known && !is_about_an_earlier_link(connection, *issued_at) {
                drop_grant(&mut next);
                stand(&mut next, Reason::Deauthorized.into(), now);
                next.evidence = Some(Evidence { source: EvidenceSource::Callback, at: now });
            }
        }
        Observation::Disconnected => {
            unlink(&mut next, now);
            next.evidence = None;
        }
        Observation::DataDeleted => {
            unlink(&mut next, now);
            next.evidence = Some(Evidence { source: EvidenceSource::Callback, at: now });
        }
        Observation::AttemptEnded(end) => {
            // What a failed attempt says is news only where nothing is linked.
            if connection.standing.state() == State::NotConnected {
                let reason = match end {
                    AttemptEnd::Denied => Reason::Denied,
                    AttemptEnd::Expired => Reason::AttemptExpired,
                    AttemptEnd::Failed => Reason::AttemptFailed,
                };
                stand(&mut next, reason.into(), now);
                let source = match end {
                    AttemptEnd::Denied | AttemptEnd::Failed => EvidenceSource::Oauth,
                    AttemptEnd::Expired => EvidenceSource::Clock,
                };
                next.evidence = Some(Evidence { source, at: now });
            }
        }
        Observation::ExpiryPassed => {
            if let Some(grant) = connection
                .grant
                .filter(|grant| is_alive(connection.standing.state()) && grant.expires_at <= now)
                .filter(|_| !connection.has_outlived_expiry(now))
            {
                stand(&mut next, Reason::Expired.into(), now);
                next.since = grant.expires_at;
                next.evidence = Some(Evidence { source: EvidenceSource::Clock, at: grant.expires_at });
            }
        }
        Observation::Retimed { grant, next_refresh_at } => {
            if is_about(connection, grant.version) {
                next.grant = Some(*grant);
                next.retry_after = connection.waits_until(now);
                if connection.is_expired_by_clock() && grant.expires_at > now {
                    stand(&mut next, connection.living(), now);
                    next.evidence = Some(Evidence { source: EvidenceSource::Clock, at: now });
                }
                if is_alive(next.standing.state()) {
                    next.next_refresh_at = Some(*next_refresh_at);
                }
            }
        }
        Observation::KeyLost { grant_version } => {
            if is_about(connection, *grant_version) {
                stand(&mut next, Reason::KeyLost.into(), now);
                next.evidence = Some(Evidence { source: EvidenceSource::Use, at: now });
            }
        }
    }
    if !is_alive(next.standing.state()) {
        // Nobody is asked about what has ended.
        next.next_refresh_at = None;
        next.suspicion = None;
    }
    next
}

/// Whether anything changed that has to be stored.
pub fn is_change(before: &Connection, after: &Connection) -> bool {
    before != after
}

/// Whether the change belongs in the history: another state or another reason.
pub fn is_news(before: &Connection, after: &Connection) -> bool {
    before.standing != after.standing || before.linked_at != after.linked_at
}

/// Whether a message of that time is about a link before the present one. Its time has whole seconds only.
pub fn is_about_an_earlier_link(connection: &Connection, issued_at: Option<Timestamp>) -> bool {
    match (connection.linked_at, issued_at) {
        (Some(linked), Some(issued)) => issued.as_second() < linked.as_second(),
        (None, _) => true,
        (Some(_), None) => false,
    }
}

/// A late answer about an earlier grant must not touch the present one.
fn is_about(connection: &Connection, grant_version: i64) -> bool {
    connection.grant.is_some_and(|grant| grant.version == grant_version)
}

/// Whether `account` is the linked one. Either id may be missing from an answer, so one match is enough.
pub fn same_account(connection: &Connection, account: &Account) -> bool {
    connection.account.as_ref().is_some_and(|linked| {
        linked.id == account.id
            || (linked.professional_id.is_some() && linked.professional_id == account.professional_id)
    })
}

/// Whether `account` is certainly not the linked one. Where `/me` names the professional id only and none is stored, the two
/// cannot be compared.
pub(super) fn is_another_account(connection: &Connection, account: &Account) -> bool {
    connection.account.as_ref().is_some_and(|linked| {
        let is_comparable =
            linked.professional_id.is_some() || account.professional_id.as_ref() != Some(&account.id);
        is_comparable && !same_account(connection, account)
    })
}

fn hold(next: &mut Connection, grant: GrantFacts, next_refresh_at: Timestamp) {
    next.grant = Some(grant);
    next.next_refresh_at = Some(next_refresh_at);
    next.retry_after = None;
}

fn unlink(next: &mut Connection, now: Timestamp) {
    drop_grant(next);
    next.account = None;
    next.linked_at = None;
    next.scopes.clear();
    next.missing_scopes.clear();
    stand(next, Reason::UserDisconnected.into(), now);
}

fn drop_grant(next: &mut Connection) {
    next.grant = None;
    next.next_refresh_at = None;
    next.retry_after = None;
    next.suspicion = None;
    next.failures = 0;
}

/// The grant has just worked: whatever was said against it is settled.
fn prove(next: &mut Connection, source: EvidenceSource, now: Timestamp) {
    stand(next, next.living(), now);
    next.suspicion = None;
    next.failures = 0;
    next.evidence = Some(Evidence { source, at: now });
}

fn stand(next: &mut Connection, standing: Standing, now: Timestamp) {
    if next.standing != standing {
        next.standing = standing;
        next.since = now;
    }
}

fn fail(next: &mut Connection, call: Call, failure: &Failure, outlook: Outlook, now: Timestamp) {
    if let Some(wait) = failure.retry_after {
        next.retry_after = Some(after(now, wait.min(LONGEST_WAIT)));
    }
    match call {
        Call::Refresh | Call::Look => next.failures = next.failures.saturating_add(1),
        // How often somebody asks is no measure of the trouble.
        Call::Identify | Call::Use => {}
    }
    let source = evidence_source(call);
    match failure.meaning {
        Meaning::Dead(_) | Meaning::DeadUnexplained | Meaning::UserAction(_)
            if outlook == Outlook::Incident =>
        {
            degrade(next, Reason::ProviderIncident, now);
            next.suspicion = None;
        }
        Meaning::Dead(_) | Meaning::DeadUnexplained | Meaning::UserAction(_) => {
            suspect(next, reason_of(failure.meaning), call, patience(failure.meaning, call, outlook), now);
        }
        // Only a call that every grant must be able to make says something about the connection as a whole.
        Meaning::Permission => match call {
            Call::Refresh | Call::Identify | Call::Look => {
                stand(next, Reason::ScopesMissing.into(), now);
                next.suspicion = None;
                next.evidence = Some(Evidence { source, at: now });
            }
            Call::Use => {}
        },
        Meaning::RateLimited(_) => degrade(next, Reason::RateLimited, now),
        Meaning::Unavailable => match call {
            Call::Refresh => {
                let short = next.grant.is_some_and(|grant| grant.expires_at <= after(now, SHORT_OF_TIME));
                if next.failures >= FAILURES_BEFORE_DEGRADED || short {
                    degrade(next, Reason::RefreshFailing, now);
                }
            }
            // That one call of the app's got an odd answer is no news of the connection.
            Call::Use if failure.is_odd_answer() => {}
            Call::Identify | Call::Look | Call::Use => degrade(next, Reason::ProviderUnavailable, now),
        },
        Meaning::App(_) => degrade(next, Reason::AppMisconfigured, now),
        Meaning::Content | Meaning::CodeRejected => {}
    }
}

fn believe(next: &mut Connection, reason: Reason, source: EvidenceSource, now: Timestamp) {
    if next.standing != reason.into() {
        next.failures = 0;
    }
    stand(next, reason.into(), now);
    next.suspicion = None;
    next.retry_after = None;
    next.evidence = Some(Evidence { source, at: now });
}

/// A sign that a grant is dead, or that its owner must act, is believed once the first one about the same grant is `patience` old; at
/// once where there is none to have, or where it is known. Until then the status says that something is wrong.
fn suspect(next: &mut Connection, reason: Reason, call: Call, patience: Duration, now: Timestamp) {
    let Some(grant) = next.grant else { return };
    let first_at = next.first_sign_at(grant, now);
    if now >= after(first_at, patience) || next.standing == reason.into() {
        return believe(next, reason, evidence_source(call), now);
    }
    next.suspicion = Some(Suspicion { grant_version: grant.version, first_at });
    let shown = match call {
        Call::Refresh => Reason::RefreshFailing,
        Call::Identify | Call::Look | Call::Use => Reason::ProviderUnavailable,
    };
    degrade(next, shown, now);
}

fn evidence_source(call: Call) -> EvidenceSource {
    match call {
        Call::Refresh => EvidenceSource::Refresh,
        Call::Identify | Call::Look | Call::Use => EvidenceSource::Use,
    }
}

/// Trouble that passes never hides what the person must do, and leaves the proof of the last success standing:
/// the evidence says since when the connection has not been confirmed.
fn degrade(next: &mut Connection, reason: Reason, now: Timestamp) {
    if next.standing.state() != State::ActionRequired {
        stand(next, reason.into(), now);
    }
}

fn death_reason(cause: DeathCause) -> Reason {
    match cause {
        DeathCause::Expired => Reason::Expired,
        DeathCause::Revoked => Reason::Revoked,
        DeathCause::PasswordChanged => Reason::PasswordChanged,
        DeathCause::Invalid => Reason::TokenInvalid,
        DeathCause::AccountIneligible => Reason::AccountIneligible,
    }
}

fn action_reason(action: UserAction) -> Reason {
    match action {
        UserAction::Checkpoint => Reason::Checkpoint,
        UserAction::Unconfirmed => Reason::Unconfirmed,
        UserAction::Restricted => Reason::Restricted,
        UserAction::ConsentBlocked => Reason::ConsentBlocked,
    }
}

/// The reason that a failure gives, for a call that has no connection to record it on.
pub fn reason_of(meaning: Meaning) -> Reason {
    match meaning {
        Meaning::Dead(cause) => death_reason(cause),
        Meaning::DeadUnexplained => Reason::TokenInvalid,
        Meaning::UserAction(action) => action_reason(action),
        Meaning::Permission => Reason::ScopesMissing,
        Meaning::RateLimited(_) => Reason::RateLimited,
        Meaning::Unavailable => Reason::ProviderUnavailable,
        Meaning::App(_) => Reason::AppMisconfigured,
        Meaning::Content | Meaning::CodeRejected => Reason::AttemptFailed,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::clock::from_millis;
    use crate::provider::{AppFault, LimitScope, ProviderId};

    const DAY: i64 = 86_400_000;

    fn at(days: i64) -> Timestamp {
        from_millis(1_800_000_000_000 + days * DAY)
    }

    fn account(id: &str) -> Account {
        Account {
            id: id.to_owned(),
            professional_id: Some(format!("1784{id}")),
            username: Some("ada.makes".to_owned()),
            name: None,
            account_type: Some("business".to_owned()),
            profile_picture_url: None,
        }
    }

    fn facts(version: i64, from: i64) -> GrantFacts {
        GrantFacts { version, obtained_at: at(from), expires_at: at(from + 60) }
    }

    fn never_connected() -> Connection {
        Connection {
            id: Uuid::nil(),
            user_id: "user_ada".to_owned(),
            provider: ProviderId::INSTAGRAM,
            standing: Standing::NOT_CONNECTED,
            account: None,
            scopes: Vec::new(),
            missing_scopes: Vec::new(),
            grant: None,
            next_refresh_at: None,
            retry_after: None,
            since: at(0),
            linked_at: None,
            evidence: None,
            suspicion: None,
            failures: 0,
            version: 1,
        }
    }

    fn linked_with(missing: &[&str]) -> Connection {
        let observation = Observation::Linked {
            account: account("25982752248032036"),
            scopes: vec!["instagram_business_basic".to_owned()],
            missing_scopes: missing.iter().map(|&each| each.to_owned()).collect(),
            grant: facts(1, 0),
            next_refresh_at: at(30),
        };
        apply(&never_connected(), &observation, at(0))
    }

    fn connected() -> Connection {
        linked_with(&[])
    }

    fn failure(meaning: Meaning) -> Failure {
        Failure {
            meaning,
            retry_after: None,
            http_status: Some(400),
            code: None,
            subcode: None,
            detail: String::new(),
        }
    }

    fn failed(grant_version: i64, call: Call, meaning: Meaning) -> Observation {
        Observation::Failed {
            grant_version,
            call,
            failure: failure(meaning),
            next_refresh_at: None,
            outlook: Outlook::Watchful,
        }
    }

    fn standing_after(before: &Connection, observation: &Observation, now: Timestamp) -> Standing {
        apply(before, observation, now).standing
    }

    const EVERY_MEANING: [Meaning; 22] = [
        Meaning::Dead(DeathCause::Expired),
        Meaning::Dead(DeathCause::Revoked),
        Meaning::Dead(DeathCause::PasswordChanged),
        Meaning::Dead(DeathCause::Invalid),
        Meaning::Dead(DeathCause::AccountIneligible),
        Meaning::DeadUnexplained,
        Meaning::UserAction(UserAction::Checkpoint),
        Meaning::UserAction(UserAction::Unconfirmed),
        Meaning::UserAction(UserAction::Restricted),
        Meaning::UserAction(UserAction::ConsentBlocked),
        Meaning::Permission,
        Meaning::RateLimited(LimitScope::App),
        Meaning::RateLimited(LimitScope::Account),
        Meaning::Unavailable,
        Meaning::App(AppFault::Credentials),
        Meaning::App(AppFault::RedirectUri),
        Meaning::App(AppFault::Scope),
        Meaning::App(AppFault::NotLive),
        Meaning::App(AppFault::Deactivated),
        Meaning::App(AppFault::Request),
        Meaning::Content,
        Meaning::CodeRejected,
    ];

    #[test]
    fn each_meaning_of_a_failed_identify_gives_its_state() {
        use Meaning as M;
        for (meaning, expected) in [
            (M::Dead(DeathCause::Expired), Some(Reason::Expired)),
            (M::Dead(DeathCause::Revoked), Some(Reason::Revoked)),
            (M::Dead(DeathCause::PasswordChanged), Some(Reason::PasswordChanged)),
            (M::Dead(DeathCause::Invalid), Some(Reason::TokenInvalid)),
            (M::Dead(DeathCause::AccountIneligible), Some(Reason::AccountIneligible)),
            (M::DeadUnexplained, Some(Reason::ProviderUnavailable)),
            (M::UserAction(UserAction::Checkpoint), Some(Reason::Checkpoint)),
            (M::UserAction(UserAction::Unconfirmed), Some(Reason::Unconfirmed)),
            (M::UserAction(UserAction::Restricted), Some(Reason::Restricted)),
            (M::UserAction(UserAction::ConsentBlocked), Some(Reason::ConsentBlocked)),
            (M::Permission, Some(Reason::ScopesMissing)),
            (M::RateLimited(LimitScope::App), Some(Reason::RateLimited)),
            (M::RateLimited(LimitScope::Account), Some(Reason::RateLimited)),
            (M::Unavailable, Some(Reason::ProviderUnavailable)),
            (M::App(AppFault::Credentials), Some(Reason::AppMisconfigured)),
            (M::App(AppFault::Deactivated), Some(Reason::AppMisconfigured)),
            (M::Content, None),
            (M::CodeRejected, None),
        ] {
            let now = standing_after(&connected(), &failed(1, Call::Identify, meaning), at(1));
            assert_eq!(now.reason(), expected, "{meaning:?}");
        }
    }

    #[test]
    fn a_late_answer_about_an_earlier_grant_changes_nothing() {
        let refreshed =
            Observation::Refreshed { from_version: 1, grant: facts(2, 30), next_refresh_at: at(60) };
        let now = apply(&connected(), &refreshed, at(30));
        for meaning in EVERY_MEANING {
            for call in [Call::Refresh, Call::Identify, Call::Look, Call::Use] {
                assert_eq!(apply(&now, &failed(1, call, meaning), at(31)), now, "{meaning:?}");
            }
        }
        let worked = Observation::Worked { grant_version: 1, account: None, next_refresh_at: None };
        assert_eq!(apply(&now, &worked, at(31)), now);
        assert_eq!(apply(&now, &refreshed, at(32)), now);
    }

    /// Long enough for any sign to be believed.
    fn in_time(since: Timestamp) -> Timestamp {
        after(since, patience(Meaning::DeadUnexplained, Call::Refresh, Outlook::Watchful))
    }

    #[test]
    fn an_unexplained_death_needs_a_second_sign_some_time_later() {
        for call in [Call::Refresh, Call::Identify, Call::Look, Call::Use] {
            let sign = failed(1, call, Meaning::DeadUnexplained);
            let once = apply(&connected(), &sign, at(1));
            assert_eq!(once.standing.state(), State::Degraded);
            let at_once = apply(&once, &sign, at(1));
            assert_eq!(at_once.standing, once.standing);
            let later = apply(&at_once, &sign, in_time(at(1)));
            assert_eq!(later.standing, Reason::TokenInvalid.into());
        }
    }

    #[test]
    fn a_success_between_two_signs_clears_the_suspicion() {
        let sign = failed(1, Call::Identify, Meaning::DeadUnexplained);
        let once = apply(&connected(), &sign, at(1));
        let worked = apply(
            &once,
            &Observation::Worked { grant_version: 1, account: None, next_refresh_at: None },
            at(2),
        );
        assert_eq!(worked.standing, Standing::CONNECTED);
        let again = apply(&worked, &sign, in_time(at(2)));
        assert_eq!(again.standing, Reason::ProviderUnavailable.into());
    }

    #[test]
    fn nothing_is_scheduled_for_whoever_has_ended_whatever_answers_arrive_late() {
        let end = failed(1, Call::Use, Meaning::Dead(DeathCause::Revoked));
        let dead = apply(&connected(), &end, at(5));
        assert_eq!((dead.standing, dead.next_refresh_at), (Reason::Revoked.into(), None));
        for meaning in EVERY_MEANING {
            for call in [Call::Refresh, Call::Identify, Call::Look, Call::Use] {
                let mut late = failed(1, call, meaning);
                if let Observation::Failed { next_refresh_at, .. } = &mut late {
                    *next_refresh_at = Some(at(6));
                }
                assert_eq!(apply(&dead, &late, at(5)), dead, "{meaning:?}");
            }
        }
    }

    #[test]
    fn a_failing_renewal_shows_although_other_calls_work() {
        let worked = Observation::Worked { grant_version: 1, account: None, next_refresh_at: None };
        let mut now = connected();
        for _ in 0..3 {
            now = apply(&now, &failed(1, Call::Refresh, Meaning::Unavailable), at(30));
            now = apply(&now, &worked, at(30));
        }
        assert_eq!((now.standing, now.failures), (Reason::RefreshFailing.into(), 3));
        assert_eq!(now.evidence, Some(Evidence { source: EvidenceSource::Use, at: at(30) }));
        let refreshed =
            Observation::Refreshed { from_version: 1, grant: facts(2, 31), next_refresh_at: at(61) };
        let renewed = apply(&now, &refreshed, at(31));
        assert_eq!((renewed.standing, renewed.failures), (Standing::CONNECTED, 0));
    }

    #[test]
    fn what_the_person_must_do_settles_a_suspicion() {
        let doubted = apply(&connected(), &failed(1, Call::Use, Meaning::DeadUnexplained), at(1));
        assert!(doubted.suspicion.is_some());
        for (call, meaning) in
            [(Call::Identify, Meaning::UserAction(UserAction::Checkpoint)), (Call::Look, Meaning::Permission)]
        {
            assert_eq!(apply(&doubted, &failed(1, call, meaning), at(1)).suspicion, None);
        }
    }

    #[test]
    fn during_an_incident_nobody_is_told_to_reconnect() {
        for meaning in [Meaning::Dead(DeathCause::PasswordChanged), Meaning::DeadUnexplained] {
            let observation = Observation::Failed {
                grant_version: 1,
                call: Call::Refresh,
                failure: failure(meaning),
                next_refresh_at: None,
                outlook: Outlook::Incident,
            };
            let now = apply(&connected(), &observation, at(1));
            assert_eq!(now.standing, Reason::ProviderIncident.into());
            let worked = apply(
                &now,
                &Observation::Worked { grant_version: 1, account: None, next_refresh_at: None },
                at(2),
            );
            assert_eq!(worked.standing, Standing::CONNECTED);
        }
    }

    #[test]
    fn passing_refresh_failures_show_only_after_some_of_them() {
        let blip = failed(1, Call::Refresh, Meaning::Unavailable);
        let one = apply(&connected(), &blip, at(30));
        let two = apply(&one, &blip, at(30));
        assert_eq!(two.standing, Standing::CONNECTED);
        let three = apply(&two, &blip, at(30));
        assert_eq!(three.standing, Reason::RefreshFailing.into());
        let short_of_time = apply(&connected(), &blip, at(54));
        assert_eq!(short_of_time.standing, Reason::RefreshFailing.into());
    }

    #[test]
    fn trouble_that_passes_does_not_hide_what_the_person_must_do() {
        let checkpoint = failed(1, Call::Identify, Meaning::UserAction(UserAction::Checkpoint));
        let waiting = apply(&connected(), &checkpoint, at(1));
        let down = apply(&waiting, &failed(1, Call::Identify, Meaning::Unavailable), at(2));
        assert_eq!(down.standing, Reason::Checkpoint.into());
    }

    #[test]
    fn a_deauthorization_from_before_the_link_is_ignored() {
        let stale = Observation::Deauthorized { issued_at: Some(at(-1)) };
        assert_eq!(apply(&connected(), &stale, at(1)), connected());
        let same_second = Observation::Deauthorized { issued_at: Some(at(0)) };
        let gone = apply(&connected(), &same_second, at(1));
        assert_eq!(gone.standing, Reason::Deauthorized.into());
        assert_eq!(gone.grant, None);
        assert!(gone.account.is_some(), "the person shall see which account to reconnect");
        let undated = Observation::Deauthorized { issued_at: None };
        assert_eq!(apply(&connected(), &undated, at(1)).standing, Reason::Deauthorized.into());
        assert_eq!(apply(&never_connected(), &undated, at(1)), never_connected());
    }

    #[test]
    fn the_clock_ends_what_lives_and_nothing_else() {
        assert_eq!(apply(&connected(), &Observation::ExpiryPassed, at(59)), connected());
        let expired = apply(&connected(), &Observation::ExpiryPassed, at(61));
        assert_eq!(expired.standing, Reason::Expired.into());
        assert_eq!(expired.since, at(60));
        let revoked = apply(&connected(), &failed(1, Call::Use, Meaning::Dead(DeathCause::Revoked)), at(5));
        assert_eq!(apply(&revoked, &Observation::ExpiryPassed, at(61)), revoked);
    }

    #[test]
    fn a_partial_grant_stays_partial_through_refreshes() {
        let partial = linked_with(&["instagram_business_manage_insights"]);
        assert_eq!(partial.standing, Reason::ScopesMissing.into());
        let refreshed =
            Observation::Refreshed { from_version: 1, grant: facts(2, 30), next_refresh_at: at(60) };
        assert_eq!(standing_after(&partial, &refreshed, at(30)), Reason::ScopesMissing.into());
    }

    #[test]
    fn a_repeated_deauthorization_changes_nothing() {
        let told = Observation::Deauthorized { issued_at: Some(at(1)) };
        let once = apply(&connected(), &told, at(1));
        assert_eq!(once.standing, Reason::Deauthorized.into());
        assert_eq!(apply(&once, &told, at(2)), once);
    }

    #[test]
    fn a_deletion_that_the_provider_asks_for_has_its_word_as_evidence() {
        let now = apply(&connected(), &Observation::DataDeleted, at(1));
        assert_eq!(now.standing, Reason::UserDisconnected.into());
        assert_eq!(now.evidence, Some(Evidence { source: EvidenceSource::Callback, at: at(1) }));
        assert_eq!((now.account, now.grant), (None, None));
    }

    #[test]
    fn a_failed_attempt_is_news_only_where_nothing_is_linked() {
        let denied = Observation::AttemptEnded(AttemptEnd::Denied);
        assert_eq!(standing_after(&never_connected(), &denied, at(1)), Reason::Denied.into());
        assert_eq!(apply(&connected(), &denied, at(1)), connected());
    }

    #[test]
    fn another_account_never_replaces_the_linked_one_by_a_mere_answer() {
        let other =
            Observation::Worked { grant_version: 1, account: Some(account("7")), next_refresh_at: None };
        assert_eq!(
            apply(&connected(), &other, at(1)),
            connected(),
            "nor does it prove anything about that one"
        );
    }

    #[test]
    fn a_dead_grant_that_works_again_is_alive_again() {
        let dead = apply(&connected(), &failed(1, Call::Use, Meaning::Dead(DeathCause::Invalid)), at(5));
        let worked = Observation::Worked { grant_version: 1, account: None, next_refresh_at: None };
        assert_eq!(standing_after(&dead, &worked, at(6)), Standing::CONNECTED);
    }

    #[test]
    fn a_provider_wait_is_kept_and_ends_with_a_success() {
        let mut limited = failure(Meaning::RateLimited(LimitScope::Account));
        limited.retry_after = Some(Duration::from_mins(19));
        let observation = Observation::Failed {
            grant_version: 1,
            call: Call::Identify,
            failure: limited,
            next_refresh_at: None,
            outlook: Outlook::Watchful,
        };
        let waiting = apply(&connected(), &observation, at(1));
        assert_eq!(waiting.retry_after, Some(after(at(1), Duration::from_mins(19))));
        let worked = apply(
            &waiting,
            &Observation::Worked { grant_version: 1, account: None, next_refresh_at: None },
            at(2),
        );
        assert_eq!(worked.retry_after, None);
    }
}

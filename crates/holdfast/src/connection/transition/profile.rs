//! What the provider says about the account and its scopes, apart from whether the grant works.

use jiff::Timestamp;

use super::{same_account, set_standing};
use crate::connection::{Connection, Evidence, EvidenceSource, Reason};
use crate::provider::Account;

/// Updates the account's name and picture. Keeps the ids, and what the answer lacks: an absent
/// member is no news.
pub(super) fn rename(next: &mut Connection, seen: &Account) {
    if !same_account(next, seen) {
        return;
    }
    if let Some(linked) = &next.account {
        next.account = Some(Account {
            id: linked.id.clone(),
            professional_id: linked
                .professional_id
                .clone()
                .or_else(|| seen.ids().find(|id| *id != linked.id).map(str::to_owned)),
            username: seen.username.clone().or_else(|| linked.username.clone()),
            name: seen.name.clone().or_else(|| linked.name.clone()),
            account_type: seen.account_type.clone().or_else(|| linked.account_type.clone()),
            profile_picture_url: seen
                .profile_picture_url
                .clone()
                .or_else(|| linked.profile_picture_url.clone()),
        });
    }
}

/// Records refused scopes as missing. They stay among the granted ones, as Instagram named them; a
/// later refresh may name others, and a later call may prove them.
pub(super) fn refuse_scopes(next: &mut Connection, scopes: &[String], asked_for: &[String], now: Timestamp) {
    if next.scopes.is_empty() && next.missing_scopes.is_empty() {
        // The provider did not say what it granted, so assume all that was asked for.
        next.scopes = asked_for.to_vec();
    }
    let refused: Vec<String> = scopes
        .iter()
        .filter(|scope| next.scopes.contains(scope) && !next.missing_scopes.contains(scope))
        .cloned()
        .collect();
    if !refused.is_empty() {
        change_missing(next, [next.missing_scopes.clone(), refused].concat(), now);
        next.evidence = Some(Evidence { source: EvidenceSource::Use, at: now });
    }
}

/// Takes back that a scope was refused: a call that needs it has worked.
pub(super) fn prove_scope(next: &mut Connection, scope: &str, now: Timestamp) {
    let is_proven = |each: &String| each == scope;
    if next.missing_scopes.iter().any(is_proven) {
        let still: Vec<String> =
            next.missing_scopes.iter().filter(|each| !is_proven(each)).cloned().collect();
        change_missing(next, still, now);
        if !next.scopes.iter().any(is_proven) {
            next.scopes.push(scope.to_owned());
        }
        next.evidence = Some(Evidence { source: EvidenceSource::Use, at: now });
    }
}

/// Sets the missing scopes. Changes the standing only if nothing worse is wrong.
fn change_missing(next: &mut Connection, missing_scopes: Vec<String>, now: Timestamp) {
    let was_healthy =
        next.standing == next.healthy_standing() || next.standing.reason() == Some(Reason::ScopesMissing);
    next.missing_scopes = missing_scopes;
    if was_healthy {
        set_standing(next, next.healthy_standing(), now);
    }
}

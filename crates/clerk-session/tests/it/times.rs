//! The boundaries in time, to the millisecond, where `@clerk/backend` draws them.

use clerk_session::{Policy, Verdict, Verifier};
use serde_json::json;

use crate::support::*;

fn at(payload: serde_json::Value, now_ms: i64, skew_ms: i64) -> String {
    let policy = Policy { clock_skew_ms: skew_ms, ..policy() };
    verdict(policy, &keys(), &mint(json!({}), payload), now_ms)
}

#[test]
fn expired_begins_when_exp_plus_skew_is_reached() {
    for skew in [0, 1, 5_000, 60_000] {
        let exp = json!({"exp": NOW_S});
        assert_eq!(at(exp.clone(), NOW + skew - 1, skew), "accepted", "skew {skew}");
        assert_eq!(at(exp.clone(), NOW + skew, skew), "token-expired", "skew {skew}");
        assert_eq!(at(exp, NOW + skew + 1, skew), "token-expired", "skew {skew}");
    }
}

#[test]
fn nbf_and_iat_may_be_ahead_by_exactly_the_skew() {
    for (claim, code) in [("nbf", "token-not-active-yet"), ("iat", "token-iat-in-the-future")] {
        let ahead = json!({ claim: NOW_S + 20 });
        for skew in [0, 5_000] {
            assert_eq!(at(ahead.clone(), NOW + 20_000 - skew, skew), "accepted", "{claim}");
            assert_eq!(at(ahead.clone(), NOW + 20_000 - skew - 1, skew), code, "{claim}");
        }
    }
}

#[test]
fn a_fraction_of_a_second_is_cut_off_as_the_sdk_does() {
    let exp = json!({"exp": 1_800_000_000.9});
    assert_eq!(at(exp.clone(), NOW + 4_999, 5_000), "accepted");
    assert_eq!(at(exp, NOW + 5_000, 5_000), "token-expired");
    let nbf = json!({"nbf": 1_800_000_005.9});
    assert_eq!(at(nbf, NOW, 5_000), "accepted");
}

#[test]
fn times_beyond_any_calendar_are_refused_and_extreme_clocks_do_no_harm() {
    for exp in [json!(1e300), json!(i64::MAX), json!(u64::MAX), json!(253_402_300_800_i64), json!(-1e300)] {
        assert_eq!(at(json!({ "exp": exp }), NOW, 5_000), "token-verification-failed", "{exp}");
    }
    for exp in [json!(-1), json!(0), json!(-253_402_300_799_i64)] {
        assert_eq!(at(json!({ "exp": exp }), NOW, 5_000), "token-expired", "{exp}");
    }
    for now in [i64::MIN, -1, 0, i64::MAX] {
        for skew in [i64::MIN, 0, i64::MAX] {
            // Whatever the verdict: no overflow.
            let _ = at(json!({}), now, skew);
        }
    }
}

#[test]
fn the_claims_hold_milliseconds() {
    let verifier = Verifier::new(policy());
    let token = mint(json!({}), json!({"email": "ada@example.com", "act": {"sub": "user_9"}}));
    let Verdict::Accepted(claims) = verifier.verify(&token, &keys(), NOW) else { panic!("it is valid") };
    assert_eq!(claims.expires_at_ms, NOW + 50_000);
    assert_eq!(claims.issued_at_ms, Some(NOW - 10_000));
    assert_eq!(claims.not_before_ms, Some(NOW - 20_000));
    assert_eq!((claims.subject.as_str(), claims.session_id.as_str()), ("user_2abc", "sess_2def"));
    assert_eq!(claims.authorized_party.as_deref(), Some(APP));
    assert_eq!(claims.custom.email.as_deref(), Some("ada@example.com"));
    assert_eq!(claims.actor.and_then(|actor| actor.subject).as_deref(), Some("user_9"));
}

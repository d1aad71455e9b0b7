//! The boundaries in time, to the millisecond, where `@clerk/backend` draws them.

use clerk_session::{Verdict, Verifier};
use serde_json::json;

use crate::support::*;

fn at(payload: serde_json::Value, now_ms: i64, skew_ms: i64) -> String {
    let policy = with(|policy| policy.clock_skew_ms = skew_ms);
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

/// The SDK cuts fractions off: for `exp` that is the stricter reading, for a beginning it is the
/// laxer one.
#[test]
fn s15_a_fraction_of_a_second_never_makes_a_token_valid_for_longer() {
    let exp = json!({"exp": 1_800_000_000.9});
    assert_eq!(at(exp.clone(), NOW + 4_999, 5_000), "accepted");
    assert_eq!(at(exp, NOW + 5_000, 5_000), "token-expired");
    for (claim, code) in [("nbf", "token-not-active-yet"), ("iat", "token-iat-in-the-future")] {
        for (ahead, expected) in
            [(1_800_000_005.0, "accepted"), (1_800_000_005.001, code), (1_800_000_005.9, code)]
        {
            assert_eq!(at(json!({ claim: ahead }), NOW, 5_000), expected, "{claim} {ahead}");
        }
        assert_eq!(at(json!({ claim: 1_800_000_005.9 }), NOW + 901, 5_000), "accepted", "{claim}");
        assert_eq!(at(json!({ claim: 1_800_000_005.9 }), NOW + 899, 5_000), code, "{claim}");
        let other = if claim == "nbf" { "iat" } else { "nbf" };
        let half = json!({ claim: -0.5, other: REMOVED });
        assert_eq!(at(half.clone(), 0, 0), "accepted", "{claim}");
        assert_eq!(at(half, -1, 0), code, "{claim}: as the SDK, which cuts towards zero");
    }
}

/// `exp` before `iat` or `nbf`: each is held against the clock by itself, so such a token passes
/// within the skew only.
#[test]
fn s15_a_token_that_ends_before_it_begins_passes_within_the_skew_only() {
    for claim in ["nbf", "iat"] {
        let times = json!({"exp": NOW_S - 2, claim: NOW_S + 2});
        assert_eq!(at(times.clone(), NOW, 5_000), "accepted", "{claim}: as the SDK");
        assert_eq!(at(times, NOW, 2_000), "token-expired", "{claim}");
        let code = if claim == "nbf" { "token-not-active-yet" } else { "token-iat-in-the-future" };
        assert_eq!(at(json!({"exp": NOW_S + 7, claim: NOW_S + 8}), NOW, 5_000), code);
    }
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
    #[derive(serde::Deserialize)]
    struct Custom {
        email: String,
    }
    let custom: Custom = claims.custom().unwrap();
    assert_eq!(custom.email, "ada@example.com");
    #[derive(Debug, serde::Deserialize)]
    struct Other {
        #[expect(dead_code, reason = "it is asked for, not read")]
        age: u8,
    }
    let error = claims.custom::<Other>().unwrap_err().to_string();
    assert!(error.contains("do not have the expected form") && error.contains("age"), "{error}");
    let raw: serde_json::Value = serde_json::from_str(claims.raw()).unwrap();
    assert_eq!(raw["email"], "ada@example.com");
    assert!(!format!("{claims:?}").contains("ada@"), "what a log shows holds no personal facts");
    assert_eq!(claims.actor.as_ref().and_then(|actor| actor.subject.as_deref()), Some("user_9"));
}

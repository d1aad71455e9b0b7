//! Every fault at every endpoint where it can occur means what it must.

use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::{Rig, own_media, rig};
use crate::provider::contract::outcome;
use crate::provider::{AppFault, DeathCause, Failure, LimitScope, Meaning, Provider as _, UserAction};
use crate::standin::instagram::{Decision, Effect, Endpoint, Fault, RefreshWorld};

const ADA: &str = "ada.makes";

/// What a fault means; `None` where the endpoint is the consent page, which answers a person.
fn expected(fault: Fault, endpoint: Endpoint) -> Option<Meaning> {
    Some(match fault {
        Fault::Expired => Meaning::Dead(DeathCause::Expired),
        Fault::Revoked | Fault::RevokedWithoutSubcode => Meaning::Dead(DeathCause::Revoked),
        Fault::PasswordChanged | Fault::PasswordChangedWithoutSubcode => {
            Meaning::Dead(DeathCause::PasswordChanged)
        }
        Fault::LoggedOut => Meaning::Dead(DeathCause::Invalid),
        Fault::DeadWithoutReason | Fault::FalseAlarm => Meaning::DeadUnexplained,
        Fault::Checkpoint => Meaning::UserAction(UserAction::Checkpoint),
        Fault::Unconfirmed => Meaning::UserAction(UserAction::Unconfirmed),
        Fault::Restricted => Meaning::UserAction(UserAction::Restricted),
        Fault::ConsentBlocked => Meaning::UserAction(UserAction::ConsentBlocked),
        Fault::Ineligible => Meaning::Dead(DeathCause::AccountIneligible),
        Fault::Permission | Fault::NoAdvancedAccess if endpoint == Endpoint::Graph => Meaning::Permission,
        Fault::NotAdmitted | Fault::HugeBody if endpoint == Endpoint::Graph => Meaning::Content,
        Fault::Permission | Fault::NoAdvancedAccess | Fault::DeveloperRole => {
            Meaning::App(AppFault::NotAdmitted)
        }
        Fault::NotAdmitted | Fault::UnsupportedRequest => Meaning::App(AppFault::Unsupported),
        Fault::AppRateLimit => Meaning::RateLimited(LimitScope::App),
        Fault::AccountRateLimit => Meaning::RateLimited(LimitScope::Account),
        // No failure: the new grant may be the only one, and is kept.
        Fault::MissingExpiresIn if endpoint == Endpoint::Refresh => return None,
        Fault::ServerErrorHtml
        | Fault::ServerErrorJson
        | Fault::UnknownError
        | Fault::Hang
        | Fault::HtmlOk
        | Fault::HtmlForbidden
        | Fault::EmptyBody
        | Fault::BareUnauthorized
        | Fault::LostReply
        | Fault::TruncatedJson
        | Fault::SlowBody
        | Fault::HugeBody
        | Fault::EmptyToken
        | Fault::MissingExpiresIn => Meaning::Unavailable,
        Fault::AppDeactivated => Meaning::App(AppFault::Deactivated),
        Fault::WrongClientSecret | Fault::InvalidPlatformApp => Meaning::App(AppFault::Credentials),
        Fault::RedirectMismatch => Meaning::App(AppFault::RedirectUri),
        Fault::CodeRejected => Meaning::CodeRejected,
        Fault::ConsentDenied | Fault::DeniedWithoutState => return None,
    })
}

/// Arms the fault when all is ready for the call, and makes it.
async fn meet(rig: &Rig, fault: Fault, endpoint: Endpoint) -> Result<(), Failure> {
    let arm = || rig.standin.arm(Some(ADA), fault, Some(endpoint), None).unwrap();
    let instagram = &rig.instagram;
    match endpoint {
        Endpoint::Authorize => panic!("the provider does not call it"),
        Endpoint::Token => {
            let code = rig.code(ADA).await;
            arm();
            rig.under(fault, instagram.redeem(&code)).await.outcome.map(|_| ())
        }
        Endpoint::Exchange => {
            let short = rig.short(ADA).await;
            arm();
            rig.under(fault, instagram.extend(&short)).await.outcome.map(|_| ())
        }
        Endpoint::Refresh => {
            let grant = rig.grant(ADA).await;
            rig.clock.advance(Duration::from_hours(25));
            arm();
            rig.under(fault, instagram.refresh(&grant)).await.outcome.map(|_| ())
        }
        Endpoint::Me => {
            let grant = rig.grant(ADA).await;
            arm();
            rig.under(fault, instagram.identify(&grant)).await.outcome.map(|_| ())
        }
        Endpoint::Graph => {
            let grant = rig.grant(ADA).await;
            arm();
            outcome(rig.under(fault, instagram.pass_through(&grant, own_media())).await)
        }
    }
}

#[tokio::test]
async fn every_fault_means_what_it_must() {
    let rig = rig().await;
    for fault in Fault::ALL {
        for endpoint in fault.endpoints() {
            let Some(meaning) = expected(*fault, *endpoint) else { continue };
            let failure = meet(&rig, *fault, *endpoint).await.expect_err(fault.as_str());
            assert_eq!(failure.meaning, meaning, "{fault:?} at {endpoint:?}: {failure:?}");
            for secret in rig.standin.issued_secrets() {
                assert!(!format!("{failure:?}").contains(secret.expose_secret()), "{fault:?} shows a secret");
            }
            // Everybody else is spared.
            assert!(rig.instagram.identify(&rig.grant("grace.hops").await).await.outcome.is_ok());
            // What was only armed passes, what was killed stays dead, and a new login helps.
            rig.standin.clear(Some(ADA)).unwrap();
            assert!(rig.instagram.identify(&rig.grant(ADA).await).await.outcome.is_ok(), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn the_dead_stay_dead_and_the_rest_recovers() {
    let rig = rig().await;
    for fault in Fault::ALL.iter().filter(|fault| fault.endpoints().contains(&Endpoint::Me)) {
        let grant = rig.grant(ADA).await;
        rig.standin.set_fault(None, *fault).unwrap();
        let met = rig.under(*fault, rig.instagram.identify(&grant)).await;
        assert!(met.outcome.is_err(), "{fault:?}");
        rig.standin.clear(None).unwrap();
        let alive = rig.instagram.identify(&grant).await.outcome.is_ok();
        assert_eq!(alive, fault.effect() != Effect::Kills, "{fault:?}");
    }
}

#[tokio::test]
async fn a_counted_fault_occurs_that_often() {
    let rig = rig().await;
    let grant = rig.grant(ADA).await;
    rig.standin.arm(None, Fault::ServerErrorJson, Some(Endpoint::Me), Some(2)).unwrap();
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        outcomes.push(rig.instagram.identify(&grant).await.outcome.is_ok());
    }
    assert_eq!(outcomes, [false, false, true]);
    assert_eq!(rig.standin.armed(), []);
}

#[tokio::test]
async fn limits_come_with_their_headers() {
    let rig = rig().await;
    let grant = rig.grant(ADA).await;
    rig.standin.set_fault(Some(ADA), Fault::AccountRateLimit).unwrap();
    let reply = rig.instagram.identify(&grant).await;
    assert_eq!(reply.usage.account_regains_in, Some(Duration::from_mins(19)));
    assert_eq!(reply.outcome.unwrap_err().retry_after, Some(Duration::from_mins(19)));
    rig.standin.clear(None).unwrap();
    rig.standin.set_fault(None, Fault::AppRateLimit).unwrap();
    let reply = rig.instagram.identify(&grant).await;
    assert_eq!(reply.usage.app_percent, Some(100));
    assert_eq!(reply.outcome.unwrap_err().http_status, Some(403));
}

#[tokio::test]
async fn a_lost_reply_was_acted_upon() {
    let rig = rig().await;
    let code = rig.code(ADA).await;
    rig.standin.arm(Some(ADA), Fault::LostReply, None, Some(1)).unwrap();
    let lost = rig.instagram.redeem(&code).await.outcome.unwrap_err();
    assert_eq!((lost.meaning, lost.http_status), (Meaning::Unavailable, None));
    let again = rig.instagram.redeem(&code).await.outcome.unwrap_err();
    assert_eq!(again.meaning, Meaning::CodeRejected, "the code is spent");
    assert_eq!(rig.standin.call_counts()[&Endpoint::Token], 2, "the client repeats nothing by itself");

    rig.standin.set_refresh_world(RefreshWorld::OldDies);
    let grant = rig.grant(ADA).await;
    rig.clock.advance(Duration::from_hours(25));
    let before = rig.standin.grants_of(ADA).unwrap().len();
    rig.standin.arm(Some(ADA), Fault::LostReply, Some(Endpoint::Refresh), Some(1)).unwrap();
    assert_eq!(rig.instagram.refresh(&grant).await.outcome.unwrap_err().meaning, Meaning::Unavailable);
    assert_eq!(rig.standin.grants_of(ADA).unwrap().len(), before + 1);
    let old = rig.instagram.identify(&grant).await.outcome.unwrap_err();
    assert_eq!(old.meaning, Meaning::Dead(DeathCause::Invalid));
}

#[tokio::test]
async fn a_denial_can_be_forced() {
    let rig = rig().await;
    rig.standin.arm(Some(ADA), Fault::ConsentDenied, None, Some(1)).unwrap();
    let url = rig.instagram.authorize_url("s", false);
    let back = rig.decide(url, ADA, &Decision::Approve).await.unwrap();
    assert_eq!(super::parameter(&back, "error").as_deref(), Some("access_denied"));
    assert_eq!(super::parameter(&back, "state").as_deref(), Some("s"));
    rig.standin.arm(Some(ADA), Fault::DeniedWithoutState, None, Some(1)).unwrap();
    let back = rig.decide(rig.instagram.authorize_url("s", false), ADA, &Decision::Approve).await.unwrap();
    assert_eq!(super::parameter(&back, "error").as_deref(), Some("access_denied"));
    assert_eq!(super::parameter(&back, "state"), None);
}

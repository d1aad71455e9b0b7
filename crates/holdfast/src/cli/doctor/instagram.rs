//! Instagram: whether its hosts answer, and whether it takes the app.

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use jiff::tz::Offset;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::report::{Check, Report};
use super::{ask, code};
use crate::app::{self, Seams};
use crate::clock::after;
use crate::connection::return_url::ReturnUrl;
use crate::provider::instagram::{InstagramConfig, VersionEnd};
use crate::provider::{AppFault, Failure, Grant, Meaning, SharedProvider};
use crate::settings::Settings;
use crate::transport::{Outgoing, TransportError};

/// The scopes of the Instagram API with Instagram Login.
const SCOPES: [&str; 5] = [
    NEEDED,
    "instagram_business_content_publish",
    "instagram_business_manage_comments",
    "instagram_business_manage_insights",
    "instagram_business_manage_messages",
];
/// Without it no call works.
const NEEDED: &str = "instagram_business_basic";
/// "Unknown path components", and "You are calling a deprecated version".
const UNKNOWN_PATH: i64 = 2500;
const RETIRED_VERSION: i64 = 2635;
const RESTRICTED: &str = "look in the App dashboard: the app is not live, or Meta has restricted it";
/// So long before its end a version is warned of.
const SOON: Duration = Duration::from_hours(60 * 24);

pub(super) async fn check(settings: &Settings, seams: &Seams, report: &mut Report) {
    let (Some(instagram), Some(provider)) = (&settings.instagram, app::provider(settings, seams)) else {
        return;
    };
    let (authorize, token, graph) = tokio::join!(
        check_authorize(seams, instagram),
        check_app(settings, instagram, &provider),
        check_graph(instagram, &provider, seams.clock.now()),
    );
    for check in [authorize, token] {
        report.add(check);
    }
    match graph {
        // The token host has said the same.
        Probed::App(check) if report.finds_fault_with(code::INSTAGRAM_APP) => drop(check),
        Probed::App(check) | Probed::Graph(check) => report.add(check),
    }
}

/// What a probe of the Graph API is about.
enum Probed {
    Graph(Check),
    App(Check),
}

async fn check_authorize(seams: &Seams, instagram: &InstagramConfig) -> Check {
    let host = instagram.authorize_url.host_str().unwrap_or_default();
    match ask(seams, Outgoing::new(Method::GET, instagram.authorize_url.clone())).await {
        Ok(answer) if matches!(answer.status.as_u16(), 404 | 410) => code::INSTAGRAM_AUTHORIZE
            .failed(format!("{host} answers {}: this is not a consent page", answer.status)),
        Ok(answer) if answer.status.is_server_error() => {
            code::INSTAGRAM_AUTHORIZE.failed(format!("{host} answers {}", answer.status))
        }
        // A page that is too large to be read is one.
        Ok(_) | Err(TransportError::TooLarge) => code::INSTAGRAM_AUTHORIZE.passed(format!("{host} answers")),
        Err(error) => code::INSTAGRAM_AUTHORIZE.failed(format!("{host}: {error}")).because_of(error),
    }
}

/// The exchange of a code that cannot exist: what Instagram complains about first tells whether it
/// takes the app.
async fn check_app(settings: &Settings, instagram: &InstagramConfig, provider: &SharedProvider) -> Check {
    if !is_hexadecimal(instagram) {
        return code::INSTAGRAM_APP.skipped("not checked: the secret cannot be right");
    }
    let host = instagram.api_url.host_str().unwrap_or_default();
    let code = SecretString::from("holdfast-doctor-asks-whether-the-app-is-known");
    let Err(failure) = provider.redeem(&code).await.outcome else {
        return code::INSTAGRAM_APP.not_told("could not be checked: an exchange that must fail did not");
    };
    if is_silent(&failure) {
        let check = code::INSTAGRAM_TOKEN.failed(format!("{host}: {}", failure.detail));
        return failure.unanswered.into_iter().fold(check, Check::because_of);
    }
    let not_told = format!("could not be checked: {}", failure.detail);
    match failure.meaning {
        Meaning::CodeRejected => code::INSTAGRAM_APP.passed("Instagram accepts the app id and the secret"),
        Meaning::App(AppFault::Credentials) => code::INSTAGRAM_APP.failed(failure.detail),
        Meaning::App(AppFault::RedirectUri) => code::INSTAGRAM_REDIRECT
            .failed(format!("{} is not registered", address(&settings.public_url, "/instagram/callback"))),
        Meaning::App(AppFault::Scope) => code::INSTAGRAM_SCOPES.failed(failure.detail),
        Meaning::App(AppFault::NotAdmitted | AppFault::Deactivated) => {
            code::INSTAGRAM_APP.failed(failure.detail).mended_by(RESTRICTED)
        }
        Meaning::App(AppFault::Request | AppFault::Unsupported)
        | Meaning::Dead(_)
        | Meaning::DeadUnexplained
        | Meaning::UserAction(_)
        | Meaning::Permission
        | Meaning::RateLimited(_)
        | Meaning::Unavailable
        | Meaning::Crowded
        | Meaning::Content => code::INSTAGRAM_APP.not_told(not_told),
    }
}

/// A probe with a token that cannot exist: a Graph API says that it does not know it.
async fn check_graph(instagram: &InstagramConfig, provider: &SharedProvider, now: Timestamp) -> Probed {
    let grant = Grant {
        access_token: SecretString::from("holdfast-doctor"),
        scopes: None,
        obtained_at: now,
        expires_at: after(now, Duration::from_hours(1)),
    };
    match provider.identify(&grant).await.outcome {
        Ok(_) => Probed::Graph(
            code::INSTAGRAM_GRAPH
                .not_told("could not be checked: Instagram accepted a token that cannot exist"),
        ),
        Err(failure) if is_silent(&failure) => {
            let check = code::INSTAGRAM_GRAPH.failed(failure.detail);
            Probed::Graph(failure.unanswered.into_iter().fold(check, Check::because_of))
        }
        Err(failure) if matches!(failure.code, Some(UNKNOWN_PATH | RETIRED_VERSION)) => {
            let what = format!("{}: {}", instagram.graph_version, failure.detail);
            Probed::Graph(code::INSTAGRAM_VERSION.failed(what))
        }
        Err(Failure { meaning: Meaning::App(AppFault::Deactivated), detail, .. }) => {
            Probed::App(code::INSTAGRAM_APP.failed(detail).mended_by(RESTRICTED))
        }
        Err(_) => Probed::Graph(code::INSTAGRAM_GRAPH.passed("the Graph API answers")),
    }
}

/// Whether nobody answered, or somebody who is not Instagram.
fn is_silent(failure: &Failure) -> bool {
    failure.http_status.is_none_or(|status| status >= 500) || failure.is_odd_answer()
}

/// What is seen without asking Instagram.
pub(super) fn check_settings(settings: &Settings, now: Timestamp, report: &mut Report) {
    let Some(instagram) = &settings.instagram else {
        report.add(code::INSTAGRAM.warning("no app is configured: every status is `unavailable`"));
        return;
    };
    let public = &settings.public_url;
    let app = &instagram.app_id;
    report.add(code::INSTAGRAM.passed(format!("app {app}; register these addresses at Meta:")));
    for (field, path) in [
        ("OAuth redirect URI", "/instagram/callback"),
        ("deauthorize callback URL", "/webhooks/instagram/deauthorize"),
        ("data deletion request URL", "/webhooks/instagram/data-deletion"),
    ] {
        report.add(code::INSTAGRAM.passed(format!("{field}: {}", address(public, path))));
    }
    if !is_hexadecimal(instagram) {
        report.add(code::INSTAGRAM_SECRET_FORM.failed("it has characters other than 0-9 and a-f"));
    }
    check_scopes(instagram, report);
    report.add(check_version(&instagram.graph_version, instagram.version_end(), now));
    let urls: Vec<_> = settings.return_urls.iter().map(ReturnUrl::as_str).collect();
    report.add(if urls.is_empty() {
        code::RETURN_URLS.failed("none")
    } else {
        code::RETURN_URLS.passed(urls.join(", "))
    });
}

fn check_version(version: &str, end: VersionEnd, now: Timestamp) -> Check {
    match end {
        VersionEnd::Past => code::INSTAGRAM_VERSION.failed(format!("Meta has ended {version}")),
        // The probe of the Graph API tells whether it has.
        VersionEnd::On(end) if end <= Offset::UTC.to_datetime(after(now, SOON)).date() => {
            code::INSTAGRAM_VERSION.warning(format!("by Meta's changelog {version} ends on {end}"))
        }
        VersionEnd::On(_) | VersionEnd::Unknown => code::INSTAGRAM_VERSION.passed(version),
    }
}

fn is_hexadecimal(instagram: &InstagramConfig) -> bool {
    let is_hexadecimal =
        |secret: &SecretString| secret.expose_secret().bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hexadecimal(&instagram.app_secret) && instagram.callback_secrets.iter().all(is_hexadecimal)
}

fn check_scopes(instagram: &InstagramConfig, report: &mut Report) {
    let unknown: Vec<&str> =
        instagram.scopes.iter().map(String::as_str).filter(|scope| !SCOPES.contains(scope)).collect();
    report.add(if !unknown.is_empty() {
        code::INSTAGRAM_SCOPES.failed(format!("{} is not a scope of Instagram Login", unknown.join(", ")))
    } else if instagram.scopes.iter().any(|scope| scope == NEEDED) {
        code::INSTAGRAM_SCOPES.passed(instagram.scopes.join(", "))
    } else {
        code::INSTAGRAM_SCOPES.failed(format!("{NEEDED} is missing"))
    });
}

/// An address of ours as others must write it.
pub(super) fn address(public: &Url, path: &str) -> String {
    format!("{}{path}", public.as_str().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_warned_of_before_its_end() {
        let now = "2026-11-30T12:00:00Z".parse().unwrap();
        let on = |date: &str| check_version("v21.0", VersionEnd::On(date.parse().unwrap()), now);
        for end in ["2026-11-30", "2027-01-21"] {
            let what = format!("by Meta's changelog v21.0 ends on {end}");
            assert_eq!(on(end), code::INSTAGRAM_VERSION.warning(what));
        }
        assert_eq!(on("2027-05-20"), code::INSTAGRAM_VERSION.passed("v21.0"));
    }
}

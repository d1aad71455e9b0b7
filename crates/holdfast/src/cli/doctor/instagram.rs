//! Instagram: whether its hosts answer, and whether it takes the app.

use http::Method;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::report::{Check, Report};
use super::{ask, code};
use crate::app::{self, Seams};
use crate::clock::after;
use crate::provider::instagram::InstagramConfig;
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
/// Versions below are retired: Meta keeps one for two years.
const OLDEST_VERSION: u32 = 21;

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
        Ok(answer) if matches!(answer.status.as_u16(), 404 | 410) => Check::failed(
            code::INSTAGRAM_AUTHORIZE,
            format!("{host} answers {}: this is not a consent page", answer.status),
        ),
        Ok(answer) if answer.status.is_server_error() => {
            Check::failed(code::INSTAGRAM_AUTHORIZE, format!("{host} answers {}", answer.status))
        }
        // A page that is too large to be read is one.
        Ok(_) | Err(TransportError::TooLarge) => {
            Check::passed(code::INSTAGRAM_AUTHORIZE, format!("{host} answers"))
        }
        Err(error) => Check::failed(code::INSTAGRAM_AUTHORIZE, format!("{host}: {error}")),
    }
}

/// The exchange of a code that cannot exist: what Instagram complains about first tells whether it
/// takes the app.
async fn check_app(settings: &Settings, instagram: &InstagramConfig, provider: &SharedProvider) -> Check {
    if !is_hexadecimal(instagram) {
        return Check::skipped(code::INSTAGRAM_APP, "not checked: the secret cannot be right");
    }
    let host = instagram.api_url.host_str().unwrap_or_default();
    let code = SecretString::from("holdfast-doctor-asks-whether-the-app-is-known");
    let Err(failure) = provider.redeem(&code).await.outcome else {
        return Check::skipped(
            code::INSTAGRAM_APP,
            "could not be checked: an exchange that must fail did not",
        );
    };
    if is_silent(&failure) {
        return Check::failed(code::INSTAGRAM_TOKEN, format!("{host}: {}", failure.detail));
    }
    let not_told = format!("could not be checked: {}", failure.detail);
    match failure.meaning {
        Meaning::CodeRejected => {
            Check::passed(code::INSTAGRAM_APP, "Instagram accepts the app id and the secret")
        }
        Meaning::App(AppFault::Credentials) => Check::failed(code::INSTAGRAM_APP, failure.detail),
        Meaning::App(AppFault::RedirectUri) => Check::failed(
            code::INSTAGRAM_REDIRECT,
            format!("{} is not registered", address(&settings.public_url, "/instagram/callback")),
        ),
        Meaning::App(AppFault::Scope) => Check::failed(code::INSTAGRAM_SCOPES, failure.detail),
        Meaning::App(AppFault::NotAdmitted | AppFault::Deactivated) => {
            Check::failed(code::INSTAGRAM_APP, failure.detail).mended_by(RESTRICTED)
        }
        Meaning::App(AppFault::Request | AppFault::Unsupported)
        | Meaning::Dead(_)
        | Meaning::DeadUnexplained
        | Meaning::UserAction(_)
        | Meaning::Permission
        | Meaning::RateLimited(_)
        | Meaning::Unavailable
        | Meaning::Content => Check::skipped(code::INSTAGRAM_APP, not_told),
    }
}

/// A probe with a token that cannot exist: a Graph API says that it does not know it.
async fn check_graph(instagram: &InstagramConfig, provider: &SharedProvider, now: Timestamp) -> Probed {
    let grant = Grant {
        access_token: SecretString::from("holdfast-doctor"),
        scopes: None,
        obtained_at: now,
        expires_at: after(now, std::time::Duration::from_hours(1)),
    };
    match provider.identify(&grant).await.outcome {
        Ok(_) => Probed::Graph(Check::skipped(
            code::INSTAGRAM_GRAPH,
            "could not be checked: Instagram accepted a token that cannot exist",
        )),
        Err(failure) if is_silent(&failure) => {
            Probed::Graph(Check::failed(code::INSTAGRAM_GRAPH, failure.detail))
        }
        Err(failure) if matches!(failure.code, Some(UNKNOWN_PATH | RETIRED_VERSION)) => {
            let what = format!("{}: {}", instagram.graph_version, failure.detail);
            Probed::Graph(Check::failed(code::INSTAGRAM_VERSION, what))
        }
        Err(Failure { meaning: Meaning::App(AppFault::Deactivated), detail, .. }) => {
            Probed::App(Check::failed(code::INSTAGRAM_APP, detail).mended_by(RESTRICTED))
        }
        Err(_) => Probed::Graph(Check::passed(code::INSTAGRAM_GRAPH, "the Graph API answers")),
    }
}

/// Whether nobody answered, or somebody who is not Instagram.
fn is_silent(failure: &Failure) -> bool {
    failure.http_status.is_none_or(|status| status >= 500) || failure.is_odd_answer()
}

/// What is seen without asking Instagram.
pub(super) fn check_settings(settings: &Settings, report: &mut Report) {
    let Some(instagram) = &settings.instagram else {
        report.add(Check::warning(code::INSTAGRAM, "no app is configured: every status is `unavailable`"));
        return;
    };
    let public = &settings.public_url;
    report.add(Check::passed(
        code::INSTAGRAM,
        format!("app {}; register these addresses at Meta:", instagram.app_id),
    ));
    for (field, path) in [
        ("OAuth redirect URI", "/instagram/callback"),
        ("deauthorize callback URL", "/webhooks/instagram/deauthorize"),
        ("data deletion request URL", "/webhooks/instagram/data-deletion"),
    ] {
        report.add(Check::passed(code::INSTAGRAM, format!("{field}: {}", address(public, path))));
    }
    if !is_hexadecimal(instagram) {
        report.add(Check::failed(code::INSTAGRAM_SECRET_FORM, "it has characters other than 0-9 and a-f"));
    }
    check_scopes(instagram, report);
    let number = instagram.graph_version.trim_start_matches('v').split('.').next().unwrap_or_default();
    report.add(match number.parse::<u32>() {
        Ok(number) if number < OLDEST_VERSION => {
            Check::failed(code::INSTAGRAM_VERSION, format!("{} was retired by Meta", instagram.graph_version))
        }
        Ok(_) | Err(_) => Check::passed(code::INSTAGRAM_VERSION, instagram.graph_version.clone()),
    });
    report.add(if settings.return_urls.is_empty() {
        Check::failed(code::RETURN_URLS, "none")
    } else {
        Check::passed(code::RETURN_URLS, settings.return_urls.join(", "))
    });
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
        Check::failed(
            code::INSTAGRAM_SCOPES,
            format!("{} is not a scope of Instagram Login", unknown.join(", ")),
        )
    } else if instagram.scopes.iter().any(|scope| scope == NEEDED) {
        Check::passed(code::INSTAGRAM_SCOPES, instagram.scopes.join(", "))
    } else {
        Check::failed(code::INSTAGRAM_SCOPES, format!("{NEEDED} is missing"))
    });
}

/// An address of ours as others must write it.
pub(super) fn address(public: &Url, path: &str) -> String {
    format!("{}{path}", public.as_str().trim_end_matches('/'))
}

//! Instagram, and the address under which it reaches us.

use url::Url;

use super::report::{Check, Report};
use crate::settings::Settings;

pub(super) fn check(settings: &Settings, report: &mut Report) {
    let public = &settings.public_url;
    report.add(if public.scheme() == "https" {
        Check::passed("public address", public.as_str())
    } else {
        Check::warning(
            "public address",
            format!("{public} is not https: Meta registers https addresses only"),
            "set HOLDFAST_PUBLIC_URL to the address that browsers and Meta use",
        )
    });
    let Some(instagram) = &settings.instagram else {
        report.add(Check::warning(
            "Instagram",
            "no app is configured: every status is `unavailable`",
            "set INSTAGRAM_APP_ID and INSTAGRAM_APP_SECRET",
        ));
        return;
    };
    report.add(Check::passed(
        "Instagram",
        format!("app {}, scopes {}", instagram.app_id, instagram.scopes.join(", ")),
    ));
    for (field, path) in [
        ("OAuth redirect URI", "/instagram/callback"),
        ("deauthorize callback URL", "/webhooks/instagram/deauthorize"),
        ("data deletion request URL", "/webhooks/instagram/data-deletion"),
    ] {
        report.add(Check::passed("to be registered at Meta", format!("{field}: {}", address(public, path))));
    }
    report.add(if settings.return_urls.is_empty() {
        Check::failed(
            "return addresses",
            "none: nobody can connect, because no page may be returned to",
            "set HOLDFAST_ALLOWED_ORIGINS, or HOLDFAST_RETURN_URLS",
        )
    } else {
        Check::passed("return addresses", settings.return_urls.join(", "))
    });
}

/// An address of ours as others must write it.
pub(super) fn address(public: &Url, path: &str) -> String {
    format!("{}{path}", public.as_str().trim_end_matches('/'))
}

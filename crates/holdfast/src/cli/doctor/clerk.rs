//! Clerk: its keys, its clock, and whose tokens are accepted.

use clerk_session::{KeySet, OriginPattern};
use http::{HeaderValue, Method, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use secrecy::ExposeSecret as _;
use url::Url;

use super::super::context::Context;
use super::report::{Check, Report};
use crate::settings::{ClerkSettings, PartiesMode, Settings};
use crate::transport::{Answer, Outgoing, Transport};

pub(super) async fn check(
    context: &Context,
    clerk: &ClerkSettings,
    transport: &dyn Transport,
    report: &mut Report,
) {
    check_pair(clerk, report);
    if clerk.jwt_key.is_some() {
        report.add(Check::passed("Clerk's keys", "pinned by CLERK_JWT_KEY; no network is needed"));
    }
    let Some(request) = key_request(clerk) else {
        if clerk.jwt_key.is_none() {
            report.add(Check::skipped("Clerk's keys", "no source of keys is configured"));
        }
        report.add(Check::skipped("clock", "there is no address of Clerk's to compare with"));
        return;
    };
    let host = request.url.host_str().unwrap_or_default().to_owned();
    let asked = context.clock.now();
    match transport.send(request).await {
        Ok(answer) => {
            let now = context.clock.now();
            if clerk.jwt_key.is_none() {
                check_keys(&host, &answer, report);
            }
            check_clock(&answer, asked, now, clerk, report);
        }
        Err(error) => {
            let what = format!("{host} was asked: {error}");
            let remedy = "check the address, name resolution, and that outgoing https is allowed";
            // With a pinned key nothing depends on this address.
            report.add(if clerk.jwt_key.is_some() {
                Check::warning("clock", what, remedy)
            } else {
                Check::failed("Clerk's keys", what, remedy)
            });
        }
    }
}

/// Keys of two instances, or of development and production, never go together.
fn check_pair(clerk: &ClerkSettings, report: &mut Report) {
    let (Some(publishable), Some(secret)) = (&clerk.publishable_key, &clerk.secret_key) else { return };
    let is_live = publishable.is_live();
    let secret = secret.expose_secret();
    let secret_is_live = secret.starts_with("sk_live_") || secret.starts_with("live_");
    report.add(if is_live == secret_is_live {
        Check::passed("Clerk's key pair", "both are of the same kind of instance")
    } else {
        Check::failed(
            "Clerk's key pair",
            "one key is of a production instance, the other of a development instance",
            "copy both from the same page of Clerk's dashboard",
        )
    });
}

fn key_request(clerk: &ClerkSettings) -> Option<Outgoing> {
    if let Some(url) = &clerk.jwks_url {
        return Some(Outgoing::new(Method::GET, url.clone()));
    }
    let secret = clerk.secret_key.as_ref()?;
    let url = Url::parse(&format!("{}/v1/jwks", clerk.api_url.as_str().trim_end_matches('/'))).ok()?;
    let mut request = Outgoing::new(Method::GET, url);
    let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.expose_secret())).ok()?;
    value.set_sensitive(true);
    request.headers.insert(header::AUTHORIZATION, value);
    Some(request)
}

fn check_keys(host: &str, answer: &Answer, report: &mut Report) {
    const NAME: &str = "Clerk's keys";
    if !answer.status.is_success() {
        let what = format!("{host} answered {}", answer.status);
        report.add(Check::failed(
            NAME,
            what,
            "check CLERK_PUBLISHABLE_KEY, CLERK_JWKS_URL or CLERK_SECRET_KEY",
        ));
        return;
    }
    report.add(match KeySet::from_jwks(&answer.body) {
        Ok(document) => {
            let kids: Vec<&str> = document.keys.kids().collect();
            Check::passed(
                NAME,
                format!("{host} lists {}; {} others are not used", kids.join(", "), document.skipped.len()),
            )
        }
        Err(error) => {
            Check::failed(NAME, format!("{host}: {error}"), "check that the address is a JWKS of Clerk's")
        }
    });
}

/// Compares our clock with the `Date` of an answer, which lies between asking and receiving and is cut to seconds.
fn check_clock(
    answer: &Answer,
    asked: Timestamp,
    received: Timestamp,
    clerk: &ClerkSettings,
    report: &mut Report,
) {
    const NAME: &str = "clock";
    let date = answer
        .headers
        .get(header::DATE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| DateTimeParser::new().parse_timestamp(text).ok());
    let Some(date) = date else {
        report.add(Check::skipped(NAME, "the answer has no Date to compare with"));
        return;
    };
    let (date, asked, received) = (date.as_millisecond(), asked.as_millisecond(), received.as_millisecond());
    // Positive: ours is ahead.
    let ahead = if received < date {
        received - date
    } else if asked > date + 1000 {
        asked - (date + 1000)
    } else {
        0
    };
    let skew = i64::try_from(clerk.clock_skew.as_millis()).unwrap_or(i64::MAX);
    let seconds = ahead.abs().div_euclid(1000);
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    report.add(if ahead == 0 {
        Check::passed(NAME, "agrees with Clerk's")
    } else if ahead.abs() <= skew / 2 {
        Check::passed(NAME, format!("{seconds} s {side} Clerk's, within what is allowed"))
    } else {
        let what = format!("this machine's clock is {seconds} s {side} Clerk's");
        Check::failed(
            NAME,
            what,
            "synchronise it (chrony, systemd-timesyncd): good tokens are being refused, or soon will be",
        )
    });
}

fn names(origins: &[OriginPattern]) -> String {
    origins.iter().map(OriginPattern::as_str).collect::<Vec<_>>().join(", ")
}

pub(super) fn check_parties(settings: &Settings, report: &mut Report) {
    const NAME: &str = "authorized parties";
    let clerk = &settings.clerk;
    let missing: Vec<&str> = settings
        .allowed_origins
        .iter()
        .filter(|origin| !clerk.parties.contains(origin))
        .map(OriginPattern::as_str)
        .collect();
    if clerk.parties.is_empty() {
        report.add(Check::warning(
            NAME,
            "none: tokens made for any app of the Clerk instance are accepted",
            "set HOLDFAST_ALLOWED_ORIGINS to the origins of your web app",
        ));
    } else if !missing.is_empty() {
        report.add(Check::warning(
            NAME,
            format!("{} may call, but its tokens are refused", missing.join(", ")),
            "add it to CLERK_AUTHORIZED_PARTIES, or leave that unset: the allowed origins are the default",
        ));
    } else {
        report.add(Check::passed(NAME, names(&clerk.parties)));
    }
    match clerk.parties_mode {
        PartiesMode::Enforce => {}
        PartiesMode::IfPresent | PartiesMode::Report => report.add(Check::warning(
            NAME,
            "CLERK_AUTHORIZED_PARTIES_MODE is not `enforce`",
            "set it to enforce once the log shows no token without `azp`",
        )),
    }
    if settings.allowed_origins.is_empty() {
        report.add(Check::warning(
            "allowed origins",
            "none: no web page can call this server",
            "set HOLDFAST_ALLOWED_ORIGINS",
        ));
    }
}

pub(super) fn check_webhook(settings: &Settings, report: &mut Report) {
    let address = super::instagram::address(&settings.public_url, "/webhooks/clerk");
    report.add(if settings.clerk.webhook_secret.is_some() {
        Check::passed("Clerk's webhooks", format!("to be registered at Clerk: {address}"))
    } else {
        Check::warning(
            "Clerk's webhooks",
            "not set up: a user who is deleted at Clerk stays here, with their grant",
            format!("add the endpoint {address} at Clerk, and set CLERK_WEBHOOK_SIGNING_SECRET"),
        )
    });
}

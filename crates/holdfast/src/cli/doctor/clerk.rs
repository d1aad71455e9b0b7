//! Clerk: whether keys, secret and issuer belong to one instance, by the keys themselves; and its
//! clock.

use clerk_session::{KeySet, OriginPattern};
use url::Url;

use super::report::{Check, Report};
use super::{ask, code};
use crate::app::Seams;
use crate::caller::keys::{BackendKeys, public_keys};
use crate::clock_watch::ahead;
use crate::settings::{ClerkSettings, PartiesMode, Settings};
use crate::transport::{Outgoing, TransportError};

/// Accepted issuers that are asked for their keys.
const MOST_ISSUERS: usize = 8;

/// The answer of a source of keys.
enum KeysAnswer {
    Keys(KeySet),
    Refused(u16),
    /// It answers, and is no source of keys.
    Other(String),
    Silent(TransportError),
}

impl KeysAnswer {
    fn keys(&self) -> Option<&KeySet> {
        match self {
            Self::Keys(keys) => Some(keys),
            Self::Refused(_) | Self::Other(_) | Self::Silent(_) => None,
        }
    }

    /// Whether the secret key, or the address it is sent to, is at fault.
    fn is_fault_of_ours(&self) -> bool {
        matches!(self, Self::Other(_) | Self::Refused(300..=399 | 401 | 403 | 404 | 405 | 410))
    }
}

pub(super) async fn check(clerk: &ClerkSettings, seams: &Seams, report: &mut Report) {
    let backend = clerk.backend_keys().as_ref().map(BackendKeys::keys);
    // The Backend API's own list, named as the address: it wants the secret key, and is the same
    // question.
    let named_backend = backend.as_ref().is_some_and(|request| clerk.jwks_url.as_ref() == Some(&request.url));
    let public = match &clerk.jwks_url {
        Some(_) if named_backend => &[],
        Some(named) => std::slice::from_ref(named),
        None => &*clerk.frontend_apis,
    };
    let (public, backend) = tokio::join!(first_with_keys(seams, public), keys_of(seams, backend));
    let (public, host) = public.unzip();
    let ((public, first), (backend, second)) = (public.unzip(), backend.unzip());
    let host = host.unwrap_or_default();
    if let Some(told) = &backend {
        report.add(check_secret(clerk, told));
    }
    // The loader has read this very key.
    let pinned = clerk.jwt_key.as_deref().and_then(|pem| KeySet::from_pem(pem).ok());
    check_source(clerk, host, public.as_ref(), backend.as_ref(), report);
    check_instance(public.as_ref(), backend.as_ref(), pinned.as_ref(), report);
    let known = [public.as_ref(), backend.as_ref()]
        .into_iter()
        .flatten()
        .find_map(KeysAnswer::keys)
        .or(pinned.as_ref());
    // If keys of two instances are configured, that is told instead.
    let is_one =
        ![code::CLERK_INSTANCE, code::CLERK_PINNED].iter().any(|code| report.finds_fault_with(*code));
    if let Some(known) = known.filter(|_| is_one) {
        report.append(check_issuers(clerk, known, seams).await);
    }
    check_clock(clerk, first.flatten().or(second.flatten()), report);
}

/// Whether the Backend API takes the secret key.
fn check_secret(clerk: &ClerkSettings, told: &KeysAnswer) -> Check {
    let host = clerk.api_url.host_str().unwrap_or("CLERK_API_URL");
    let elsewhere = "unset CLERK_API_URL, or write the address of Clerk's Backend API: https://api.clerk.com";
    match told {
        KeysAnswer::Keys(_) => code::CLERK_SECRET.passed("Clerk's Backend API accepts it"),
        KeysAnswer::Refused(status @ (401 | 403)) => {
            code::CLERK_SECRET.failed(format!("Clerk's Backend API answers {status}"))
        }
        KeysAnswer::Refused(status) if told.is_fault_of_ours() => {
            let what = format!("CLERK_API_URL is not Clerk's Backend API: {host} answers {status}");
            code::CLERK_SECRET.failed(what).mended_by(elsewhere)
        }
        KeysAnswer::Other(why) => {
            let what = format!("CLERK_API_URL is not Clerk's Backend API: {host}: {why}");
            code::CLERK_SECRET.failed(what).mended_by(elsewhere)
        }
        KeysAnswer::Refused(status) => {
            let what = format!("could not be checked: Clerk's Backend API answers {status}");
            code::CLERK_SECRET.warning(what)
                .mended_by("run this again in a few minutes, and look at Clerk's status page")
        }
        KeysAnswer::Silent(why) => code::CLERK_SECRET
            .warning(format!("could not be checked: {host}: {why}"))
            .mended_by("check name resolution and that outgoing https is allowed; unset CLERK_API_URL where it is set")
            .because_of(*why),
    }
}

/// Whether the tokens that the known keys verify come from an accepted issuer: an issuer lists its
/// own keys. Of several accepted ones, one is enough.
async fn check_issuers(clerk: &ClerkSettings, known: &KeySet, seams: &Seams) -> Report {
    let mut report = Report::default();
    // Another check tells that a publishable key's own issuer is left out.
    let is_told = clerk.publishable_key.as_ref().is_some_and(|key| !clerk.issuers.contains(&key.issuer()));
    if clerk.issuers.is_empty() || is_told {
        return report;
    }
    let asked = clerk.issuers.iter().take(MOST_ISSUERS).map(|issuer| async move {
        let address = Url::parse(&format!("{issuer}/.well-known/jwks.json")).ok();
        let told = keys_of(seams, address.map(public_keys)).await;
        (issuer, told.map(|(told, _)| told))
    });
    let told = futures_util::future::join_all(asked).await;
    let lists = |(issuer, told): &(&String, Option<KeysAnswer>)| {
        Some(((*issuer).clone(), told.as_ref()?.keys()?.shares_a_key_with(known)))
    };
    let lists: Vec<(String, bool)> = told.iter().filter_map(lists).collect();
    report.add(if let Some((issuer, _)) = lists.iter().find(|(_, is_ours)| *is_ours) {
        code::CLERK_ISSUER.passed(format!("{issuer} lists the keys that tokens are verified with"))
    } else if let Some((issuer, _)) = lists.first().filter(|_| lists.len() == told.len()) {
        let what = format!(
            "{issuer} lists other keys than those that tokens are verified with: it is another Clerk instance, and every token \
             would be refused"
        );
        code::CLERK_ISSUER.failed(what).mended_by(
            "set CLERK_ISSUER, or CLERK_PUBLISHABLE_KEY, to the instance whose keys CLERK_JWKS_URL, CLERK_JWT_KEY or \
             CLERK_SECRET_KEY name, or change those",
        )
    } else {
        code::CLERK_ISSUER.not_told(format!("{} list no keys to compare", clerk.issuers.join(", ")))
    });
    report
}

/// Whether `serve` could judge a token.
fn check_source(
    clerk: &ClerkSettings,
    host: &str,
    public: Option<&KeysAnswer>,
    backend: Option<&KeysAnswer>,
    report: &mut Report,
) {
    let has_backend = matches!(backend, Some(KeysAnswer::Keys(_)));
    let why = match public {
        Some(KeysAnswer::Keys(keys)) => {
            report.add(code::CLERK_KEYS.passed(format!("{host} lists {} keys", keys.kids().count())));
            return;
        }
        Some(KeysAnswer::Refused(status)) => format!("{host} answers {status}"),
        Some(KeysAnswer::Other(why)) => format!("{host}: {why}"),
        Some(KeysAnswer::Silent(why)) => format!("{host}: {why}"),
        None if has_backend => {
            report.add(code::CLERK_KEYS.passed("Clerk's Backend API lists them"));
            return;
        }
        None => "no source of Clerk's keys answers".to_owned(),
    };
    if clerk.jwt_key.is_none() && public.is_none() && backend.is_none() {
        report.add(code::CLERK_KEYS.skipped("no source of Clerk's keys is configured"));
        return;
    }
    report.add(if clerk.jwt_key.is_some() {
        code::CLERK_KEYS.passed("pinned by CLERK_JWT_KEY; no network is needed")
    } else if has_backend && clerk.jwks_url.is_none() {
        code::CLERK_KEYS.warning(format!("{why}; `serve` gets them from the Backend API"))
    } else if public.is_none() && backend.is_some_and(KeysAnswer::is_fault_of_ours) {
        // The secret key is the only source, and has its own failed check.
        code::CLERK_KEYS.skipped("they are fetched with the secret key")
    } else {
        let check = code::CLERK_KEYS.failed(why);
        match public {
            Some(KeysAnswer::Silent(why)) => check.because_of(*why),
            _ => check,
        }
    });
}

/// Whether all that is configured belongs to one instance.
fn check_instance(
    public: Option<&KeysAnswer>,
    backend: Option<&KeysAnswer>,
    pinned: Option<&KeySet>,
    report: &mut Report,
) {
    if let (Some(KeysAnswer::Keys(public)), Some(KeysAnswer::Keys(backend))) = (public, backend) {
        report.add(if public.shares_a_key_with(backend) {
            code::CLERK_INSTANCE.passed("the secret key gives the same keys as the public address")
        } else {
            code::CLERK_INSTANCE.failed("the public address and the secret key give different keys")
        });
    }
    let Some(pinned) = pinned else { return };
    let others = [public, backend].into_iter().flatten().filter_map(KeysAnswer::keys);
    let mut others = others.peekable();
    if others.peek().is_none() {
        report.add(code::CLERK_PINNED.skipped("no other setting names an instance to compare it with"));
    } else {
        report.add(if others.any(|keys| pinned.shares_a_key_with(keys)) {
            code::CLERK_PINNED.passed("it is a key of the instance")
        } else {
            code::CLERK_PINNED.failed(
                "CLERK_JWT_KEY is not one of the keys of the instance that CLERK_JWKS_URL, the publishable key or the \
                 secret key belongs to",
            )
        });
    }
}

/// The answer of the first address that lists keys, else of the first address; and its host.
async fn first_with_keys<'a>(
    seams: &Seams,
    addresses: &'a [Url],
) -> Option<((KeysAnswer, Option<f64>), &'a str)> {
    let mut first = None;
    for url in addresses {
        let told = keys_of(seams, Some(public_keys(url.clone()))).await;
        let told = told.map(|told| (told, url.host_str().unwrap_or("Clerk")));
        if told.as_ref().is_some_and(|((answer, _), _)| answer.keys().is_some()) {
            return told;
        }
        first = first.or(told);
    }
    first
}

/// What a source says, and how far our clock is ahead of its. `None` where there is no such source.
async fn keys_of(seams: &Seams, request: Option<Outgoing>) -> Option<(KeysAnswer, Option<f64>)> {
    let asked = seams.clock.now();
    let answer = match ask(seams, request?).await {
        Ok(answer) => answer,
        Err(error) => return Some((KeysAnswer::Silent(error), None)),
    };
    let ahead = ahead(&answer, asked, seams.clock.now());
    let told = if answer.status.is_success() {
        match KeySet::from_jwks(&answer.body) {
            Ok(document) => KeysAnswer::Keys(document.keys),
            Err(error) => KeysAnswer::Other(format!("its answer is not a key set: {error}")),
        }
    } else {
        KeysAnswer::Refused(answer.status.as_u16())
    };
    Some((told, ahead))
}

fn check_clock(clerk: &ClerkSettings, ahead: Option<f64>, report: &mut Report) {
    let Some(ahead) = ahead else {
        report.add(code::CLOCK.skipped("no server answered with its time"));
        return;
    };
    let side = if ahead > 0.0 { "ahead of" } else { "behind" };
    report.add(if ahead.abs() <= clerk.clock_skew.as_secs_f64() / 2.0 {
        code::CLOCK.passed("agrees with Clerk's")
    } else {
        code::CLOCK.failed(format!("this machine's clock is {:.0} s {side} Clerk's", ahead.abs()))
    });
}

/// What is seen without asking Clerk.
pub(super) fn check_settings(settings: &Settings, report: &mut Report) {
    let clerk = &settings.clerk;
    if let Some(key) = &clerk.publishable_key
        && !clerk.issuers.is_empty()
        && !clerk.issuers.contains(&key.issuer())
    {
        report.add(code::CLERK_ISSUER.failed(format!(
            "the publishable key's issuer is {}, CLERK_ISSUER is {}",
            key.issuer(),
            clerk.issuers.join(", ")
        )));
    }
    if !clerk.audience.is_empty() {
        report.add(
            code::CLERK_AUDIENCE
                .warning(format!("only tokens with audience {} are accepted", clerk.audience.join(", "))),
        );
    }
    check_parties(settings, report);
    let address = super::instagram::address(&settings.public_url, "/webhooks/clerk");
    report.add(if clerk.webhook_keys.is_some() {
        code::CLERK_WEBHOOKS.passed(format!("register this endpoint at Clerk: {address}"))
    } else {
        code::CLERK_WEBHOOKS
            .warning("not set up: a user who is deleted at Clerk stays here, with their grant")
            .mended_by(format!("add the endpoint {address} at Clerk, and set CLERK_WEBHOOK_SIGNING_SECRET"))
    });
}

/// The configuration itself warns of an allowed origin whose tokens are refused; where all are,
/// nobody is served.
fn check_parties(settings: &Settings, report: &mut Report) {
    let clerk = &settings.clerk;
    let is_party = |origin: &OriginPattern| {
        clerk.parties.contains(origin) || clerk.parties.iter().any(|each| each.matches(origin.as_str()))
    };
    report.add(if settings.allowed_origins.is_empty() {
        code::ORIGINS.warning("none is set: no web page can call this server")
    } else if clerk.parties_mode != PartiesMode::Report
        && !clerk.parties.is_empty()
        && !settings.allowed_origins.iter().any(is_party)
    {
        let what = "CLERK_AUTHORIZED_PARTIES has no allowed origin: the tokens of every page are refused";
        code::ORIGINS.failed(what).mended_by(
            "add the origins to CLERK_AUTHORIZED_PARTIES, or unset it: then the allowed origins are the parties",
        )
    } else {
        let names: Vec<&str> = clerk.parties.iter().map(OriginPattern::as_str).collect();
        code::ORIGINS.passed(names.join(", "))
    });
    match clerk.parties_mode {
        PartiesMode::Enforce => {}
        PartiesMode::IfPresent | PartiesMode::Report => report.add(
            code::ORIGINS
                .warning("CLERK_AUTHORIZED_PARTIES_MODE is not `enforce`")
                .mended_by("set it to enforce once the log shows no token without `azp`"),
        ),
    }
}

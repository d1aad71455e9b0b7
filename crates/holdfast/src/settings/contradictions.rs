//! Values that are valid alone but contradict each other or Meta's rules; reported before anybody
//! is refused because of them.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use url::Url;

use super::Settings;
use super::fault::Fault;
use super::table;
use crate::provider::instagram::{InstagramConfig, VersionEnd};

/// A day: Instagram refreshes no younger token.
const YOUNGEST: Duration = Duration::from_hours(24);
/// How long Instagram's tokens live ("Business Login for Instagram": 60 days).
const LIFETIME: Duration = Duration::from_hours(60 * 24);
/// The hosts of the Instagram API with Instagram Login, each with what it is for.
const AUTHORIZE: &str = "www.instagram.com";
const TOKEN: &str = "api.instagram.com";
const GRAPH: &str = "graph.instagram.com";

/// Everything that does not go together.
pub(super) fn of(settings: &Settings) -> Vec<Fault> {
    let mut found: Vec<Fault> =
        [webhook(settings), return_urls(settings), worker(settings)].into_iter().flatten().collect();
    if let Some(instagram) = &settings.instagram {
        found.extend(refresh(settings, instagram));
        found.extend(addresses(instagram));
    }
    found
}

/// One address for both listeners, with which the server cannot start.
pub(super) fn one_address(settings: &Settings) -> Option<Fault> {
    let metrics = settings.metrics_listen.filter(|metrics| is_taken_by(*metrics, settings.listen))?;
    Some(Fault::new(
        table::METRICS_LISTEN.env,
        format!("the server itself listens on port {}", metrics.port()),
        "give the metrics a port of their own, like 127.0.0.1:9464",
    ))
}

/// Port 0 is a free one each time.
fn is_taken_by(one: SocketAddr, other: SocketAddr) -> bool {
    let overlap = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && overlap
}

fn webhook(settings: &Settings) -> Option<Fault> {
    let url = settings.webhook.as_ref().map(|webhook| &webhook.url)?;
    (url.origin() == settings.public_url.origin()).then(|| {
        Fault::new(
            table::WEBHOOK_URL.env,
            "events would be sent to this server itself",
            "write the address at which your app takes them",
        )
    })
}

/// A SQLite file serves one process alone, so there is no other that could refresh.
fn worker(settings: &Settings) -> Option<Fault> {
    let is_alone = settings.database_url.expose_secret().starts_with("sqlite:");
    (is_alone && !settings.worker).then(|| {
        Fault::new(
            table::WORKER.env,
            "this is the only server of a SQLite file, and it is not to refresh: every grant expires within sixty days",
            "unset it, or write on",
        )
    })
}

/// The page that the browser returns to completes the attempt, so its origin has to be allowed.
/// Where no origin is allowed, the app's backend completes it.
fn return_urls(settings: &Settings) -> Option<Fault> {
    if settings.allowed_origins.is_empty() {
        return None;
    }
    let may_call = |origin: &str| {
        settings.allowed_origins.iter().any(|each| each.as_str() == origin || each.matches(origin))
    };
    let pages = settings.return_urls.iter().filter_map(|entry| page_origin(entry.as_str()));
    let unheard: Vec<&str> = pages.filter(|origin| !may_call(origin)).collect();
    (!unheard.is_empty()).then(|| {
        Fault::new(
            table::RETURN_URLS.env,
            format!(
                "browsers return to {}, whose pages may not call, so they cannot complete",
                unheard.join(", ")
            ),
            "add them to HOLDFAST_ALLOWED_ORIGINS, or return to a page of an allowed origin",
        )
    })
}

/// The origin of a return address; `None` for one of a native app.
fn page_origin(entry: &str) -> Option<&str> {
    let rest = entry.strip_prefix("https://").or_else(|| entry.strip_prefix("http://"))?;
    let path = rest.find('/').map_or(0, |at| rest.len() - at);
    entry.get(..entry.len() - path)
}

fn refresh(settings: &Settings, instagram: &InstagramConfig) -> Option<Fault> {
    let told = |what: &str, remedy: &str| Some(Fault::new(table::REFRESH_MIN_AGE_S.env, what, remedy));
    if settings.refresh.min_age >= LIFETIME {
        told(
            "no token of Instagram's gets so old, so none would ever be refreshed",
            "unset it, or write less than 5184000, the 60 days that a token lives",
        )
    } else if settings.refresh.min_age < YOUNGEST && is_at(&instagram.graph_url, GRAPH) {
        told("Instagram refreshes no token younger than a day", "unset it, or write 86400 or more")
    } else {
        None
    }
}

fn addresses(instagram: &InstagramConfig) -> Vec<Fault> {
    let mut found = Vec::new();
    let mut warn = |name: &str, what: String, remedy: &str| found.push(Fault::new(name, what, remedy));
    let (authorize, token, graph) = (&instagram.authorize_url, &instagram.api_url, &instagram.graph_url);
    if [TOKEN, GRAPH].iter().any(|host| is_at(authorize, host)) || is_of_facebook(authorize) {
        warn(
            table::INSTAGRAM_AUTHORIZE_URL.env,
            format!("{} is not Instagram's consent page", shown(authorize)),
            "unset it, or write https://www.instagram.com/oauth/authorize",
        );
    }
    if [AUTHORIZE, GRAPH].iter().any(|host| is_at(token, host)) || is_of_facebook(token) {
        warn(
            table::INSTAGRAM_API_URL.env,
            format!("{} does not exchange codes of Instagram Login", shown(token)),
            "unset it, or write https://api.instagram.com",
        );
    } else if token.path().trim_end_matches('/').ends_with("/oauth/access_token") {
        warn(
            table::INSTAGRAM_API_URL.env,
            "/oauth/access_token is added to it and would appear twice".to_owned(),
            "end it before /oauth",
        );
    }
    if [AUTHORIZE, TOKEN].iter().any(|host| is_at(graph, host)) || is_of_facebook(graph) {
        warn(
            table::INSTAGRAM_GRAPH_URL.env,
            format!("{} does not accept tokens of Instagram Login", shown(graph)),
            "unset it, or write https://graph.instagram.com",
        );
    } else if graph.path_segments().and_then(Iterator::last).is_some_and(is_version) {
        warn(
            table::INSTAGRAM_GRAPH_URL.env,
            format!(
                "{} is added to it, so that the address would have two versions",
                instagram.graph_version
            ),
            "end it after the host, and set INSTAGRAM_GRAPH_VERSION",
        );
    }
    if instagram.version_end() == VersionEnd::Past {
        warn(
            table::INSTAGRAM_GRAPH_VERSION.env,
            format!("Meta has ended {} of the Graph API", instagram.graph_version),
            "unset it, or set a current version",
        );
    }
    found
}

fn is_at(url: &Url, host: &str) -> bool {
    url.host_str() == Some(host)
}

fn is_of_facebook(url: &Url) -> bool {
    url.host_str().is_some_and(|host| host == "facebook.com" || host.ends_with(".facebook.com"))
}

fn is_version(segment: &str) -> bool {
    segment
        .strip_prefix('v')
        .and_then(|rest| rest.split('.').next())
        .is_some_and(|major| !major.is_empty() && major.bytes().all(|byte| byte.is_ascii_digit()))
}

fn shown(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

//! Makes [`Settings`] from collected values: reads each value, computes derived ones, and checks
//! values against each other. `clerk.rs` does the same for Clerk's, `load/traces.rs` for those of
//! traces.

mod traces;

use std::path::PathBuf;

use clerk_session::OriginPattern;
use secrecy::ExposeSecret;
use url::Url;

use super::contradictions;
use super::database_address;
use super::entry::{Entry, Fallback, Setting};
use super::fault::{Fault, Faults};
use super::misplaced_secrets::looks_secret;
use super::preview_hosts::takers;
use super::sources::{Collected, ConfigFile, Environment, collect};
use super::table;
use super::weak_secrets;
use super::{ClerkSettings, OutgoingWebhook, Purpose, Reading, Settings};
use crate::address::{is_this_machine, is_unspecified};
use crate::client_address::TrustedProxies;
use crate::connection::return_url::ReturnUrl;
use crate::connection::schedule::RefreshPolicy;
use crate::provider::instagram::InstagramConfig;

/// Reads the configuration. Every fault is reported, not only the first.
pub fn load(
    environment: &Environment,
    file: Option<&ConfigFile>,
    purpose: Purpose,
) -> Result<Settings, Faults> {
    load_with_reading(environment, file, purpose).map(|(settings, _)| settings)
}

/// As [`load`], together with the raw values, from one reading of the files.
pub fn load_with_reading(
    environment: &Environment,
    file: Option<&ConfigFile>,
    purpose: Purpose,
) -> Result<(Settings, Reading), Faults> {
    let mut reader = Reader { collected: collect(environment, file) };
    let settings = reader.settings(purpose);
    let mut faults = reader.collected.faults;
    match settings {
        Some(mut settings) if faults.is_empty() => {
            settings.warnings.splice(0..0, reader.collected.misspelt);
            settings.warnings.extend(doubts(&settings));
            Ok((settings, Reading::of(reader.collected.values)))
        }
        _ => {
            // A misspelt name may be the reason why another setting is missing.
            faults.extend(reader.collected.misspelt);
            Err(in_order(faults))
        }
    }
}

/// The faults in the order of the table.
pub(super) fn in_order(mut faults: Vec<Fault>) -> Faults {
    faults.sort_by_key(|fault| {
        let position = table::TABLE
            .iter()
            .position(|each| fault.name.starts_with(each.env) || fault.name == each.toml_key().to_string());
        position.unwrap_or(usize::MAX)
    });
    Faults(faults)
}

/// The configuration, read again while the server runs: as given, and as it holds until a restart.
/// What is derived from several settings, such as the issuers from the publishable key, then comes
/// from those that hold.
pub fn load_again(
    environment: &Environment,
    file: Option<&ConfigFile>,
    before: &Reading,
    reloadable: &[&str],
) -> Result<(Settings, Reading), Faults> {
    let (_, reading) = load_with_reading(environment, file, Purpose::Serve)?;
    let values = reading.held(before, reloadable);
    let mut reader = Reader { collected: Collected { values, ..Collected::default() } };
    match reader.settings(Purpose::Serve) {
        Some(mut settings) if reader.collected.faults.is_empty() => {
            settings.warnings.extend(doubts(&settings));
            Ok((settings, reading))
        }
        _ => Err(Faults(reader.collected.faults)),
    }
}

/// Warnings about settings that are each valid but may not be meant.
fn doubts(settings: &Settings) -> Vec<Fault> {
    [contradictions::of(settings), weak_secrets::of(settings)].concat()
}

pub(super) struct Reader {
    collected: Collected,
}

impl Reader {
    /// The value, or the default where that is text; `None` also where the value cannot be used.
    pub(super) fn read<T>(&self, entry: &Entry<T>) -> Option<T> {
        let text = match (self.collected.values.get(entry.env), entry.default) {
            (Some(found), _) => found.text.expose_secret(),
            (None, Fallback::Text(text)) => text,
            (None, Fallback::Derived(_) | Fallback::Absent(_)) => return None,
        };
        (entry.read)(text).ok()
    }

    /// Notes as a fault that the value cannot be used.
    fn judge(&mut self, setting: &Setting) {
        let Some(found) = self.collected.values.get(setting.env) else { return };
        let text = found.text.expose_secret();
        let Some(wrong) = (setting.wrong)(text) else { return };
        let name = found.origin.name().unwrap_or(setting.env).to_owned();
        // An env file of Docker's has no comments behind a value.
        let is_comment = |(value, _): &(&str, &str)| (setting.wrong)(value.trim_end()).is_none();
        let remedy = match text.split_once(" #").filter(is_comment) {
            Some(_) => "leave out the comment: it is part of the value here".to_owned(),
            None => wrong.remedy,
        };
        let is_hidden = setting.secret || looks_secret(text);
        let value = if is_hidden { "the value".to_owned() } else { format!("`{}`", shorten(text)) };
        self.fault(name, format!("{value} {}", wrong.what), remedy);
    }

    pub(super) fn is_set<T>(&self, entry: &Entry<T>) -> bool {
        self.collected.values.contains_key(entry.env)
    }

    /// Whether it is not set. A set value that cannot be used has a fault of its own, and no
    /// further ones follow from it.
    pub(super) fn is_missing<T>(&self, entry: &Entry<T>) -> bool {
        !self.is_set(entry)
            && !self.collected.is_file_spoilt
            && !self.collected.spoilt.contains_key(entry.env)
    }

    pub(super) fn fault(
        &mut self,
        name: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.collected.faults.push(Fault::new(name, what, remedy));
    }

    pub(super) fn warn(
        &mut self,
        name: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.collected.warnings.push(Fault::new(name, what, remedy));
    }

    /// All faults are noted before the first setting that is missing ends it.
    fn settings(&mut self, purpose: Purpose) -> Option<Settings> {
        for setting in [table::OWN, table::OF_OTHERS].concat() {
            self.judge(setting);
        }
        let public_url = self.public_url();
        let allowed_origins = self.read(&table::ALLOWED_ORIGINS).unwrap_or_default();
        let return_urls = self.return_urls(&allowed_origins);
        let trusted_proxies = self.read(&table::TRUSTED_PROXIES).unwrap_or_default();
        let webhook = self.webhook();
        let traces = self.traces();
        let clerk = self.clerk(&allowed_origins, purpose);
        let instagram = self.instagram(public_url.as_ref());
        self.require_keys(purpose);
        self.warn_of_plain_http(public_url.as_ref(), clerk.as_ref(), instagram.as_ref(), webhook.as_ref());
        self.warn_of_trust_in_anybody(&trusted_proxies);
        let database_url = self.read(&table::DATABASE_URL)?;
        for (what, remedy) in database_address::in_vain(database_url.expose_secret()) {
            self.warn(table::DATABASE_URL.env, what, remedy);
        }
        let beside_database = || default_journal_directory(database_url.expose_secret());
        Some(Settings {
            listen: self.read(&table::LISTEN)?,
            metrics_listen: self.read(&table::METRICS_LISTEN),
            public_url: public_url?,
            journal_directory: self.read(&table::JOURNAL_DIR).unwrap_or_else(beside_database),
            database_url,
            encryption_keys: self.read(&table::ENCRYPTION_KEYS),
            return_urls,
            allowed_origins,
            trusted_proxies,
            max_connections: self.read(&table::MAX_CONNECTIONS)?,
            drain: self.read(&table::DRAIN_S)?,
            core_files: self.read(&table::CORE_FILES)?,
            max_requests: self.read(&table::MAX_REQUESTS)?,
            requests_per_address: self.read(&table::REQUESTS_PER_ADDRESS),
            http2: self.read(&table::HTTP2)?,
            forward_auth_secret: self.read(&table::FORWARD_AUTH_SECRET),
            webhook,
            clerk: clerk?,
            instagram,
            check_interval: self.read(&table::CHECK_INTERVAL_S)?,
            refresh: RefreshPolicy {
                min_age: self.read(&table::REFRESH_MIN_AGE_S)?,
                at: self.read(&table::REFRESH_AT)?,
            },
            worker: self.read(&table::WORKER)?,
            log: self.read(&table::LOG)?,
            log_format: self.read(&table::LOG_FORMAT),
            traces,
            warnings: std::mem::take(&mut self.collected.warnings),
        })
    }

    fn public_url(&self) -> Option<Url> {
        // An address always makes a URL; should it not, `instagram` and the server go without one.
        let of_listener = || Url::parse(&format!("http://{}", self.read(&table::LISTEN)?)).ok();
        self.read(&table::PUBLIC_URL).or_else(of_listener)
    }

    /// A browser that returns to a stranger's page hands over the completion, with which the
    /// stranger links the account. So by default the hosts that strangers can take are left out.
    fn return_urls(&mut self, allowed_origins: &[OriginPattern]) -> Vec<ReturnUrl> {
        let is_open = |address: &&str| takers(address).is_some();
        if let Some(named) = self.read(&table::RETURN_URLS) {
            let open: Vec<_> = named.iter().map(ReturnUrl::as_str).filter(is_open).collect();
            if !open.is_empty() {
                let what = format!(
                    "strangers can take hosts that {} matches, and link the account of anybody who opens a link of theirs",
                    open.join(", ")
                );
                let remedy = "name each address without `*`, or give previews a domain of your own";
                self.warn(table::RETURN_URLS.env, what, remedy);
            }
            return named;
        }
        let (open, own): (Vec<_>, Vec<_>) =
            allowed_origins.iter().map(OriginPattern::as_str).partition(is_open);
        if !open.is_empty() {
            let what = format!(
                "strangers can take hosts that {} matches, so by default no browser returns there from Instagram",
                open.join(", ")
            );
            let remedy = "name each origin without `*`, give previews a domain of your own, or set HOLDFAST_RETURN_URLS";
            self.warn(table::ALLOWED_ORIGINS.env, what, remedy);
        }
        // Every origin is an address to return to.
        own.into_iter().filter_map(|origin| ReturnUrl::parse(origin).ok()).collect()
    }

    fn require_keys(&mut self, purpose: Purpose) {
        if purpose == Purpose::Serve && self.is_missing(&table::ENCRYPTION_KEYS) {
            self.fault(
                table::ENCRYPTION_KEYS.env,
                "the server needs a key to seal every grant",
                "make one with `holdfast keys generate` and keep it safe",
            );
        }
    }

    fn warn_of_trust_in_anybody(&mut self, proxies: &TrustedProxies) {
        if proxies.believes_anybody() {
            self.warn(
                table::TRUSTED_PROXIES.env,
                "every address counts as a proxy, so any client can choose the address that its limits use",
                "name the addresses of your proxies only",
            );
        }
    }

    /// Warns of unencrypted addresses that keys, grants or secrets travel to or from.
    fn warn_of_plain_http(
        &mut self,
        public_url: Option<&Url>,
        clerk: Option<&ClerkSettings>,
        instagram: Option<&InstagramConfig>,
        webhook: Option<&OutgoingWebhook>,
    ) {
        if public_url.is_some_and(is_unspecified) {
            self.warn(
                table::PUBLIC_URL.env,
                "it names every address of this machine, which neither a browser nor Meta can open",
                "set it to the https address at which browsers and Meta reach this server",
            );
        } else if public_url.is_some_and(is_in_the_clear) {
            self.warn(
                table::PUBLIC_URL.env,
                "browsers and Meta would reach this server without TLS",
                "put a proxy with TLS in front and write https://",
            );
        }
        let named = [
            (table::CLERK_JWKS_URL.env, clerk.and_then(|clerk| clerk.jwks_url.as_ref())),
            (table::CLERK_API_URL.env, clerk.map(|clerk| &clerk.api_url)),
            (table::INSTAGRAM_AUTHORIZE_URL.env, instagram.map(|app| &app.authorize_url)),
            (table::INSTAGRAM_API_URL.env, instagram.map(|app| &app.api_url)),
            (table::INSTAGRAM_GRAPH_URL.env, instagram.map(|app| &app.graph_url)),
            (table::WEBHOOK_URL.env, webhook.map(|webhook| &webhook.url)),
        ];
        for (name, url) in named {
            if url.is_some_and(is_in_the_clear) {
                self.warn(
                    name,
                    "anybody on the network path can read what is sent and change what is answered",
                    "write https://",
                );
            }
        }
    }

    fn webhook(&mut self) -> Option<OutgoingWebhook> {
        let url = self.read(&table::WEBHOOK_URL);
        let key = self.read(&table::WEBHOOK_SECRET);
        match (url, key) {
            (Some(url), Some(key)) => Some(OutgoingWebhook { url, key }),
            (Some(_), None) if self.is_missing(&table::WEBHOOK_SECRET) => {
                self.fault(
                    table::WEBHOOK_SECRET.env,
                    "HOLDFAST_WEBHOOK_URL is set, but events need a secret that signs them",
                    "make one with `echo whsec_$(openssl rand -base64 32)`",
                );
                None
            }
            (None, Some(_)) if self.is_missing(&table::WEBHOOK_URL) => {
                self.fault(
                    table::WEBHOOK_URL.env,
                    "HOLDFAST_WEBHOOK_SECRET is set, but no address",
                    "set the address as well",
                );
                None
            }
            (Some(_) | None, None) | (None, Some(_)) => None,
        }
    }

    fn instagram(&mut self, public_url: Option<&Url>) -> Option<InstagramConfig> {
        let half = |set: &str, missing: &str| {
            (missing.to_owned(), format!("{set} is set without it"), "set both, or neither".to_owned())
        };
        let (id, secret) = (&table::INSTAGRAM_APP_ID, &table::INSTAGRAM_APP_SECRET);
        let fault = if self.is_set(id) && self.is_missing(secret) {
            Some(half(id.env, secret.env))
        } else if self.is_set(secret) && self.is_missing(id) {
            Some(half(secret.env, id.env))
        } else {
            None
        };
        if let Some((name, what, remedy)) = fault {
            self.fault(name, what, remedy);
        }
        let callback_secrets = self.read(secret)?;
        Some(InstagramConfig {
            app_id: self.read(&table::INSTAGRAM_APP_ID)?,
            app_secret: callback_secrets.first()?.clone(),
            callback_secrets,
            scopes: self.read(&table::INSTAGRAM_SCOPES)?,
            authorize_url: self.read(&table::INSTAGRAM_AUTHORIZE_URL)?,
            api_url: self.read(&table::INSTAGRAM_API_URL)?,
            graph_url: self.read(&table::INSTAGRAM_GRAPH_URL)?,
            graph_version: self.read(&table::INSTAGRAM_GRAPH_VERSION)?,
            redirect_uri: redirect_uri(public_url?),
        })
    }
}

/// Where Instagram sends the browser back to.
fn redirect_uri(public_url: &Url) -> Url {
    let mut url = public_url.clone();
    url.set_path(&format!("{}/instagram/callback", public_url.path().trim_end_matches('/')));
    url
}

/// Without TLS, and not to this machine itself.
pub(super) fn is_in_the_clear(url: &Url) -> bool {
    url.scheme() == "http" && !is_this_machine(url)
}

/// Beside the database file; where the database is elsewhere, in the working directory.
fn default_journal_directory(database_url: &str) -> PathBuf {
    let file = database_url.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    let file = file.map(|path| path.split('?').next().unwrap_or_default());
    PathBuf::from(format!("{}.journal", file.unwrap_or("holdfast")))
}

/// Long values, such as a PEM, are cut for the message.
fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(60).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

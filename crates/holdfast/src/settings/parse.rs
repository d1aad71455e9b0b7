//! Readers of single values. None repeats a secret in its complaint.

mod clerk;
mod numbers;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clerk_session::OriginPattern;
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use url::Url;

use super::LogFormat;
use super::database_address::misspelt_parameter;
use super::entry::Wrong;
use super::preview_hosts::{Takers, takers};
use crate::client_address::{Network, TrustedProxies};
use crate::connection::return_url::ReturnUrl;
use crate::standard_webhooks::SigningKey;
use crate::vault::KeyRing;

pub use clerk::{
    ProxyAddress, clerk_api_url, clerk_domain, clerk_proxy, issuers, parties_mode, pem, publishable_key,
    secret_key, skew,
};

pub use numbers::{drain, fraction, length, seconds};

type Read<T> = Result<T, Wrong>;

/// `address:port`. No name is looked up; `localhost` is the loopback address, and no address at all
/// is every interface.
pub fn address(text: &str) -> Read<SocketAddr> {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let host = match host {
        "" => "0.0.0.0",
        name if name.eq_ignore_ascii_case("localhost") => "127.0.0.1",
        host => host,
    };
    format!("{host}:{port}")
        .parse()
        .map_err(|_| Wrong::new("is not an address and port", "write it like 127.0.0.1:8080 or [::]:8080"))
}

/// The same for a listener that need not be there.
pub fn address_or_none(text: &str) -> Read<SocketAddr> {
    if matches!(text, "off" | "none" | "false" | "no" | "0") {
        return Err(Wrong::new("is not an address and port", "leave it unset: then there is none"));
    }
    address(text)
}

/// Parsers of addresses skip line breaks and tabs, so two lines would become one address.
fn refuse_line_breaks(text: &str) -> Read<()> {
    if text.contains(char::is_control) {
        return Err(Wrong::new("has a line break or a tab in it", "write one address, in one line"));
    }
    Ok(())
}

/// An http or https address.
pub fn url(text: &str) -> Read<Url> {
    refuse_line_breaks(text)?;
    let url = Url::parse(text)
        .map_err(|_| Wrong::new("is not an address", "write it in full, like https://api.example.com"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(Wrong::new("is not an http or https address", "start it with https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Wrong::new("carries a user name or password", "leave out the part before @"));
    }
    Ok(url)
}

/// An address that paths are appended to: without query and fragment.
pub fn base_url(text: &str) -> Read<Url> {
    let url = url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Wrong::new("has a query or fragment", "end it before the ? or #"));
    }
    Ok(url)
}

/// The address of a page, which has a path.
pub fn consent_page(text: &str) -> Read<Url> {
    let url = url(text)?;
    if url.path() == "/" {
        return Err(Wrong::new(
            "has no path: people would be sent to the host's home page, which asks for no consent",
            "write it in full, like https://www.instagram.com/oauth/authorize",
        ));
    }
    Ok(url)
}

/// `sqlite://path` or `postgres://…`.
pub fn database_url(text: &str) -> Read<SecretString> {
    refuse_line_breaks(text)?;
    let known = ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    if let Some((misspelt, meant)) = misspelt_parameter(text) {
        Err(Wrong::new(
            format!("has a parameter {misspelt}, which would have no effect"),
            format!("did you mean {meant}?"),
        ))
    } else if known {
        Ok(SecretString::from(text))
    } else {
        Err(Wrong::new(
            "names a database that is not supported",
            "write sqlite://holdfast.db or postgres://user@host/database",
        ))
    }
}

/// The path of a directory, which need not be there yet.
pub fn directory(text: &str) -> Read<PathBuf> {
    let path = PathBuf::from(text);
    if path.is_file() {
        return Err(Wrong::new("is a file", "name a directory"));
    }
    Ok(path)
}

/// Any secret of at least 8 characters without white space.
pub fn secret(text: &str) -> Read<SecretString> {
    if text.len() < 8 || text.chars().any(char::is_whitespace) {
        return Err(Wrong::new("is too short or has white space in it", "copy it again, in full"));
    }
    Ok(SecretString::from(text))
}

/// Secrets, separated by commas; the first is the one that counts most.
pub fn secrets(text: &str) -> Read<Vec<SecretString>> {
    words(text)?.iter().map(|each| secret(each)).collect()
}

/// A secret of 32 bytes or more, which is what HMAC-SHA-256 wants (RFC 7518, 3.2).
pub fn signing_secret(text: &str) -> Read<SecretString> {
    if text.len() < 32 {
        return Err(Wrong::new("is shorter than 32 bytes", "make one with `openssl rand -base64 32`"));
    }
    secret(text)
}

/// One, or several between commas while one replaces another.
pub fn webhook_secrets(text: &str) -> Read<Vec<SigningKey>> {
    each_part(text, "copy each in full; it is whsec_ and base64", |secret| {
        webhook_secret(secret).map_err(|wrong| wrong.what)
    })
}

/// `whsec_…`, base64 after the prefix.
pub fn webhook_secret(text: &str) -> Read<SigningKey> {
    SigningKey::parse(text).ok_or_else(|| {
        Wrong::new("is not a webhook signing secret", "copy it in full; it is whsec_ and base64")
    })
}

/// Comma-separated words; at least one.
pub fn words(text: &str) -> Read<Vec<String>> {
    let words: Vec<String> =
        text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    if words.is_empty() {
        return Err(Wrong::new("names nothing", "write one or more, separated by commas, or leave it unset"));
    }
    Ok(words)
}

/// Reads each part of a list with `read`; the error names each bad part by its place, not by its
/// text.
fn each_part<T, E: std::fmt::Display>(
    text: &str,
    remedy: &str,
    read: impl Fn(&str) -> Result<T, E>,
) -> Read<Vec<T>> {
    let words = words(text)?;
    let between = || Wrong::new("has parts that are not separated by commas", "write commas");
    // Parsers of addresses skip white space inside.
    if words.iter().any(|word| word.contains(char::is_whitespace)) {
        return Err(between());
    }
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (at, word) in (1..).zip(&words) {
        match read(word) {
            Ok(part) => good.push(part),
            Err(_) if word.contains(';') => return Err(between()),
            Err(why) if words.len() == 1 => return Err(Wrong::new(why.to_string(), remedy)),
            Err(why) => bad.push(format!("part {at} {why}")),
        }
    }
    if bad.is_empty() {
        Ok(good)
    } else {
        Err(Wrong::new(format!("cannot be used: {}", bad.join("; ")), remedy))
    }
}

/// Addresses or networks of proxies.
pub fn proxies(text: &str) -> Read<TrustedProxies> {
    let networks = each_part(text, "write 10.0.0.1, 10.0.0.0/8 or 2001:db8::/32", str::parse::<Network>)?;
    Ok(networks.into_iter().collect())
}

/// A number of things, at least one.
pub fn number(text: &str) -> Read<NonZeroUsize> {
    text.parse().map_err(|_| {
        let digits = text.replace(['_', ',', ' ', '\''], "");
        let meant = digits
            .parse::<NonZeroUsize>()
            .map_or_else(|_| "it like 1024".to_owned(), |meant| meant.to_string());
        Wrong::new("is not a number above 0", format!("write {meant}"))
    })
}

/// Where `return_to` may point.
pub fn return_urls(text: &str) -> Read<Vec<ReturnUrl>> {
    each_part(text, "write https://host or https://host/path", |word| {
        let url = ReturnUrl::parse(word).map_err(|error| error.to_string())?;
        refuse_open_to_everybody(word).map(|()| url)
    })
}

/// A Meta app id.
pub fn app_id(text: &str) -> Read<String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Wrong::new(
            "is not an app id",
            "copy the Instagram app id: digits only; id and secret may have been swapped",
        ));
    }
    Ok(text.to_owned())
}

/// Instagram scopes, not the ones of the old Facebook login.
pub fn scopes(text: &str) -> Read<Vec<String>> {
    let remedy = "write names like instagram_business_basic, separated by commas";
    let words = each_part(text, remedy, |word| {
        let is_scope = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if is_scope { Ok(word.to_owned()) } else { Err("is not a scope") }
    })?;
    if !words.iter().any(|word| word == "instagram_business_basic") {
        return Err(Wrong::new(
            "lacks instagram_business_basic, which is needed to read the account",
            "add instagram_business_basic",
        ));
    }
    Ok(words)
}

/// `v25.0`.
pub fn graph_version(text: &str) -> Read<String> {
    let fits = text
        .strip_prefix('v')
        .and_then(|rest| rest.split_once('.'))
        .is_some_and(|(major, minor)| major.parse::<u16>().is_ok() && minor.parse::<u16>().is_ok());
    if fits { Ok(text.to_owned()) } else { Err(Wrong::new("is not a version", "write it like v25.0")) }
}

/// The name that somebody means who writes it in other letters.
pub fn meant_name<'a>(text: &str, names: &[&'a str]) -> Option<&'a str> {
    let plain = text.to_ascii_lowercase().replace(['-', ' '], "_");
    names.iter().copied().find(|name| *name == plain)
}

/// `on` or `off`.
pub fn switch(text: &str) -> Read<bool> {
    match text {
        "on" | "true" | "1" => Ok(true),
        "off" | "false" | "0" => Ok(false),
        _ => {
            let meant = match text.to_ascii_lowercase().as_str() {
                "on" | "true" | "yes" | "y" | "enabled" => "on",
                "off" | "false" | "no" | "n" | "disabled" => "off",
                _ => "on or off",
            };
            Err(Wrong::new("is neither on nor off", format!("write {meant}")))
        }
    }
}

/// A filter for the log, as tracing-subscriber reads it. There a word alone may be a target as
/// well: a mistyped level would then silence everything.
pub fn log_filter(text: &str) -> Read<String> {
    let wrong = |what: &str| Wrong::new(what, "write info, or info,holdfast::http=debug");
    EnvFilter::builder().parse(text).map_err(|_| wrong("is not a filter"))?;
    let mut words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    if words.any(|word| !word.contains(['=', '[', '{']) && word.parse::<LevelFilter>().is_err()) {
        return Err(wrong("has a part that is neither a level nor target=level"));
    }
    Ok(text.to_owned())
}

/// `text` or `json`.
pub fn log_format(text: &str) -> Read<LogFormat> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => {
            let meant = meant_name(text, &["text", "json"]).unwrap_or("text or json");
            Err(Wrong::new("is not a format", format!("write {meant}")))
        }
    }
}

/// The origin of a page as browsers send it: scheme and host in lower case. That of an app stays as
/// it is.
fn in_lower_case(origin: &str) -> String {
    let is_of_a_page = ["https://", "http://"]
        .iter()
        .any(|scheme| origin.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    if is_of_a_page { origin.to_ascii_lowercase() } else { origin.to_owned() }
}

/// Origins, or patterns for one label of them.
pub fn origins(text: &str) -> Read<Vec<OriginPattern>> {
    each_part(text, "write each as in the browser's Origin header", |word| {
        let origin = OriginPattern::parse(&in_lower_case(word));
        let origin = origin.map_err(|error| format!("is not an origin: {error}"))?;
        refuse_open_to_everybody(origin.as_str()).map(|()| origin)
    })
}

/// A pattern such as `https://pr-*.co.uk` is a slip: each of its hosts is somebody else's domain.
fn refuse_open_to_everybody(pattern: &str) -> Result<(), String> {
    if takers(pattern) == Some(Takers::Everybody) {
        return Err(
            "matches domains that anybody can register; put `*` before a domain of your own".to_owned()
        );
    }
    Ok(())
}

/// A key ring, as the vault reads it. Its faults name entries and ids, never key bytes.
pub fn key_ring(text: &str) -> Read<KeyRing> {
    KeyRing::parse(text).map_err(|faults| {
        Wrong::new(
            format!("is not a key ring: {faults}"),
            "write id:base64, comma-separated; `holdfast keys generate` makes an entry",
        )
    })
}

//! Readers of Clerk's settings.

use std::time::Duration;

use clerk_session::{KeySet, PublishableKey, PublishableKeyError};
use url::Url;

use super::super::PartiesMode;
use super::super::entry::Wrong;
use super::{Read, base_url, each_part, length, meant_name, secret};
use crate::caller::keys::SecretKey;

/// Clerk's Backend API, with or without the version that every path of it begins with.
pub fn clerk_api_url(text: &str) -> Read<Url> {
    let mut url = base_url(text)?;
    let path = url.path().trim_end_matches('/');
    let base = path.strip_suffix("/v1").unwrap_or(path).to_owned();
    if url.host_str() == Some("api.clerk.com") && !base.is_empty() {
        return Err(Wrong::new("has a path that Clerk's Backend API lacks", "write https://api.clerk.com"));
    }
    url.set_path(&base);
    Ok(url)
}

/// Where an app proxies Clerk's Frontend API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyAddress {
    /// `https://app.example.com/__clerk`, without a slash at its end.
    Whole(String),
    /// `/__clerk`, at the app's own origin.
    Path(String),
}

/// `https://app.example.com/__clerk`, or the path alone, as Clerk's SDKs take it.
pub fn clerk_proxy(text: &str) -> Read<ProxyAddress> {
    let plain = text.trim_end_matches('/');
    if plain.starts_with('/') && !plain.starts_with("//") && !plain.contains(['?', '#']) {
        return Ok(ProxyAddress::Path(plain.to_owned()));
    }
    base_url(plain).map(|_| ProxyAddress::Whole(plain.to_owned()))
}

/// A satellite's domain: `shop.example`, with or without `https://`.
pub fn clerk_domain(text: &str) -> Read<String> {
    let host = text.trim_start_matches("https://").trim_end_matches('/');
    let wrong = || Wrong::new("is not a domain", "write it like shop.example, without a path");
    let url = Url::parse(&format!("https://{host}")).map_err(|_| wrong())?;
    if url.host_str() != Some(host) || !host.contains('.') {
        return Err(wrong());
    }
    // Some set-ups name the Frontend API's own host.
    Ok(host.strip_prefix("clerk.").unwrap_or(host).to_owned())
}

/// An issuer: kept as text, because `iss` is compared byte by byte.
pub fn issuers(text: &str) -> Read<Vec<String>> {
    each_part(text, "write it as Clerk does, like https://clerk.example.com", |issuer| {
        base_url(issuer).map_err(|wrong| wrong.what)?;
        if issuer.ends_with('/') {
            let plain = issuer.trim_end_matches('/');
            return Err(format!("ends with a slash, which Clerk's issuers never do: write {plain}"));
        }
        if issuer.ends_with("/.well-known/jwks.json") {
            return Err("is the address of the keys; the issuer is the part before /.well-known".to_owned());
        }
        Ok(issuer.to_owned())
    })
}

/// `sk_live_…`, `sk_test_…`, or the legacy `live_…`, `test_…`.
pub fn secret_key(text: &str) -> Read<SecretKey> {
    let known = ["sk_live_", "sk_test_", "live_", "test_"].iter().any(|prefix| text.starts_with(prefix));
    if text.starts_with("pk_") {
        return Err(Wrong::new(
            "is a publishable key",
            "put it into CLERK_PUBLISHABLE_KEY; the secret key starts with sk_",
        ));
    }
    if !known {
        return Err(Wrong::new(
            "is not a Clerk secret key",
            "copy it from the Clerk dashboard; it starts with sk_",
        ));
    }
    secret(text)?;
    SecretKey::parse(text)
        .ok_or_else(|| Wrong::new("has a character that HTTP headers do not allow", "copy it again, in full"))
}

/// `enforce`, `if_present` or `report`.
pub fn parties_mode(text: &str) -> Read<PartiesMode> {
    match text {
        "enforce" => Ok(PartiesMode::Enforce),
        "if_present" => Ok(PartiesMode::IfPresent),
        "report" => Ok(PartiesMode::Report),
        _ => {
            let meant = meant_name(text, &["enforce", "if_present", "report"]);
            let meant = meant.unwrap_or("enforce, if_present or report");
            Err(Wrong::new("is not a mode", format!("write {meant}")))
        }
    }
}

/// Milliseconds, at most a minute: a session token lives no longer.
pub fn skew(text: &str) -> Read<Duration> {
    let plain = text.parse().ok().map(Duration::from_millis);
    match plain.or_else(|| length(text)) {
        Some(skew) if skew > Duration::from_mins(1) => Err(Wrong::new(
            "is longer than the life of a session token",
            "write at most 60000, and correct the clock instead (holdfast doctor measures it)",
        )),
        Some(skew) if plain.is_none() => {
            Err(Wrong::new("is not a number of milliseconds", format!("write {}", skew.as_millis())))
        }
        Some(skew) => Ok(skew),
        None => Err(Wrong::new("is not a number of milliseconds", "write it like 5000")),
    }
}

/// A publishable key.
pub fn publishable_key(text: &str) -> Read<PublishableKey> {
    PublishableKey::parse(text).map_err(|error| {
        let remedy = if error == PublishableKeyError::SecretKey {
            "put it into CLERK_SECRET_KEY, and keep it out of the front end"
        } else {
            "copy it from Clerk's dashboard, API keys; it starts with pk_"
        };
        Wrong::new(format!("is not a publishable key: {error}"), remedy)
    })
}

/// A public key, in any of the forms that people have it in. Kept as text: the verifier reads it
/// again.
pub fn pem(text: &str) -> Read<String> {
    KeySet::from_pem(text).map(|_| text.to_owned()).map_err(|error| {
        Wrong::new(
            format!("is not a public key: {error}"),
            "copy it from Clerk's dashboard, API keys, JWKS Public Key",
        )
    })
}

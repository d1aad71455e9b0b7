//! The configuration as it was found, for `config print`: secrets are replaced, origins are named.

use secrecy::ExposeSecret;
use url::Url;

use super::entry::{Fallback, Setting};
use super::fault::{Faults, Origin};
use super::load::in_order;
use super::misplaced_secrets::{HIDDEN, has_secret_prefix, looks_secret};
use super::sources::{ConfigFile, Environment, collect};
use super::table::TABLE;

/// One setting as `config print` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Name in the environment.
    pub name: &'static str,
    /// The value; for a secret only that it is set; for an unset one what follows; for one that is
    /// set and cannot be read, that.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// Every setting, in the order of the table, and what could not be read.
pub fn shown(environment: &Environment, file: Option<&ConfigFile>) -> (Vec<Shown>, Faults) {
    let collected = collect(environment, file);
    // Nobody knows what a file sets that is not TOML.
    let spoilt_file = file
        .filter(|_| collected.is_file_spoilt)
        .map(|file| Origin::ConfigFile(file.path.display().to_string()));
    let shown = |setting: &Setting| {
        let name = setting.env;
        let spoilt = || collected.spoilt.get(name).or(spoilt_file.as_ref());
        let (value, origin) = if let Some(found) = collected.values.get(name) {
            (visible(setting, found.text.expose_secret()), found.origin.clone())
        } else if let Some(origin) = spoilt() {
            ("(cannot be read)".to_owned(), origin.clone())
        } else {
            (fallback(setting), Origin::Default)
        };
        Shown { name, value, origin }
    };
    (TABLE.iter().map(|setting| shown(setting)).collect(), in_order(collected.faults))
}

fn visible(setting: &Setting, text: &str) -> String {
    if setting.secret {
        "(set, not shown)".to_owned()
    } else if has_secret_prefix(text) || (looks_secret(text) && (setting.wrong)(text).is_some()) {
        // A secret that was put where another value belongs: `config check` says so.
        HIDDEN.to_owned()
    } else {
        without_credentials(text).replace('\n', "\\n")
    }
}

/// An address may carry a password or a token.
fn without_credentials(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return text.to_owned() };
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    if url.host().is_none() || !(has_credentials || url.query().is_some()) {
        return text.to_owned();
    }
    // Neither fails where there is a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    format!("{url} (and what is not shown)")
}

fn fallback(setting: &Setting) -> String {
    match setting.default {
        Fallback::Text(text) => text.to_owned(),
        Fallback::Derived(words) | Fallback::Absent(words) => format!("({words})"),
    }
}

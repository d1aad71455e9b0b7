//! Allow-list of addresses to return to after connecting, so that the callback is no open redirect.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arc_swap::ArcSwap;
use clerk_session::OriginPattern;
use url::{Position, Url};

/// Longest accepted `return_to`, in bytes.
pub const MAX_RETURN_TO: usize = 2048;

/// The allow-list. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct ReturnUrls {
    list: Arc<ArcSwap<List>>,
}

#[derive(Debug, Default)]
struct List {
    pages: Vec<Page>,
    /// Each entry as written, and parsed.
    apps: Vec<(String, Url)>,
}

/// An entry of the allow-list: an origin or a pattern of origins (any path), an address with a path
/// (that path and paths below it), or an address of a native app (exact match).
#[derive(Debug, Clone)]
pub struct ReturnUrl {
    written: String,
    to: To,
}

#[derive(Debug, Clone)]
enum To {
    Page(Page),
    App(Url),
}

#[derive(Debug, Clone)]
struct Page {
    origin: OriginPattern,
    /// `None` allows every path. Never ends in a slash.
    path: Option<String>,
    /// The entry as an address, unless it is a pattern.
    address: Option<Url>,
}

/// An entry of the allow-list that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not an address to return to: {0}")]
pub struct ReturnUrlError(String);

/// A `return_to` that is not on the list, with the reason for the developer who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReturnToError {
    /// Not an absolute address.
    #[error(
        "`return_to` must be an absolute http(s) URL, or exactly a native app's address in HOLDFAST_RETURN_URLS"
    )]
    NotAbsolute,
    /// Carries a user name, a password, a control character, white space or a backslash: browsers
    /// and servers read those differently.
    #[error("`return_to` must not contain credentials, white space, control characters or backslashes")]
    Ambiguous,
    /// Longer than [`MAX_RETURN_TO`].
    #[error("`return_to` is longer than {MAX_RETURN_TO} bytes")]
    TooLong,
    /// Well formed, but not allowed.
    #[error("`return_to` is not on the list of allowed return addresses (HOLDFAST_RETURN_URLS)")]
    NotAllowed,
    /// None was given, and the list has no single address as a default.
    #[error("give `return_to`: this installation has no default return address (HOLDFAST_RETURN_URLS)")]
    Missing,
}

impl ReturnUrl {
    /// Reads an entry.
    pub fn parse(entry: &str) -> Result<Self, ReturnUrlError> {
        let to =
            if is_of_an_app(entry) { To::App(app_address(entry)?) } else { To::Page(Page::parse(entry)?) };
        Ok(Self { written: entry.to_owned(), to })
    }

    /// The entry as written.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

impl FromIterator<ReturnUrl> for ReturnUrls {
    fn from_iter<I: IntoIterator<Item = ReturnUrl>>(entries: I) -> Self {
        let mut list = List::default();
        for ReturnUrl { written, to } in entries {
            match to {
                To::App(url) => list.apps.push((written, url)),
                To::Page(page) => list.pages.push(page),
            }
        }
        Self { list: Arc::new(ArcSwap::from_pointee(list)) }
    }
}

impl ReturnUrls {
    /// Takes over the entries of `other`, in every clone.
    pub fn replace(&self, other: &Self) {
        self.list.store(other.list.load_full());
    }

    /// The address to return to: the one asked for, if allowed; without one, the first single
    /// address on the list. Pages come before apps: a browser opens an app's address only if the
    /// app is installed.
    pub fn choose(&self, asked: Option<&str>) -> Result<Url, ReturnToError> {
        let list = self.list.load();
        let Some(asked) = asked else {
            let page = list.pages.iter().find_map(|each| each.address.clone());
            return page
                .or_else(|| list.apps.first().map(|(_, url)| url.clone()))
                .ok_or(ReturnToError::Missing);
        };
        list.allow(asked)
    }
}

impl List {
    fn allow(&self, asked: &str) -> Result<Url, ReturnToError> {
        if asked.len() > MAX_RETURN_TO {
            return Err(ReturnToError::TooLong);
        }
        // URL parsers strip or repair these in different ways, which an attacker could exploit.
        if asked.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(ReturnToError::Ambiguous);
        }
        if let Some((_, url)) = self.apps.iter().find(|(written, _)| written == asked) {
            return Ok(url.clone());
        }
        let url = Url::parse(asked).map_err(|_| ReturnToError::NotAbsolute)?;
        if is_of_an_app(asked) {
            return Err(ReturnToError::NotAllowed);
        }
        if !matches!(url.scheme(), "http" | "https") || !asked[url.scheme().len()..].starts_with("://") {
            return Err(ReturnToError::NotAbsolute);
        }
        if !url.username().is_empty() || url.password().is_some() || authority(asked).contains('@') {
            return Err(ReturnToError::Ambiguous);
        }
        let origin = &url[..Position::BeforePath];
        let allowed =
            self.pages.iter().any(|each| each.origin.matches(origin) && each.allows_path(url.path()));
        if allowed { Ok(url) } else { Err(ReturnToError::NotAllowed) }
    }
}

impl Page {
    fn parse(entry: &str) -> Result<Self, ReturnUrlError> {
        let fault = |why: &str| ReturnUrlError(why.to_owned());
        let after_scheme = entry
            .find("://")
            .map(|at| at + 3)
            .ok_or_else(|| fault("it does not begin with a scheme and ://"))?;
        let (origin, path) = match entry[after_scheme..].find('/') {
            Some(at) => entry.split_at(after_scheme + at),
            None => (entry, ""),
        };
        if path.contains(['?', '#', '*']) {
            return Err(fault("the path must not contain `?`, `#` or `*`"));
        }
        let origin = OriginPattern::parse(origin).map_err(|error| fault(&error.to_string()))?;
        let path = path.trim_end_matches('/');
        let address = Url::parse(entry).ok().filter(|_| !entry.contains('*'));
        Ok(Self { origin, path: (!path.is_empty()).then(|| path.to_owned()), address })
    }

    /// `/settings` allows `/settings` and `/settings/…`, not `/settings-of-somebody-else`.
    fn allows_path(&self, path: &str) -> bool {
        match &self.path {
            None => true,
            Some(allowed) => path
                .strip_prefix(allowed.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        }
    }
}

/// Schemes that execute or show the address's own content, or that no app can own.
const FORBIDDEN_SCHEMES: [&str; 6] = ["file", "data", "blob", "javascript", "about", "vbscript"];

/// Whether `address` has an app's private-use scheme (RFC 8252 §7.1).
fn is_of_an_app(address: &str) -> bool {
    let Some((scheme, rest)) = address.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    is_scheme
        && rest.starts_with('/')
        && !matches!(scheme, "http" | "https")
        && !FORBIDDEN_SCHEMES.contains(&scheme)
}

fn app_address(entry: &str) -> Result<Url, ReturnUrlError> {
    let fault = |why: &str| ReturnUrlError(why.to_owned());
    if entry.contains(['#', '*']) || entry.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(fault(
            "an app's address must match exactly and must not contain `#`, `*`, white space or a backslash",
        ));
    }
    Url::parse(entry).map_err(|_| fault("it is not an address"))
}

/// The part between `//` and the path, as written.
fn authority(address: &str) -> &str {
    let start = address.find("://").map_or(0, |at| at + 3);
    let rest = &address[start..];
    &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())]
}

/// The callback's query parameters; any left in `return_to` by an earlier round are removed.
const OURS: [&str; 4] = ["instagram", "attempt", "completion", "reason"];

/// `url` with `pairs` appended and older parameters of ours removed. The app's own parameters and
/// its fragment stay byte for byte; many pages keep their route in the fragment.
pub fn with_query(mut url: Url, pairs: &[(&str, &str)]) -> Url {
    let is_ours = |written: &str| {
        url::form_urlencoded::parse(written.as_bytes()).any(|(name, _)| OURS.contains(&name.as_ref()))
    };
    let query = url.query().unwrap_or_default();
    let mut parts: Vec<String> = query.split('&').filter(|part| !is_ours(part)).map(str::to_owned).collect();
    // Splitting an empty query yields one empty part.
    if query.is_empty() {
        parts.clear();
    }
    parts.push(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish());
    url.set_query(Some(&parts.join("&")));
    url
}

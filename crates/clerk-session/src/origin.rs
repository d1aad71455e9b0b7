//! Origins for `azp`, CORS and return addresses: of web pages, exact or with one wildcard in the
//! first label, and of apps that bring their own scheme, always exact.

use std::fmt;

/// An allowed origin: exact, or `https://deploy-preview-*--SITE.netlify.app` whose `*` stands for
/// one or more of `[a-z0-9-]` within the first label of the host and never crosses a dot. On
/// `pages.dev`, where one project owns all that stands before its name, the `*` may be the whole
/// label: `https://*.PROJECT.pages.dev`.
///
/// Apps have origins too: `chrome-extension://ID`, `capacitor://localhost`, `tauri://localhost`,
/// `my-app://renderer`.
///
/// ```
/// use clerk_session::OriginPattern;
///
/// let previews = OriginPattern::parse("https://deploy-preview-*--acme.netlify.app")?;
/// assert!(previews.matches("https://deploy-preview-17--acme.netlify.app"));
/// assert!(!previews.matches("https://deploy-preview-17--acme.netlify.app.evil.example"));
///
/// // An error says what to write instead.
/// let error = OriginPattern::parse("https://app.example.com/").unwrap_err();
/// assert!(error.to_string().contains("write `https://app.example.com`"));
/// # Ok::<(), clerk_session::OriginError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OriginPattern {
    text: String,
    /// What stands before and after the `*`.
    wildcard: Option<(String, String)>,
}

/// Why a text is not an origin, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// Nothing there.
    #[error("it is empty; write an origin such as https://app.example.com")]
    Empty,
    /// `*` alone or `null`.
    #[error("`{0}` would admit everybody; name each origin")]
    Everybody(String),
    /// No scheme: it does not begin with a name and `://`.
    #[error(
        "it must begin with https:// (or http:// for local development), or with an app's own scheme, as in \
         capacitor://localhost"
    )]
    Scheme,
    /// A scheme that any page can have, such as `file` or `data`.
    #[error("anybody can make a page with an address of `{0}:`; name the origins of your own app")]
    AnybodysScheme(String),
    /// A `*` in the origin of an app.
    #[error("the origin of an app is compared as it is; write it without `*`")]
    AppWildcard,
    /// A slash at the end, a path, a query or a fragment.
    #[error("an origin ends after host and port; write `{0}`")]
    Path(String),
    /// User name or password.
    #[error("an origin holds no user name or password")]
    Credentials,
    /// Not a host that a browser would put in an origin.
    #[error("`{0}` is not a host as browsers write it (lower case, punycode, no space)")]
    Host(String),
    /// Not a port, or the scheme's own.
    #[error("`{0}` is not a port as browsers write it (1 to 65535, without the scheme's own port)")]
    Port(String),
    /// A `*` elsewhere than in the first label, or more than one, or without fixed text beside it.
    #[error(
        "one `*` is allowed, in the first label, beside fixed text, as in https://deploy-preview-*--site.netlify.app"
    )]
    Wildcard,
}

impl OriginPattern {
    /// Reads an origin as a browser writes it into the `Origin` header: scheme, host and port, no
    /// trailing slash.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        if text.is_empty() {
            return Err(OriginError::Empty);
        }
        if matches!(text, "*" | "null") {
            return Err(OriginError::Everybody(text.to_owned()));
        }
        let (scheme, rest) = split_scheme(text)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority = &rest[..end];
        // Before anything of it is repeated.
        if authority.contains('@') {
            return Err(OriginError::Credentials);
        }
        if end != rest.len() {
            return Err(OriginError::Path(format!("{scheme}://{authority}")));
        }
        let (host, port) = split_port(authority);
        if let Some(port) = port {
            check_port(scheme, port)?;
        }
        if !is_of_the_web(scheme) && host.contains('*') {
            return Err(OriginError::AppWildcard);
        }
        let wildcard = match host.matches('*').count() {
            0 => None,
            1 => Some(split_wildcard(scheme, host, port)?),
            _ => return Err(OriginError::Wildcard),
        };
        check_host(host)?;
        Ok(Self { text: text.to_owned(), wildcard })
    }

    /// Whether `origin`, as a browser sent it, is this one. Compared byte by byte.
    pub fn matches(&self, origin: &str) -> bool {
        match &self.wildcard {
            None => origin == self.text,
            Some((before, after)) => origin
                .strip_prefix(before.as_str())
                .and_then(|rest| rest.strip_suffix(after.as_str()))
                .is_some_and(|middle| {
                    // Hosts of previews join their parts by `--`; a host with one more part is
                    // another's.
                    !middle.is_empty()
                        && !middle.starts_with('-')
                        && !middle.ends_with('-')
                        && !middle.contains("--")
                        && middle.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                }),
        }
    }

    /// Whether it is the origin of an app with its own scheme, and not of a web page.
    pub fn is_of_an_app(&self) -> bool {
        !self.text.split("://").next().is_some_and(is_of_the_web)
    }

    /// Whether it stands for more than one origin.
    pub fn is_pattern(&self) -> bool {
        self.wildcard.is_some()
    }

    /// The text as configured.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Schemes whose pages have no origin of their own, or one that anybody can write (URL Standard,
/// "origin").
const ANYBODYS: [&str; 5] = ["file", "data", "blob", "javascript", "about"];

fn split_scheme(text: &str) -> Result<(&str, &str), OriginError> {
    let (scheme, rest) = text.split_once(':').ok_or(OriginError::Scheme)?;
    if ANYBODYS.iter().any(|each| scheme.eq_ignore_ascii_case(each)) {
        return Err(OriginError::AnybodysScheme(scheme.to_ascii_lowercase()));
    }
    let rest = rest.strip_prefix("//").ok_or(OriginError::Scheme)?;
    // RFC 3986 §3.1; browsers write it in lower case.
    let is_written_plainly = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.'));
    if is_written_plainly { Ok((scheme, rest)) } else { Err(OriginError::Scheme) }
}

fn is_of_the_web(scheme: &str) -> bool {
    matches!(scheme, "http" | "https")
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    // The colons of an IPv6 address stand within brackets.
    match authority.rfind(':').filter(|at| !authority[*at..].contains(']')) {
        Some(at) => (&authority[..at], Some(&authority[at + 1..])),
        None => (authority, None),
    }
}

fn check_port(scheme: &str, port: &str) -> Result<(), OriginError> {
    let own = match scheme {
        "https" => Some("443"),
        "http" => Some("80"),
        _ => None,
    };
    let is_number = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
    let written_plainly = is_number && Some(port) != own;
    match port.parse::<u16>() {
        Ok(1..) if written_plainly => Ok(()),
        Ok(_) | Err(_) => Err(OriginError::Port(port.to_owned())),
    }
}

fn split_wildcard(scheme: &str, host: &str, port: Option<&str>) -> Result<(String, String), OriginError> {
    let (label, rest) = host.split_once('.').ok_or(OriginError::Wildcard)?;
    let (before, after) = label.split_once('*').ok_or(OriginError::Wildcard)?;
    // `*.example.com` would hand every subdomain the rights of the app, also those that strangers
    // run. A project on pages.dev is given all names before its own (Cloudflare Pages, "Preview
    // deployments").
    let is_one_owners = rest.strip_suffix(".pages.dev").is_some_and(|project| !project.contains('.'));
    if before.is_empty() && after.is_empty() && !is_one_owners || !rest.contains('.') {
        return Err(OriginError::Wildcard);
    }
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Ok((format!("{scheme}://{before}"), format!("{after}.{rest}{port}")))
}

fn check_host(host: &str) -> Result<(), OriginError> {
    let fault = || OriginError::Host(host.to_owned());
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        // Browsers write the shortest form (RFC 5952), and only that one is ever compared.
        let shortest =
            address.parse::<std::net::Ipv6Addr>().is_ok_and(|parsed| parsed.to_string() == address);
        return if shortest { Ok(()) } else { Err(fault()) };
    }
    let label_fits = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'*'))
    };
    if host.len() <= 253 && host.split('.').all(label_fits) { Ok(()) } else { Err(fault()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s12_a_star_never_spans_a_pair_of_hyphens() {
        let previews = OriginPattern::parse("https://deploy-preview-*--acme.netlify.app").unwrap();
        for (middle, is_one) in
            [("1", true), ("12a-b", true), ("1--x", false), ("1--x--y", false), ("-1", false), ("1-", false)]
        {
            let origin = format!("https://deploy-preview-{middle}--acme.netlify.app");
            assert_eq!(previews.matches(&origin), is_one, "{origin}");
        }
    }
}

//! Who can take a host that an origin pattern matches. Clients of a hosting service share its
//! domain, and each names their own host there.

use psl::Type;

/// Somebody other than the operator can take a host that the pattern matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takers {
    /// Every customer of the service that owns the domain, such as vercel.app.
    Customers,
    /// Everybody who registers a domain, as below co.uk.
    Everybody,
}

/// Who can take a host that `pattern`, an origin or address with a `*` in its first label,
/// matches; `None` if only the operator can, and for what is no pattern.
///
/// Source: the Public Suffix List, with its section of private domains.
pub(super) fn takers(pattern: &str) -> Option<Takers> {
    let label_and_rest = pattern.split_once("://").map_or(pattern, |(_, rest)| rest);
    let (label, rest) = label_and_rest.split_once('.').filter(|(label, _)| label.contains('*'))?;
    let domain = rest.split([':', '/']).next()?;
    let suffix = psl::suffix(domain.as_bytes())?;
    if suffix.as_bytes() != domain.as_bytes() || is_one_site_at_netlify(label, domain) {
        return None;
    }
    match suffix.typ()? {
        Type::Private => Some(Takers::Customers),
        Type::Icann => Some(Takers::Everybody),
    }
}

/// `…*--SITE.netlify.app`: Netlify alone names what is before `--`, and a site's name has no `--`.
fn is_one_site_at_netlify(label: &str, domain: &str) -> bool {
    let site = label.split_once("--").map_or("", |(_, site)| site);
    domain == "netlify.app" && !site.is_empty() && !site.contains('*') && !site.contains("--")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_the_operators_or_open_to_others() {
        for (pattern, expected) in [
            ("https://deploy-preview-*--acme.netlify.app", None),
            ("https://*--acme.netlify.app", None),
            ("https://deploy-preview-*--acme.netlify.app/settings", None),
            ("https://*.acme.pages.dev", None),
            ("https://api-*.acme.workers.dev", None),
            ("https://pr-*.example.com", None),
            ("https://pr-*.example.co.uk", None),
            ("https://pr-*.previews.internal:8443", None),
            ("https://app.vercel.app", None),
            ("myapp://instagram", None),
            ("https://acme-*-team.vercel.app", Some(Takers::Customers)),
            ("https://acme-*-team.vercel.app/settings", Some(Takers::Customers)),
            ("https://acme-*.vercel.app:8443", Some(Takers::Customers)),
            ("https://*-acme.netlify.app", Some(Takers::Customers)),
            ("https://acme--*.netlify.app", Some(Takers::Customers)),
            ("https://*--x--acme.netlify.app", Some(Takers::Customers)),
            ("https://acme-*.onrender.com", Some(Takers::Customers)),
            ("https://acme*.github.io", Some(Takers::Customers)),
            ("https://acme-*.pages.dev", Some(Takers::Customers)),
            ("https://*-acme.herokuapp.com", Some(Takers::Customers)),
            ("https://acme--*.web.app", Some(Takers::Customers)),
            ("https://acme-*.up.railway.app", Some(Takers::Customers)),
            ("https://pr-*.co.uk", Some(Takers::Everybody)),
            ("https://pr-*.com.au/x", Some(Takers::Everybody)),
        ] {
            assert_eq!(takers(pattern), expected, "{pattern}");
        }
    }
}

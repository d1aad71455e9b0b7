//! The `__session` cookie, for a server on the host of the app itself.
//!
//! A browser sends cookies also with requests that another site caused. So a cookie counts only
//! where the request comes from the app's own pages (the cross-site rule), and only beside
//! `__client_uat`, Clerk's time of the last sign-in; `@clerk/backend` refuses the same.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method, header};

use crate::code::RefusalCode;
use crate::origin::OriginPattern;
use crate::refusal::Refusal;
use crate::rejection::Rejection;
use crate::remedy::Remedy;
use crate::step::Step;

/// The names of one instance's cookies.
#[derive(Debug, Clone)]
pub(crate) struct Cookies {
    suffix: String,
}

/// A session cookie that may be judged.
#[derive(Debug)]
pub(crate) struct FromCookie<'a> {
    pub(crate) token: &'a str,
    /// Since when somebody is signed in, unix seconds.
    pub(crate) signed_in_since: i64,
}

impl Cookies {
    /// Clerk names an instance's cookies by the first 8 characters of a hash of its publishable
    /// key.
    pub(crate) fn of(publishable_key: &str) -> Self {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, publishable_key.as_bytes());
        let mut suffix = URL_SAFE_NO_PAD.encode(hash);
        suffix.truncate(8);
        Self { suffix }
    }

    /// The cookie that says who calls. The instance's own name comes first; the plain one may be
    /// another instance's on the same host.
    pub(crate) fn find<'a>(
        &self,
        headers: &'a HeaderMap,
        method: &Method,
        parties: &[OriginPattern],
    ) -> Result<FromCookie<'a>, Rejection> {
        let suffixed = |name: &str| format!("{name}_{}", self.suffix);
        let (token, since) = match cookie(headers, &suffixed("__session"))? {
            Some(token) => (token, cookie(headers, &suffixed("__client_uat"))?),
            None => match cookie(headers, "__session")? {
                Some(token) => (token, cookie(headers, "__client_uat")?),
                None => return Err(Refusal::missing().into()),
            },
        };
        if !from_own_pages(headers, method, parties) {
            return Err(
                unused("The session cookie does not count in a request that another site caused.").into()
            );
        }
        let signed_in_since = since.and_then(|text| text.parse().ok()).filter(|since| *since > 0);
        match signed_in_since {
            Some(signed_in_since) => Ok(FromCookie { token, signed_in_since }),
            None => Err(signed_out().into()),
        }
    }
}

/// The token is from before the person signed out, or into another account.
pub(crate) fn signed_out() -> Refusal {
    unused("The session cookie is older than the browser's present session.")
}

fn unused(public: &str) -> Refusal {
    Refusal::new(RefusalCode::SessionTokenMissing, Step::Form, public, Remedy::WriteBearer)
}

/// The value of a cookie. Two of one name are two readings.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Rejection> {
    let mut found = None;
    for line in headers.get_all(header::COOKIE) {
        let Ok(line) = line.to_str() else { continue };
        for (key, value) in line.split(';').filter_map(|pair| pair.trim().split_once('=')) {
            if key == name && found.replace(value).is_some_and(|earlier| earlier != value) {
                return Err(Rejection::SeveralCredentials);
            }
        }
    }
    Ok(found.filter(|value| !value.is_empty()))
}

/// The cross-site rule. `Sec-Fetch-Site` and `Origin` are set by the browser, not by the page.
fn from_own_pages(headers: &HeaderMap, method: &Method, parties: &[OriginPattern]) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let origin = text("origin");
    if origin.is_some_and(|origin| parties.iter().any(|each| each.matches(origin))) {
        return true;
    }
    match (text("sec-fetch-site"), origin) {
        (Some("same-origin"), _) => true,
        // A person typed the address or opened a bookmark, or the browser is very old.
        (Some("none"), _) | (None, None) => method.is_safe(),
        // `same-site` is another host under the same domain, which may belong to anybody.
        (Some(_), _) => false,
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text("host")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn found(list: &[(&'static str, &str)]) -> Result<(String, i64), String> {
        let cookies = Cookies::of("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k");
        cookies
            .find(&headers(list), &Method::GET, &[])
            .map(|found| (found.token.to_owned(), found.signed_in_since))
            .map_err(|rejection| rejection.detail().to_owned())
    }

    #[test]
    fn the_suffix_is_clerks() {
        assert_eq!(Cookies::of("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k").suffix, "naoXFJnI");
    }

    #[test]
    fn the_instances_own_cookie_comes_first_and_only_with_its_sign_in() {
        let own = "__session_naoXFJnI=own; __client_uat_naoXFJnI=7";
        assert_eq!(found(&[("cookie", own)]), Ok(("own".to_owned(), 7)));
        let both = format!("__session=plain; __client_uat=5; {own}");
        assert_eq!(found(&[("cookie", &both)]), Ok(("own".to_owned(), 7)));
        assert_eq!(found(&[("cookie", "__session=plain; __client_uat=5")]), Ok(("plain".to_owned(), 5)));
        assert_eq!(
            found(&[("cookie", "__session=plain"), ("cookie", "__client_uat=5")]),
            Ok(("plain".to_owned(), 5)),
            "HTTP/2 may send each in a field of its own"
        );
        for signed_out in [
            "__session_naoXFJnI=own; __client_uat=7",
            "__session_naoXFJnI=own; __client_uat_naoXFJnI=0",
            "__session=plain; __client_uat=",
            "__session=plain; __client_uat=x",
            "__session=plain; __client_uat=-1",
            "__session=plain",
        ] {
            let said = found(&[("cookie", signed_out)]).unwrap_err();
            assert!(said.contains("older than the browser's"), "{signed_out}: {said}");
        }
        for none in ["", "__session=", "x__session=a", "__session_other=a; __client_uat=5"] {
            let said = found(&[("cookie", none)]).unwrap_err();
            assert!(said.contains("carries no session token"), "{none}: {said}");
        }
    }

    #[test]
    fn two_cookies_of_one_name_are_not_chosen_between() {
        let two = "__session=a; __session=b; __client_uat=5";
        assert!(found(&[("cookie", two)]).unwrap_err().contains("more than one"));
        assert!(found(&[("cookie", "__session=a; __session=a; __client_uat=5")]).is_ok());
    }

    #[test]
    fn the_cross_site_rule() {
        let parties = [OriginPattern::parse("https://app.example.com").unwrap()];
        let (app, evil, own) =
            ("https://app.example.com", "https://evil.example.com", "https://api.example.com");
        for (site, origin, get, post) in [
            (Some("same-origin"), None, true, true),
            (Some("same-origin"), Some(own), true, true),
            (Some("none"), None, true, false),
            (Some("same-site"), None, false, false),
            (Some("same-site"), Some(app), true, true),
            (Some("same-site"), Some(evil), false, false),
            (Some("cross-site"), None, false, false),
            (Some("cross-site"), Some(evil), false, false),
            (Some("cross-site"), Some("null"), false, false),
            (Some("cross-site"), Some(app), true, true),
            (Some("odd"), None, false, false),
            (None, Some(app), true, true),
            (None, Some(own), true, true),
            (None, Some(evil), false, false),
            (None, Some("null"), false, false),
            (None, None, true, false),
        ] {
            let mut list = vec![("host", "api.example.com")];
            list.extend(site.map(|site| ("sec-fetch-site", site)));
            list.extend(origin.map(|origin| ("origin", origin)));
            let judged = |method: &Method| from_own_pages(&headers(&list), method, &parties);
            assert_eq!((judged(&Method::GET), judged(&Method::POST)), (get, post), "{list:?}");
        }
    }
}

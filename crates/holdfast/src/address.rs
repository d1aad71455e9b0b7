//! Which machine a URL leads to. The one answer to whether something is sent in the clear.

use http::{HeaderMap, header};
use url::{Host, Url};

/// Whether it leads to this machine itself, so that nobody on the way can read what is sent.
pub fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
        None => false,
    }
}

/// Whether it is every address of a machine (`0.0.0.0`): one to listen on, which nobody elsewhere
/// can open.
pub fn is_unspecified(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_unspecified(),
        Some(Host::Domain(_)) | None => false,
    }
}

/// Whether a request is addressed to this machine by its `Host`, if it has one. A stranger's page
/// whose own name was made to lead here (DNS rebinding) sends that name.
pub fn names_this_machine(headers: &HeaderMap) -> bool {
    let named = |host: &str| Url::parse(&format!("http://{host}/")).is_ok_and(|url| is_this_machine(&url));
    headers.get(header::HOST).is_none_or(|host| host.to_str().is_ok_and(named))
}

/// Whether it leads beyond this machine and its private network.
pub fn is_on_the_internet(url: &Url) -> bool {
    const PRIVATE: [&str; 4] = [".local", ".internal", ".lan", ".svc"];
    let is_public = match url.host() {
        Some(Host::Domain(name)) => {
            name.contains('.') && !PRIVATE.iter().any(|ending| name.ends_with(ending))
        }
        Some(Host::Ipv4(address)) => !(address.is_private() || address.is_link_local()),
        Some(Host::Ipv6(address)) => !address.is_unique_local(),
        None => false,
    };
    is_public && !is_this_machine(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_this_machine_is_told_from_a_name_that_leads_here() {
        let of = |host: &str| {
            let headers = [(header::HOST, host.parse().unwrap())].into_iter().collect();
            names_this_machine(&headers)
        };
        assert!(names_this_machine(&HeaderMap::new()), "no browser leaves it out");
        for here in ["localhost", "LOCALHOST:9090", "127.0.0.1:9090", "[::1]:9090"] {
            assert!(of(here), "{here}");
        }
        for other in ["evil.example", "evil.example:9090", "127.0.0.1.evil.example", "", "10.0.0.1", "a b"] {
            assert!(!of(other), "{other}");
        }
    }

    #[test]
    fn a_machine_is_here_or_near_or_on_the_internet() {
        let judged = |host: &str| {
            let url = Url::parse(&format!("http://{host}/")).unwrap();
            (is_this_machine(&url), is_on_the_internet(&url))
        };
        for host in ["localhost:80", "app.localhost", "127.0.0.1", "127.0.0.2", "[::1]", "0.0.0.0", "[::]"] {
            assert_eq!(judged(host), (true, false), "{host}");
        }
        for host in ["db", "app.local", "app.internal", "10.0.0.1", "192.168.1.2", "169.254.1.1", "[fd00::1]"]
        {
            assert_eq!(judged(host), (false, false), "{host}");
        }
        for host in
            ["example.com", "localhost.example.com", "127.0.0.1.example.com", "8.8.8.8", "[2001:db8::1]"]
        {
            assert_eq!(judged(host), (false, true), "{host}");
        }
    }
}

//! What the routes of forward authentication, the layers and the extractors share: the addresses,
//! and the requirements beyond a good token.

use http::HeaderName;
use http::request::Parts;

use super::problem::{Problem, RequestCode};
use crate::caller::Caller;

/// The address.
pub(super) const PATH: &str = "/forward-auth";
/// The same with the original path behind it, as Envoy asks.
pub(super) const WITH_ORIGINAL: [&str; 2] = ["/forward-auth/", "/forward-auth/{*path}"];

/// Whether that route is one of these.
pub(super) fn is_forward_auth(route: &str) -> bool {
    route == PATH || WITH_ORIGINAL.contains(&route)
}

const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// What is asked of the caller beyond a good token.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Requirements {
    /// Whether a request without credentials may pass, as nobody.
    pub(super) nobody_will_do: bool,
    orgs: Option<Vec<String>>,
    roles: Option<Vec<String>>,
    permissions: Option<Vec<String>>,
}

impl Requirements {
    /// Reads the query, where it is the operator's. An unknown parameter is an error: a misspelt
    /// requirement that is ignored would let everybody pass.
    pub(super) fn of(parts: &Parts) -> Result<Self, Problem> {
        // A proxy that appends the original address appends its query, too.
        let Some(query) = parts.uri.query().filter(|_| parts.uri.path() == PATH) else {
            return Ok(Self::default());
        };
        // Caddy sends the client's query where the operator wrote none. It may hold anything, and
        // must not loosen a requirement.
        let is_clients = queries_of_client(parts).any(|theirs| theirs == query.as_bytes());
        let mut all = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let list = match &*name {
                "org" => &mut all.orgs,
                "role" => &mut all.roles,
                "permission" => &mut all.permissions,
                "credentials" if value == "optional" => {
                    // A parameter that the client's own address has as well may come from the
                    // client.
                    let is_ours = !is_clients && !queries_of_client(parts).any(asks_for_credentials);
                    all.nobody_will_do = is_ours;
                    continue;
                }
                _ if is_clients => continue,
                "credentials" => return Err(mistaken("`credentials` in the query can only be `optional`")),
                _ => return Err(mistaken("The query takes credentials, org, role and permission only")),
            };
            let list = list.get_or_insert_default();
            list.extend(value.split(',').map(str::trim).filter(|each| !each.is_empty()).map(str::to_owned));
            if list.is_empty() && !is_clients {
                return Err(mistaken(&format!("`{name}` in the query names nothing")));
            }
        }
        Ok(all)
    }

    pub(super) fn check(&self, caller: &Caller) -> Result<(), RequestCode> {
        let organization = caller.claims().organization.as_ref();
        let holds = |wanted: &Option<Vec<String>>, holds: &dyn Fn(&str) -> bool| {
            wanted.as_ref().is_none_or(|any| any.iter().any(|each| holds(each)))
        };
        let is_in = |org: &str| organization.is_some_and(|own| org == "any" || org == own.id);
        let has_role = |role: &str| organization.is_some_and(|own| own.has_role(role));
        let may = |permission: &str| organization.is_some_and(|own| own.has_permission(permission));
        if !holds(&self.orgs, &is_in) {
            return Err(RequestCode::NotAMember);
        }
        if !holds(&self.roles, &has_role) {
            return Err(RequestCode::RoleMissing);
        }
        if !holds(&self.permissions, &may) {
            return Err(RequestCode::PermissionMissing);
        }
        Ok(())
    }
}

/// The queries of the addresses that the client asked for, as the proxy says them.
fn queries_of_client(parts: &Parts) -> impl Iterator<Item = &[u8]> {
    parts.headers.get_all(X_FORWARDED_URI).iter().map(|uri| {
        let begins = uri.as_bytes().iter().position(|byte| *byte == b'?');
        begins.map_or(&[][..], |at| &uri.as_bytes()[at + 1..])
    })
}

fn asks_for_credentials(query: &[u8]) -> bool {
    url::form_urlencoded::parse(query).any(|(name, _)| name == "credentials")
}

/// Addressed to the person who configured the proxy.
fn mistaken(what: &str) -> Problem {
    let detail = format!("{what}: the configuration of the proxy that asks is mistaken.");
    Problem::new(RequestCode::MalformedParameter).with_detail(detail)
}

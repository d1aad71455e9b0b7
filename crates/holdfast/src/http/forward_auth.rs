//! What the routes of forward authentication, the layers and the extractors agree on: where it is
//! asked, and what is required of the caller beyond a good token.

use http::HeaderName;
use http::request::Parts;

use super::problem::RequestCode;
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
    /// Reads the query, where it is the operator's.
    pub(super) fn of(parts: &Parts) -> Self {
        let mut all = Self::default();
        // A proxy that appends the original address appends its query, too.
        let query = parts.uri.query().filter(|_| parts.uri.path() == PATH).unwrap_or_default();
        let mut credentials = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let list = match &*name {
                "org" => &mut all.orgs,
                "role" => &mut all.roles,
                "permission" => &mut all.permissions,
                "credentials" => {
                    credentials.push(value);
                    continue;
                }
                _ => continue,
            };
            let values = value.split(',').map(str::trim).filter(|each| !each.is_empty());
            list.get_or_insert_default().extend(values.map(str::to_owned));
        }
        // Caddy keeps the client's query where the operator wrote none. The client must not loosen
        // anything, so what the client's own address asks for, too, may be the client's.
        let is_clients = parts.headers.get_all(X_FORWARDED_URI).iter().any(|uri| {
            let begins = uri.as_bytes().iter().position(|byte| *byte == b'?');
            let theirs = begins.map_or(&[][..], |at| &uri.as_bytes()[at + 1..]);
            url::form_urlencoded::parse(theirs).any(|(name, _)| name == "credentials")
        });
        let is_optional = !credentials.is_empty() && credentials.iter().all(|each| each == "optional");
        all.nobody_will_do = is_optional && !is_clients;
        all
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

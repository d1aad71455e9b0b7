//! The organization that a session token is active in. Clerk writes it in two ways; both read alike.
//! Source: <https://clerk.com/docs/guides/sessions/session-tokens>.

use serde_json::{Map, Value};

/// The person's active organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// `org_…`.
    pub id: String,
    /// The part of its address.
    pub slug: Option<String>,
    /// The person's role in it, without the prefix `org:`: `admin`.
    pub role: Option<String>,
    /// What the person may do in it, in full: `org:invoices:read`.
    pub permissions: Vec<String>,
}

const PREFIX: &str = "org:";

impl Organization {
    /// Reads `o` of version 2, or `org_id` and its companions of version 1. `None` without an active organization,
    /// or where the claims are not of the form that Clerk gives them.
    pub(crate) fn read(payload: &Map<String, Value>) -> Option<Self> {
        match payload.get("v") {
            Some(version) if version.as_i64() == Some(2) => Self::compact(payload),
            Some(_) => None,
            None => Self::flat(payload),
        }
    }

    /// Whether the person has that role, written with or without `org:`.
    pub fn has_role(&self, role: &str) -> bool {
        self.role.as_deref() == Some(role.strip_prefix(PREFIX).unwrap_or(role))
    }

    /// Whether the person has that permission, `org:invoices:read`.
    pub fn has_permission(&self, permission: &str) -> bool {
        self.permissions.iter().any(|each| each == permission)
    }

    fn flat(payload: &Map<String, Value>) -> Option<Self> {
        let permissions = payload.get("org_permissions").and_then(Value::as_array);
        Some(Self {
            id: text(payload, "org_id")?,
            slug: text(payload, "org_slug"),
            role: text(payload, "org_role").map(|role| bare(&role)),
            permissions: permissions
                .into_iter()
                .flatten()
                .filter_map(|each| each.as_str().map(str::to_owned))
                .collect(),
        })
    }

    fn compact(payload: &Map<String, Value>) -> Option<Self> {
        let o = payload.get("o")?.as_object()?;
        let features = text(payload, "fea").unwrap_or_default();
        let (names, masks) = (text(o, "per").unwrap_or_default(), text(o, "fpm").unwrap_or_default());
        Some(Self {
            id: text(o, "id")?,
            slug: text(o, "slg"),
            role: text(o, "rol").map(|role| bare(&role)),
            permissions: expand(&features, &names, &masks),
        })
    }
}

/// The i-th number of `masks` is about the i-th feature of organizations in `features` (`o:dashboard,uo:teams`); its
/// j-th bit says whether the person has the j-th name of `names` there.
fn expand(features: &str, names: &str, masks: &str) -> Vec<String> {
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    let of_organizations = features
        .split(',')
        .filter_map(|feature| feature.trim().split_once(':'))
        .filter(|(scope, _)| scope.contains('o'));
    let mut permissions = Vec::new();
    for ((_, feature), mask) in of_organizations.zip(masks.split(',')) {
        // A number that cannot be read grants nothing.
        let mask: u128 = mask.trim().parse().unwrap_or(0);
        for (bit, name) in names.iter().enumerate().take(128) {
            if !name.is_empty() && mask >> bit & 1 == 1 {
                permissions.push(format!("{PREFIX}{feature}:{name}"));
            }
        }
    }
    permissions
}

fn bare(role: &str) -> String {
    role.strip_prefix(PREFIX).unwrap_or(role).to_owned()
}

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(payload: Value) -> Option<Organization> {
        Organization::read(payload.as_object().unwrap())
    }

    #[test]
    fn both_versions_read_alike() {
        let compact = read(json!({
            "v": 2, "fea": "o:dashboard,o:teams",
            "o": {"id": "org_1", "slg": "acme", "rol": "admin", "per": "manage,read", "fpm": "3,2"},
        }));
        let flat = read(json!({
            "org_id": "org_1", "org_slug": "acme", "org_role": "org:admin",
            "org_permissions": ["org:dashboard:manage", "org:dashboard:read", "org:teams:read"],
        }));
        assert!(compact.is_some());
        assert_eq!(compact, flat);
        let organization = flat.unwrap();
        assert!(organization.has_role("admin") && organization.has_role("org:admin"));
        assert!(!organization.has_role("member") && !organization.has_role("adm"));
        assert!(organization.has_permission("org:teams:read"));
        assert!(!organization.has_permission("org:teams:manage"));
    }

    #[test]
    fn features_of_users_take_no_number() {
        let features = "u:profile,o:teams,uo:both";
        assert_eq!(expand(features, "read", "1,1"), ["org:teams:read", "org:both:read"]);
    }

    #[test]
    fn what_is_not_of_the_form_grants_nothing() {
        assert_eq!(read(json!({"v": 2, "org_id": "org_1"})), None);
        assert_eq!(read(json!({"o": {"id": "org_1"}})), None);
        assert_eq!(read(json!({"v": 2, "o": "org_1"})), None);
        assert_eq!(read(json!({"org_id": 7})), None);
        assert_eq!(expand("o:teams", "read", "-1"), Vec::<String>::new());
        assert_eq!(
            expand("o:teams", "read", "99999999999999999999999999999999999999999"),
            Vec::<String>::new()
        );
        assert_eq!(expand("o:teams", "", "1"), Vec::<String>::new());
    }
}

//! The organization that a session acts for, in both of Clerk's forms: `org_*` claims (version 1)
//! and the packed `o` claim (version 2). Source:
//! <https://clerk.com/docs/guides/sessions/session-tokens>.

use serde_json::{Map, Value};

/// The active organization of a session, whichever version of claims named it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Organization {
    /// `org_…`.
    pub id: String,
    /// The slug, where the organization has one.
    pub slug: Option<String>,
    /// The user's role in it, without the prefix `org:`: `admin`.
    pub role: Option<String>,
    /// The user's permissions in it, in full: `org:invoices:read`.
    pub permissions: Vec<String>,
}

impl Organization {
    /// Reads the claims of the version that the token says it has. What is not as Clerk writes it
    /// grants nothing.
    pub(crate) fn read(payload: &Map<String, Value>) -> Option<Self> {
        match payload.get("v") {
            // A customized token may hold an `org_id` of its own; it counts only where Clerk would
            // write it.
            None => Self::of_version_1(payload),
            Some(version) if version.as_u64() == Some(2) => Self::of_version_2(payload),
            Some(_) => None,
        }
    }

    fn of_version_1(payload: &Map<String, Value>) -> Option<Self> {
        let permissions = payload.get("org_permissions").and_then(Value::as_array);
        Some(Self {
            id: text(payload, "org_id")?,
            slug: text(payload, "org_slug"),
            role: text(payload, "org_role").map(|role| bare(&role).to_owned()),
            permissions: permissions
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        })
    }

    fn of_version_2(payload: &Map<String, Value>) -> Option<Self> {
        let packed = payload.get("o")?.as_object()?;
        let features = payload.get("fea").and_then(Value::as_str).unwrap_or_default();
        let list = |name: &str| packed.get(name).and_then(Value::as_str).unwrap_or_default();
        Some(Self {
            id: text(packed, "id")?,
            slug: text(packed, "slg"),
            role: text(packed, "rol").map(|role| bare(&role).to_owned()),
            permissions: unpacked(features, list("per"), list("fpm")),
        })
    }

    /// Whether the user has this role, written with or without `org:`.
    pub fn has_role(&self, role: &str) -> bool {
        self.role.as_deref() == Some(bare(role))
    }

    /// Whether the user has this permission, written with or without `org:`.
    pub fn has_permission(&self, permission: &str) -> bool {
        self.permissions.iter().any(|each| bare(each) == bare(permission))
    }
}

/// The permissions that `fpm` grants: its i-th number belongs to the i-th feature of the
/// organization's, and bit j of it to the j-th name in `per`.
fn unpacked(features: &str, permissions: &str, map: &str) -> Vec<String> {
    let names: Vec<&str> = permissions.split(',').map(str::trim).collect();
    let organizations = features.split(',').filter_map(|feature| {
        let (scope, name) = feature.trim().split_once(':')?;
        scope.contains('o').then_some(name)
    });
    let mut granted = Vec::new();
    for (feature, bits) in organizations.zip(map.split(',')) {
        let Ok(bits) = bits.trim().parse::<u128>() else { continue };
        for (position, name) in names.iter().enumerate().take(128) {
            if bits >> position & 1 == 1 && !name.is_empty() {
                granted.push(format!("org:{feature}:{name}"));
            }
        }
    }
    granted
}

/// A role or permission without its prefix.
fn bare(name: &str) -> &str {
    name.strip_prefix("org:").unwrap_or(name)
}

fn text(members: &Map<String, Value>, name: &str) -> Option<String> {
    members.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(payload: &Value) -> Option<Organization> {
        Organization::read(payload.as_object().unwrap())
    }

    fn permissions(fea: &str, per: &str, fpm: &str) -> Vec<String> {
        let payload = json!({"v": 2, "fea": fea, "o": {"id": "org_1", "per": per, "fpm": fpm}});
        read(&payload).unwrap().permissions
    }

    #[test]
    fn both_versions_read_alike() {
        let first = read(&json!({
            "org_id": "org_1", "org_slug": "acme", "org_role": "org:admin",
            "org_permissions": ["org:dashboard:manage", "org:dashboard:read", "org:teams:read"],
        }));
        let second = read(&json!({
            "v": 2, "fea": "o:dashboard,o:teams",
            "o": {"id": "org_1", "slg": "acme", "rol": "admin", "per": "manage,read", "fpm": "3,2"},
        }));
        assert_eq!(first, second);
        let organization = first.unwrap();
        for role in ["admin", "org:admin"] {
            assert!(organization.has_role(role));
        }
        for role in ["", "org:", "member", "org:adm", "Admin"] {
            assert!(!organization.has_role(role), "{role}");
        }
        for permission in ["org:teams:read", "teams:read", "org:dashboard:manage"] {
            assert!(organization.has_permission(permission), "{permission}");
        }
        for permission in ["org:teams:manage", "teams", "read", "", "org:teams:read "] {
            assert!(!organization.has_permission(permission), "{permission}");
        }
    }

    #[test]
    fn only_features_of_the_organization_count_in_the_map() {
        assert_eq!(permissions("u:impersonation,o:teams", "manage,read", "2"), ["org:teams:read"]);
        assert_eq!(permissions("uo:teams,ou:x", "a", "1,1"), ["org:teams:a", "org:x:a"]);
        assert_eq!(permissions("u:teams", "a", "1"), Vec::<String>::new());
    }

    #[test]
    fn a_map_that_is_not_as_clerk_writes_it_grants_nothing() {
        for (fea, per, fpm) in [
            ("", "a", "1"),
            ("o:x", "", "1"),
            ("o:x", "a", ""),
            ("o:x", "a", "0"),
            ("o:x", "a", "-1"),
            ("o:x", "a", "x"),
            ("o:x", "a", "2"),
            ("o:x", "a", "1e0"),
            ("x", "a", "1"),
            ("o:x", "a", &"9".repeat(60)),
        ] {
            assert!(permissions(fea, per, fpm).is_empty(), "{fea} {per} {fpm}");
        }
        // Numbers beyond 2^53 are read exactly.
        let names: Vec<String> = (0..130).map(|index| format!("p{index}")).collect();
        let granted = permissions("o:x", &names.join(","), &(1_u128 << 127).to_string());
        assert_eq!(granted, ["org:x:p127"]);
        assert_eq!(permissions(" o:x , o:y ", " a , b ", " 1 , 2 "), ["org:x:a", "org:y:b"]);
    }

    #[test]
    fn a_claim_of_the_other_version_is_not_an_organization() {
        for payload in [
            json!({}),
            json!({"v": 2, "org_id": "org_1", "org_role": "org:admin"}),
            json!({"v": 3, "org_id": "org_1", "o": {"id": "org_1"}}),
            json!({"v": "2", "o": {"id": "org_1"}}),
            json!({"v": null, "org_id": "org_1"}),
            json!({"o": {"id": "org_1"}}),
            json!({"v": 2, "o": {}}),
            json!({"v": 2, "o": "org_1"}),
            json!({"v": 2, "o": {"id": ""}}),
            json!({"org_id": 1}),
        ] {
            assert_eq!(read(&payload), None, "{payload}");
        }
        let bare = read(&json!({"org_id": "org_1", "org_permissions": "all"})).unwrap();
        assert_eq!((bare.slug, bare.role, bare.permissions), (None, None, vec![]));
    }
}

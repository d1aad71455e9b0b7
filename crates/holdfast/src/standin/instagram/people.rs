//! Who has an account at the stand-in.

use serde::Serialize;

/// An Instagram account. Ids are as long as real ones: beyond 2^53.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Person {
    /// App-scoped id, `/me.id`.
    pub id: String,
    /// Professional account's id, `/me.user_id`.
    pub professional_id: String,
    /// Handle.
    pub username: String,
    /// Display name.
    pub name: String,
    /// `BUSINESS`, `MEDIA_CREATOR` or `PERSONAL`.
    pub account_type: String,
}

impl Person {
    /// Only professional accounts can finish the dance.
    pub fn is_eligible(&self) -> bool {
        self.account_type != "PERSONAL"
    }

    /// Whether `name` is one of the person's ids or the handle.
    pub fn is(&self, name: &str) -> bool {
        self.id == name || self.professional_id == name || self.username == name
    }
}

/// Three professionals, and one private account.
pub fn everybody() -> Vec<Person> {
    let person = |id: &str, professional_id: &str, username: &str, name: &str, account_type: &str| Person {
        id: id.to_owned(),
        professional_id: professional_id.to_owned(),
        username: username.to_owned(),
        name: name.to_owned(),
        account_type: account_type.to_owned(),
    };
    vec![
        person("25982752248032036", "17841479677897649", "ada.makes", "Ada Lovelace", "BUSINESS"),
        person("27640875392278831", "17841400455970029", "grace.hops", "Grace Hopper", "MEDIA_CREATOR"),
        person("24902668946090755", "17841462030711503", "edsger.writes", "Edsger Dijkstra", "BUSINESS"),
        person("26112233445566779", "17841499900112235", "edsger.at.home", "Edsger, privately", "PERSONAL"),
    ]
}

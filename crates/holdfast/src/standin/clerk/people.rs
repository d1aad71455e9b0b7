//! The three people who can sign in, and what Clerk's Backend API says about them.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::names::names;

names! {
    /// Somebody with an account.
    pub enum Person {
        /// Ada Lovelace.
        Ada = "ada",
        /// Grace Hopper.
        Grace = "grace",
        /// Edsger Dijkstra; has no verified address.
        Edsger = "edsger",
    }
}

impl Person {
    /// Clerk user id.
    pub fn user_id(self) -> &'static str {
        match self {
            Self::Ada => "user_2ada1815aNaLyticaLengiNe0aA",
            Self::Grace => "user_2grace1906cObOLcOmpiLer0gG",
            Self::Edsger => "user_2edsger1930gOtOharmfuL0eE",
        }
    }
}

/// A person's record, which may be changed.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub person: Person,
    pub first_name: String,
    last_name: &'static str,
    email: &'static str,
    verified: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted: bool,
}

impl Record {
    pub fn new(person: Person, now: Timestamp) -> Self {
        let (first_name, last_name, email, verified) = match person {
            Person::Ada => ("Ada", "Lovelace", "ada@example.com", true),
            Person::Grace => ("Grace", "Hopper", "grace@example.com", true),
            Person::Edsger => ("Edsger", "Dijkstra", "edsger@example.com", false),
        };
        Self {
            person,
            first_name: first_name.to_owned(),
            last_name,
            email,
            verified,
            created_at: now,
            updated_at: now,
            deleted: false,
        }
    }

    /// The `User` object of Clerk's OpenAPI document 2026-05-12; times in milliseconds.
    pub fn to_json(&self) -> Value {
        let name = self.person.as_str();
        let (created, updated) = (self.created_at.as_millisecond(), self.updated_at.as_millisecond());
        let status = if self.verified { "verified" } else { "unverified" };
        json!({
            "id": self.person.user_id(), "object": "user", "external_id": null, "username": null,
            "first_name": self.first_name, "last_name": self.last_name, "locale": null,
            "image_url": format!("https://img.example.com/{name}.png"), "has_image": true,
            "profile_image_url": format!("https://img.example.com/{name}.png"),
            "primary_email_address_id": format!("idn_{name}"),
            "primary_phone_number_id": null, "primary_web3_wallet_id": null,
            "email_addresses": [
                {
                    "id": format!("idn_{name}_old"), "object": "email_address", "reserved": false,
                    "email_address": format!("{name}.former@example.com"),
                    "verification": {"status": "verified", "strategy": "email_code", "attempts": 1, "expire_at": null},
                    "linked_to": [], "matches_sso_connection": false, "created_at": created, "updated_at": created,
                },
                {
                    "id": format!("idn_{name}"), "object": "email_address", "reserved": false,
                    "email_address": self.email,
                    "verification": {"status": status, "strategy": "email_code", "attempts": 1, "expire_at": null},
                    "linked_to": [], "matches_sso_connection": false, "created_at": created, "updated_at": updated,
                },
            ],
            "phone_numbers": [], "web3_wallets": [], "passkeys": [], "external_accounts": [],
            "saml_accounts": [], "enterprise_accounts": [],
            "public_metadata": {}, "private_metadata": {}, "unsafe_metadata": {},
            "banned": false, "locked": false, "lockout_expires_in_seconds": null,
            "verification_attempts_remaining": 100, "password_enabled": true, "two_factor_enabled": false,
            "totp_enabled": false, "backup_code_enabled": false, "mfa_enabled_at": null, "mfa_disabled_at": null,
            "delete_self_enabled": true, "create_organization_enabled": true, "legal_accepted_at": null,
            "created_at": created, "updated_at": updated, "last_sign_in_at": updated, "last_active_at": updated,
        })
    }
}

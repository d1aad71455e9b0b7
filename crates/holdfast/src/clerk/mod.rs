//! What Clerk tells about a person: their record beyond their id.
//!
//! The facts come from Clerk: from its Backend API where a secret key is configured, from signed
//! webhooks, and else from what the session token's claims happen to say. None of the three can
//! fail a sign-in.

pub mod backend;
mod claims;
pub mod pauses;
pub mod webhook;
mod wire;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use claims::facts_from_claims;

/// A user's record. Absent facts are `null`, never invented.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct User {
    /// Clerk user id, `user_…`.
    pub id: String,
    /// Primary e-mail address.
    pub email: Option<String>,
    /// Whether Clerk has verified that address.
    pub email_verified: Option<bool>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// Picture address.
    pub image_url: Option<String>,
    /// When the record was made here.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// When its facts last changed here.
    #[schemars(with = "String")]
    pub updated_at: Timestamp,
    /// When the person last called.
    #[schemars(with = "Option<String>")]
    pub last_seen_at: Option<Timestamp>,
}

/// What a source says about a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFacts {
    /// Primary e-mail address.
    pub email: Option<String>,
    /// Whether Clerk has verified that address.
    pub email_verified: Option<bool>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// Picture address.
    pub image_url: Option<String>,
    /// Clerk's `updated_at` of the whole record (Backend API, webhook). `None` for token claims,
    /// which are partial.
    pub updated_at: Option<Timestamp>,
    /// When the token was issued that has these claims, where it says so. `None` without claims.
    pub claimed_at: Option<Timestamp>,
    /// Facts that the claims say are absent; for a whole record, every fact that it lacks.
    pub gone: Vec<Fact>,
}

/// A fact about a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The address, and whether it is verified.
    Email,
    /// Given name.
    FirstName,
    /// Family name.
    LastName,
    /// Picture address.
    ImageUrl,
}

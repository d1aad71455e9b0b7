//! What can be broken, and how.

use std::time::Duration;

use serde::Deserialize;

/// A part of Clerk that can fail by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Surface {
    /// `/.well-known/jwks.json` and `/v1/jwks`.
    Jwks,
    /// `/v1/users…`.
    Users,
    /// `/v1/client/sessions/{id}/tokens`.
    Tokens,
}

impl Surface {
    /// Every surface.
    pub const ALL: [Self; 3] = [Self::Jwks, Self::Users, Self::Tokens];
}

/// A way of failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The connection is closed without an answer.
    Down,
    /// The request is taken and never answered.
    Hang,
    /// 500 with Clerk's error body.
    ServerError,
    /// 503 with the HTML of some proxy.
    BadGateway,
    /// 503 with `Retry-After: 7`.
    Overloaded,
    /// 200 with HTML: a captive portal, a maintenance page.
    Html,
    /// 200 with far more bytes than the answer should have.
    Huge,
    /// 200 with JSON that ends in the middle.
    Truncated,
    /// 200 with an empty set, an empty list.
    Empty,
    /// 429 with `Retry-After: 7`.
    RateLimited,
    /// 401 with Clerk's error body, as for a wrong secret key.
    Unauthorized,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 11] = [
        Self::Down,
        Self::Hang,
        Self::ServerError,
        Self::BadGateway,
        Self::Overloaded,
        Self::Html,
        Self::Huge,
        Self::Truncated,
        Self::Empty,
        Self::RateLimited,
        Self::Unauthorized,
    ];

    /// What a rate limited or overloaded answer asks for.
    pub const RETRY_AFTER: Duration = Duration::from_secs(7);
}

/// A way of replacing the signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// Another key under the same `kid`: what Clerk's naming makes likely, since its `kid` is the
    /// instance id.
    SameKid,
    /// Another key under another `kid`; the former one is gone at once.
    NewKid,
    /// Another key under another `kid`; the former one stays in the JWKS.
    NewKidKeepFormer,
}

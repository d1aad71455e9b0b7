//! What a provider of connected accounts must be able to do, and what its answers may mean.
//!
//! A provider knows no caller, no store and no HTTP server. Its failures are [`Failure`]s, which
//! have no conversion into a refusal of the caller: Instagram's "no" can never become our 401.

pub mod calls;
#[cfg(test)]
pub mod contract;
pub mod instagram;

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded};

use crate::transport::TransportError;

/// No grant is taken to live longer: of Instagram's 60 days are documented. More is a mistake, such
/// as milliseconds, and would put off the refresh until the grant is long dead.
pub const LONGEST_LIFE: Duration = Duration::from_hours(90 * 24);

/// A provider's stable name, as stored and as used in routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ProviderId(&'static str);

impl ProviderId {
    /// Instagram API with Instagram Login.
    pub const INSTAGRAM: Self = Self("instagram");

    /// The name.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// The provider of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::INSTAGRAM].into_iter().find(|id| id.0 == name)
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A short-lived token, straight from the code exchange. It cannot be refreshed and is never a
/// connection's grant.
#[derive(Debug, Clone)]
pub struct ShortGrant {
    /// The token.
    pub access_token: SecretString,
    /// The scopes that the person granted, where the provider says.
    pub scopes: Option<Vec<String>>,
    /// The account id the token answer names (Instagram: app-scoped, equals `/me.id`).
    pub account_id: Option<String>,
    /// When it arrived. Where it is stored: when the code came that it was exchanged for.
    pub obtained_at: Timestamp,
}

/// A long-lived token: the grant of a connection.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The token. Never empty.
    pub access_token: SecretString,
    /// The granted scopes, where the answer that brought it says them; a refresh need not.
    pub scopes: Option<Vec<String>>,
    /// When it arrived; its age counts from here.
    pub obtained_at: Timestamp,
    /// When it expires, from the provider's `expires_in`.
    pub expires_at: Timestamp,
}

/// An account at the provider. Ids are strings: they exceed 2^53.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Account {
    /// Instagram: the app-scoped id, `/me.id`. Identifies the account within our app.
    pub id: String,
    /// Instagram: the professional account's id, `/me.user_id`, as in webhooks.
    pub professional_id: Option<String>,
    /// The handle; may change.
    pub username: Option<String>,
    /// The display name.
    pub name: Option<String>,
    /// Lower case: `business` or `media_creator`.
    pub account_type: Option<String>,
    /// A signed address that expires; its failure says nothing about the connection.
    pub profile_picture_url: Option<String>,
}

impl Account {
    /// Both ids, as far as they are known.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.id.as_str()).chain(self.professional_id.as_deref())
    }

    /// Whether only the professional id is known, so that it cannot be compared with the app-scoped
    /// id `scoped`. A lone id may be the professional one though it is called `id`; but only one
    /// that has the form of those is taken for it, and only where `scoped` has another form: of two
    /// ids of one form, each may be app-scoped, and then they are of two accounts.
    pub fn lacks_the_kind_of(&self, scoped: &str) -> bool {
        match &self.professional_id {
            Some(professional) => *professional == self.id,
            None => is_professional(&self.id) && !is_professional(scoped),
        }
    }

    /// The account as it may be shown at `now`: without a picture whose address has expired.
    #[must_use]
    pub fn shown_at(mut self, now: Timestamp) -> Self {
        self.profile_picture_url.take_if(|url| has_expired(url, now));
        self
    }
}

/// Whether an id has the form of professional ones: 17 digits that begin with 1784.
fn is_professional(id: &str) -> bool {
    id.len() == 17 && id.starts_with("1784") && id.bytes().all(|each| each.is_ascii_digit())
}

/// Meta's picture addresses carry their expiry in `oe`: Unix seconds, hexadecimal.
fn has_expired(picture: &str, now: Timestamp) -> bool {
    let query = picture.split_once('?').map_or("", |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let ends = form_urlencoded::parse(query.as_bytes()).find_map(|(name, value)| match name.as_ref() {
        "oe" => i64::from_str_radix(&value, 16).ok(),
        _ => None,
    });
    ends.is_some_and(|ends| ends <= now.as_second())
}

/// Why a provider call failed, and what that means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it means for the connection.
    pub meaning: Meaning,
    /// How long the provider asks us to wait, where it says.
    pub retry_after: Option<Duration>,
    /// HTTP status of the answer; `None` where none arrived.
    pub http_status: Option<u16>,
    /// The provider's error code, where the body had one.
    pub code: Option<i64>,
    /// One sentence for the operator's log, made by us; never the body, never a token.
    pub detail: String,
    /// The missing scopes that the provider names, if it refused for lack of a permission.
    pub wants_scopes: Vec<String>,
    /// Whether the provider may have acted on the request. `false` only if it was certainly never
    /// sent.
    pub was_sent: bool,
    /// Why no answer arrived.
    pub unanswered: Option<TransportError>,
}

impl Failure {
    /// A failure without details of an answer.
    pub fn new(meaning: Meaning, detail: impl Into<String>) -> Self {
        Self {
            meaning,
            retry_after: None,
            http_status: None,
            code: None,
            detail: detail.into(),
            wants_scopes: Vec::new(),
            was_sent: true,
            unanswered: None,
        }
    }

    /// Whether an answer came that is neither an error in the provider's form nor a 5xx, such as
    /// the page for a mistyped path.
    pub fn is_odd_answer(&self) -> bool {
        self.meaning == Meaning::Unavailable
            && self.code.is_none()
            && self.http_status.is_some_and(|status| status < 500)
    }
}

/// The meaning of a failed provider call, for the connection it was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// The grant is dead; the person must log in again. Sub-code or text say why.
    Dead(DeathCause),
    /// The answer says that the grant is dead, but neither sub-code nor text say why: ask again
    /// before believing it.
    DeadUnexplained,
    /// The person must do something at the provider first.
    UserAction(UserAction),
    /// The grant lives but lacks a permission for this call.
    Permission,
    /// Temporary: the provider limits us.
    RateLimited(LimitScope),
    /// Temporary: the provider is failing, hanging, or not reachable, or its answer is not
    /// understood.
    Unavailable,
    /// The provider was not asked, because too many calls of ours are under way: nothing is known.
    Crowded,
    /// Our app or its configuration is at fault; reconnecting will not help.
    App(AppFault),
    /// About the content of this very call (a media object, a parameter): no effect on the
    /// connection.
    Content,
    /// The authorization code is spent, expired or unknown: connecting must begin again.
    CodeRejected,
}

/// Why a grant died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeathCause {
    /// It expired.
    Expired,
    /// The person removed the app.
    Revoked,
    /// The person changed the password, or the provider ended the session for safety.
    PasswordChanged,
    /// The provider does not accept the token, for another reason it stated.
    Invalid,
    /// The account is no longer of a kind that may be connected (Instagram: not professional any
    /// more).
    AccountIneligible,
}

/// What the person must do at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserAction {
    /// Pass a security checkpoint.
    Checkpoint,
    /// Confirm the account.
    Unconfirmed,
    /// The account is restricted or inactive.
    Restricted,
    /// Consent to the provider's own terms.
    ConsentBlocked,
}

/// Whom a rate limit concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitScope {
    /// The whole app.
    App,
    /// This account.
    Account,
}

/// What is wrong with our app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AppFault {
    /// The app id or secret is wrong.
    Credentials,
    /// The redirect address is not registered, or differs.
    RedirectUri,
    /// A scope is unknown or not approved for the app.
    Scope,
    /// The app may not serve this account: it is in development mode, or lacks Advanced Access, and
    /// the person has no role on it.
    NotAdmitted,
    /// The provider does not know such a request: a wrong host, version, field or product; or an
    /// account that the app may not serve.
    Unsupported,
    /// The provider deactivated or blocked the app.
    Deactivated,
    /// A request that the provider does not take from this app.
    Request,
}

/// How much of the provider's budget is used, from its usage headers. Percentages; 100 means
/// throttled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Usage of the whole app (`X-App-Usage`): the highest of its figures.
    pub app_percent: Option<u32>,
    /// Time until the provider serves this account again (`X-Business-Use-Case-Usage`).
    pub account_regains_in: Option<Duration>,
}

/// The outcome of one provider call, with the rate budget by its headers.
#[derive(Debug, Clone)]
pub struct Reply<T> {
    /// The outcome.
    pub outcome: Result<T, Failure>,
    /// The budget.
    pub usage: Usage,
}

/// A Graph-style API call that the app's backend makes with the grant injected.
#[derive(Debug, Clone)]
pub struct PassThrough {
    /// GET, POST or DELETE.
    pub method: http::Method,
    /// Path below the versioned root, already validated: no `..`, no empty segment, no scheme.
    pub path: String,
    /// Query pairs; `access_token` is refused before.
    pub query: Vec<(String, String)>,
    /// Body and its content type, for POST and DELETE.
    pub body: Option<(String, bytes::Bytes)>,
}

/// The provider's own answer to a [`PassThrough`].
#[derive(Debug, Clone)]
pub struct PassedThrough {
    /// HTTP status of the provider's answer.
    pub status: u16,
    /// The JSON body as it was sent, without the grant; `None` where it was not JSON.
    pub body: Option<Box<serde_json::value::RawValue>>,
    /// What the answer says about the grant, where it is an error.
    pub failure: Option<Failure>,
    /// The scope that this call needs, where that is known: a success proves it.
    pub needs_scope: Option<&'static str>,
    /// The budget.
    pub usage: Usage,
    /// The provider's own usage headers, for the caller.
    pub usage_headers: http::HeaderMap,
}

/// Why there is no answer to pass on.
#[derive(Debug)]
pub enum NotPassed {
    /// The call was not made, or not answered.
    Failed(Failure),
    /// The answer was too large to be read; nothing else is known about it.
    TooLarge,
}

impl From<Failure> for NotPassed {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A provider of connected accounts. Every method makes at most one HTTP exchange, so that the
/// caller can make each result durable before the next step.
pub trait Provider: Debug + Send + Sync + 'static {
    /// The scopes that we ask for.
    fn scopes(&self) -> &[String];
    /// The scope without which a grant is worth nothing, where there is one.
    fn essential_scope(&self) -> Option<&str>;
    /// Where to send the browser.
    fn authorize_url(&self, state: &str, force_reauth: bool) -> Url;
    /// Exchanges an authorization code, once, for a short-lived token.
    fn redeem<'a>(&'a self, code: &'a SecretString) -> BoxFuture<'a, Reply<ShortGrant>>;
    /// Exchanges the short-lived token for the long-lived grant.
    fn extend<'a>(&'a self, short: &'a ShortGrant) -> BoxFuture<'a, Reply<Grant>>;
    /// Refreshes the grant. The returned grant is a new version, even with the same token string.
    fn refresh<'a>(&'a self, grant: &'a Grant) -> BoxFuture<'a, Reply<Grant>>;
    /// Asks whose grant it is; also the liveness probe.
    fn identify<'a>(&'a self, grant: &'a Grant) -> BoxFuture<'a, Reply<Account>>;
    /// The fault of the call itself, which no grant could mend, if it has one; asks nobody.
    fn objection(&self, call: &PassThrough) -> Option<Failure>;
    /// Makes an API call with the grant.
    fn pass_through<'a>(
        &'a self,
        grant: &'a Grant,
        call: PassThrough,
    ) -> BoxFuture<'a, Result<PassedThrough, NotPassed>>;
    /// What a person must do to revoke our access at the provider itself, in one sentence.
    fn revoke_hint(&self) -> &'static str;
}

/// A provider shared by every part of the process.
pub type SharedProvider = Arc<dyn Provider>;

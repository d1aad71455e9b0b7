//! The token endpoints: code for short, short for long, long for longer.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::Serialize;

use super::body::{GraphError, LongToken, json};
use super::fault::Endpoint;
use super::reply::{CODE_REJECTED, REDIRECT_MISMATCH, Reply, death};
use super::world::{BASIC, Death, LONG_LIFETIME, Token, TokenKind, World};
use super::{RefreshWorld, ReplyShape, Shared, field, fields};
use crate::clock::after;
use crate::entropy::{Entropy, EntropyExhausted};

/// The age from which a long-lived token may be refreshed.
const REFRESHABLE_AFTER: std::time::Duration = std::time::Duration::from_hours(24);

const INVALID_SESSION_KEY: &str = "Session key invalid. This could be because the session key has an incorrect format, or because the user has revoked this session";

/// `prefix` and random letters and digits, `length` characters in all, as opaque as the real ones.
pub(super) fn opaque(entropy: &dyn Entropy, prefix: &str, length: usize) -> Result<String, EntropyExhausted> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut bytes = vec![0; length.saturating_sub(prefix.len())];
    entropy.fill(&mut bytes)?;
    let random = bytes.into_iter().map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
    Ok(prefix.chars().chain(random).collect())
}

/// A new access token. Real ones had 141 to 144 characters in 2023 and about 200 in 2026.
fn new_token(entropy: &dyn Entropy) -> Result<String, EntropyExhausted> {
    opaque(entropy, "IGAA", 190)
}

/// `POST /oauth/access_token`: form fields `client_id`, `client_secret`, `grant_type`,
/// `redirect_uri`, `code`.
pub(super) async fn redeem(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let form = fields(&body);
    let account = shared.world().code_owner(field(&form, "code")).map(|person| person.id.clone());
    let this = shared.clone();
    shared.answer(Endpoint::Token, account, move |world, now| this.do_redeem(world, &form, now)).await
}

/// `GET /access_token`: `grant_type=ig_exchange_token`, `client_secret`, `access_token`.
pub(super) async fn exchange(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    let query = fields(query.unwrap_or_default().as_bytes());
    let account = shared.owner(field(&query, "access_token"));
    let this = shared.clone();
    shared.answer(Endpoint::Exchange, account, move |world, now| this.do_exchange(world, &query, now)).await
}

/// `GET /refresh_access_token`: `grant_type=ig_refresh_token`, `access_token`.
pub(super) async fn refresh(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    let query = fields(query.unwrap_or_default().as_bytes());
    let account = shared.owner(field(&query, "access_token"));
    let this = shared.clone();
    shared.answer(Endpoint::Refresh, account, move |world, now| this.do_refresh(world, &query, now)).await
}

impl Shared {
    /// Whose token it is or was.
    pub(super) fn owner(&self, token: &str) -> Option<String> {
        self.world().token(token).map(|token| token.person.id.clone())
    }

    fn do_redeem(
        &self,
        world: &mut World,
        form: &[(String, String)],
        now: Timestamp,
    ) -> Result<Reply, EntropyExhausted> {
        if field(form, "client_id") != self.options.app_id {
            return Ok(Reply::code_exchange("Invalid platform app"));
        }
        if field(form, "client_secret") != self.options.app_secret.expose_secret() {
            return Ok(Reply::code_exchange("Error validating client secret."));
        }
        if field(form, "grant_type") != "authorization_code" {
            return Ok(Reply::code_exchange("Invalid grant_type"));
        }
        let name = field(form, "code");
        let Some(code) = world.code(name, now).cloned() else {
            return Ok(Reply::code_exchange(CODE_REJECTED));
        };
        if code.redirect_uri != field(form, "redirect_uri") {
            return Ok(Reply::code_exchange(REDIRECT_MISMATCH));
        }
        let token = new_token(self.entropy.as_ref())?;
        world.spend(name);
        world.issue(token.clone(), TokenKind::Short, code.person.clone(), code.scopes.clone(), now);
        let body = match self.setup().shape {
            ReplyShape::Live => json(&LiveShortToken {
                access_token: &token,
                user_id: code.person.id.parse().unwrap_or_default(),
                permissions: &code.scopes,
            }),
            ReplyShape::Documented => json(&Enveloped {
                data: [DocumentedShortToken {
                    access_token: &token,
                    user_id: &code.person.id,
                    permissions: code.scopes.join(","),
                }],
            }),
        };
        Ok(Reply::json(StatusCode::OK, body))
    }

    fn do_exchange(
        &self,
        world: &mut World,
        query: &[(String, String)],
        now: Timestamp,
    ) -> Result<Reply, EntropyExhausted> {
        if field(query, "grant_type") != "ig_exchange_token" {
            return Ok(Reply::graph(&unsupported()));
        }
        if field(query, "client_secret") != self.options.app_secret.expose_secret() {
            return Ok(Reply::graph(&GraphError::oauth(100, None, "Error validating client secret.")));
        }
        let short = match living(world, field(query, "access_token"), now) {
            Ok(token) => token.clone(),
            Err(error) => return Ok(Reply::graph(&error)),
        };
        if short.kind == TokenKind::Long {
            return Ok(Reply::graph(&GraphError::oauth(452, Some(4_279_019), INVALID_SESSION_KEY)));
        }
        let token = new_token(self.entropy.as_ref())?;
        world.issue(token.clone(), TokenKind::Long, short.person, short.scopes, now);
        Ok(long_token(&token))
    }

    fn do_refresh(
        &self,
        world: &mut World,
        query: &[(String, String)],
        now: Timestamp,
    ) -> Result<Reply, EntropyExhausted> {
        if field(query, "grant_type") != "ig_refresh_token" {
            return Ok(Reply::graph(&unsupported()));
        }
        let name = field(query, "access_token");
        let old = match living(world, name, now) {
            Ok(token) => token.clone(),
            Err(error) => return Ok(Reply::graph(&error)),
        };
        if old.kind == TokenKind::Short {
            let message = format!(
                "Session key 18.0,{}.3600.{}-{} is malformed because of invalid user id.",
                opaque(self.entropy.as_ref(), "AZ", 12)?,
                old.expires_at.as_second(),
                old.person.professional_id
            );
            return Ok(Reply::graph(&GraphError::oauth(190, None, message)));
        }
        if !old.may(BASIC) {
            let message = "Application does not have permission for this action";
            return Ok(Reply::graph(&GraphError::api(10, message)));
        }
        if after(old.issued_at, REFRESHABLE_AFTER) > now {
            // Instagram's answer here is not known; this one says the least.
            return Ok(Reply::graph(&GraphError::oauth(1, None, "An unknown error has occurred.")));
        }
        let refresh_world = self.setup().refresh_world;
        let token = match refresh_world {
            RefreshWorld::SameToken => name.to_owned(),
            RefreshWorld::BothValid | RefreshWorld::OldDies => new_token(self.entropy.as_ref())?,
        };
        world.issue(token.clone(), TokenKind::Long, old.person, old.scopes, now);
        if refresh_world == RefreshWorld::OldDies {
            world.kill_token(name, Death::LoggedOut);
        }
        Ok(long_token(&token))
    }
}

/// The token, if it works.
pub(super) fn living<'a>(world: &'a World, name: &str, now: Timestamp) -> Result<&'a Token, GraphError> {
    if name.is_empty() {
        return Err(GraphError::oauth(104, None, "An access token is required to request this resource."));
    }
    let unparsable =
        || GraphError::oauth(190, None, "Invalid OAuth access token - Cannot parse access token");
    let token = world.token(name).ok_or_else(unparsable)?;
    match token.death(now) {
        None => Ok(token),
        Some(cause) => Err(death(cause, token.expires_at, now)),
    }
}

pub(super) fn unsupported() -> GraphError {
    GraphError::api(100, "Unsupported request - method type: get")
}

fn long_token(token: &str) -> Reply {
    let expires_in = i64::try_from(LONG_LIFETIME.as_secs()).ok();
    Reply::json(StatusCode::OK, json(&LongToken { access_token: token, token_type: "bearer", expires_in }))
}

#[derive(Serialize)]
struct LiveShortToken<'a> {
    access_token: &'a str,
    user_id: u64,
    permissions: &'a [String],
}

#[derive(Serialize)]
struct DocumentedShortToken<'a> {
    access_token: &'a str,
    user_id: &'a str,
    permissions: String,
}

/// The documented envelope.
#[derive(Serialize)]
pub(super) struct Enveloped<T> {
    pub(super) data: [T; 1],
}

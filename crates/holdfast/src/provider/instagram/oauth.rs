//! The OAuth calls: consent, code, short-lived token, long-lived token, refresh.
//!
//! By hand: Instagram sends no `token_type`, has no refresh token, and takes tokens and the app
//! secret in the query of a GET, which is the only documented form. Source: "Business Login for
//! Instagram".

use std::time::Duration;

use http::{HeaderValue, Method, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use url::form_urlencoded::Serializer;

use super::meaning::Context;
use super::{Instagram, endpoint, wire};
use crate::clock::after;
use crate::provider::{Grant, Reply, ShortGrant};
use crate::transport::Outgoing;

/// Instagram refreshes no younger grant.
const REFRESHABLE_AFTER: Duration = Duration::from_hours(24);

impl Instagram {
    /// The consent dialog's address.
    pub(super) fn authorize_address(&self, state: &str, force_reauth: bool) -> Url {
        let mut url = self.config.authorize_url.clone();
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("client_id", &self.config.app_id)
                .append_pair("redirect_uri", self.config.redirect_uri.as_str())
                .append_pair("response_type", "code")
                .append_pair("scope", &self.config.scopes.join(","))
                .append_pair("state", state);
            if force_reauth {
                query.append_pair("force_reauth", "true");
            }
        }
        url
    }

    pub(super) async fn redeem_code(&self, code: &SecretString) -> Reply<ShortGrant> {
        let (code, app_secret) = (code.expose_secret(), self.config.app_secret.expose_secret());
        let form = Serializer::new(String::new())
            .append_pair("client_id", &self.config.app_id)
            .append_pair("client_secret", app_secret)
            .append_pair("grant_type", "authorization_code")
            .append_pair("redirect_uri", self.config.redirect_uri.as_str())
            .append_pair("code", code)
            .finish();
        let url = endpoint(&self.config.api_url, ["oauth", "access_token"]);
        let mut request = Outgoing::new(Method::POST, url).named("/oauth/access_token");
        request
            .headers
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        request.body = form.into();
        self.ask(Context::Redeem, request, &[code, app_secret], |object, obtained_at| {
            let body = wire::token(object)?;
            Ok(ShortGrant {
                access_token: body.access_token,
                scopes: body.permissions,
                account_id: body.user_id,
                obtained_at,
            })
        })
        .await
    }

    pub(super) async fn extend_token(&self, short: &ShortGrant) -> Reply<Grant> {
        let (token, app_secret) =
            (short.access_token.expose_secret(), self.config.app_secret.expose_secret());
        let mut url = endpoint(&self.config.graph_url, ["access_token"]);
        url.query_pairs_mut()
            .append_pair("grant_type", "ig_exchange_token")
            .append_pair("client_secret", app_secret)
            .append_pair("access_token", token);
        let request = Outgoing::new(Method::GET, url).named("/access_token");
        self.ask(Context::Extend, request, &[token, app_secret], |object, now| {
            let body = wire::token(object)?;
            // Without a lifetime it is refused: the short-lived token can be exchanged once more.
            let life = body.expires_in.ok_or(wire::Unusable::NoLifetime)?;
            if life < REFRESHABLE_AFTER {
                tracing::warn!(lives_s = life.as_secs(), "Instagram handed out a grant that ends before it may be refreshed: its owner will have to connect again then");
            }
            Ok(Grant {
                access_token: body.access_token,
                scopes: short.scopes.clone(),
                obtained_at: now,
                expires_at: after(now, life),
            })
        })
        .await
    }

    pub(super) async fn refresh_token(&self, old: &Grant) -> Reply<Grant> {
        let token = old.access_token.expose_secret();
        let mut url = endpoint(&self.config.graph_url, ["refresh_access_token"]);
        url.query_pairs_mut()
            .append_pair("grant_type", "ig_refresh_token")
            .append_pair("access_token", token);
        let request = Outgoing::new(Method::GET, url).named("/refresh_access_token");
        self.ask(Context::Refresh, request, &[token], |object, now| {
            let body = wire::token(object)?;
            // Without a lifetime it is taken all the same: the token before it may be dead.
            let expires_at = body.expires_in.map_or_else(|| assumed_expiry(old), |life| after(now, life));
            Ok(Grant {
                access_token: body.access_token,
                scopes: body.permissions,
                obtained_at: now,
                expires_at,
            })
        })
        .await
    }
}

/// The expiry of a refreshed token without a stated lifetime: the old one's cannot be too late.
fn assumed_expiry(old: &Grant) -> Timestamp {
    tracing::warn!(
        expires_at = %old.expires_at,
        "Instagram refreshed a grant without a lifetime; the remaining lifetime of the old one is assumed"
    );
    old.expires_at
}

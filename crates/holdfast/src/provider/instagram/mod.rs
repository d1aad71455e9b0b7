//! Instagram API with Instagram Login.
//!
//! [`wire`] reads what arrives, [`meaning`] says what it means for a connection, `oauth` and
//! `graph` make the calls. Every call is one exchange through the
//! [`Transport`](crate::transport::Transport).

mod config;
mod credential;
mod failure;
mod graph;
mod meaning;
mod oauth;
pub mod signed_request;
mod usage;
mod wire;

#[cfg(test)]
mod tests;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value};
use url::Url;

pub use self::config::{InstagramConfig, VersionEnd};
use self::failure::{Answered, unanswered};
use self::meaning::Context;
use self::wire::{Body, Unusable};
use super::{
    Account, Failure, Grant, NotPassed, PassThrough, PassedThrough, Provider, Reply, ShortGrant, Usage,
};
use crate::clock::SharedClock;
use crate::transport::{Outgoing, SharedTransport};

/// Instagram as a [`Provider`].
#[derive(Debug)]
pub struct Instagram {
    config: InstagramConfig,
    transport: SharedTransport,
    clock: SharedClock,
}

impl Instagram {
    /// The provider for this app.
    pub fn new(config: InstagramConfig, transport: SharedTransport, clock: SharedClock) -> Self {
        Self { config, transport, clock }
    }

    /// Makes one exchange and reads the answer. `secrets` are those of the request: no failure
    /// repeats them.
    async fn ask<T>(
        &self,
        context: Context,
        request: Outgoing,
        secrets: &[&str],
        read: impl FnOnce(&Map<String, Value>, Timestamp) -> Result<T, Unusable> + Send,
    ) -> Reply<T> {
        let answer = match self.transport.send(request).await {
            Ok(answer) => answer,
            Err(error) => return Reply { outcome: Err(unanswered(context, error)), usage: Usage::default() },
        };
        let usage = usage::read(&answer.headers);
        let now = self.clock.now();
        let answered = Answered { context, answer: &answer, at: now, usage };
        let outcome = match Body::read(&answer.body) {
            Body::Error(error) => Err(answered.refused(&error, secrets)),
            Body::Object(object) if answer.status.is_success() => {
                read(&object, now).map_err(|why| answered.unusable(why))
            }
            Body::Object(_) | Body::Unreadable => Err(answered.unreadable(answer.body.len())),
        };
        Reply { outcome, usage }
    }
}

impl Provider for Instagram {
    fn scopes(&self) -> &[String] {
        &self.config.scopes
    }

    fn essential_scope(&self) -> Option<&str> {
        Some("instagram_business_basic")
    }

    fn authorize_url(&self, state: &str, force_reauth: bool) -> Url {
        self.authorize_address(state, force_reauth)
    }

    fn redeem<'a>(&'a self, code: &'a SecretString) -> BoxFuture<'a, Reply<ShortGrant>> {
        Box::pin(self.redeem_code(code))
    }

    fn extend<'a>(&'a self, short: &'a ShortGrant) -> BoxFuture<'a, Reply<Grant>> {
        Box::pin(self.extend_token(short))
    }

    fn refresh<'a>(&'a self, grant: &'a Grant) -> BoxFuture<'a, Reply<Grant>> {
        Box::pin(self.refresh_token(grant))
    }

    fn identify<'a>(&'a self, grant: &'a Grant) -> BoxFuture<'a, Reply<Account>> {
        Box::pin(self.me(grant))
    }

    fn objection(&self, call: &PassThrough) -> Option<Failure> {
        graph::looked_through(call).err()
    }

    fn pass_through<'a>(
        &'a self,
        grant: &'a Grant,
        call: PassThrough,
    ) -> BoxFuture<'a, Result<PassedThrough, NotPassed>> {
        Box::pin(self.pass(grant, call))
    }

    fn revoke_hint(&self) -> &'static str {
        "To withdraw the permission at Instagram too, open Instagram, go to Settings, Website permissions, \
         Apps and websites, and remove the app there."
    }
}

/// `base` with further path segments. Percent-encodes them; `.` and `..` are dropped.
fn endpoint<'a>(base: &Url, segments: impl IntoIterator<Item = &'a str>) -> Url {
    let mut url = base.clone();
    // Fails only for addresses such as `mailto:`, which the transport then cannot send to.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

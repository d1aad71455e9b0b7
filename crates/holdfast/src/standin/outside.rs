//! Both stand-ins, as the outside world of one server: what it has to be told of them, and what
//! they have to be told of it. Everything that runs a whole server with stand-ins begins here.

use std::net::{Ipv4Addr, SocketAddr};

use secrecy::ExposeSecret as _;
use url::Url;

use super::clerk::{ClerkStandin, StandinError};
use super::instagram::{InstagramStandin, Options};
use crate::clock::SharedClock;
use crate::entropy::SharedEntropy;
use crate::transport::SharedTransport;

/// The stand-ins, running.
#[derive(Debug)]
pub struct Outside {
    /// For Clerk.
    pub clerk: ClerkStandin,
    /// For Instagram.
    pub instagram: InstagramStandin,
}

impl Outside {
    /// Starts both on loopback, on these ports where they are free: 0 is any.
    pub async fn start(
        [clerk, instagram]: [u16; 2],
        options: Options,
        clock: SharedClock,
        entropy: SharedEntropy,
        transport: SharedTransport,
    ) -> Result<Self, StandinError> {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let start_clerk = |port| ClerkStandin::start_on(loopback(port), clock.clone(), entropy.clone());
        let clerk = match start_clerk(clerk).await {
            Err(StandinError::Listen(_)) => start_clerk(0).await?,
            started => started?,
        };
        let start_instagram = |port| {
            let (clock, entropy, transport) = (clock.clone(), entropy.clone(), transport.clone());
            InstagramStandin::start(loopback(port), options.clone(), clock, entropy, transport)
        };
        let instagram = match start_instagram(instagram).await {
            Ok(started) => started,
            Err(_) => start_instagram(0).await?,
        };
        Ok(Self { clerk, instagram })
    }

    /// The settings, by name, with which a server uses them.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let Self { clerk, instagram } = self;
        let app = instagram.options();
        vec![
            ("CLERK_JWKS_URL", clerk.jwks_url().into()),
            ("CLERK_API_URL", clerk.url().into()),
            ("CLERK_SECRET_KEY", clerk.secret_key().expose_secret().to_owned()),
            ("CLERK_WEBHOOK_SIGNING_SECRET", clerk.webhook_secret().expose_secret().to_owned()),
            ("INSTAGRAM_APP_ID", app.app_id.clone()),
            ("INSTAGRAM_APP_SECRET", app.app_secret.expose_secret().to_owned()),
            ("INSTAGRAM_AUTHORIZE_URL", instagram.authorize_url().into()),
            ("INSTAGRAM_API_URL", instagram.url().to_string()),
            ("INSTAGRAM_GRAPH_URL", instagram.url().to_string()),
        ]
    }

    /// Tells them where the server is, as one would in the dashboards.
    pub fn introduce(&self, public_url: &Url) {
        let address = |path: &str| {
            let mut url = public_url.clone();
            url.set_path(path);
            url
        };
        self.clerk.set_webhook_target(address("/webhooks/clerk"));
        self.instagram.register_redirect_uri(address("/instagram/callback"));
        self.instagram.set_callbacks(
            Some(address("/webhooks/instagram/deauthorize")),
            Some(address("/webhooks/instagram/data-deletion")),
        );
    }
}

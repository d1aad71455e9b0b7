//! The configuration of the Instagram client.

use secrecy::SecretString;
use url::Url;

/// Addresses and credentials of the Instagram app. The settings define the default addresses.
#[derive(Debug, Clone)]
pub struct InstagramConfig {
    /// The *Instagram* App ID (App Dashboard, Instagram, "API setup with Instagram login"), not the
    /// Meta app's.
    pub app_id: String,
    /// The Instagram App Secret that belongs to it, as it is sent to Instagram.
    pub app_secret: SecretString,
    /// Every secret that Meta's callbacks may be signed with; the app secret is the first.
    pub callback_secrets: Vec<SecretString>,
    /// The scopes that we ask for; `instagram_business_basic` is needed for everything, refreshing
    /// included.
    pub scopes: Vec<String>,
    /// The consent dialog, `https://www.instagram.com/oauth/authorize`. The `api.` host stopped
    /// serving it in August 2026.
    pub authorize_url: Url,
    /// Root of the code exchange, `https://api.instagram.com`.
    pub api_url: Url,
    /// Root of everything that takes a token, `https://graph.instagram.com`.
    pub graph_url: Url,
    /// Graph API version, such as `v25.0`; each lives about two years.
    pub graph_version: String,
    /// Where Instagram sends the browser back to; must equal a registered address byte for byte.
    pub redirect_uri: Url,
}

//! The configuration of the Instagram client.

use jiff::civil::{Date, date};
use secrecy::SecretString;
use url::Url;

/// When Meta ends versions of the Graph API, by its changelog. Those before have ended: the last of
/// them, v20.0, on 24 September 2026.
const ENDS: [(u16, Date); 5] = [
    (21, date(2027, 1, 21)),
    (22, date(2027, 5, 20)),
    (23, date(2027, 10, 8)),
    (24, date(2028, 2, 18)),
    (25, date(2028, 7, 29)),
];

/// What is known of a version's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionEnd {
    /// It had ended when this program was made.
    Past,
    /// Meta ends it on this day.
    On(Date),
    /// Nothing.
    Unknown,
}

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

impl InstagramConfig {
    /// When Meta ends [the version](Self::graph_version).
    pub fn version_end(&self) -> VersionEnd {
        let major = self.graph_version.trim_start_matches('v').split('.').next();
        let Some(major) = major.and_then(|major| major.parse::<u16>().ok()) else {
            return VersionEnd::Unknown;
        };
        let known = ENDS.iter().find(|(version, _)| major <= *version);
        match known {
            Some((version, end)) if major == *version => VersionEnd::On(*end),
            Some(_) => VersionEnd::Past,
            None => VersionEnd::Unknown,
        }
    }
}

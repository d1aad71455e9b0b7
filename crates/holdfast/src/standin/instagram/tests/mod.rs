//! The real provider, through the real client, against the stand-in; and the stand-in by itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod consent;
mod contract;
mod controls;
mod dance;
mod faults;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Method;
use jiff::Timestamp;
use secrecy::SecretString;
use url::Url;

use super::{Decision, InstagramStandin, Options, decide};
use crate::clock::ManualClock;
use crate::entropy::SeededEntropy;
use crate::provider::instagram::{Instagram, InstagramConfig};
use crate::provider::{Grant, PassThrough, Provider as _, ShortGrant};
use crate::transport::{Answer, Outgoing, ReqwestTransport, Transport, TransportError};

const CALLBACK: &str = "http://127.0.0.1:8080/instagram/callback";
const SCOPES: [&str; 2] = ["instagram_business_basic", "instagram_business_manage_insights"];

/// The production transport with less patience, so that a hanging server costs a test little.
#[derive(Debug)]
struct Impatient(ReqwestTransport);

impl Transport for Impatient {
    fn send(&self, mut request: Outgoing) -> BoxFuture<'_, Result<Answer, TransportError>> {
        request.timeout = Duration::from_millis(400);
        self.0.send(request)
    }
}

/// A stand-in and a provider that talks to it.
struct Rig {
    standin: InstagramStandin,
    instagram: Instagram,
    clock: ManualClock,
    transport: Arc<dyn Transport>,
}

async fn rig() -> Rig {
    rig_with(Options::default()).await
}

async fn rig_with(options: Options) -> Rig {
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    let clock = ManualClock::new(now);
    let transport: Arc<dyn Transport> = Arc::new(Impatient(ReqwestTransport::new().unwrap()));
    let config_of = |standin: &InstagramStandin| InstagramConfig {
        app_id: standin.options().app_id.clone(),
        app_secret: standin.options().app_secret.clone(),
        callback_secrets: Vec::new(),
        scopes: SCOPES.map(str::to_owned).to_vec(),
        authorize_url: standin.authorize_url(),
        api_url: standin.url().clone(),
        graph_url: standin.url().clone(),
        graph_version: "v25.0".to_owned(),
        redirect_uri: Url::parse(CALLBACK).unwrap(),
    };
    let standin = InstagramStandin::start(
        ([127, 0, 0, 1], 0).into(),
        options,
        Arc::new(clock.clone()),
        Arc::new(SeededEntropy::new(7)),
        transport.clone(),
    )
    .await
    .unwrap();
    let instagram = Instagram::new(config_of(&standin), transport.clone(), Arc::new(clock.clone()));
    Rig { standin, instagram, clock, transport }
}

impl Rig {
    async fn get(&self, path: &str) -> Answer {
        let url = self.standin.url().join(path).unwrap();
        self.transport.send(Outgoing::new(Method::GET, url)).await.unwrap()
    }

    /// Where the browser goes after the decision; `None` where the page is shown again.
    async fn decide(&self, url: Url, account: &str, decision: &Decision) -> Option<Url> {
        let answer = self.transport.send(decide(url, account, decision)).await.unwrap();
        let location = answer.headers.get("location")?;
        assert_eq!(answer.status, 302);
        Some(Url::parse(location.to_str().unwrap()).unwrap())
    }

    async fn code(&self, account: &str) -> SecretString {
        let url = self.instagram.authorize_url("a-state", false);
        let back = self.decide(url, account, &Decision::Approve).await.unwrap();
        SecretString::from(parameter(&back, "code").unwrap())
    }

    async fn short(&self, account: &str) -> ShortGrant {
        self.instagram.redeem(&self.code(account).await).await.outcome.unwrap()
    }

    async fn grant(&self, account: &str) -> Grant {
        self.instagram.extend(&self.short(account).await).await.outcome.unwrap()
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(each, _)| each == name).map(|(_, value)| value.into_owned())
}

fn own_media() -> PassThrough {
    PassThrough { method: Method::GET, path: "me/media".to_owned(), query: vec![], body: None }
}

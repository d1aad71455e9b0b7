//! The real provider, through the real client, against the stand-in; and the stand-in by itself.

mod consent;
mod contract;
mod controls;
mod dance;
mod faults;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Method;
use jiff::Timestamp;
use secrecy::SecretString;
use url::Url;

use super::{Decision, Fault, InstagramStandin, Options, decide};
use crate::clock::ManualClock;
use crate::entropy::SeededEntropy;
use crate::provider::instagram::{Instagram, InstagramConfig};
use crate::provider::{Grant, PassThrough, Provider as _, ShortGrant};
use crate::transport::{Answer, Outgoing, ReqwestTransport, Transport, TransportError};

const CALLBACK: &str = "http://127.0.0.1:8080/instagram/callback";
const SCOPES: [&str; 2] = ["instagram_business_basic", "instagram_business_manage_insights"];

/// Longer than any answer takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// What a server that hangs on purpose is given.
const IMPATIENCE: Duration = Duration::from_millis(400);

/// The production transport with another patience: little where the server is to hang, and much
/// where a busy machine must not look like that.
#[derive(Debug)]
struct Waits {
    transport: ReqwestTransport,
    is_impatient: Arc<AtomicBool>,
}

impl Transport for Waits {
    fn send(&self, mut request: Outgoing) -> BoxFuture<'_, Result<Answer, TransportError>> {
        request.timeout = if self.is_impatient.load(Ordering::SeqCst) { IMPATIENCE } else { PATIENCE };
        self.transport.send(request)
    }
}

/// A stand-in and a provider that talks to it.
struct Rig {
    standin: InstagramStandin,
    instagram: Instagram,
    clock: ManualClock,
    transport: Arc<dyn Transport>,
    is_impatient: Arc<AtomicBool>,
}

async fn rig() -> Rig {
    rig_with(Options::default()).await
}

async fn rig_with(options: Options) -> Rig {
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    let clock = ManualClock::new(now);
    let is_impatient = Arc::new(AtomicBool::new(false));
    let transport: Arc<dyn Transport> = Arc::new(Waits {
        transport: ReqwestTransport::new().unwrap(),
        is_impatient: Arc::clone(&is_impatient),
    });
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
    Rig { standin, instagram, clock, transport, is_impatient }
}

impl Rig {
    /// What `call` comes to under that fault, whose end is not waited for where it has none.
    async fn under<T>(&self, fault: Fault, call: impl Future<Output = T>) -> T {
        let hangs = matches!(fault, Fault::Hang | Fault::SlowBody);
        self.be_impatient(hangs);
        let outcome = call.await;
        self.be_impatient(false);
        outcome
    }

    fn be_impatient(&self, impatient: bool) {
        self.is_impatient.store(impatient, Ordering::SeqCst);
    }

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

//! What handlers reach: the parts of the program, and the documents made from the routes.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use axum::extract::FromRef;
use bytes::Bytes;
use clerk_session::Remedy;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::detached::Detached;
use super::layers::Edge;
use super::looks::Looks;
use super::memory_metrics::Memories;
use super::pages::Page;
use super::problem::{Problem, ServerCode};
use super::session_metrics;
use super::streams::Streams;
use crate::caller::assertion::AssertionKey;
use crate::caller::service::ServiceVerifier;
use crate::caller::{OwnerId, RefusalLog, SessionVerifier};
use crate::clerk::webhook::WebhookVerifier;
use crate::clock::SharedClock;
use crate::connections::Connections;
use crate::entropy::new_id;
use crate::store::{Act, Store};
use crate::users::Users;
use crate::vault::Vault;

/// What [`AppState`] is made of.
pub struct AppStateParts {
    /// What the layers need.
    pub edge: Arc<Edge>,
    /// The session verifier.
    pub verifier: Arc<SessionVerifier>,
    /// The words of a refusal's remedy, for the operator.
    pub remedy_text: fn(&Remedy) -> String,
    /// User records.
    pub users: Users,
    /// The domain.
    pub connections: Connections,
    /// The database: for readiness, change notices and Clerk's events.
    pub store: Store,
    /// The key ring, for readiness.
    pub vault: Vault,
    /// The verifier of Clerk's webhooks; `None` where no signing secret is configured.
    pub clerk_webhooks: Option<WebhookVerifier>,
    /// The verifier of service keys.
    pub service_verifier: ServiceVerifier,
    /// App secrets that Meta's callbacks may be signed with; empty where Instagram is not
    /// configured.
    pub meta_secrets: Vec<SecretString>,
    /// Cancelled when the process is asked to stop: it is not ready any more.
    pub leaving: CancellationToken,
    /// What signs assertions about callers; `None` where none are wanted.
    pub assertion_key: Option<AssertionKey>,
    /// Cancelled when it stops serving, some time later: event streams end then.
    pub stopping: CancellationToken,
    /// Event streams at a time.
    pub max_streams: usize,
}

/// What handlers reach. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    shared: Arc<Shared>,
}

struct Shared {
    parts: AppStateParts,
    streams: Streams,
    detached: Detached,
    looks: Looks,
    documents: OnceLock<Documents>,
    refusals: RefusalLog,
}

/// What is made from the routes themselves.
pub struct Documents {
    /// The OpenAPI document, as it is sent.
    pub openapi: Bytes,
    /// The page that shows it.
    pub reference: Page,
}

impl AppState {
    /// The state of one server.
    pub fn new(parts: AppStateParts) -> Self {
        let metrics = &parts.edge.metrics;
        let streams = Streams::new(parts.max_streams, metrics.clone());
        let (detached, documents) = (Detached::default(), OnceLock::new());
        let (clock, refusals) = (parts.edge.clock.clone(), metrics.memory.clone());
        let looks = Looks::new(parts.store.clone(), clock, refusals, detached.clone());
        let memories = Memories {
            verifier: Arc::clone(&parts.verifier),
            refusals: metrics.memory.clone(),
            users: parts.users.clone(),
            admission: parts.edge.admission.clone(),
            detached: detached.clone(),
            store: parts.store.clone(),
            connections: parts.connections.clone(),
        };
        metrics.register(|registry| {
            session_metrics::register(Arc::clone(&parts.verifier), parts.edge.clock.clone(), registry);
            memories.register(registry);
        });
        let refusals = RefusalLog::default();
        Self { shared: Arc::new(Shared { parts, streams, detached, looks, documents, refusals }) }
    }

    /// How many lines the log may have about calls that strangers sign in vain.
    pub(super) fn refusals(&self) -> &RefusalLog {
        &self.shared.refusals
    }

    /// Whether the process was asked to stop and serves on only until proxies have noticed.
    pub fn is_leaving(&self) -> bool {
        self.leaving.is_cancelled()
    }

    /// The open event streams.
    pub fn streams(&self) -> &Streams {
        &self.shared.streams
    }

    /// Work that outlives its request. Wait for [`Detached::idle`] before closing the database.
    pub fn detached(&self) -> &Detached {
        &self.shared.detached
    }

    /// Looks at the database, for readiness.
    pub(super) fn looks(&self) -> &Looks {
        &self.shared.looks
    }

    /// Records that a service key takes a user's grant. What cannot be recorded is not handed out.
    pub(super) async fn record_taken(&self, key: Uuid, owner: &OwnerId) -> Result<(), Problem> {
        let now = self.edge.clock.now();
        let id = new_id(&*self.edge.entropy, now)
            .map_err(|error| Problem::new(ServerCode::Internal).with_cause(error.to_string()))?;
        let act = Act {
            actor: format!("service_key:{key}"),
            action: "grant.taken",
            user_id: Some(owner.as_str().to_owned()),
            detail: None,
        };
        Ok(self.store.record_act(id, now, &act).await?)
    }

    /// The documents, which `make` makes when they are first asked for.
    pub(super) fn documents(&self, make: impl FnOnce(&str) -> Documents) -> &Documents {
        self.shared.documents.get_or_init(|| make(&self.edge.public_url))
    }
}

impl Deref for AppState {
    type Target = AppStateParts;

    fn deref(&self) -> &AppStateParts {
        &self.shared.parts
    }
}

/// A handler takes the parts that it needs, so that its signature says which they are.
macro_rules! parts {
    ($($part:ty = $state:ident => $found:expr;)+) => {
        $(impl FromRef<AppState> for $part {
            fn from_ref($state: &AppState) -> Self {
                $found.clone()
            }
        })+
    };
}
parts! {
    Connections = state => state.connections;
    Users = state => state.users;
    Detached = state => state.shared.detached;
    SharedClock = state => state.edge.clock;
}

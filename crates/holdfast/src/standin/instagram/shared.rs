//! What the routes share: the world, the set-up, and how each request is answered.

use std::sync::{Arc, MutexGuard};

use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use url::Url;

use super::preview::{self, Preview};
use super::reply::{self, Action, Reply};
use super::world::{Armed, Call, Death, World};
use super::{AccountView, Endpoint, Fault, NoSuchAccount, Options, Person, RefreshWorld, ReplyShape, oauth};
use crate::clock::SharedClock;
use crate::entropy::{EntropyExhausted, SharedEntropy};
use crate::lock::Lock;
use crate::transport::SharedTransport;

/// What the routes share.
pub(super) struct Shared {
    pub options: Options,
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
    pub transport: SharedTransport,
    pub world: Lock<World>,
    pub setup: Lock<Setup>,
}

/// What the app's owner would enter in the App Dashboard, and what may change while the stand-in
/// runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Setup {
    /// Where the stand-in itself is.
    pub root: Option<Url>,
    pub redirect_uris: Vec<Url>,
    pub deauthorize_url: Option<Url>,
    pub data_deletion_url: Option<Url>,
    pub shape: ReplyShape,
    pub refresh_world: RefreshWorld,
}

impl Shared {
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock()
    }

    pub(super) fn setup(&self) -> MutexGuard<'_, Setup> {
        self.setup.lock()
    }

    /// Answers one request: notes it, lets a fault have its way, else (or before it) does what is
    /// asked.
    pub(super) async fn answer(
        self: Arc<Self>,
        endpoint: Endpoint,
        account: Option<String>,
        act: impl FnOnce(&mut World, Timestamp) -> Result<Reply, EntropyExhausted>,
    ) -> Response {
        let now = self.clock.now();
        // A missing trace id is no reason to fail.
        let fbtrace_id = oauth::opaque(self.entropy.as_ref(), "A", 23).unwrap_or_default();
        let (outcome, usage) = {
            let mut world = self.world();
            let scripted = world.scripted(endpoint, account.as_deref());
            let fault = if scripted.is_some() { None } else { world.meet(endpoint, account.as_deref()) };
            let action = match scripted {
                Some((status, body)) => Some(Action::Answer(Box::new(Reply::scripted(status, body)))),
                None => fault.map(|fault| reply::action(fault, endpoint)),
            };
            let outcome = match action {
                Some(Action::Answer(reply)) => Outcome::Send(*reply),
                Some(Action::Hang) => Outcome::Hang,
                Some(Action::Spoil(spoiling)) => match act(&mut world, now) {
                    Ok(reply) => Outcome::Spoil(spoiling, reply),
                    Err(EntropyExhausted) => Outcome::Send(no_randomness()),
                },
                // A killing fault is never armed.
                Some(Action::Kill(_)) | None => {
                    Outcome::Send(act(&mut world, now).unwrap_or_else(|EntropyExhausted| no_randomness()))
                }
            };
            let status = match &outcome {
                Outcome::Spoil(reply::Spoiling::Lost, _) | Outcome::Hang => None,
                Outcome::Send(reply) | Outcome::Spoil(_, reply) => Some(reply.status.as_u16()),
            };
            world.log(Call { at: now.to_string(), endpoint, account: account.clone(), fault, status });
            (outcome, world.usage)
        };
        match outcome {
            Outcome::Send(reply) => reply.traced(fbtrace_id).into_response(usage, account.as_deref()),
            Outcome::Spoil(spoiling, reply) => {
                let reply = reply.traced(fbtrace_id);
                reply::spoil(spoiling, reply, usage, account.as_deref(), self.clock.clone())
            }
            Outcome::Hang => std::future::pending().await,
        }
    }
}

enum Outcome {
    Send(Reply),
    Spoil(reply::Spoiling, Reply),
    Hang,
}

fn no_randomness() -> Reply {
    Reply::json(StatusCode::INTERNAL_SERVER_ERROR, String::new())
}

impl Shared {
    pub(super) fn account_id(&self, name: &str) -> Result<String, NoSuchAccount> {
        let id = self.world().person(name).map(|person| person.id.clone());
        id.ok_or_else(|| NoSuchAccount(name.to_owned()))
    }

    pub(super) fn arm(
        &self,
        account: Option<&str>,
        fault: Fault,
        endpoint: Option<Endpoint>,
        times: Option<u32>,
    ) -> Result<(), NoSuchAccount> {
        let account = account.map(|name| self.account_id(name)).transpose()?;
        match fault.endpoints().first().map(|first| reply::action(fault, endpoint.unwrap_or(*first))) {
            Some(Action::Kill(death)) => self.kill(account.as_deref(), death),
            Some(Action::Answer(_) | Action::Hang | Action::Spoil(_)) | None => {
                self.world().arm(Armed { account, fault, endpoint, times });
            }
        }
        Ok(())
    }

    /// What `/me` would answer now to the account's newest grant; `None` where there is none.
    pub(super) fn preview(&self, account: &str) -> Result<Option<Preview>, NoSuchAccount> {
        let now = self.clock.now();
        let id = self.account_id(account)?;
        Ok(preview::preview(&self.world(), &id, now))
    }

    pub(super) fn kill(&self, account: Option<&str>, death: Death) {
        let now = self.clock.now();
        self.world().kill_all(account, death, now);
    }

    pub(super) fn clear(&self, account: Option<&str>) -> Result<(), NoSuchAccount> {
        let account = account.map(|name| self.account_id(name)).transpose()?;
        self.world().disarm(account.as_deref());
        Ok(())
    }

    pub(super) fn accounts(&self) -> Vec<AccountView> {
        let now = self.clock.now();
        let world = self.world();
        let view = |person: &Person| AccountView {
            person: person.clone(),
            eligible: person.is_eligible(),
            grants: world.grants_of(&person.id, now),
            faults: world
                .armed()
                .iter()
                .filter(|each| each.account.as_ref() == Some(&person.id))
                .cloned()
                .collect(),
        };
        world.people.iter().map(view).collect()
    }
}

//! Refusals of the app itself while somebody connects: each is a reason to wake somebody, except
//! what one person can bring about alone.

use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use crate::lock::Lock;
use crate::metric::metrics;
use crate::provider::{AppFault, Meaning};

metrics! {
    /// The metrics of connecting, in the order of the reference page.
    TABLE;
    REFUSED = Counter "app_refusals",
        "Refusals of the app itself while somebody connected",
        "Alert on any (`HoldfastAppRefused`). A redirect address that is refused to one person, while others are \
         connected or it was taken from them, does not count: somebody who edits the address of Instagram's page causes that.";
}

/// Those of this process; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct AppRefusals {
    count: Counter,
    memory: Arc<Lock<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    redirect: Redirect,
    last: Option<Timestamp>,
}

/// What is known of the redirect address.
#[derive(Debug, Default)]
enum Redirect {
    /// Nobody came back since the start.
    #[default]
    Untried,
    /// A code was exchanged.
    Works,
    /// It was refused to this person alone since then, or since the start.
    RefusedTo(String),
    /// It was refused before anybody had connected, or to several people.
    Refused,
}

impl AppRefusals {
    pub(super) fn register(&self, registry: &mut Registry) {
        REFUSED.register(registry, self.count.clone());
    }

    /// A code was exchanged.
    pub(super) fn exchanged(&self) {
        self.memory.lock().redirect = Redirect::Works;
    }

    /// Instagram refused the app when this person connected; `are_others_connected` tells a server
    /// that has just started whether anybody else's consent ever came through.
    pub(super) fn refused(
        &self,
        user_id: &str,
        meaning: Meaning,
        are_others_connected: bool,
        now: Timestamp,
    ) {
        let mut memory = self.memory.lock();
        if meaning == Meaning::App(AppFault::RedirectUri) {
            memory.redirect = match std::mem::take(&mut memory.redirect) {
                Redirect::Untried if are_others_connected => Redirect::RefusedTo(user_id.to_owned()),
                Redirect::Works => Redirect::RefusedTo(user_id.to_owned()),
                Redirect::RefusedTo(only) if only == user_id => Redirect::RefusedTo(only),
                Redirect::RefusedTo(_) | Redirect::Untried | Redirect::Refused => Redirect::Refused,
            };
            if matches!(memory.redirect, Redirect::RefusedTo(_)) {
                return;
            }
        }
        memory.last = Some(now);
        self.count.inc();
    }

    /// When one was counted last.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.memory.lock().last
    }
}

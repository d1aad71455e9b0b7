//! Instagram passes the suite for providers.

use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::ExposeSecret as _;
use url::Url;

use super::{Rig, own_media, rig};
use crate::clock::ManualClock;
use crate::provider::contract::{Bench, passes};
use crate::provider::{PassThrough, Provider};
use crate::standin::instagram::{Decision, Fault};

struct InstagramBench {
    rig: Rig,
    html: bool,
}

impl Bench for InstagramBench {
    fn provider(&self) -> &dyn Provider {
        &self.rig.instagram
    }

    fn clock(&self) -> &ManualClock {
        &self.rig.clock
    }

    fn app_secrets(&self) -> Vec<String> {
        vec![self.rig.standin.options().app_secret.expose_secret().to_owned()]
    }

    fn minimum_refresh_age(&self) -> Duration {
        Duration::from_hours(24)
    }

    fn approve(&self, authorize_url: Url) -> BoxFuture<'_, Url> {
        Box::pin(async move {
            self.rig.decide(authorize_url, "ada.makes", &Decision::Approve).await.expect("a redirect")
        })
    }

    fn revoke(&self) {
        self.rig.standin.set_fault(Some("ada.makes"), Fault::Revoked).unwrap();
    }

    fn set_down(&self, down: bool) {
        let fault = if self.html { Fault::ServerErrorHtml } else { Fault::Hang };
        self.rig.be_impatient(down && !self.html);
        if down {
            self.rig.standin.set_fault(None, fault).unwrap();
        } else {
            self.rig.standin.clear(None).unwrap();
        }
    }

    fn set_silent_about_lifetime(&self, silent: bool) {
        if silent {
            self.rig.standin.set_fault(None, Fault::MissingExpiresIn).unwrap();
        } else {
            self.rig.standin.clear(None).unwrap();
        }
    }

    fn harmless_call(&self) -> PassThrough {
        own_media()
    }
}

#[tokio::test]
async fn instagram_is_a_provider() {
    for html in [true, false] {
        passes(|| async { InstagramBench { rig: rig().await, html } }).await;
    }
}

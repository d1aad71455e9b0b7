//! The keys for one run: from a file, pinned by the configuration, or fetched once from where the
//! configuration says.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clerk_session::{CannotJudge, CannotJudgeReason, KeySet};

use super::super::args::ExplainArgs;
use super::super::exit::Failure;
use super::super::printer::Printer;
use crate::caller::keys::{JwksFetcher, KeyServer, KeySource};
use crate::clock::{Clock as _, SystemClock};
use crate::settings::ClerkSettings;
use crate::transport::ReqwestTransport;

/// Loads them. Keys that cannot be had now are no usage error: the verdict is then "cannot judge".
pub(super) async fn load(
    args: &ExplainArgs,
    clerk: &ClerkSettings,
    printer: &mut Printer,
) -> Result<Result<KeySet, CannotJudge>, Failure> {
    if let Some(path) = &args.jwks {
        let document = KeySet::from_jwks(&read(path)?)
            .map_err(|error| Failure::setup(format!("{}: {error}", path.display()), "name a JWKS file"))?;
        return Ok(Ok(document.keys));
    }
    if let Some(path) = &args.jwt_key {
        let text = String::from_utf8_lossy(&read(path)?).into_owned();
        return Ok(Ok(pinned(&text, &path.display().to_string())?));
    }
    match clerk.key_source() {
        None => Err(Failure::setup(
            "no key to verify the token with is configured",
            "set CLERK_PUBLISHABLE_KEY, or give --jwks FILE or --jwt-key FILE",
        )),
        Some(KeySource::Pinned(pem)) => Ok(Ok(pinned(&pem, "CLERK_JWT_KEY")?)),
        Some(KeySource::Fetched(servers)) => Ok(fetch(servers, printer).await),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        Failure::setup(format!("{} cannot be read: {error}", path.display()), "name a file that is readable")
    })
}

fn pinned(pem: &str, name: &str) -> Result<KeySet, Failure> {
    KeySet::from_pem(pem).map_err(|error| {
        Failure::setup(format!("{name} is not a public key: {error}"), "copy it again, in full")
    })
}

async fn fetch(servers: Vec<KeyServer>, printer: &mut Printer) -> Result<KeySet, CannotJudge> {
    let named = match servers.first() {
        // Of the address only the host: the rest may be nobody's business.
        Some(public) if !public.wants_secret() => {
            format!("the keys at {}", public.url().host_str().unwrap_or_default())
        }
        Some(_) | None => "the keys of Clerk's Backend API".to_owned(),
    };
    let fetched = async {
        let transport = ReqwestTransport::new().map_err(|error| error.to_string())?;
        let fetcher = JwksFetcher::new(servers, Arc::new(transport));
        let (fetched, _) = fetcher.get(SystemClock.now()).await.map_err(|error| error.to_string())?;
        let document = KeySet::from_jwks(&fetched.document).map_err(|error| error.to_string())?;
        Ok((document.keys, fetched.age.as_secs()))
    };
    match fetched.await {
        Ok((keys, 0)) => Ok(keys),
        Ok((keys, age_s)) => {
            printer.warning(format!(
                "{named} are a copy that a cache has kept for {age_s} s; a key made since is missing"
            ));
            Ok(keys)
        }
        Err::<_, String>(why) => {
            printer.warning(format!("{named} cannot be had: {why}"));
            Err(CannotJudge::new(CannotJudgeReason::KeysNotLoaded, Duration::ZERO))
        }
    }
}

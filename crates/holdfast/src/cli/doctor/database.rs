//! The database, its schema and the key ring that seals what is in it.

use secrecy::ExposeSecret as _;

use super::super::context::Context;
use super::report::{Check, Report};
use crate::settings::Settings;
use crate::store::{OpenError, SchemaState, Store, StoreOptions};

pub(super) async fn check(context: &Context, settings: &Settings, report: &mut Report) {
    let options = StoreOptions::tool(settings.database_url.expose_secret());
    let store = match Store::open(&options, context.clock.clone()).await {
        Ok(store) => store,
        Err(error @ OpenError::NoFile(_)) => {
            report.add(Check::warning("database", error.to_string(), "expected before the first start only"));
            return;
        }
        Err(error) => {
            report.add(Check::failed("database", error.to_string(), "the sentence says what to do"));
            return;
        }
    };
    // Opening asserts the settings that durability rests on, and that the file can be written.
    report.add(Check::passed("database", "opens, with the settings that durability rests on"));
    if schema(&store, report).await {
        key_ring(context, settings, &store, report).await;
    }
    store.close().await;
}

/// Whether the tables can be read.
async fn schema(store: &Store, report: &mut Report) -> bool {
    const NAME: &str = "schema";
    match store.schema_state().await {
        Ok(SchemaState::Current) => match store.check_statements().await {
            Ok(statements) => {
                report.add(Check::passed(NAME, format!("current; all {statements} statements prepare")));
                true
            }
            Err(error) => {
                let remedy = "the schema was changed by hand: restore it, or a backup";
                report.add(Check::failed(NAME, error.to_string(), remedy));
                false
            }
        },
        Ok(SchemaState::Behind(missing)) => {
            let what = format!("{missing} migrations are missing");
            report.add(Check::warning(NAME, what, "run `holdfast migrate`, or start the server, which does"));
            false
        }
        Ok(SchemaState::Ahead { found, known }) => {
            let what = format!("schema {found} is newer than this program's {known}");
            report.add(Check::failed(NAME, what, "use the newer program"));
            false
        }
        Err(error) => {
            report.add(Check::failed(NAME, error.to_string(), "see the database's own log"));
            false
        }
    }
}

async fn key_ring(context: &Context, settings: &Settings, store: &Store, report: &mut Report) {
    const NAME: &str = "key ring";
    let vault = match context.vault(settings) {
        Ok(vault) => vault,
        Err(failure) => {
            report.add(Check::skipped(NAME, failure.sentence));
            return;
        }
    };
    let read =
        async { Ok::<_, crate::store::StoreError>((store.sentinels().await?, store.key_use().await?)) };
    let (sentinels, needed) = match read.await {
        Ok(both) => both,
        Err(error) => {
            report.add(Check::failed(NAME, error.to_string(), "see the database's own log"));
            return;
        }
    };
    report.add(match vault.prove(&sentinels) {
        Ok(_) if sentinels.is_empty() => Check::passed(NAME, "nothing is sealed yet"),
        Ok(_) => Check::passed(NAME, format!("opens what {} keys sealed", sentinels.len())),
        Err(error) => {
            Check::failed(NAME, error.to_string(), "without the right bytes no grant can be opened")
        }
    });
    let ring = vault.ring();
    let sealing = ring.sealing_id();
    let older: u64 = needed.iter().filter(|(id, _)| id.as_str() != sealing).map(|(_, amount)| amount).sum();
    if older > 0 {
        let what = format!("{older} data keys are sealed with an older key than {sealing}");
        report.add(Check::warning("key rotation", what, "run `holdfast keys rotate`"));
    }
}

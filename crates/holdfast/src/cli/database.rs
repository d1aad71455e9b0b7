//! `migrate`, `backup` and `restore`.

use std::path::Path;

use secrecy::ExposeSecret as _;

use super::context::Context;
use super::doctor;
use super::exit::{ExitStatus, Failure, Outcome, told};
use super::printer::Printer;
use crate::settings::{Purpose, Settings};
use crate::store::{self, BackupError, ServerFacts, StoreOptions};

/// `migrate`.
pub async fn migrate(context: &Context, printer: &mut Printer) -> Outcome {
    // The log tells what a migration waits for.
    let (settings, ..) = context.settings_with_log(context.file()?.as_ref(), Purpose::Tools, printer)?;
    let mut options = StoreOptions::tool(settings.database_url.expose_secret());
    options.create = true;
    let store = context.open(&options).await?;
    let applied = match store.migrate().await {
        Ok(applied) => applied,
        Err(error) => {
            let facts = store.server_facts().await.ok().flatten();
            let remedy = facts.as_ref().and_then(why_not_migrate).map(|(_, remedy)| remedy);
            return Err(Failure { sentence: error.to_string(), remedy, exit: ExitStatus::Usage });
        }
    };
    printer.line(match applied {
        0 => "The schema is up to date.".to_owned(),
        1 => "Applied 1 migration.".to_owned(),
        _ => format!("Applied {applied} migrations."),
    });
    Ok(ExitStatus::Success)
}

/// What the role lacks to migrate, and what mends it.
pub(super) fn why_not_migrate(facts: &ServerFacts) -> Option<(String, String)> {
    let role = &facts.role;
    let Some(schema) = &facts.schema else {
        let remedy = format!(
            "name one in HOLDFAST_DATABASE_URL, or as a superuser: ALTER ROLE {role} RESET search_path, and GRANT USAGE, CREATE ON \
             SCHEMA public TO {role}"
        );
        return Some((format!("search_path names no schema that exists and that {role} may use"), remedy));
    };
    if !facts.may_create {
        let remedy = format!(
            "as the database's owner: GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}; or run `holdfast migrate` as the owner"
        );
        return Some((format!("{role} may not create in schema {schema}"), remedy));
    }
    let owner = facts.other_owner.as_ref()?;
    let remedy = format!(
        "run `holdfast migrate` as {owner}; or as a superuser, for each table of Holdfast: ALTER TABLE {schema}.… OWNER TO {role}"
    );
    Some((format!("the tables belong to {owner}, and {role} may not change them"), remedy))
}

/// `backup`.
pub async fn backup(context: &Context, file: &Path, printer: &mut Printer) -> Outcome {
    if file == Path::new("-") {
        return Err(Failure::setup(
            "`backup` writes a file, not standard output",
            "name a file that is not there yet; ./- for one of that name",
        ));
    }
    let settings = context.settings(printer)?;
    if store::sqlite_file(settings.database_url.expose_secret()).is_none() {
        return Err(told(BackupError::NotSqlite));
    }
    let store = context.store(&settings).await?;
    store.backup(file).await.map_err(told)?;
    printer.line(format!("Wrote {}.", file.display()));
    printer.remark("Grants in it are sealed: keep HOLDFAST_ENCRYPTION_KEYS as well, and apart from it.");
    Ok(ExitStatus::Success)
}

/// `restore`. The store checks the copy whole before it gets its name, and overwrites nothing.
pub async fn restore(context: &Context, file: &Path, printer: &mut Printer) -> Outcome {
    let settings = context.settings(printer)?;
    let options =
        StoreOptions::serve(settings.database_url.expose_secret()).with_outbox(settings.webhook.is_some());
    let restored = store::restore(file, &options, context.clock.clone()).await.map_err(told)?;
    printer.line(format!("Restored from {}.", file.display()));
    if restored.migrated > 0 {
        printer.remark(format!("It lacked migrations: {} are applied.", restored.migrated));
    }
    printer.remark(if settings.webhook.is_some() {
        "Once the server runs, it sends the app an event about each connection."
    } else {
        "The app is sent no events: this command has read no HOLDFAST_WEBHOOK_URL. If the server has one, move the restored \
         file away, and restore again with the server's configuration (--config FILE, or its environment)."
    });
    printer.remark(
        "What was erased since the backup is back, deleted users included: forget their connections before the server \
         starts (`holdfast connections forget`), and send their `user.deleted` messages again in Clerk's dashboard.",
    );
    if restored.valid_service_keys > 0 {
        printer.remark(
            "A service key that was revoked since the backup is valid again: look at `holdfast service-key list`, and revoke \
             it again before the server starts.",
        );
    }
    warn_of_sealed(context, &settings, printer).await;
    Ok(ExitStatus::Success)
}

/// Warns of what the key ring does not open in the restored database, in the words of `doctor`. It
/// is restored all the same: the right key may be added later.
async fn warn_of_sealed(context: &Context, settings: &Settings, printer: &mut Printer) {
    if settings.encryption_keys.is_none() {
        printer.remark(
            "This command has read no HOLDFAST_ENCRYPTION_KEYS: before the server starts, run `holdfast doctor` with its \
             configuration, to see whether its key ring opens what was restored.",
        );
        return;
    }
    let faults = match context.store(settings).await {
        Ok(store) => doctor::key_ring_faults(context, settings, &store).await,
        Err(failure) => vec![failure.sentence],
    };
    for fault in faults {
        printer.warning(fault);
    }
}

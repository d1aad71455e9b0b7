//! The database, its role, its schema, and the key ring that seals what is in it.

use secrecy::ExposeSecret as _;

use super::super::context::Context;
use super::super::database::why_not_migrate;
use super::answered::{Unanswered, answered, refused, unanswered};
use super::report::{Check, Report};
use super::{backlog, code, machine, sealed};
use crate::settings::Settings;
use crate::store::{
    self, KeyUse, OpenError, SchemaState, ServerFacts, Store, StoreError, StoreOptions, lacks_characters,
    with_every_character,
};
use crate::vault::Sentinel;

/// Postgres versions below are not tested.
const OLDEST_POSTGRES: i64 = 130_000;
/// What one replica opens at most.
const PER_REPLICA: i64 = store::POSTGRES_CONNECTIONS as i64;

/// `is_running`: a server of ours holds the listening address, so the database has been there.
/// `is_disk_full`: the disk has a failed check of its own.
pub(super) async fn check(
    context: &Context,
    settings: &Settings,
    is_running: bool,
    is_disk_full: bool,
    report: &mut Report,
) {
    let url = settings.database_url.expose_secret();
    let store = match Store::open(&StoreOptions::tool(url), context.clock.clone()).await {
        Ok(store) => store,
        Err(error) => return report.add(unopened(&error, url, is_running, is_disk_full)),
    };
    if let Err(Unanswered(error)) = Box::pin(check_opened(context, settings, &store, report)).await {
        report.add(unanswered(&store, error).await);
    }
    store.close().await;
}

/// Why the database at `url` could not be opened.
fn unopened(error: &OpenError, url: &str, is_running: bool, is_disk_full: bool) -> Check {
    match error {
        OpenError::NoFile(file) => {
            let directory = store::sqlite_file(url).map(|file| store::directory_of(&file).to_owned());
            match directory.filter(|each| !machine::is_writable(each)) {
                Some(directory) => {
                    let what = format!("{} cannot be written", machine::absolute(&directory));
                    code::DATABASE.failed(what).mended_by(
                        "let the server write to the directory, or set another in HOLDFAST_DATABASE_URL",
                    )
                }
                None if is_running => {
                    let what =
                        format!("a server runs, and its database file {} is gone", machine::absolute(file));
                    code::DATABASE.failed(what).mended_by(
                        "put it back where it was; the server goes on by itself. If it is lost, stop the server, and restore \
                         a backup (docs/guides/database.md#restoring)",
                    )
                }
                None => code::DATABASE
                    .warning(error.to_string())
                    .mended_by("this is expected only before the first start"),
            }
        }
        OpenError::NoRoom(_) if is_disk_full => code::DATABASE.skipped(error.to_string()),
        OpenError::TooFewConnections { .. } => code::DATABASE_POOL.failed(error.to_string()),
        _ => code::DATABASE.failed(error.to_string()),
    }
}

/// Checks what an open database says of itself. Ends where every further check would fail for the
/// same reason.
async fn check_opened(
    context: &Context,
    settings: &Settings,
    store: &Store,
    report: &mut Report,
) -> Result<(), Unanswered> {
    let facts = answered(store.server_facts().await)?;
    if let Ok(Some(facts)) = &facts
        && !check_use(facts, report)
    {
        return Ok(());
    }
    // Opening asserts the settings that durability rests on, and that the file can be written.
    report.add(match facts.as_ref().ok().and_then(|facts| facts.as_ref()?.crash_unsafe.as_ref()) {
        None => code::DATABASE.passed("opens; its settings guarantee durability"),
        Some(off) => {
            let what = format!("opens; with {off} off, a crash of its machine may lose or damage what was committed");
            code::DATABASE.warning(what).mended_by(
                "set fsync and full_page_writes on in postgresql.conf, unless the storage below Postgres does without, as that of \
                 Neon, or ZFS for full_page_writes",
            )
        }
    });
    let foreign = answered(store.foreign_tables().await)?.unwrap_or_default();
    if !foreign.is_empty() {
        let what = format!("tables of another program have names that Holdfast uses: {}", foreign.join(", "));
        let remedy = "give Holdfast a database of its own, and name it in HOLDFAST_DATABASE_URL";
        report.add(code::SCHEMA.failed(what).mended_by(remedy));
        return Ok(());
    }
    let is_current = check_schema(store, report).await?;
    match facts {
        Ok(Some(facts)) => match answered(store.lacking_right().await)? {
            Ok(lacking) => {
                let may_read = lacking.is_none();
                check_role(&facts, lacking, is_current, report);
                if !may_read {
                    return Ok(());
                }
            }
            Err(error) => report.add(unknown_role(&error)),
        },
        Ok(None) => {}
        Err(error) => report.add(unknown_role(&error)),
    }
    if is_current {
        report.add(check_indexes(store).await?);
    }
    check_key_ring(context, settings, store, is_current, report).await?;
    if is_current {
        backlog::check_refreshes(context, settings, store, report).await?;
        if settings.webhook.is_some() {
            backlog::check_events(context, store, report).await?;
        }
    }
    Ok(())
}

/// Whether a Postgres server lets us work at all: takes writes, is not too old, and has connections
/// for us.
fn check_use(facts: &ServerFacts, report: &mut Report) -> bool {
    if facts.is_read_only {
        let what = "the server takes no writes: it is a standby, or default_transaction_read_only is on";
        report.add(code::DATABASE.failed(what).mended_by(
            "name the primary in HOLDFAST_DATABASE_URL, or turn default_transaction_read_only off for the role and the \
             database",
        ));
        return false;
    }
    if facts.lacks_standby {
        let what =
            "synchronous_standby_names is set, and fewer standbys follow than it asks for: no write ends";
        report.add(code::DATABASE.failed(what).mended_by(
            "bring a standby back; or, which gives up the second copy, as a superuser: ALTER SYSTEM RESET \
             synchronous_standby_names; SELECT pg_reload_conf()",
        ));
        return false;
    }
    report.add(if facts.version < OLDEST_POSTGRES {
        code::DATABASE_VERSION.failed(format!("Postgres {}", facts.version / 10_000))
    } else {
        code::DATABASE_VERSION.passed(format!("Postgres {}", facts.version / 10_000))
    });
    if let Some(check) = check_encoding(facts) {
        report.add(check);
    }
    if let Some(limit) = facts.own_limit.filter(|limit| *limit < PER_REPLICA) {
        let what = format!(
            "{} or its database is limited to {limit} connections; each replica uses {PER_REPLICA}",
            facts.role
        );
        report.add(code::DATABASE_POOL.failed(what).mended_by(format!(
            "as a superuser: ALTER ROLE {} CONNECTION LIMIT -1, or thirteen for each replica and five for commands; ALTER DATABASE … \
             CONNECTION LIMIT likewise",
            facts.role
        )));
        return false;
    }
    let what = format!("max_connections is {}; each replica uses {PER_REPLICA}", facts.max_connections);
    report.add(if facts.max_connections < PER_REPLICA + 3 {
        code::DATABASE_POOL.failed(what)
    } else if facts.max_connections < 2 * PER_REPLICA + 3 {
        code::DATABASE_POOL.warning(format!("{what}: too few for two replicas"))
    } else {
        code::DATABASE_POOL.passed(what)
    });
    true
}

/// Whether the database's encoding has every character, and only those.
fn check_encoding(facts: &ServerFacts) -> Option<Check> {
    let check = match facts.encoding.as_str() {
        "UTF8" => return None,
        "SQL_ASCII" => {
            let what = "SQL_ASCII takes any bytes: it does not refuse what another program, or a restore, writes in \
                        another encoding, and Holdfast cannot read that";
            code::DATABASE_ENCODING.warning(what)
        }
        encoding => code::DATABASE_ENCODING.failed(lacks_characters(encoding)),
    };
    Some(check.mended_by(with_every_character(&facts.role)))
}

fn unknown_role(error: &StoreError) -> Check {
    code::DATABASE_ROLE.warning(format!("could not be checked: {error}"))
}

/// Checks the role's rights; `lacking` is the right that it lacks.
fn check_role(facts: &ServerFacts, lacking: Option<String>, is_current: bool, report: &mut Report) {
    let (role, schema) = (&facts.role, facts.schema.as_deref().unwrap_or("public"));
    report.add(if let Some(lacking) = lacking {
        let remedy = if lacking.starts_with("BYPASSRLS") {
            format!(
                "row level security would hide rows; as a superuser: ALTER ROLE {role} BYPASSRLS, or for each table of \
                 Holdfast: ALTER TABLE {schema}.… DISABLE ROW LEVEL SECURITY"
            )
        } else {
            format!(
                "as the owner of the tables, or a superuser: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"
            )
        };
        code::DATABASE_ROLE.failed(format!("{role} lacks {lacking}")).mended_by(remedy)
    } else if let Some((what, remedy)) = why_not_migrate(facts) {
        if is_current {
            code::DATABASE_ROLE.warning(format!("{what}, which a later upgrade may need"))
        } else {
            code::DATABASE_ROLE.failed(what)
        }
        .mended_by(remedy)
    } else {
        code::DATABASE_ROLE.passed(format!("{role} may change the schema"))
    });
}

/// Whether the tables can be read.
async fn check_schema(store: &Store, report: &mut Report) -> Result<bool, Unanswered> {
    let check = match answered(store.schema_state().await)? {
        Ok(SchemaState::Current) => match answered(changed_or_statements(store).await)? {
            Ok(Ok(statements)) => {
                let what = format!("current; all {statements} statements prepare");
                report.add(code::SCHEMA.passed(what));
                return Ok(true);
            }
            Ok(Err(version)) => {
                let what = format!(
                    "migration {version} in the database differs from this program's: `serve` does not start"
                );
                code::SCHEMA
                    .failed(what)
                    .mended_by("use the program that migrated this database, or restore a backup")
            }
            // The check of the role names the right.
            Err(StoreError::Denied(_)) => return Ok(false),
            Err(error) => code::SCHEMA.failed(error.to_string()),
        },
        Ok(SchemaState::Behind(missing)) => code::SCHEMA
            .warning(format!("{missing} migrations are missing"))
            .mended_by("run `holdfast migrate`, or start the server, which does"),
        Ok(SchemaState::Ahead { found, known }) => {
            let what = format!("schema {found} is newer than this program's {known}");
            code::SCHEMA.failed(what).mended_by("use the newer program")
        }
        Err(StoreError::Denied(_)) => return Ok(false),
        Err(error) => code::SCHEMA.failed(error.to_string()),
    };
    report.add(check);
    Ok(false)
}

/// The number of statements that the schema takes, or the applied migration that is not this
/// program's.
async fn changed_or_statements(store: &Store) -> Result<Result<usize, i64>, StoreError> {
    match store.changed_migration().await? {
        Some(version) => Ok(Err(version)),
        None => store.check_statements().await.map(Ok),
    }
}

/// Whether requests find their rows without reading whole tables.
async fn check_indexes(store: &Store) -> Result<Check, Unanswered> {
    Ok(match answered(store.missing_indexes().await)? {
        Ok(missing) if missing.is_empty() => code::INDEXES.passed("every index is there"),
        Ok(missing) => code::INDEXES
            .failed(format!("{} are missing or invalid", missing.len()))
            .mended_by(format!("drop the invalid ones, and run: {};", missing.join("; "))),
        Err(error) => refused(code::INDEXES, &error),
    })
}

/// In another schema only the sentinels are read, because every schema has them.
pub(super) async fn check_key_ring(
    context: &Context,
    settings: &Settings,
    store: &Store,
    is_current: bool,
    report: &mut Report,
) -> Result<(), Unanswered> {
    let vault = match context.vault(settings) {
        Ok(vault) => vault,
        Err(failure) => {
            report.add(code::KEY_RING.skipped(failure.sentence));
            return Ok(());
        }
    };
    let read = async {
        let needed = if is_current { store.key_use().await? } else { KeyUse::new() };
        Ok::<_, StoreError>((store.sentinels().await?, needed))
    };
    let (sentinels, needed) = match answered(read.await)? {
        Ok(both) => both,
        // The schema has a check of its own.
        Err(_) if !is_current => return Ok(()),
        Err(error) => {
            report.add(refused(code::KEY_RING, &error));
            return Ok(());
        }
    };
    match vault.prove(&sentinels) {
        Ok(Some(Sentinel { key_id: id, .. })) if !sentinels.is_empty() => {
            if let Err(error) = answered(store.refuse_retired(&id).await)? {
                report.add(code::KEY_RING.failed(error.to_string()));
                return Ok(());
            }
            report.add(code::KEY_RING.warning(format!("no server has used key {id} yet")));
        }
        Ok(_) if sentinels.is_empty() => report.add(code::KEY_RING.passed("nothing is sealed yet")),
        Ok(_) => {
            report.add(code::KEY_RING.passed(format!("opens what {} keys sealed", sentinels.len())));
        }
        Err(error) => {
            // What they sealed does not open for the same reason.
            report.add(code::KEY_RING.failed(error.to_string()));
            return Ok(());
        }
    }
    if !is_current {
        report.add(code::SEALED.skipped("not tried: the schema is another"));
        return Ok(());
    }
    let ring = vault.ring();
    let sealing = ring.sealing_id();
    let older: u64 = needed.iter().filter(|(id, _)| id.as_str() != sealing).map(|(_, amount)| amount).sum();
    if older > 0 {
        let what = format!("{older} data keys are sealed with an older key than {sealing}");
        report.add(code::KEY_RING.warning(what).mended_by("run `holdfast keys rotate`"));
    }
    for check in sealed::check(context, store, &vault).await? {
        report.add(check);
    }
    Ok(())
}

//! `migrate`, `backup` and `restore`.

use std::fs;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;

use super::args::RestoreArgs;
use super::context::Context;
use super::exit::{Exit, Failure, Outcome};
use super::printer::Printer;
use crate::settings::{Purpose, Settings};
use crate::store::{SchemaState, StoreOptions};

/// `migrate`.
pub async fn migrate(context: &Context, printer: &mut Printer) -> Outcome {
    let settings = context.settings(Purpose::Tools, printer)?;
    let mut options = StoreOptions::tool(settings.database_url.expose_secret());
    options.create = true;
    let store = context.open(&options).await?;
    let applied = store.migrate().await.map_err(|error| Failure {
        sentence: error.to_string(),
        remedy: None,
        exit: Exit::Usage,
    })?;
    printer.line(match applied {
        0 => "The schema is up to date.".to_owned(),
        1 => "Applied 1 migration.".to_owned(),
        _ => format!("Applied {applied} migrations."),
    });
    Ok(Exit::Fine)
}

/// `backup`.
pub async fn backup(context: &Context, file: &Path, printer: &mut Printer) -> Outcome {
    let settings = context.settings(Purpose::Tools, printer)?;
    let store = context.store(&settings).await?;
    store.backup(file).await.map_err(|error| Failure {
        sentence: error.to_string(),
        remedy: None,
        exit: Exit::Usage,
    })?;
    printer.line(format!("Wrote {}.", file.display()));
    printer.remark("Grants in it are sealed: keep HOLDFAST_ENCRYPTION_KEYS as well, and apart from it.");
    Ok(Exit::Fine)
}

/// `restore`. The backup is looked at before anything moves; the present database is moved aside, never deleted.
pub async fn restore(context: &Context, args: &RestoreArgs, printer: &mut Printer) -> Outcome {
    let settings = context.settings(Purpose::Tools, printer)?;
    let target = sqlite_path(&settings)?;
    // Copied beside, looked at, then renamed: a crash leaves either the old database or the whole new one.
    let part = suffixed(&target, ".part");
    fs::copy(&args.file, &part).map_err(|error| disk(&args.file, &error))?;
    if let Err(failure) = put_in_place(context, &settings, args.replace, &part, &target).await {
        // What was only copied is no loss; the failure is what matters.
        let _ = fs::remove_file(&part);
        return Err(failure);
    }
    printer.line(format!("Restored {} from {}.", target.display(), args.file.display()));
    printer.remark("Connections that changed since the backup will say so when Instagram is next asked.");
    Ok(Exit::Fine)
}

async fn put_in_place(
    context: &Context,
    settings: &Settings,
    replace: bool,
    part: &Path,
    target: &Path,
) -> Result<(), Failure> {
    look_at(context, part).await?;
    fs::File::open(part).and_then(|file| file.sync_all()).map_err(|error| disk(part, &error))?;
    if target.exists() {
        if !replace {
            return Err(Failure::setup(
                format!("{} exists", target.display()),
                "stop the server, then say --replace; the present database is kept beside",
            ));
        }
        // The only server of a SQLite database holds its lock; taking it proves that none is running.
        let options = StoreOptions::serve(settings.database_url.expose_secret());
        context.open(&options).await?.close().await;
        let aside = suffixed(target, ".before-restore");
        if aside.exists() {
            return Err(Failure::setup(
                format!("{} is still there from an earlier restore", aside.display()),
                "move it away first",
            ));
        }
        for suffix in ["-wal", "-shm", ""] {
            let from = suffixed(target, suffix);
            if from.exists() {
                fs::rename(&from, suffixed(&aside, suffix)).map_err(|error| disk(&from, &error))?;
            }
        }
    }
    fs::rename(part, target).map_err(|error| disk(target, &error))
}

/// The backup must be a database of ours, and not a newer one.
async fn look_at(context: &Context, file: &Path) -> Result<(), Failure> {
    let store = context.open(&StoreOptions::tool(format!("sqlite://{}", file.display()))).await?;
    let state = store.schema_state().await;
    store.close().await;
    match state {
        Ok(SchemaState::Current | SchemaState::Behind(_)) => Ok(()),
        Ok(SchemaState::Ahead { found, known }) => Err(Failure::setup(
            format!("the backup has schema {found}, this program knows up to {known}"),
            "use the program that made it",
        )),
        Err(error) => {
            Err(Failure::setup(format!("the backup cannot be read: {error}"), "choose another one"))
        }
    }
}

fn sqlite_path(settings: &Settings) -> Result<PathBuf, Failure> {
    let url = settings.database_url.expose_secret();
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
    match path.map(|path| path.split('?').next().unwrap_or(path)) {
        Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
        Some(_) | None => Err(Failure::setup(
            "`restore` puts back SQLite databases only",
            "use pg_restore or psql for Postgres",
        )),
    }
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn disk(path: &Path, error: &std::io::Error) -> Failure {
    Failure::setup(format!("{}: {error}", path.display()), "check permissions and free space")
}

//! `import`: long-lived grants of another system, one line each. What was read is never printed.

mod input;
mod records;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

use super::args::ImportArgs;
use super::context::{Context, Sealing};
use super::exit::{ExitStatus, Failure, Outcome};
use super::printer::Printer;
use super::serve::seams;
use crate::app;
use crate::caller::OwnerId;
use crate::connections::ServiceError;
use crate::connections::import::{Imported, Importer, Proven};
use crate::names::names;
use crate::provider::{DeathCause, LimitScope, Meaning};
use crate::settings::Purpose;
use crate::store::StoreError;
use input::{Entry, Line, Unusable};

/// Lines under way at once. Instagram's budget decides about the pace, this only hides its latency.
const PARALLEL: usize = 8;

/// Lines that are proven or wait to be linked: linking may be slower than proving.
const AHEAD: usize = 64;

names! {
    /// How a line ended.
    enum Ending {
        Imported = "imported",
        AlreadyConnected = "already_connected",
        AccountTaken = "account_taken",
        Duplicate = "duplicate",
        TokenRefused = "token_refused",
        UserDeleted = "user_deleted",
        TryAgain = "try_again",
        Unreadable = "unreadable",
    }
}

impl Ending {
    fn is_good(self) -> bool {
        matches!(self, Self::Imported | Self::AlreadyConnected)
    }
}

/// What is printed of a line.
struct Told {
    line: u64,
    user_id: Option<String>,
    ending: Ending,
    detail: &'static str,
}

impl Told {
    fn json(&self) -> Value {
        json!({"line": self.line, "user_id": self.user_id, "outcome": self.ending.as_str(), "detail": self.detail})
    }
}

/// Runs the command.
pub async fn run(context: &Context, args: &ImportArgs, printer: &mut Printer) -> Outcome {
    let (settings, ..) = context.settings_with_log(context.file()?.as_ref(), Purpose::Tools, printer)?;
    let lines = input::lines(open(&args.file)?)?;
    let store = context.store(&settings).await?;
    let sealing = if args.dry_run { Sealing::Nothing } else { Sealing::BesideServers };
    let vault = context.vault_for(sealing, &settings, &store).await?;
    let connections = app::connections(&settings, &seams(context)?, &store, &vault);
    let importer = connections.importer(args.dry_run).ok_or_else(|| {
        Failure::setup("Instagram is not configured", "set INSTAGRAM_APP_ID and INSTAGRAM_APP_SECRET")
    })?;
    // Tokens are proven in parallel and linked one after the other, in the order of the lines. A
    // line waits for its place before it is begun: half-way it could hold the database that
    // another needs.
    let (asked, mut answers) = mpsc::channel(AHEAD);
    let places = Arc::new(Semaphore::new(AHEAD));
    let asking = async {
        // An error would mean that the semaphore was closed, which nobody does.
        let placed =
            stream::iter(lines).then(|line| async { (line, Arc::clone(&places).acquire_owned().await.ok()) });
        let importer = &importer;
        let proving = placed.map(|(line, place)| async move { (prove(importer, line).await, place) });
        let mut proven = std::pin::pin!(proving.buffered(PARALLEL));
        while let Some(line) = proven.next().await {
            // There is room for each that has a place, and the receiver lives longer than this.
            let _ = asked.send(line).await;
        }
        drop(asked);
        Ok(())
    };
    let mut counts = HashMap::<Ending, u64>::new();
    let linking = async {
        let (mut settled, mut waits) = (HashSet::new(), importer.waits());
        loop {
            let (line, _place) = tokio::select! {
                Ok(()) = waits.changed() => {
                    if let Some(until) = *waits.borrow_and_update() {
                        printer.remark(format!(
                            "Instagram limits the app: waiting until {}; you can also stop now and start the import \
                             again later",
                            until.strftime("%H:%M:%S UTC"),
                        ));
                    }
                    continue;
                }
                line = answers.recv() => match line {
                    Some(line) => line,
                    None => break,
                },
            };
            let ended = end(&importer, &mut settled, line?).await?;
            *counts.entry(ended.ending).or_default() += 1;
            printer.json(&ended.json());
        }
        Ok::<_, Failure>(())
    };
    tokio::try_join!(asking, linking)?;
    printer.remark(summary(&counts, args.dry_run));
    let is_good = counts.keys().all(|ending| ending.is_good());
    Ok(if is_good { ExitStatus::Success } else { ExitStatus::Failure })
}

/// A line with Instagram's answer about its token.
struct Asked {
    number: u64,
    /// The owner and the outcome of asking, or why the line cannot be read.
    entry: Result<(OwnerId, Result<Proven, Ended>), Unusable>,
}

/// An ending with its words.
type Ended = (Ending, &'static str);

/// An error here would meet the following lines as well.
async fn prove(importer: &Importer, line: Line) -> Result<Asked, Failure> {
    let Line { number, entry } = line;
    let Entry { owner, offered } = match entry {
        Ok(entry) => entry,
        Err(why) => return Ok(Asked { number, entry: Err(why) }),
    };
    let asked = match importer.prove(&owner, &offered).await {
        Ok(proven) => proven.map_err(|imported| words(&imported)),
        Err(error) => Err(ended_by(&error, &owner)?),
    };
    Ok(Asked { number, entry: Ok((owner, asked)) })
}

/// Ends a line; `settled` are the users that an earlier one was about.
async fn end(importer: &Importer, settled: &mut HashSet<OwnerId>, line: Asked) -> Result<Told, Failure> {
    let Asked { number, entry } = line;
    let (owner, asked) = match entry {
        Ok(entry) => entry,
        Err(Unusable { owner, why }) => {
            let user_id = owner.map(|owner| owner.as_str().to_owned());
            return Ok(Told { line: number, user_id, ending: Ending::Unreadable, detail: why });
        }
    };
    let (ending, detail) = if settled.contains(&owner) {
        (Ending::Duplicate, "an earlier line of this file is about this user")
    } else {
        match asked {
            Err(ended) => ended,
            Ok(proven) => match importer.link(&owner, &proven).await {
                Ok(imported) => words(&imported),
                Err(error) => ended_by(&error, &owner)?,
            },
        }
    };
    let told = Told { line: number, user_id: Some(owner.as_str().to_owned()), ending, detail };
    if ending.is_good() {
        settled.insert(owner);
    }
    Ok(told)
}

fn ended_by(error: &ServiceError, owner: &OwnerId) -> Result<Ended, Failure> {
    match error {
        error if error.concerns_all() => Err(stopped(error, owner.as_str())),
        // It concerns all who have no data key yet, as most here.
        ServiceError::Store(StoreError::KeyRetired { key_id }) => Err(Failure::setup(
            format!(
                "the encryption key `{key_id}` was retired while this ran, so nothing can be sealed with it"
            ),
            "give this command the HOLDFAST_ENCRYPTION_KEYS that the servers have, and start the import again; what was \
             imported stays",
        )),
        ServiceError::UserGone => Ok(words(&Imported::UserDeleted)),
        error => {
            tracing::error!(user_id = owner.as_str(), %error, "a grant could not be imported");
            Ok((Ending::TryAgain, "it could not be stored; the log says why"))
        }
    }
}

fn stopped(error: &ServiceError, user_id: &str) -> Failure {
    Failure::setup(
        format!("the database failed at {user_id}: {error}"),
        "repair the database and start the import again; what was imported stays",
    )
}

fn words(imported: &Imported) -> (Ending, &'static str) {
    match imported {
        Imported::Linked => (Ending::Imported, "Instagram has confirmed the token"),
        Imported::AlreadyConnected => (Ending::AlreadyConnected, "nothing was changed"),
        Imported::OtherAccountLinked => {
            (Ending::AccountTaken, "the user has already linked another account here; it stays linked")
        }
        Imported::AccountTaken => (Ending::AccountTaken, "the account is linked to another user"),
        Imported::Disconnected => {
            (Ending::TokenRefused, "the person has disconnected here; only they can connect again")
        }
        Imported::Withdrawn => (
            Ending::TokenRefused,
            "since the token was obtained, the person has removed the app at Instagram, or asked for deletion",
        ),
        Imported::Unproven(meaning) => unproven(*meaning),
        Imported::UserDeleted => (Ending::UserDeleted, "the user was deleted"),
    }
}

fn unproven(meaning: Meaning) -> (Ending, &'static str) {
    match meaning {
        Meaning::Dead(DeathCause::Expired) => {
            (Ending::TokenRefused, "Instagram says that the token has expired")
        }
        Meaning::Dead(DeathCause::Revoked) => {
            (Ending::TokenRefused, "Instagram says that the person has removed the app")
        }
        Meaning::Dead(DeathCause::PasswordChanged) => {
            (Ending::TokenRefused, "Instagram says that the person has changed the password")
        }
        Meaning::Dead(DeathCause::AccountIneligible) => {
            (Ending::TokenRefused, "Instagram says that the account is no longer a professional account")
        }
        Meaning::Dead(DeathCause::Invalid) | Meaning::DeadUnexplained => (
            Ending::TokenRefused,
            "Instagram does not accept the token; it must be a long-lived token of this app, by Instagram Login",
        ),
        Meaning::Unavailable | Meaning::Crowded => {
            (Ending::TryAgain, "Instagram did not answer; start the import again later")
        }
        Meaning::RateLimited(LimitScope::Account) => {
            (Ending::TryAgain, "Instagram limits calls about this account; start the import again later")
        }
        Meaning::RateLimited(LimitScope::App) => {
            (Ending::TryAgain, "Instagram limits the app; start the import again later")
        }
        Meaning::UserAction(_) => (
            Ending::TryAgain,
            "the person has to do something in the Instagram app first; then start the import again",
        ),
        Meaning::Permission | Meaning::App(_) | Meaning::Content | Meaning::CodeRejected => (
            Ending::TryAgain,
            "Instagram refuses the app, not the token: run `holdfast doctor`, then start the import again",
        ),
    }
}

fn open(file: &Path) -> Result<Box<dyn Read + Send>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let opened = File::open(file).map_err(|error| {
        Failure::setup(
            format!("{} cannot be read: {error}", file.display()),
            "name a file, or - for standard input",
        )
    })?;
    Ok(Box::new(opened))
}

fn summary(counts: &HashMap<Ending, u64>, dry_run: bool) -> String {
    let mut parts: Vec<_> = counts.iter().collect();
    parts.sort();
    let parts: Vec<_> = parts.iter().map(|(ending, count)| format!("{count} {}", ending.as_str())).collect();
    let what = if dry_run { "dry run, nothing was stored" } else { "done" };
    format!("{what}: {}", if parts.is_empty() { "no lines".to_owned() } else { parts.join(", ") })
}

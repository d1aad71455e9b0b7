//! `import`: long-lived grants of another system, one line each. What was read is never printed.

mod input;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::args::ImportArgs;
use super::context::Context;
use super::exit::{ExitStatus, Failure, Outcome};
use super::printer::Printer;
use super::serve::{seams, told};
use crate::app;
use crate::caller::OwnerId;
use crate::connection::Reason;
use crate::connections::ServiceError;
use crate::connections::import::{Imported, Importer};
use crate::settings::Purpose;
use crate::telemetry;
use input::{Entry, Line};

/// Lines under way at once. Instagram's budget decides about the pace, this only hides its latency.
const PARALLEL: usize = 8;

/// How a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Ending {
    Imported,
    AlreadyConnected,
    AccountTaken,
    Duplicate,
    TokenRefused,
    UserDeleted,
    TryAgain,
    Unreadable,
}

impl Ending {
    fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::AlreadyConnected => "already_connected",
            Self::AccountTaken => "account_taken",
            Self::Duplicate => "duplicate",
            Self::TokenRefused => "token_refused",
            Self::UserDeleted => "user_deleted",
            Self::TryAgain => "try_again",
            Self::Unreadable => "unreadable",
        }
    }

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

/// For each user of the file, whether a line about them has ended well. Locked while one is under way.
type Settled = Mutex<HashMap<String, Arc<Mutex<bool>>>>;

/// Runs the command.
pub async fn run(context: &Context, args: &ImportArgs, printer: &mut Printer) -> Outcome {
    let settings = context.settings(Purpose::Tools, printer)?;
    telemetry::install(&settings.log, settings.log_format)
        .map_err(|error| Failure::setup(error.to_string(), "correct HOLDFAST_LOG"))?;
    let lines = input::lines(open(&args.file)?)?;
    let vault = context.vault(&settings)?;
    let store = context.store(&settings).await?;
    vault.prove(&store.sentinels().await.map_err(told)?).map_err(told)?;
    let connections = app::connections(&settings, &seams(context)?, &store, &vault).map_err(told)?;
    let importer = connections.importer(args.dry_run).ok_or_else(|| {
        Failure::setup("Instagram is not configured", "set INSTAGRAM_APP_ID and INSTAGRAM_APP_SECRET")
    })?;
    let settled = Settled::default();
    let mut endings = stream::iter(lines).map(|line| one(&importer, &settled, line)).buffered(PARALLEL);
    let mut counts = HashMap::<Ending, u64>::new();
    while let Some(ended) = endings.next().await {
        let ended = ended?;
        *counts.entry(ended.ending).or_default() += 1;
        printer.json(&ended.json());
    }
    drop(endings);
    store.close().await;
    printer.remark(summary(&counts, args.dry_run));
    let is_good = counts.keys().all(|ending| ending.is_good());
    Ok(if is_good { ExitStatus::Success } else { ExitStatus::Failure })
}

/// One line, from its text to its end. An error is one that the lines after it would meet as well.
async fn one(importer: &Importer, settled: &Settled, line: Line) -> Result<Told, Failure> {
    let Line { number, entry } = line;
    let Entry { owner, offered } = match entry {
        Ok(entry) => entry,
        Err(why) => {
            return Ok(Told { line: number, user_id: None, ending: Ending::Unreadable, detail: why });
        }
    };
    let told =
        |ending, detail| Told { line: number, user_id: Some(owner.as_str().to_owned()), ending, detail };
    let mine = Arc::clone(settled.lock().await.entry(owner.as_str().to_owned()).or_default());
    let mut is_settled = mine.lock().await;
    if *is_settled {
        return Ok(told(Ending::Duplicate, "an earlier line of this file is about this user"));
    }
    let (ending, detail) = match importer.import(&owner, &offered).await {
        Ok(imported) => words(&imported),
        Err(error) if error.concerns_all() => return Err(stopped(&error, &owner)),
        Err(ServiceError::UserGone) => words(&Imported::UserDeleted),
        Err(error) => {
            tracing::error!(user_id = owner.as_str(), %error, "a grant could not be imported");
            (Ending::TryAgain, "it could not be stored; the log says why")
        }
    };
    *is_settled = ending.is_good();
    Ok(told(ending, detail))
}

fn stopped(error: &ServiceError, owner: &OwnerId) -> Failure {
    Failure::setup(
        format!("the database failed at {}: {error}", owner.as_str()),
        "mend that and start the import again; what was imported stays",
    )
}

fn words(imported: &Imported) -> (Ending, &'static str) {
    match imported {
        Imported::Linked => (Ending::Imported, "Instagram has confirmed the token"),
        Imported::AlreadyConnected => (Ending::AlreadyConnected, "nothing was changed"),
        Imported::OtherAccountLinked => {
            (Ending::AccountTaken, "the user has linked another account here, which stays")
        }
        Imported::AccountTaken => (Ending::AccountTaken, "the account is linked to another user"),
        Imported::Disconnected => {
            (Ending::TokenRefused, "the person has disconnected here; only they can connect again")
        }
        Imported::TokenRefused(reason) => (Ending::TokenRefused, refused(*reason)),
        Imported::UserDeleted => (Ending::UserDeleted, "the user was deleted"),
        Imported::TryAgain(reason) => (Ending::TryAgain, waiting(*reason)),
    }
}

fn refused(reason: Reason) -> &'static str {
    match reason {
        Reason::Expired => "Instagram says that the token has expired",
        Reason::Revoked => "Instagram says that the person has removed the app",
        Reason::PasswordChanged => "Instagram says that the person has changed the password",
        Reason::AccountIneligible => "Instagram says that the account is no professional account any more",
        _ => {
            "Instagram does not accept the token; is it a long-lived one of this very app, by Instagram Login?"
        }
    }
}

fn waiting(reason: Reason) -> &'static str {
    match reason {
        Reason::ProviderUnavailable => "Instagram did not answer; start the import again later",
        Reason::RateLimited => "Instagram limits the app; start the import again later",
        Reason::Checkpoint | Reason::Unconfirmed | Reason::Restricted | Reason::ConsentBlocked => {
            "the person has to do something in the Instagram app first; then start the import again"
        }
        _ => "Instagram refuses the app, not the token: `holdfast doctor`; then start the import again",
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
    Ok(Box::new(BufReader::new(opened)))
}

fn summary(counts: &HashMap<Ending, u64>, dry_run: bool) -> String {
    let mut parts: Vec<_> = counts.iter().collect();
    parts.sort();
    let parts: Vec<_> = parts.iter().map(|(ending, count)| format!("{count} {}", ending.as_str())).collect();
    let what = if dry_run { "dry run, nothing was stored" } else { "done" };
    format!("{what}: {}", if parts.is_empty() { "no lines".to_owned() } else { parts.join(", ") })
}

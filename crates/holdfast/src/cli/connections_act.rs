//! `connections check`, `refresh` and `forget`: what an operator may do to a user's connection,
//! always through [`Connections`].

use std::time::Duration;

use serde_json::json;

use super::args::WhoseArgs;
use super::audit;
use super::context::{Context, Sealing};
use super::exit::{ExitStatus, Failure, Outcome, told};
use super::printer::Printer;
use super::serve::seams;
use super::whose::{connection_of, named};
use crate::app;
use crate::caller::OwnerId;
use crate::connection::Connection;
use crate::connection::state_in_words;
use crate::connection::status::InstagramStatus;
use crate::connections::diagnose::Diagnosed;
use crate::connections::refresh::{Refreshed, Skip};
use crate::connections::{Connections, ServiceError};
use crate::entropy::new_id;
use crate::provider::{AppFault, DeathCause, LimitScope, Meaning, UserAction};
use crate::store::{Store, StoreError};

/// Lease of a refresh by hand; longer than the calls it makes.
const LEASE: Duration = Duration::from_secs(90);

/// The domain over the configured database.
struct Desk {
    connections: Connections,
    store: Store,
}

impl Desk {
    /// A desk, with the owner and their connection, which must be there.
    async fn open(
        context: &Context,
        whose: &WhoseArgs,
        sealing: Sealing,
        printer: &mut Printer,
    ) -> Result<(Self, OwnerId, Connection), Failure> {
        let settings = context.settings(printer)?;
        let store = context.store(&settings).await?;
        let vault = context.vault_for(sealing, &settings, &store).await?;
        let connections = app::connections(&settings, &seams(context)?, &store, &vault);
        let owner = named(&store, whose).await?;
        let connection = connection_of(&store, &owner).await?;
        Ok((Self { connections, store }, owner, connection))
    }
}

/// Asks Instagram now.
pub(super) async fn check(
    context: &Context,
    whose: &WhoseArgs,
    json: bool,
    printer: &mut Printer,
) -> Outcome {
    let (desk, owner, connection) = Desk::open(context, whose, Sealing::BesideServers, printer).await?;
    audit::record(context, &desk.store, "connections.check", Some(owner.as_str()), None).await?;
    let began = context.clock.now();
    let asked = desk.connections.probe(&connection).await.map_err(|error| failed(&error))?;
    let status = desk.connections.status(&owner).await?;
    show(&status, json, printer);
    // It stands although Instagram said nothing about it now.
    if let Some(evidence) = status.evidence.as_ref().filter(|evidence| evidence.at < began) {
        let why = match asked {
            Ok(Diagnosed::Failed(meaning, _)) => {
                format!(
                    "Instagram was asked: {}; `holdfast doctor` says whether it answers",
                    in_words(meaning)
                )
            }
            Ok(_) => "its answer was not stored; look with `holdfast connections show`".to_owned(),
            Err(skip) => unasked(skip),
        };
        printer.warning(format!("this is as of {}: {why}", evidence.at));
    } else if let (Err(skip), None) = (asked, &status.evidence) {
        printer.warning(unasked(skip));
    }
    Ok(if status.connected { ExitStatus::Success } else { ExitStatus::Failure })
}

/// Refreshes the grant now, under a lease like the worker's.
pub(super) async fn refresh(
    context: &Context,
    whose: &WhoseArgs,
    json: bool,
    printer: &mut Printer,
) -> Outcome {
    let (Desk { connections, store }, owner, connection) =
        Desk::open(context, whose, Sealing::BesideServers, printer).await?;
    audit::record(context, &store, "connections.refresh", Some(owner.as_str()), None).await?;
    let now = context.clock.now();
    let name = new_id(&*context.entropy, now).map_err(told)?.to_string();
    let lease = store.claim(connection.id, &name, now, LEASE).await?;
    let Some(lease) = lease else {
        return Err(Failure::no(
            "a worker, here or on another replica, is refreshing this connection right now",
        )
        .mended_by("try again in three minutes, when its lease has ended even if it was killed"));
    };
    let refreshed = connections.refresh(&lease).await;
    store.release(&lease).await?;
    let status = connections.status(&owner).await?;
    show(&status, json, printer);
    match refreshed.map_err(|error| failed(&error))? {
        Refreshed::Renewed => Ok(ExitStatus::Success),
        Refreshed::RolledBack => Err(Failure::no(
            "Instagram gave a grant that does not work, or is another account's; the one before it is in use again",
        )
        .mended_by(
            "the worker tries again by itself, in an hour at the earliest; the grant in use works until the status's \
             token_expires_at",
        )),
        Refreshed::Skipped(skip) => {
            let (why, remedy) = skipped(skip);
            Err(Failure::no(format!("nothing was refreshed: {why}")).mended_by(remedy))
        }
        Refreshed::Failed(meaning) => {
            Err(Failure::no(format!("Instagram did not refresh the grant: {}", in_words(meaning))))
        }
    }
}

fn unasked(skip: Skip) -> String {
    let (why, remedy) = skipped(skip);
    format!("Instagram was not asked: {why}; {remedy}")
}

/// Why Instagram was not asked, and what to do.
fn skipped(skip: Skip) -> (String, &'static str) {
    const AGAIN: &str = "run this again then";
    let (why, remedy) = match skip {
        Skip::NotConfigured => {
            ("no Instagram app is configured", "set INSTAGRAM_APP_ID and INSTAGRAM_APP_SECRET")
        }
        Skip::NotLinked => ("there is no grant", "the person has to connect first"),
        Skip::Over => {
            ("the connection has ended, or its grant has expired", "the person has to connect again")
        }
        Skip::TooYoung(at) => {
            let why = format!("the grant is younger than HOLDFAST_REFRESH_MIN_AGE_S until {at}");
            return (why, "run this again then; `holdfast connections check` asks about it now");
        }
        Skip::Waits(until) => return (format!("Instagram asked not to be asked before {until}"), AGAIN),
        Skip::JustAsked => (
            "Instagram was asked about it less than HOLDFAST_CHECK_INTERVAL_S ago",
            "run this again after that time",
        ),
        Skip::Unreadable => {
            ("the stored grant does not open", "run `holdfast doctor` and follow its check `sealed`")
        }
        Skip::Works => ("Instagram was asked: the grant works, and is not due", "nothing needs to be done"),
        Skip::Replaced => (
            "another process is replacing the grant, or the person has connected again",
            "look with `holdfast connections show`",
        ),
        Skip::Postponed => ("there was not enough time left", "run this again"),
    };
    (why.to_owned(), remedy)
}

/// What Instagram's answer means, for an operator.
fn in_words(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::Dead(DeathCause::Expired) => "it has expired",
        Meaning::Dead(DeathCause::Revoked) => "the person removed the app at Instagram",
        Meaning::Dead(DeathCause::PasswordChanged) => "the password changed, or Instagram ended the session",
        Meaning::Dead(DeathCause::Invalid) | Meaning::DeadUnexplained => "it is not accepted any more",
        Meaning::Dead(DeathCause::AccountIneligible) => "the account is no longer a professional one",
        Meaning::UserAction(UserAction::Checkpoint) => "the person has to pass a security check there first",
        Meaning::UserAction(UserAction::Unconfirmed) => "the person has to confirm the account there first",
        Meaning::UserAction(UserAction::Restricted) => "the account is restricted or inactive there",
        Meaning::UserAction(UserAction::ConsentBlocked) => "the person has to accept its terms first",
        Meaning::Permission => "a permission that the call needs was not granted",
        Meaning::RateLimited(LimitScope::App) => "the app has used up its calls for now",
        Meaning::RateLimited(LimitScope::Account) => "the account has used up its calls for now",
        Meaning::Unavailable | Meaning::Crowded => "there was no usable answer; it is tried again",
        Meaning::App(AppFault::NotAdmitted | AppFault::Unsupported) => {
            "the app may not serve this account (testers, Advanced Access), or INSTAGRAM_GRAPH_URL is wrong"
        }
        Meaning::App(AppFault::Deactivated) => "the app is deactivated or blocked at Meta",
        Meaning::App(AppFault::Credentials | AppFault::RedirectUri | AppFault::Scope | AppFault::Request) => {
            "the app's settings do not match those at Meta; see `holdfast doctor`"
        }
        Meaning::Content | Meaning::CodeRejected => "it does not accept the request",
    }
}

/// Erases the grant.
pub(super) async fn forget(
    context: &Context,
    whose: &WhoseArgs,
    sure: bool,
    printer: &mut Printer,
) -> Outcome {
    let (desk, owner, connection) = Desk::open(context, whose, Sealing::Nothing, printer).await?;
    if !sure {
        let account = connection.account.as_ref().and_then(|account| account.username.as_deref());
        let account = account.map_or(String::new(), |username| format!(" from @{username}"));
        return Err(Failure::setup(
            format!("this would disconnect {}{account} and erase the grant for good", owner.as_str()),
            "add --yes to do it",
        ));
    }
    audit::record(context, &desk.store, "connections.forget", Some(owner.as_str()), None).await?;
    let receipt = desk.connections.disconnect(&owner).await.map_err(|error| match error {
        // The connection has ended before that is looked at.
        ServiceError::Store(StoreError::Busy(_) | StoreError::Full(_)) => Failure::no(error.to_string())
            .mended_by("once the backup has ended, or there is room, run this again: it ends what is left"),
        error => failed(&error),
    })?;
    printer.line(receipt.deleted_at.map_or_else(
        || format!("{} had nothing connected.", owner.as_str()),
        |at| format!("The grant of {} was deleted at {at}.", owner.as_str()),
    ));
    printer.remark(receipt.revoke_hint);
    Ok(ExitStatus::Success)
}

fn show(status: &InstagramStatus, json: bool, printer: &mut Printer) {
    if json {
        printer.pretty_json(&json!(status));
        return;
    }
    let state = state_in_words(status.state, status.reason);
    printer.line(format!("{state}; to do: {}", status.action.as_str()));
}

fn failed(error: &ServiceError) -> Failure {
    Failure::setup(error.to_string(), "run `holdfast doctor` to see what is wrong")
}

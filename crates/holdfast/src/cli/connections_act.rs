//! `connections check`, `refresh` and `forget`: what an operator may do to a user's connection, through the domain and nothing else.

use std::time::Duration;

use serde_json::json;

use super::audit;
use super::context::{Context, database};
use super::exit::{ExitStatus, Failure, Outcome};
use super::printer::Printer;
use super::serve::{seams, told};
use crate::app;
use crate::caller::OwnerId;
use crate::connection::status::InstagramStatus;
use crate::connections::refresh::Refreshed;
use crate::connections::{Connections, ServiceError};
use crate::entropy::new_id;
use crate::settings::{Purpose, Settings};
use crate::store::Store;

/// Outlives the calls that a refresh makes.
const LEASE: Duration = Duration::from_secs(90);

/// The domain over the configured database.
struct Desk {
    connections: Connections,
    store: Store,
}

impl Desk {
    async fn open(context: &Context, settings: &Settings) -> Result<Self, Failure> {
        let vault = context.vault(settings)?;
        let store = context.store(settings).await?;
        let connections = app::connections(settings, &seams(context)?, &store, &vault).map_err(told)?;
        Ok(Self { connections, store })
    }
}

/// Asks Instagram now.
pub(super) async fn check(context: &Context, user: &str, json: bool, printer: &mut Printer) -> Outcome {
    let settings = context.settings(Purpose::Tools, printer)?;
    let desk = Desk::open(context, &settings).await?;
    audit::record(context, &desk.store, "connections.check", Some(user), None).await?;
    let status =
        desk.connections.check(&OwnerId::named_by_operator(user)).await.map_err(|error| failed(&error))?;
    show(&status, json, printer);
    Ok(if status.connected { ExitStatus::Success } else { ExitStatus::Failure })
}

/// Refreshes the grant now, under a lease like the worker's.
pub(super) async fn refresh(context: &Context, user: &str, json: bool, printer: &mut Printer) -> Outcome {
    let settings = context.settings(Purpose::Tools, printer)?;
    let Desk { connections, store } = Desk::open(context, &settings).await?;
    audit::record(context, &store, "connections.refresh", Some(user), None).await?;
    let owner = OwnerId::named_by_operator(user);
    let connection = store
        .connection(&owner, Connections::PROVIDER)
        .await
        .map_err(|error| database(&error))?
        .ok_or_else(|| Failure::no(format!("{user} has no connection here"), None))?;
    let now = context.clock.now();
    let name = new_id(&*context.entropy, now).map_err(told)?.to_string();
    let lease = store.claim(connection.id, &name, now, LEASE).await.map_err(|error| database(&error))?;
    let Some(lease) = lease else {
        return Err(Failure::no(
            "the worker is at this connection right now",
            Some("try again in a minute".to_owned()),
        ));
    };
    let refreshed = connections.refresh(&lease).await;
    store.release(&lease).await.map_err(|error| database(&error))?;
    let status = connections.status(&owner).await.map_err(|error| database(&error))?;
    show(&status, json, printer);
    match refreshed.map_err(|error| failed(&error))? {
        Refreshed::Renewed => Ok(ExitStatus::Success),
        Refreshed::Skipped => Err(Failure::no(
            "nothing was refreshed: the grant is gone, expired, or younger than HOLDFAST_REFRESH_MIN_AGE_S",
            None,
        )),
        Refreshed::Failed(meaning) => {
            Err(Failure::no(format!("Instagram did not renew the grant: {meaning:?}"), None))
        }
    }
}

/// Erases the grant.
pub(super) async fn forget(context: &Context, user: &str, sure: bool, printer: &mut Printer) -> Outcome {
    let settings = context.settings(Purpose::Tools, printer)?;
    if !sure {
        return Err(Failure::setup(
            format!("this would disconnect {user} and erase the grant for good"),
            "say --yes to do it",
        ));
    }
    let desk = Desk::open(context, &settings).await?;
    audit::record(context, &desk.store, "connections.forget", Some(user), None).await?;
    let receipt = desk
        .connections
        .disconnect(&OwnerId::named_by_operator(user))
        .await
        .map_err(|error| failed(&error))?;
    printer.line(receipt.deleted_at.map_or_else(
        || format!("{user} had nothing connected."),
        |at| format!("The grant of {user} was deleted at {at}."),
    ));
    printer.remark(receipt.revoke_hint);
    Ok(ExitStatus::Success)
}

fn show(status: &InstagramStatus, json: bool, printer: &mut Printer) {
    if json {
        printer.pretty_json(&json!(status));
        return;
    }
    let reason = status.reason.map_or(String::new(), |reason| format!(" / {}", reason.as_str()));
    printer.line(format!("{}{reason}; to do: {}", status.state.as_str(), status.action.as_str()));
}

fn failed(error: &ServiceError) -> Failure {
    Failure::setup(error.to_string(), "run `holdfast doctor` to see what is wrong")
}

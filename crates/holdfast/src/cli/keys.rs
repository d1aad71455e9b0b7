//! `keys`: the ring that seals every user's data key.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use zeroize::Zeroizing;

use super::args::{JsonArg, KeysCommand};
use super::audit;
use super::context::{Context, Sealing};
use super::exit::{ExitStatus, Failure, Outcome};
use super::printer::{Printer, Tone};
use crate::clock::Throttle;
use crate::connections::ServiceError;
use crate::connections::grants::renew_user_key;
use crate::entropy;
use crate::store::Retired;
use crate::vault::VaultError;

/// Data keys renewed per page.
const PAGE: usize = 200;
/// How often a rotation says how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// Runs one of the commands.
pub async fn run(context: &Context, command: KeysCommand, printer: &mut Printer) -> Outcome {
    match command {
        KeysCommand::Generate { id } => generate(context, id, printer),
        KeysCommand::Status(JsonArg { json }) => status(context, json, printer).await,
        KeysCommand::Rotate { servers_are_stopped } => rotate(context, servers_are_stopped, printer).await,
        KeysCommand::Retire { id, lost: false, .. } => retire(context, &id, printer).await,
        KeysCommand::Retire { id, lost: true, yes } => give_up(context, &id, yes, printer).await,
    }
}

fn generate(context: &Context, id: Option<String>, printer: &mut Printer) -> Outcome {
    let bytes = Zeroizing::new(entropy::random::<32>(&*context.entropy)?);
    let id = if let Some(id) = id {
        id
    } else {
        // Random digits, because two keys of one day can stand in a ring side by side.
        let [a, b, c] = entropy::random::<3>(&*context.entropy)?;
        format!("{}-{a:02x}{b:02x}{c:02x}", context.clock.now().strftime("%Y-%m-%d"))
    };
    let entry = Zeroizing::new(format!("{id}:{}", STANDARD.encode(*bytes)));
    // The key bytes are valid, so only the name can be at fault.
    if crate::vault::KeyRing::parse(&entry).is_err() {
        return Err(Failure::setup(
            format!("`{id}` cannot be the name of a key"),
            "use 1 to 64 letters, digits and `-_.`",
        ));
    }
    printer.line(&*entry);
    printer.remark(
        "Put it into HOLDFAST_ENCRYPTION_KEYS: as the only key or, where there is one already, behind it, and in front of it once \
         every replica has it.\nKeep a copy apart from the database's backups.\n\
         With the key and the database anybody can open every grant; without the key nobody can.",
    );
    Ok(ExitStatus::Success)
}

async fn status(context: &Context, json: bool, printer: &mut Printer) -> Outcome {
    let settings = context.settings(printer)?;
    let (vault, store) = (context.vault(&settings)?, context.store(&settings).await?);
    let mut needed = store.key_use().await?;
    let in_ring: Vec<String> = vault.ring().ids().map(str::to_owned).collect();
    let mut rows = Vec::new();
    for id in &in_ring {
        let role = if id == vault.ring().sealing_id() { "seals" } else { "opens" };
        rows.push((id.clone(), role, needed.remove(id).unwrap_or(0)));
    }
    let missing = needed.values().any(|amount| *amount > 0);
    rows.extend(needed.into_iter().map(|(id, amount)| (id, "not in the ring", amount)));
    if json {
        let list: Vec<_> = rows
            .iter()
            .map(|(id, role, amount)| json!({"id": id, "role": role, "data_keys": amount}))
            .collect();
        printer.pretty_json(&json!({"keys": list}));
    } else {
        for (id, role, amount) in &rows {
            printer.line(format!("{}  {role}, {amount} data keys", printer.tone(Tone::Bold, id)));
        }
    }
    if missing {
        printer.warning(
            "some data keys are sealed with a key that the ring lacks: their grants cannot be opened",
        );
        return Ok(ExitStatus::Failure);
    }
    Ok(ExitStatus::Success)
}

async fn rotate(context: &Context, servers_are_stopped: bool, printer: &mut Printer) -> Outcome {
    let (settings, store) = context.database(printer).await?;
    let stopped = if servers_are_stopped { Sealing::WhileServersAreStopped } else { Sealing::BesideServers };
    let vault = context.vault_for(stopped, &settings, &store).await?;
    let sealing = vault.ring().sealing_id().to_owned();
    audit::record(context, &store, "keys.rotate", None, Some(sealing.clone())).await?;
    let (mut after, mut renewed, mut without_key, mut damaged) = (String::new(), 0_u64, 0_u64, 0_u64);
    let all: u64 =
        store.key_use().await?.iter().filter(|(id, _)| **id != sealing).map(|(_, amount)| amount).sum();
    let mut told = Throttle::default();
    told.admits(TOLD_EVERY, context.clock.now());
    loop {
        let page = store.user_keys_not_under(&sealing, &after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.user_id);
        for row in &page {
            match renew_user_key(&store, &vault, row).await {
                Ok(is_renewed) => renewed += u64::from(is_renewed),
                Err(ServiceError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    let is_missing = matches!(error, ServiceError::Vault(VaultError::KeyMissing { .. }));
                    *if is_missing { &mut without_key } else { &mut damaged } += 1;
                    printer.warning(format!("{}: {error}", row.user_id));
                }
            }
            if told.admits(TOLD_EVERY, context.clock.now()) {
                printer.remark(format!("{renewed} of {all} data keys are sealed with {sealing} so far."));
            }
        }
    }
    printer.line(match renewed + without_key + damaged {
        0 => format!("Every data key is sealed with {sealing} already."),
        _ => format!("{renewed} data keys are now sealed with {sealing}."),
    });
    if without_key + damaged > 0 {
        let lost = without_key + damaged;
        let remedy = if without_key > 0 {
            "add the key that sealed them to HOLDFAST_ENCRYPTION_KEYS, behind the first"
        } else {
            "they are damaged, and no key opens them: restore these rows of user_keys from a backup"
        };
        return Err(Failure::no(format!("{lost} data keys could not be opened and stay as they are"))
            .mended_by(remedy));
    }
    printer.remark(format!(
        "From now on every replica needs {sealing}; `/readyz` of one that lacks it says so.\n\
         Before you remove an older key from the ring, run `holdfast keys retire ID`."
    ));
    Ok(ExitStatus::Success)
}

async fn retire(context: &Context, id: &str, printer: &mut Printer) -> Outcome {
    let settings = context.settings(printer)?;
    let (vault, store) = (context.vault(&settings)?, context.store(&settings).await?);
    if vault.ring().sealing_id() == id {
        return Err(Failure::no(format!("{id} is the key that seals new grants")).mended_by(
            "put another key first in HOLDFAST_ENCRYPTION_KEYS, restart the server, and run `holdfast keys rotate`",
        ));
    }
    let known = store.key_use().await?;
    if !known.contains_key(id) {
        return Err(Failure::no(format!("the database knows no key {id}")));
    }
    audit::record(context, &store, "keys.retire", None, Some(id.to_owned())).await?;
    match store.retire_key(id).await? {
        Retired::Done => {
            printer.line(format!("No row needs {id} any more; take it out of HOLDFAST_ENCRYPTION_KEYS."));
            printer.remark(format!(
                "Backups made until now need {id}: keep its bytes, apart from them, for as long as you keep those backups."
            ));
            Ok(ExitStatus::Success)
        }
        Retired::StillNeeded(amount) => {
            Err(Failure::no(format!("{amount} data keys are still sealed with {id}"))
                .mended_by("run `holdfast keys rotate` first"))
        }
    }
}

/// For a key whose bytes are gone: without this, neither the server starts nor the key can be
/// retired.
async fn give_up(context: &Context, id: &str, sure: bool, printer: &mut Printer) -> Outcome {
    let settings = context.settings(printer)?;
    let (vault, store) = (context.vault(&settings)?, context.store(&settings).await?);
    if vault.ring().ids().any(|each| each == id) {
        return Err(Failure::no(format!("{id} is in HOLDFAST_ENCRYPTION_KEYS, so it is not lost"))
            .mended_by("retire it without --lost"));
    }
    let known = store.key_use().await?;
    let Some(data_keys) = known.get(id) else {
        return Err(Failure::no(format!("the database knows no key {id}")));
    };
    if !sure {
        let (connections, attempts) = store.opened_by_key(id).await?;
        return Err(Failure::setup(
            format!(
                "this would erase for good what only {id} opens: {data_keys} data keys, the grants of {connections} connections, \
                 which must be connected again, and {attempts} attempts to connect"
            ),
            "if anybody still has its bytes, add them to HOLDFAST_ENCRYPTION_KEYS behind the first key; else add --yes to do it",
        ));
    }
    audit::record(context, &store, "keys.give_up", None, Some(id.to_owned())).await?;
    let lost = store.give_up_key(id, context.clock.now()).await?;
    printer.line(format!("{id} is given up. {lost} connections must be connected again."));
    Ok(ExitStatus::Success)
}

//! `service-key`: what the app's own backend shows on the service routes.

use secrecy::ExposeSecret as _;
use serde_json::json;
use uuid::Uuid;

use super::args::{JsonArg, ServiceKeyCommand};
use super::audit;
use super::context::Context;
use super::exit::{ExitStatus, Failure, Outcome};
use super::printer::{Printer, Tone};
use crate::caller::service;
use crate::display_text;
use crate::entropy;
use crate::store::NewServiceKey;

/// Runs one of the commands.
pub async fn run(context: &Context, command: ServiceKeyCommand, printer: &mut Printer) -> Outcome {
    match command {
        ServiceKeyCommand::Create { name } => create(context, name, printer).await,
        ServiceKeyCommand::List(JsonArg { json }) => list(context, json, printer).await,
        ServiceKeyCommand::Revoke { key } => revoke(context, &key, printer).await,
    }
}

/// Where the keys are seen.
const KEYS: &str = "`holdfast service-key list` shows the keys";

/// What mends a key that nobody sees.
const UNSEEN: &str = "make one where its output can be read";

/// Characters of a name: it stands in lists and records.
const LONGEST_NAME: usize = 100;

async fn create(context: &Context, name: String, printer: &mut Printer) -> Outcome {
    let name = name.trim().to_owned();
    if name.is_empty() {
        return Err(Failure::setup(
            "a service key needs a name, which `service-key list` shows",
            "say what it is for, such as `--name billing`",
        ));
    }
    // One line of a list, and nothing that a terminal would obey.
    if display_text::line(&name, LONGEST_NAME).as_deref() != Some(&name) {
        return Err(Failure::setup(
            format!("the name of a service key is one line of at most {LONGEST_NAME} characters"),
            "say in a few words what it is for, such as `--name billing`",
        ));
    }
    if printer.is_unread() {
        let sentence = "standard output is closed, or is /dev/null: nobody would see the key";
        return Err(Failure::setup(sentence, UNSEEN));
    }
    let (_, store) = context.database(printer).await?;
    let secret = service::generate(&*context.entropy)?;
    let now = context.clock.now();
    let id = entropy::new_id(&*context.entropy, now)?;
    audit::record(context, &store, "service_key.create", None, Some(format!("{id} {name}"))).await?;
    store.insert_service_key(&NewServiceKey { id, name, hash: secret.hash }, now).await?;
    printer.line(secret.key.expose_secret());
    if let Some(error) = printer.lost() {
        let sentence = format!("the key could not be shown ({error}), so it is revoked again");
        audit::record(context, &store, "service_key.revoke", None, Some(id.to_string())).await?;
        store.revoke_service_key(id, context.clock.now()).await?;
        return Err(Failure::setup(sentence, UNSEEN));
    }
    printer.remark(format!("The key is shown only this once. Its id is {id}."));
    Ok(ExitStatus::Success)
}

async fn list(context: &Context, json: bool, printer: &mut Printer) -> Outcome {
    let (_, store) = context.database(printer).await?;
    let keys = store.service_keys().await?;
    if json {
        printer.pretty_json(&json!({"service_keys": keys}));
        return Ok(ExitStatus::Success);
    }
    if keys.is_empty() {
        printer.line("There are no service keys.");
    }
    for key in keys {
        let used = key.last_used_at.map_or("never used".to_owned(), |at| format!("last used {at}"));
        let end = key.revoked_at.map_or(String::new(), |at| format!(", revoked {at}"));
        let name = printer.tone(Tone::Bold, &key.name);
        printer.line(format!("{}  {name}, made {}, {used}{end}", key.id, key.created_at));
    }
    Ok(ExitStatus::Success)
}

/// `given` is the key's id or the key itself: of one that was found somewhere nobody knows the id.
async fn revoke(context: &Context, given: &str, printer: &mut Printer) -> Outcome {
    let id = Uuid::try_parse(given).ok();
    if id.is_none() && !given.starts_with(service::PREFIX) {
        return Err(Failure::setup(
            format!("`{given}` is neither a service key nor the id of one"),
            "`holdfast service-key list` shows the ids",
        ));
    }
    let (_, store) = context.database(printer).await?;
    let id = match id {
        Some(id) => id,
        None => match store.service_key_by_hash(&service::hash(given)).await? {
            Some(key) => key.id,
            None => return Err(Failure::no("this database knows no such key").mended_by(KEYS)),
        },
    };
    audit::record(context, &store, "service_key.revoke", None, Some(id.to_string())).await?;
    if store.revoke_service_key(id, context.clock.now()).await? {
        printer.line(format!("{id} is revoked."));
        Ok(ExitStatus::Success)
    } else {
        Err(Failure::no(format!("there is no such key, or it was revoked before: {id}")).mended_by(KEYS))
    }
}

//! `audit`: exports the record of acts, and records those of the operator at the command line.

use serde_json::json;

use super::args::AuditCommand;
use super::context::Context;
use super::exit::{ExitStatus, Failure, Outcome};
use super::printer::Printer;
use crate::entropy::new_id;
use crate::store::{Act, AuditCursor, Store};

/// Entries read at once.
const PAGE: usize = 500;

/// Runs one of the commands.
pub async fn run(context: &Context, command: &AuditCommand, printer: &mut Printer) -> Outcome {
    let AuditCommand::Export { since } = command;
    let (_, store) = context.database(printer).await?;
    let mut after = AuditCursor::since(since.unwrap_or(jiff::Timestamp::UNIX_EPOCH));
    loop {
        let page = store.acts(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(ExitStatus::Success) };
        after = AuditCursor { at: last.at, id: last.id };
        for entry in &page {
            printer.json(&json!(entry));
        }
    }
}

/// Records what the operator at the command line does, before it is done.
pub(super) async fn record(
    context: &Context,
    store: &Store,
    action: &'static str,
    user_id: Option<&str>,
    detail: Option<String>,
) -> Result<(), Failure> {
    let login = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| context.environment.get(name));
    // A container's environment may name no user; the process still has a user id.
    let login = login.map_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()), str::to_owned);
    let now = context.clock.now();
    let id = new_id(&*context.entropy, now)?;
    let act = Act { actor: format!("operator:{login}"), action, user_id: user_id.map(str::to_owned), detail };
    Ok(store.record_act(id, now, &act).await?)
}
